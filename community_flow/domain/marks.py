"""How a change is noted for the fold: the subject that a report or a journal row names, before anything is resolved."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from community_flow.domain.passages import Triple, key_t_ms, triple_id

TOGETHER_MS = 600_000
"""Marks of one subject within one such stretch become one: the fold settles them in one go anyway."""

FOLDED_JOURNAL_KINDS = frozenset({"community", "zone", "gate", "household", "person", "pass", "device"})
"""Kinds of journal rows that the fold reads; the others change nothing derived."""


class Mark(msgspec.Struct, frozen=True, gc=False):
    """What waits to be folded: derive ``subject`` again from key ``lo`` to key ``hi``, both included."""

    subject: str
    lo: bytes
    hi: bytes
    cause: str


def joined(marks: Iterable[Mark]) -> list[Mark]:
    """What these marks say, with one for those of a subject and cause that begin in the same TOGETHER_MS."""
    found: dict[tuple[str, int, str], Mark] = {}
    for mark in marks:
        place = mark.subject, key_t_ms(mark.lo) // TOGETHER_MS, mark.cause
        known = found.get(place, mark)
        found[place] = Mark(mark.subject, min(known.lo, mark.lo), max(known.hi, mark.hi), mark.cause)
    return list(found.values())


def credential(pass_ref: bytes | None, tag_ref: bytes | None) -> str | None:
    """The id of a pass as the journal knows it."""
    if pass_ref is not None:
        return "ps_" + pass_ref.hex()
    return None if tag_ref is None else "tg_" + tag_ref.hex()


def scan_subject(triple: Triple, person: str | None, pass_ref: bytes | None, tag_ref: bytes | None) -> str:
    """Whom a scan names: a person, a credential, or nobody but itself."""
    return person or credential(pass_ref, tag_ref) or "r:" + triple_id(triple)


GATE = "gate:"


def count_subject(gate: str, direction: str) -> str:
    return f"{GATE}{gate}:{direction}"


def void_subject(device: str, boot: int, seq: int) -> str:
    """A correction by ``device`` of its own report (boot, seq)."""
    return f"void:{device}:{boot}:{seq}"


def census_subject(zone: str) -> str:
    return f"census:{zone}"


JOURNAL = "journal:"


def journal_subject(kind: str, entity: str) -> str:
    return f"{JOURNAL}{kind}:{entity}"


def report_subject(
    kind: str,
    triple: Triple,
    *,
    gate: str | None = None,
    direction: str | None = None,
    person: str | None = None,
    pass_ref: bytes | None = None,
    tag_ref: bytes | None = None,
    zone: str | None = None,
    of: tuple[int, int] | None = None,
) -> str | None:
    """The subject that a report's mark names; None for kinds the fold does not read (readings, gaps, status)."""
    if kind in ("scan", "visitor"):
        return scan_subject(triple, person, pass_ref, tag_ref)
    if kind == "count" and gate and direction:
        return count_subject(gate, direction)
    if kind == "correction" and of:
        return void_subject(triple[0], *of)
    if kind == "census" and zone:
        return census_subject(zone)
    return None
