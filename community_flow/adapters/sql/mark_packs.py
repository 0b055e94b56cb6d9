"""Marks as ingest writes them: all of one commit in one row of the queue, which the fold unpacks.

A row a mark would touch a page for each subject, in the commit that somebody at a gate waits for. What is unpacked is
joined, so that of a thousand marks of some gates only a few rows are ever written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from community_flow.domain.marks import Mark

PACK_COLUMNS = {
    "community": "text", "subject=NULL": "text", "lo": "bytea", "hi": "bytea", "cause='packed'": "text",
    "marks": "bytea",
}  # fmt: skip
"""Of `dirty`; from the least key to the greatest."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[str, bytes, bytes, str]]).decode

Packed = tuple[str, bytes, bytes, bytes]
"""Values of PACK_COLUMNS."""


def packs(marks: Iterable[tuple[str, Mark]]) -> list[Packed]:
    """Rows of the queue for marks of communities, one a community."""
    found: defaultdict[str, list[Mark]] = defaultdict(list)
    for community, mark in marks:
        found[community].append(mark)
    return [(community, *_ends(some), _pack(some)) for community, some in found.items()]


def _ends(marks: list[Mark]) -> tuple[bytes, bytes]:
    return min(mark.lo for mark in marks), max(mark.hi for mark in marks)


def _pack(marks: list[Mark]) -> bytes:
    return _encode([(mark.subject, mark.lo, mark.hi, mark.cause) for mark in marks])


def unpacked(packed: bytes) -> list[Mark]:
    return [Mark(*each) for each in _decode(packed)]
