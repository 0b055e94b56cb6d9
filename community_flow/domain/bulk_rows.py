"""Rows of derived tables out of the arrays of the bulk fold, in the order of their keys and never all at once.

A row is a tuple in the order of the fields of `Passage`, `Attempt` or VISIT_ROW; evidence is the JSON that is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from community_flow.domain.bulk_columns import Codes32, Ints, Label, Mask
from community_flow.domain.bulk_fold import BulkFolded, BulkPassages, BulkVisits, doubtful, visits_of
from community_flow.domain.bulk_ways import UNBOUNDED
from community_flow.domain.conflicts import Conflict, Moment, of_passage
from community_flow.domain.passages import Attempt, Passage, person_of
from community_flow.domain.visits import CLASS_ENDS_MS, LIKELY_MS, NEVER, UNKNOWN, Visit, decoded, encoded

PIECE = 20_000
"""Rows made at a time."""

Row: TypeAlias = tuple[Any, ...]

VISIT_ROW = (
    "key", "zone", "id", "subject", "person", "entered_ms", "left_ms", "left_earliest_ms", "left_latest_ms", "until_ms",
    "certainty", "duration_class", "passage", "closed_by",
)  # fmt: skip

NOTHING = encoded(UNKNOWN)
CERTAINTIES = np.array(["seen", "likely", "possible"], object)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def passage_rows(folded: BulkFolded) -> Iterator[Row]:
    made = _Passages(folded)
    order = folded.passages.in_key_order()
    return chain.from_iterable(made.rows(order[start : start + PIECE]) for start in range(0, len(order), PIECE))


def _texts(values: Iterable[Any]) -> NDArray[Any]:
    """Values to be looked up by an array of numbers."""
    found = list(values)
    looked_up = np.empty(len(found), object)
    looked_up[:] = found
    return looked_up


class _Passages:
    """Rows of passages, column by column."""

    def __init__(self, folded: BulkFolded) -> None:
        self.folded, self.found = folded, folded.passages
        table = folded.table
        self.states, self.names = States(folded.passages), _Names(folded)
        self.unseen = self.found.unseen().astype(np.int64)
        self.starts = [_json([device, boot, 0])[:-2] for device, boot in table.sources.pairs]
        self.told = [
            _texts(getattr(label, name) for label in table.labels) for name in ("gate", "direction", "kind", "forced")
        ]
        self.how = [_texts(label.told[place] for label in table.labels) for place in range(4)]

    def rows(self, rows: Ints) -> Iterator[Row]:
        found, sources = self.found, self.folded.table.sources
        t_ms, source, seq, first = found.t_ms[rows], found.source[rows], found.seq[rows], found.first[rows]
        label = self.folded.table.label[first]
        gate, direction, kind, forced = (each[label].tolist() for each in self.told)
        how = (each[label].tolist() for each in self.how)
        party = found.party[rows]
        names, persons = self.names.of(found.subject[rows], first)
        return zip(
            sources.keys_of(t_ms, source, seq), sources.ids_of(source, seq), names, persons, gate, direction,
            t_ms.tolist(), found.last_ms[rows].tolist(), kind, *how, forced, party.tolist(),
            (party - found.positioned[rows]).tolist(), self.unseen[rows].tolist(), self._evidence(rows),
            self.states.before(rows), strict=True,
        )  # fmt: skip

    def _evidence(self, rows: Ints) -> list[str]:
        found, starts, table = self.found, self.starts, self.folded.table
        source, seq = found.source[rows].tolist(), found.seq[rows].tolist()
        texts = [f"[{starts[each]}{number}]]" for each, number in zip(source, seq, strict=True)]
        for place in np.flatnonzero(found.first[rows] != found.last[rows]).tolist():
            # What lies between the first and the last report is evidence too, or did not pass.
            between = range(int(found.first[rows[place]]), int(found.last[rows[place]]) + 1)
            passed = [each for each in between if table.labels[table.label[each]].passed]
            texts[place] = "[" + ",".join(f"{starts[table.source[each]]}{table.seq[each]}]" for each in passed) + "]"
        return texts


class _Names:
    """Subjects and the persons behind them."""

    def __init__(self, folded: BulkFolded) -> None:
        self.folded = folded
        self.names, self.persons = _texts(folded.names), _texts(map(person_of, folded.names))

    def of(self, subject: Codes32, row: Ints) -> tuple[list[str], list[str | None]]:
        """``row``: a report of each."""
        known = len(self.names)
        if known and (subject < known).all():
            return self.names[subject].tolist(), self.persons[subject].tolist()
        names = [self.folded.name_of(*each) for each in zip(subject.tolist(), row.tolist(), strict=True)]
        return names, [person_of(name) for name in names]


class States:
    """The state before a passage as text, equal to `visits.encoded`, without making the state."""

    def __init__(self, found: BulkPassages) -> None:
        self.found = found
        ways = found.ways
        self.prefixes = [_prefixes(ways.goal[way].tolist(), ways.zones) for way in range(len(ways.goal))]
        self.ids = [_json(each)[1:-1] for each in found.table.sources.ids]
        self.sides = [f",{_json(label.gate)},{_json(label.direction)}," for label in found.table.labels]

    def before(self, rows: Ints) -> list[str]:
        return self.after(np.where(self.found.follows[rows], rows - 1, -1))

    def after(self, rows: Ints) -> list[str]:
        """The state after each of these passages; nothing is known after passage -1."""
        found = self.found
        ids, prefixes, targets = self.ids, self.prefixes, found.ways.target
        windows = found.ways.window_ms[found.way[rows]] + found.t_ms[rows]
        slots = [self._slot(rows, slot) for slot in range(found.ways.slots)]
        columns = zip(
            rows.tolist(), found.way[rows].tolist(), found.source[rows].tolist(), found.seq[rows].tolist(),
            found.table.label[found.first[rows]].tolist(), found.t_ms[rows].tolist(), found.last_ms[rows].tolist(),
            windows.tolist(), strict=True,
        )  # fmt: skip
        texts = []
        for place, (row, way, source, seq, label, first_ms, last_ms, joins_ms) in enumerate(columns):
            if row < 0:
                texts.append(NOTHING)
                continue
            opened = ",".join([f"{prefix}{slots[slot][place]}" for slot, prefix in prefixes[way]])
            texts.append(
                f'[{targets[way]},[{opened}],["{ids[source]}{seq}"{self.sides[label]}{first_ms},{last_ms},{joins_ms}]]'
            )
        return texts

    def _slot(self, rows: Ints, slot: int) -> list[str]:
        """The part of each state's text that speaks of the visit open in a slot, from its passage on."""
        found, ids = self.found, self.ids
        opened = found.opened[rows, slot]
        columns = zip(
            found.source[opened].tolist(), found.seq[opened].tolist(), found.t_ms[opened].tolist(),
            found.last_ms[rows].tolist(), found.bound_ms[rows, slot].tolist(), strict=True,
        )  # fmt: skip
        return [
            f'{ids[source]}{seq}",{entered},{evidence},{"null" if bound == UNBOUNDED else bound}]'
            for source, seq, entered, evidence, bound in columns
        ]


def _prefixes(goal: list[int], zones: list[str]) -> list[tuple[int, str]]:
    """(slot, beginning of its text) of the zones open after a way, in the order of their names."""
    named = sorted((zones[zone], slot) for slot, zone in enumerate(goal) if zone >= 0)
    return [(slot, f'[{_json(name)},"') for name, slot in named]


def visit_rows(folded: BulkFolded) -> Iterator[Row]:
    visits, names = visits_of(folded.passages), _Names(folded)
    starts = range(0, len(visits.opener), PIECE)
    return chain.from_iterable(_visit_rows(folded, visits, names, slice(start, start + PIECE)) for start in starts)


def _visit_rows(folded: BulkFolded, visits: BulkVisits, names: _Names, part: slice) -> Iterator[Row]:
    found, sources = folded.passages, folded.table.sources
    opener, closer = visits.opener[part], visits.closer[part]
    entered, seen = found.t_ms[opener], visits.seen[part]
    earliest, latest = visits.earliest_ms[part], visits.latest_ms[part]
    unbounded = latest == UNBOUNDED
    until = np.where(unbounded, NEVER, latest)
    certainty = np.where(seen, 0, np.where(unbounded | (latest - earliest > LIKELY_MS), 2, 1))
    classes = np.searchsorted(np.array(CLASS_ENDS_MS, np.int64), until - entered, side="right")
    source, seq = found.source[opener], found.seq[opener]
    ids = sources.ids_of(source, seq)
    zones = _texts(found.ways.zones)[visits.zone[part]].tolist()
    closed_by = sources.ids_of(found.source[closer], found.seq[closer])
    return zip(
        sources.keys_of(entered, source, seq), zones, [f"{one}/{zone}" for one, zone in zip(ids, zones, strict=True)],
        *names.of(found.subject[opener], found.first[opener]), entered.tolist(), _or_none(earliest, ~seen),
        earliest.tolist(), _or_none(latest, unbounded), until.tolist(), CERTAINTIES[certainty].tolist(),
        classes.tolist(), ids, [None if by < 0 else one for by, one in zip(closer.tolist(), closed_by, strict=True)],
        strict=True,
    )  # fmt: skip


def _or_none(values: Ints, nothing: Mask) -> list[int | None]:
    pairs = zip(values.tolist(), nothing.tolist(), strict=True)
    return [None if empty else value for value, empty in pairs]


def attempt_rows(folded: BulkFolded) -> Iterator[Row]:
    table = folded.table
    for row in folded.attempts.tolist():
        t_ms, source, seq = int(table.t_ms[row]), int(table.source[row]), int(table.seq[row])
        label, name = table.labels[table.label[row]], folded.name_of(int(folded.subject[row]), row)
        yield (
            table.sources.key(t_ms, source, seq), table.sources.id(source, seq), name, person_of(name), label.gate,
            label.direction, t_ms, label.kind, *label.told,
        )  # fmt: skip


def conflicts_of(folded: BulkFolded) -> Iterator[Conflict]:
    found = folded.passages
    doubts: Mask = doubtful(found)
    order = found.in_key_order()
    rows = order[doubts[order]]
    states = States(found)
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        for row, before in zip(piece.tolist(), states.before(piece), strict=True):
            yield from _conflicts(folded, row, before)


def _conflicts(folded: BulkFolded, row: int, before: str) -> list[Conflict]:
    found, sources = folded.passages, folded.table.sources
    way: Codes32 = found.way[row]
    source, seq, t_ms = int(found.source[row]), int(found.seq[row]), int(found.t_ms[row])
    label: Label = folded.table.labels[folded.table.label[found.first[row]]]
    moment = Moment(
        folded.names[found.subject[row]], sources.key(t_ms, source, seq), sources.triple(source, seq), label.gate,
        label.direction, t_ms,
    )  # fmt: skip
    return of_passage(decoded(before), moment, found.ways.rules[int(way)], found.ways.places[int(way)])


def rows_of_passages(passages: Iterable[Passage]) -> Iterator[Row]:
    """Passages that were folded one by one, as rows."""
    for each in passages:
        *plain, evidence, before = msgspec.structs.astuple(each)
        plain[13], plain[16] = int(each.forced), int(each.unseen)
        yield (*plain, _json(evidence), before)


def rows_of_visits(visits: Iterable[Visit]) -> Iterator[Row]:
    for each in visits:
        yield tuple(getattr(each, name) for name in VISIT_ROW)


def rows_of_attempts(attempts: Iterable[Attempt]) -> Iterator[Row]:
    return map(msgspec.structs.astuple, attempts)
