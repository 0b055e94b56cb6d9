"""Scans of a whole community as arrays: what the bulk fold works on instead of millions of objects.

About 45 bytes a report. Texts (devices, names, gates, decisions) are kept once and numbered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from community_flow.domain.marks import credential
from community_flow.domain.passages import Scan, report_key

Ints = NDArray[np.int64]
Codes32 = NDArray[np.int32]
Mask = NDArray[np.bool_]
Key = TypeVar("Key")

SCAN_ROW = (
    "t_ms", "device", "boot", "seq", "token_s", "person", "pass_ref", "tag_ref", "gate", "direction", "passed", "kind",
    "party", "method", "assurance", "decision", "reason", "forced",
)  # fmt: skip
"""Members of a row of `ScanColumns.add`, in order."""


class Codes(dict[Key, int]):
    """Numbers things in the order in which they are first asked for."""

    def __missing__(self, key: Key) -> int:
        code = self[key] = len(self)
        return code


@dataclass(frozen=True, slots=True)
class Label:
    """What many scans have in common."""

    gate: str
    direction: str
    passed: bool
    kind: str
    party: int
    told: tuple[Any, ...]
    """(method, assurance, decision, reason)."""
    forced: int


@dataclass(frozen=True)
class Sources:
    """Starts of devices, in the order of their bytes in a key."""

    pairs: list[tuple[str, int]]
    parts: list[bytes]
    """The part of a key that says the device and its boot."""
    ids: list[str]
    """"device:boot:", to be followed by the seq."""

    def key(self, t_ms: int, source: int, seq: int) -> bytes:
        return t_ms.to_bytes(8, "big") + self.parts[source] + seq.to_bytes(8, "big")

    def id(self, source: int, seq: int) -> str:
        return f"{self.ids[source]}{seq}"

    def triple(self, source: int, seq: int) -> tuple[str, int, int]:
        return (*self.pairs[source], seq)

    def keys_of(self, t_ms: Ints, source: Codes32, seq: Ints) -> list[bytes]:
        """Keys of many reports: side by side in one array, where all devices have names of the same length."""
        lengths = {len(part) for part in self.parts}
        if len(lengths) != 1:
            columns = zip(t_ms.tolist(), source.tolist(), seq.tolist(), strict=True)
            return [self.key(*each) for each in columns]
        times, seqs = (each.astype(">i8").view(np.uint8).reshape(-1, 8) for each in (t_ms, seq))
        beside = np.hstack([times, self._bytes[source], seqs])
        found: list[bytes] = beside.view(f"V{beside.shape[1]}").ravel().tolist()
        return found

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        return np.frombuffer(b"".join(self.parts), np.uint8).reshape(len(self.parts), -1)

    def ids_of(self, source: Codes32, seq: Ints) -> list[str]:
        ids = self.ids
        return [f"{ids[each]}{number}" for each, number in zip(source.tolist(), seq.tolist(), strict=True)]


@dataclass(slots=True)
class ScanTable:
    """One row per live scan or visitor, in no order. ``name`` -1: the report names nobody."""

    t_ms: Ints
    source: Codes32
    seq: Ints
    token_s: Ints
    name: Codes32
    label: Codes32
    sources: Sources
    names: list[str]
    labels: list[Label]

    def __len__(self) -> int:
        return len(self.t_ms)

    def taken(self, rows: Any) -> ScanTable:
        """Only these rows."""
        return ScanTable(
            self.t_ms[rows], self.source[rows], self.seq[rows], self.token_s[rows], self.name[rows], self.label[rows],
            self.sources, self.names, self.labels,
        )  # fmt: skip

    def scans(self, rows: Iterable[int]) -> list[Scan]:
        """These rows as the fold of one subject reads them."""
        return [self._scan(int(row)) for row in rows]

    def _scan(self, row: int) -> Scan:
        t_ms, seq, label = int(self.t_ms[row]), int(self.seq[row]), self.labels[self.label[row]]
        device, boot = self.sources.pairs[self.source[row]]
        method, assurance, decision, reason = label.told
        return Scan(
            report_key(t_ms, device, boot, seq), t_ms, device, boot, seq, label.gate, label.direction, label.passed,
            label.kind, label.party, method, assurance, decision, reason, bool(label.forced),
        )  # fmt: skip


class ScanColumns:
    """Collects rows, chunk by chunk, and gives the table."""

    def __init__(self) -> None:
        self._sources: Codes[Any] = Codes()
        self._names: Codes[Any] = Codes()
        self._labels: Codes[Any] = Codes()
        self._chunks: list[tuple[NDArray[Any], ...]] = []

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Rows of SCAN_ROW."""
        sources, names, labels = self._sources, self._names, self._labels
        count = len(rows)
        self._chunks.append(
            (
                np.fromiter((row[0] for row in rows), np.int64, count),
                np.fromiter((sources[row[1:3]] for row in rows), np.int32, count),
                np.fromiter((row[3] for row in rows), np.int64, count),
                np.fromiter((-1 if row[4] is None else row[4] for row in rows), np.int64, count),
                np.fromiter((names[row[5:8]] for row in rows), np.int32, count),
                np.fromiter((labels[row[8:]] for row in rows), np.int32, count),
            )
        )

    def table(self) -> ScanTable:
        kinds = (np.int64, np.int32, np.int64, np.int64, np.int32, np.int32)
        columns = [
            np.concatenate([chunk[place] for chunk in self._chunks] or [np.empty(0, kind)])
            for place, kind in enumerate(kinds)
        ]
        self._chunks.clear()
        t_ms, source, seq, token_s, name, label = columns
        sources, ranks = ranked(self._sources)
        names, places = _named(self._names)
        labels = [_label(row) for row in self._labels]
        return ScanTable(t_ms, ranks[source], seq, token_s, places[name], label, sources, names, labels)


def ranked(sources: Iterable[tuple[str, int]]) -> tuple[Sources, Codes32]:
    """Sources in the order of their bytes, and the place of each code among them."""
    pairs = list(sources)
    found = [report_key(0, device, boot, 0)[8:-8] for device, boot in pairs]
    order = sorted(range(len(pairs)), key=found.__getitem__)
    ranks = np.empty(len(pairs), np.int32)
    ranks[order] = np.arange(len(pairs), dtype=np.int32)
    sorted_pairs = [pairs[each] for each in order]
    ids = [f"{device}:{boot}:" for device, boot in sorted_pairs]
    return Sources(sorted_pairs, [found[each] for each in order], ids), ranks


def _named(names: Iterable[tuple[Any, Any, Any]]) -> tuple[list[str], Codes32]:
    """Names as marks spell them, each once, and the place of each code among them (-1: nobody)."""
    codes: Codes[str] = Codes()
    places = []
    for person, pass_ref, tag_ref in names:
        name = person or credential(pass_ref, tag_ref)
        places.append(-1 if name is None else codes[name])
    return list(codes), np.array(places, np.int32)


def _label(row: Sequence[Any]) -> Label:
    gate, direction, passed, kind, party, *told, forced = row
    return Label(gate, direction, bool(passed), kind, party, tuple(told), int(forced))


def subjects_of(table: ScanTable, subject: Callable[[str, int], str], fixed: Callable[[str, int], bool]) -> _Subjects:
    """Whose each row is. ``subject`` (name, t_ms) asks the journal; ``fixed`` (name, since_ms) says that its answer
    is the same from a moment on, which nearly always holds for all that is kept."""
    codes: Codes[str] = Codes()
    since_ms = int(table.t_ms.min()) if len(table) else 0
    steady = [fixed(name, since_ms) for name in table.names]
    of_name = [codes[subject(name, since_ms)] if same else -1 for name, same in zip(table.names, steady, strict=True)]
    found = np.array([*of_name, -1], np.int32)[table.name]  # -1, nobody, takes the last
    changing = np.flatnonzero((found < 0) & (table.name >= 0))
    if len(changing):
        names, times = table.name[changing].tolist(), table.t_ms[changing].tolist()
        found[changing] = [codes[subject(table.names[name], t)] for name, t in zip(names, times, strict=True)]
    alone = np.flatnonzero(table.name < 0)
    found[alone] = np.arange(len(codes), len(codes) + len(alone), dtype=np.int32)
    return _Subjects(found, list(codes))


@dataclass(frozen=True, slots=True)
class _Subjects:
    """``code`` of each row; codes beyond ``names`` are reports that name nobody, each a subject of its own."""

    code: Codes32
    names: list[str]
