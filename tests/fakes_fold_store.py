"""The fold's store in memory: the ports of `community_flow/ports/flow.py` over dicts, for thousands of runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from community_flow.adapters.memory_traffic import MemorySignals
from community_flow.domain.bulk_ledger import COUNT_ROW
from community_flow.domain.bulk_rows import VISIT_ROW
from community_flow.domain.conflicts import TOKEN_EPOCH_MS, Conflict, Shown
from community_flow.domain.journal import Entry, Journal
from community_flow.domain.ledger import Party, Unmatched
from community_flow.domain.marks import FOLDED_JOURNAL_KINDS, Mark, journal_subject, report_subject
from community_flow.domain.passages import GREATEST_KEY, Attempt, Passage, Scan, key_at, report_key
from community_flow.domain.visits import Visit
from community_flow.ports.flow import (
    Census,
    Changed,
    CountRow,
    Kin,
    LedgerRow,
    Named,
    Replacement,
    Rows,
    Side,
    SideSpan,
    StateRow,
    StoredEnds,
    Stretch,
)
from community_flow.services.flow import Flow

Row = dict[str, Any]
DAY_MS = 86_400_000


def key_of(row: Row) -> bytes:
    return report_key(row["t_ms"], row["device"], row["boot"], row["seq"])


def subject_of(row: Row) -> str | None:
    """What the mark of a report names."""
    triple = (row["device"], row["boot"], row["seq"])
    if row["kind"] in ("scan", "visitor"):
        return row["who"] or report_subject(row["kind"], triple)
    return report_subject(
        row["kind"], triple, gate=row.get("gate"), direction=row.get("direction"), zone=row.get("zone"),
        of=row.get("of"),
    )  # fmt: skip


class MemoryFoldStore:
    """Queue, reports and derived rows of one community."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int, int], Row] = {}
        self.marks: list[Mark] = []
        self.voids: set[tuple[str, int, int]] = set()
        self.passages_: dict[bytes, Passage] = {}
        self.attempts_: dict[bytes, Attempt] = {}
        self.visits_: dict[tuple[str, str], Visit] = {}
        self.conflicts_: dict[str, Conflict] = {}
        self.ledger_: dict[tuple[str, str, bytes, str], LedgerRow] = {}
        self.states_: dict[tuple[str, str, int], str] = {}
        self.censuses_: dict[bytes, tuple[str, Census]] = {}
        self.replacements_: dict[tuple[str, int, int], Replacement] = {}

    def keep(self, row: Row) -> None:
        """A report arrives; one seen before changes nothing."""
        triple = (row["device"], row["boot"], row["seq"])
        if triple not in self.kept:
            self.kept[triple] = row
            subject = subject_of(row)
            if subject is not None:
                self.marks.append(Mark(subject, key_of(row), key_of(row), row["kind"]))

    def live(self) -> Iterator[Row]:
        return (row for triple, row in self.kept.items() if triple not in self.voids)

    # --- queue -------------

    def lock(self, tx: None, community: str) -> bool:
        return True

    def waiting(self, tx: None) -> list[str]:
        return ["garden"] if self.marks else []

    def unpack(self, tx: None, community: str) -> bool:
        return False

    def take(self, tx: None, community: str, subjects: int, kin: Kin, without: Collection[str] = ()) -> list[Mark]:
        assert not without, "nothing fails here, so nothing is left alone"
        journal = [mark for mark in self.marks if mark.subject.startswith("journal:")]
        first = list(dict.fromkeys(mark.subject for mark in journal or self.marks))[:subjects]
        tied = {other for name in first for other in kin(name)}
        mine = [mark for mark in self.marks if mark.subject in tied]
        names = list(dict.fromkeys(mark.subject for mark in mine if not mark.subject.startswith("gate:")))
        # Few at a time, so that a gate's marks are met in several slices.
        sides = sorted((mark for mark in mine if mark.subject.startswith("gate:")), key=lambda mark: mark.lo)[:3]
        self.marks = [mark for mark in self.marks if mark.subject not in names and mark not in sides]
        return sides + [
            Mark(name, min(mark.lo for mark in same), max(mark.hi for mark in same), same[0].cause)
            for name in names
            for same in ([mark for mark in mine if mark.subject == name],)
        ]

    def put(self, tx: None, community: str, marks: Iterable[Mark]) -> None:
        self.marks += marks

    def put_last(self, tx: None, community: str, marks: Iterable[Mark]) -> None:
        self.put(tx, community, marks)

    def exceeds(self, tx: None, community: str, marks: int) -> bool:
        return len(self.marks) > marks

    # --- reports -----------

    def newest_ms(self, tx: None, community: str) -> int | None:
        return max((row["t_ms"] for row in self.kept.values()), default=None)

    def oldest_ms(self, tx: None, community: str) -> int | None:
        return min((row["t_ms"] for row in self.kept.values()), default=None)

    def scans(self, tx: None, community: str, stretches: Sequence[Stretch]) -> list[tuple[str, Scan]]:
        return [
            (each.name, as_scan(row))
            for row in self.live()
            for each in stretches
            if row.get("who") == each.name and each.from_ms <= row["t_ms"] <= each.to_ms
        ]

    def alone(self, tx: None, triples: Sequence[tuple[str, int, int]]) -> list[Scan]:
        return [as_scan(self.kept[each]) for each in triples if each in self.kept and each not in self.voids]

    def tokens(self, tx: None, stretches: Sequence[Stretch]) -> set[tuple[str, int]]:
        return {
            (each.name, row["token_s"])
            for row in self.kept.values()
            for each in stretches
            if row.get("who") == each.name and each.from_ms <= row["t_ms"] <= each.to_ms and row["token_s"] is not None
        }

    def shown(self, tx: None, codes: Collection[tuple[str, int]]) -> list[tuple[str, Shown]]:
        return [
            (row["who"], Shown(key_of(row), row["t_ms"], (row["device"], row["boot"], row["seq"]), row["gate"], token))
            for row in self.live()
            if (token := row.get("token_s")) is not None and (row["who"], token) in codes
            if abs(row["t_ms"] - TOKEN_EPOCH_MS - token * 1000) <= DAY_MS
        ]

    def names_between(self, tx: None, community: str, from_ms: int, to_ms: int) -> set[str]:
        return {
            subject
            for row in self.kept.values()
            if row["kind"] in ("scan", "visitor") and from_ms <= row["t_ms"] <= to_ms and (subject := subject_of(row))
        }

    def named(self, tx: None, triple: tuple[str, int, int]) -> Named | None:
        row = self.kept.get(triple)
        subject = subject_of(row) if row and row["kind"] != "correction" else None
        return None if row is None or subject is None else Named(subject, key_of(row), row.get("from_ms"))

    def counts(self, tx: None, community: str, spans: Sequence[SideSpan]) -> list[tuple[Side, CountRow]]:
        return [
            (_side(span), row)
            for span in spans
            for row in self._counts(*_side(span))
            if row.from_ms is None and span.from_ms <= row.t_ms <= span.to_ms
        ]

    def aggregates(self, tx: None, community: str, spans: Sequence[SideSpan]) -> list[tuple[Side, CountRow]]:
        return [
            (_side(span), row)
            for span in spans
            for row in self._counts(*_side(span))
            if row.from_ms is not None and row.t_ms >= span.from_ms and row.from_ms <= span.to_ms
        ]

    def replacing(self, tx: None, community: str, spans: Sequence[SideSpan]) -> list[Replacement]:
        return [
            Replacement((row["device"], row["boot"], row["seq"]), *_side(span), *row["replaces"])
            for span in spans
            for row in self._live_counts(*_side(span))
            if row["replaces"] and span.from_ms <= row["t_ms"] <= span.to_ms
        ]

    def _live_counts(self, gate: str, direction: str) -> Iterator[Row]:
        return (
            row
            for row in self.live()
            if row["kind"] == "count" and (row["gate"], row["direction"]) == (gate, direction)
        )

    def _counts(self, gate: str, direction: str) -> list[CountRow]:
        rows = [
            CountRow(key_of(row), row["t_ms"], (row["device"], row["boot"], row["seq"]), row["n"], row["from_ms"])
            for row in self._live_counts(gate, direction)
        ]
        return sorted(rows, key=lambda each: each.key)

    def counted(self, tx: None, community: str, spans: Sequence[SideSpan]) -> set[Side]:
        reaching = {side for side, _ in self.aggregates(tx, community, spans)}
        return reaching | {
            _side(span)
            for span in spans
            for row in self.kept.values()
            if row["kind"] == "count" and (row["gate"], row["direction"]) == _side(span)
            if span.from_ms <= row["t_ms"] <= span.to_ms
        }

    def censuses(self, tx: None, community: str, zone: str, span_ms: tuple[int, int]) -> list[Census]:
        return [
            Census(key_of(row), row["t_ms"], row["n"])
            for row in self.live()
            if row["kind"] == "census" and row["zone"] == zone and span_ms[0] <= row["t_ms"] <= span_ms[1]
        ]

    # --- derived rows ---------

    def ends(self, tx: None, community: str, wanted: Sequence[tuple[str, bytes]]) -> dict[str, StoredEnds]:
        found = {}
        for subject, lo in wanted:
            keys = [key for key, row in self.passages_.items() if row.subject == subject]
            found[subject] = StoredEnds(max((key for key in keys if key < lo), default=None), max(keys, default=None))
        return found

    def passages(self, tx: None, community: str, stretches: Sequence[Stretch]) -> list[Passage]:
        return [row for row in self.passages_.values() if _within(row.subject, row.at_ms, stretches)]

    def attempts(self, tx: None, community: str, stretches: Sequence[Stretch]) -> list[Attempt]:
        return [row for row in self.attempts_.values() if _within(row.subject, row.at_ms, stretches)]

    def visits(self, tx: None, community: str, stretches: Sequence[Stretch]) -> list[Visit]:
        return [row for row in self.visits_.values() if _within(row.subject, row.entered_ms, stretches)]

    def conflicts(self, tx: None, community: str, stretches: Sequence[Stretch]) -> list[Conflict]:
        return [row for row in self.conflicts_.values() if _within(row.subject, row.at_ms, stretches)]

    def replace(self, tx: None, community: str, removed: Rows, added: Rows) -> None:
        """Strict like a primary key: what goes must be there, what comes must not."""
        _swap(self.passages_, {row.key: row for row in removed.passages}, {row.key: row for row in added.passages})
        _swap(self.attempts_, {row.key: row for row in removed.attempts}, {row.key: row for row in added.attempts})
        _swap(self.conflicts_, {row.id: row for row in removed.conflicts}, {row.id: row for row in added.conflicts})
        gone, come = ({(row.passage, row.zone): row for row in rows.visits} for rows in (removed, added))
        _swap(self.visits_, gone, come)

    def void(self, tx: None, community: str, triples: Sequence[tuple[str, int, int]]) -> None:
        self.voids |= set(triples)

    def set_censuses(
        self, tx: None, community: str, zone: str, span_ms: tuple[int, int], rows: Sequence[Census]
    ) -> None:
        kept = self.censuses_.items()
        gone = [key for key, (each, row) in kept if each == zone and span_ms[0] <= row.at_ms <= span_ms[1]]
        for key in gone:
            del self.censuses_[key]
        self.censuses_.update({row.key: (zone, row) for row in rows})

    def add_replacements(self, tx: None, community: str, rows: Sequence[Replacement]) -> None:
        self.replacements_.update({row.by: row for row in rows})

    def replaced_span(self, tx: None, community: str, row: Replacement) -> tuple[int, int] | None:
        moments = [
            each["t_ms"]
            for each in self.kept.values()
            if each["kind"] == "count" and each["device"] == row.by[0] and each["boot"] == row.boot
            if row.from_seq <= each["seq"] <= row.to_seq
            if (each["gate"], each["direction"]) == (row.gate, row.direction)
        ]
        return (min(moments), max(moments)) if moments else None

    def replacements(self, tx: None, community: str, sides: Sequence[Side]) -> list[Replacement]:
        return [row for row in self.replacements_.values() if (row.gate, row.direction) in sides]

    def replacement_of(self, tx: None, triple: tuple[str, int, int]) -> Replacement | None:
        return self.replacements_.get(triple)

    def forget_replacement(self, tx: None, triple: tuple[str, int, int]) -> None:
        self.replacements_.pop(triple, None)

    def parties(self, tx: None, community: str, spans: Sequence[SideSpan]) -> list[tuple[Side, Party]]:
        return [
            (_side(span), Party(row.key, row.at_ms, row.id, row.party))
            for span in spans
            for row in self.passages_.values()
            if (row.gate, row.direction) == _side(span) and span.from_ms <= row.at_ms <= span.to_ms
        ]

    def ledger(self, tx: None, community: str, spans: Sequence[SideSpan]) -> list[LedgerRow]:
        return [
            row
            for span in spans
            for row in self.ledger_.values()
            if (row.gate, row.direction) == _side(span)
            if key_at(span.from_ms) <= row.row.key < key_at(span.to_ms + 1)
        ]

    def replace_ledger(
        self, tx: None, community: str, removed: Sequence[LedgerRow], added: Sequence[LedgerRow]
    ) -> None:
        _swap(self.ledger_, {_entry(row): row for row in removed}, {_entry(row): row for row in added})

    def ledger_states(self, tx: None, community: str, spans: Sequence[SideSpan]) -> list[StateRow]:
        return [
            StateRow(*key, text)
            for span in spans
            for key, text in self.states_.items()
            if key[:2] == _side(span) and span.from_ms <= key[2] <= span.to_ms
        ]

    def replace_states(self, tx: None, community: str, removed: Sequence[StateRow], added: Sequence[StateRow]) -> None:
        _swap(self.states_, *({row[:3]: row.state for row in each} for each in (removed, added)))

    def add_hours(self, tx: None, changed: Changed) -> None:
        pass

    def note_fold(self, tx: None, community: str, newest_ms: int, now_ms: int) -> None:
        pass

    # --- in bulk --------------

    def hold(self, tx: None, community: str) -> None:
        pass

    def freeze(self, tx: None) -> None:
        pass

    @contextmanager
    def frozen(self, tx: None) -> Iterator[None]:
        yield tx

    def corrected(self, tx: None, community: str) -> Iterator[tuple[str, int, int]]:
        return ((row["device"], *row["of"]) for row in self.kept.values() if row["kind"] == "correction")

    def bulk_scans(self, tx: None, community: str) -> Iterator[list[tuple[Any, ...]]]:
        """A few at a time, as from a store."""
        rows = [_scan_row(row) for row in self.live() if row["kind"] in ("scan", "visitor")]
        return (rows[start : start + 7] for start in range(0, len(rows), 7))

    def bulk_counts(self, tx: None, community: str) -> Iterator[list[tuple[Any, ...]]]:
        rows = [tuple(row[name] for name in COUNT_ROW) for row in self.live() if row["kind"] == "count"]
        return (rows[start : start + 7] for start in range(0, len(rows), 7))

    def bulk_censuses(self, tx: None, community: str) -> Iterator[tuple[Any, ...]]:
        return ((key_of(row), row["zone"], row["t_ms"], row["n"]) for row in self.live() if row["kind"] == "census")

    def anchors(self, tx: None, community: str) -> dict[str, Any]:
        return {}

    def outings(self, tx: None, community: str) -> Iterator[tuple[Any, ...]]:
        rows = sorted(self.passages_.items())
        return ((key, row.at_ms, row.id, row.gate, row.direction, row.subject) for key, row in rows)

    def empty(self, tx: None, community: str) -> None:
        fresh = MemoryFoldStore()
        fresh.kept = self.kept
        self.__dict__.update(fresh.__dict__)

    def fill(self, tx: None, community: str, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        put: dict[str, Callable[[Any], None]] = {
            "voids": self.voids.add,
            "censuses": lambda row: self.censuses_.update({row[0]: (row[1], Census(row[0], *row[2:]))}),
            "replacements": lambda row: self.replacements_.update({row[:3]: Replacement(row[:3], *row[3:])}),
            "passages": lambda row: _fresh(self.passages_, row[0], stored_passage_of(row)),
            "attempts": lambda row: _fresh(self.attempts_, row[0], Attempt(*row)),
            "visits": lambda row: _fresh(self.visits_, (row[12], row[1]), visit_of(row)),
            "conflicts": lambda row: _fresh(self.conflicts_, row[0], conflict_of(row)),
            "ledger": lambda row: _fresh(self.ledger_, row[:4], LedgerRow(row[0], row[1], Unmatched(*row[2:]))),
            "ledger_states": lambda row: _fresh(self.states_, row[:3], row[3]),
            "flow_hours": lambda row: None,
        }
        for row in rows:
            put[table](row)

    def index(self, tx: None) -> None:
        pass


def _fresh(table: dict[Any, Any], key: Any, row: Any) -> None:
    """Strict like a primary key."""
    assert key not in table
    table[key] = row


def _scan_row(row: Row) -> tuple[Any, ...]:
    """A row of SCAN_ROW. A credential stands where a person would: names are not taken apart here."""
    scan = as_scan(row)
    return (
        scan.t_ms, scan.device, scan.boot, scan.seq, row["token_s"], row["who"] or None, None, None, scan.gate,
        scan.direction, scan.passed, scan.kind, scan.party, scan.method, scan.assurance, scan.decision, scan.reason,
        scan.forced,
    )  # fmt: skip


def _triples(text: str) -> tuple[tuple[str, int, int], ...]:
    return tuple((device, boot, seq) for device, boot, seq in msgspec.json.decode(text))


def stored_passage_of(row: tuple[Any, ...]) -> Passage:
    plain = list(row[:-2])
    plain[13], plain[16] = bool(plain[13]), bool(plain[16])
    members: tuple[Any, ...] = (*plain, _triples(row[-2]), row[-1])
    return Passage(*members)


def visit_of(row: tuple[Any, ...]) -> Visit:
    """A visit, held to the columns that follow from it."""
    told = dict(zip(VISIT_ROW, row, strict=True))
    visit = Visit(**{name: told[name] for name in Visit.__struct_fields__})
    assert row == tuple(getattr(visit, name) for name in VISIT_ROW), (
        row,
        tuple(getattr(visit, name) for name in VISIT_ROW),
    )
    return visit


def conflict_of(row: tuple[Any, ...]) -> Conflict:
    members: tuple[Any, ...] = (*row[:6], _triples(row[6]), msgspec.json.decode(row[7]))
    return Conflict(*members)


class MemoryBulk:
    """The bulk port of a `MemoryFoldStore`, whose own names for single subjects are the same words."""

    def __init__(self, store: MemoryFoldStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, f"bulk_{name}", None) or getattr(self._store, name)


def _entry(row: LedgerRow) -> tuple[str, str, bytes, str]:
    return row.gate, row.direction, row.row.key, row.row.kind


def _swap(table: dict[Any, Any], gone: dict[Any, Any], come: dict[Any, Any]) -> None:
    for key, row in gone.items():
        assert table.pop(key) == row
    for key, row in come.items():
        assert key not in table
        table[key] = row


def _within(subject: str, at_ms: int, stretches: Sequence[Stretch]) -> bool:
    return any(each.name == subject and each.from_ms <= at_ms <= each.to_ms for each in stretches)


def as_scan(row: Row) -> Scan:
    return Scan(
        key_of(row), row["t_ms"], row["device"], row["boot"], row["seq"], row["gate"], row["direction"],
        row["passed"], row["kind"], row["party"],
    )  # fmt: skip


class MemoryRegistry:
    """The journal of the only community; a new row marks what it concerns, like `SqlFoldMarks`."""

    def __init__(self, store: MemoryFoldStore) -> None:
        self.store = store
        self.entries: list[Entry] = []
        self._journal = Journal("garden", ())

    def record(self, kind: str, entity: str, valid_from_ms: int, data: Any) -> None:
        entry = Entry(len(self.entries) + 1, "garden", kind, entity, valid_from_ms, data)
        self.entries.append(entry)
        self._journal = Journal("garden", self.entries)
        if kind in FOLDED_JOURNAL_KINDS:
            following = self._journal.timeline(kind, entity).next_change_ms(valid_from_ms)
            hi = GREATEST_KEY if following is None else key_at(following)
            self.store.marks.append(Mark(journal_subject(kind, entity), key_at(valid_from_ms), hi, "journal"))

    def journal(self, tx: None, community: str) -> Journal:
        return self._journal


class MemoryDatabase:
    @contextmanager
    def read(self) -> Iterator[None]:
        yield None

    @contextmanager
    def write(self) -> Iterator[None]:
        yield None


class StoppedClock:
    def now_ms(self) -> int:
        return 0


def memory_flow(store: MemoryFoldStore, registry: MemoryRegistry) -> Flow:
    """The real service over the memory store."""
    fake: Any = registry
    bulk: Any = MemoryBulk(store)
    return Flow(MemoryDatabase(), fake, store, store, store, bulk, MemorySignals(), StoppedClock())


def _side(span: SideSpan) -> Side:
    return span.gate, span.direction
