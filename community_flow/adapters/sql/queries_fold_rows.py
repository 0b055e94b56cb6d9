"""Derived rows as the fold reads and replaces them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Select,
    Table,
    and_,
    case,
    delete,
    func,
    select,
)  # fmt: skip

from community_flow.adapters.sql.asking import Asking, for_each, in_passing
from community_flow.adapters.sql.many import Adding, Removing
from community_flow.adapters.sql.prepared import Prepared, prepared, value
from community_flow.adapters.sql.queries_fold_counts import side_rows
from community_flow.adapters.sql.store import new_rows
from community_flow.adapters.sql.tables_flow import (
    attempts,
    censuses,
    conflicts,
    flow_hours,
    folds,
    ledger,
    ledger_states,
    passages,
    replacements,
    visits,
    voids,
)
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.adapters.sql.tables_retention import checkpoints
from community_flow.domain.conflicts import Conflict
from community_flow.domain.ledger import SURPLUS, Party, Unmatched
from community_flow.domain.passages import Attempt, Passage, Triple
from community_flow.domain.visits import Visit
from community_flow.ports.flow import (
    Census,
    Changed,
    LedgerRow,
    Replacement,
    Rows,
    Side,
    SideSpan,
    StateRow,
    StoredEnds,
    Stretch,
)  # fmt: skip

HOUR_MS = 3_600_000
DERIVED = (passages, attempts, visits, conflicts, ledger, ledger_states, flow_hours, censuses, voids, replacements)

PASSAGE_FIELDS = Passage.__struct_fields__
ATTEMPT_FIELDS = Attempt.__struct_fields__
VISIT_FIELDS = Visit.__struct_fields__
CONFLICT_FIELDS = Conflict.__struct_fields__
HOUR = ("community", "gate", "direction", "hour_ms")
HOUR_SUMS = ("passages", "bodies", "unnamed", "unseen", "surplus", "turned_back")


def _ends(asked: FromClause) -> Select[Any]:
    """The last passage before a key and the last of all (PostgreSQL has no max() of bytes), and what retention left."""
    p, k, a = passages.c, checkpoints.c, asked.c
    mine = and_(in_passing(p.community, value("community")), p.subject == a.name)
    latest = select(p.key).where(mine).order_by(p.key.desc()).limit(1).correlate(asked)
    left = select(k.key).where(k.community == value("community"), k.subject == a.name).limit(1).correlate(asked)
    shown = (latest.where(p.key < a.lo), latest, left)
    return select(a.name, *(each.scalar_subquery() for each in shown))


def _between(table: Table, fields: Sequence[str], place: str = "key") -> Asking:
    """Rows of some subjects, each between two event times."""
    c = table.c

    def match(a: Any) -> ColumnElement[bool]:
        within = _within(c, a, place)
        return and_(in_passing(c.community, value("community")), c.subject == a.name, within)

    return for_each([c[name] for name in fields], match)


def _within(c: Any, a: Any, place: str) -> ColumnElement[bool]:
    """Between two event times, by a key or a moment."""
    if place == "key":
        return and_(c.key >= a.lo, c.key < a.hi)
    within: ColumnElement[bool] = c[place].between(a.from_ms, a.to_ms)
    return within


ADDED = (passages, attempts, visits, conflicts, ledger, ledger_states, censuses)
_ENDS = Asking(_ends)
_PASSAGES = _between(passages, PASSAGE_FIELDS)
_ATTEMPTS = _between(attempts, ATTEMPT_FIELDS)
_VISITS = _between(visits, VISIT_FIELDS, "entered_ms")
_CONFLICTS = _between(conflicts, CONFLICT_FIELDS)
_ADD = {table.name: Adding(table) for table in ADDED}
_REMOVE = {
    "passages": Removing(passages, "community", "key"),
    "attempts": Removing(attempts, "community", "key"),
    "visits": Removing(visits, "community", "key", "zone"),
    "conflicts": Removing(conflicts, "community", "id"),
    "ledger": Removing(ledger, "community", "gate", "direction", "key", "kind"),
    "ledger_states": Removing(ledger_states, "community", "gate", "direction", "step_ms"),
}
_SPAN: tuple[Any, Any] = (value("from_ms"), value("to_ms"))


def _of_sides(table: Table, fields: Sequence[str], place: str | None = None) -> Asking:
    """Rows of some gates and directions; with ``place`` each between two event times."""
    c = table.c

    def match(a: Any) -> ColumnElement[bool]:
        mine = and_(c.community == a.community, c.gate == a.name, c.direction == a.direction)
        return and_(mine, _within(c, a, place)) if place else mine

    return for_each([c.gate, c.direction, *(c[name] for name in fields)], match)


_PARTIES = _of_sides(passages, ("key", "at_ms", "id", "party"), "at_ms")
_LEDGER = _of_sides(ledger, ("key", "kind", "at_ms", "from_ms", "n", "source"), "key")
_STATES = _of_sides(ledger_states, ("step_ms", "state"), "step_ms")
_REPLACEMENTS = _of_sides(replacements, ("device", "by_boot", "by_seq", "boot", "from_seq", "to_seq"))


def _note(dialect: Dialect) -> Any:
    """One more run; the newest report is never forgotten."""
    columns = ("community", "folded_at_ms", "newest_ms")
    noting = new_rows(dialect, folds).values({name: value(name) for name in columns} | {"runs": 1})
    newest = noting.excluded.newest_ms
    later = case((newest > folds.c.newest_ms, newest), else_=folds.c.newest_ms)
    changed = {"runs": folds.c.runs + 1, "folded_at_ms": noting.excluded.folded_at_ms, "newest_ms": later}
    return noting.on_conflict_do_update(index_elements=["community"], set_=changed)


def _add_hours(dialect: Dialect) -> Any:
    c = flow_hours.c
    adding = new_rows(dialect, flow_hours).values({column.name: value(column.name) for column in c})
    total = {name: c[name] + adding.excluded[name] for name in HOUR_SUMS}
    return adding.on_conflict_do_update(index_elements=list(HOUR), set_=total)


def _adding_new(table: Table) -> Prepared:
    """Insert what is new; the table's unique key decides."""
    given: dict[str, Any] = {column.name: value(column.name) for column in table.c}
    return Prepared(lambda dialect: new_rows(dialect, table).values(given).on_conflict_do_nothing())


_VOID = _adding_new(voids)
_NOTE_REPLACEMENT = _adding_new(replacements)
_REMOVE_CENSUSES = prepared(
    delete(censuses).where(
        censuses.c.community == value("community"), censuses.c.zone == value("zone"), censuses.c.at_ms.between(*_SPAN)
    )
)
_REPLACED = prepared(
    select(func.min(reports.c.t_ms), func.max(reports.c.t_ms)).where(
        *(reports.c[name] == value(name) for name in ("device", "boot", "community", "gate", "direction")),
        reports.c.seq.between(value("from_seq"), value("to_seq")),
        reports.c.kind == "count",
    )
)
_BY = and_(
    replacements.c.device == value("device"), replacements.c.by_boot == value("boot"),
    replacements.c.by_seq == value("seq"),
)  # fmt: skip
_REPLACEMENT_OF = prepared(
    select(*(replacements.c[name] for name in ("gate", "direction", "boot", "from_seq", "to_seq"))).where(_BY)
)
_FORGET_REPLACEMENT = prepared(delete(replacements).where(_BY))
_NOTE = Prepared(_note)
_ADD_HOURS = Prepared(_add_hours)
_EMPTY_HOUR = prepared(
    delete(flow_hours).where(
        *(flow_hours.c[name] == value(name) for name in HOUR), *(flow_hours.c[name] == 0 for name in HOUR_SUMS)
    )
)


class SqlFoldRows:
    def ends(self, tx: Connection, community: str, wanted: Sequence[tuple[str, bytes]]) -> dict[str, StoredEnds]:
        rows = _ENDS.rows(tx, ({"name": subject, "lo": lo} for subject, lo in wanted), community=community)
        return {subject: StoredEnds(*ends) for subject, *ends in rows}

    def passages(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[Passage]:
        return [stored_passage(row) for row in _PASSAGES.rows(tx, map(_span_row, stretches), community=community)]

    def attempts(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[Attempt]:
        return [Attempt(*row) for row in _ATTEMPTS.rows(tx, map(_span_row, stretches), community=community)]

    def visits(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[Visit]:
        return [Visit(*row) for row in _VISITS.rows(tx, map(_span_row, stretches), community=community)]

    def conflicts(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[Conflict]:
        return [stored_conflict(row) for row in _CONFLICTS.rows(tx, map(_span_row, stretches), community=community)]

    def replace(self, tx: Connection, community: str, removed: Rows, added: Rows) -> None:
        known = {"community": community}
        _REMOVE["passages"].many(tx, [{**known, "key": row.key} for row in removed.passages])
        _REMOVE["attempts"].many(tx, [{**known, "key": row.key} for row in removed.attempts])
        _REMOVE["visits"].many(tx, [{**known, "key": row.key, "zone": row.zone} for row in removed.visits])
        _REMOVE["conflicts"].many(tx, [{**known, "id": row.id} for row in removed.conflicts])
        _ADD["passages"].many(tx, [{**known, **asdict(row)} for row in added.passages])
        _ADD["attempts"].many(tx, [{**known, **asdict(row)} for row in added.attempts])
        _ADD["visits"].many(tx, [_visit_row(community, row) for row in added.visits])
        _ADD["conflicts"].many(tx, [{**known, **asdict(row)} for row in added.conflicts])

    def void(self, tx: Connection, community: str, triples: Sequence[Triple]) -> None:
        rows = [{"community": community, "device": device, "boot": boot, "seq": seq} for device, boot, seq in triples]
        _VOID.many(tx, rows)

    def set_censuses(
        self, tx: Connection, community: str, zone: str, span_ms: tuple[int, int], rows: Sequence[Census]
    ) -> None:
        known = {"community": community, "zone": zone}
        _REMOVE_CENSUSES.run(tx, **known, from_ms=span_ms[0], to_ms=span_ms[1])
        _ADD["censuses"].many(tx, [{**known, "key": row.key, "at_ms": row.at_ms, "n": row.n} for row in rows])

    def add_replacements(self, tx: Connection, community: str, rows: Sequence[Replacement]) -> None:
        _NOTE_REPLACEMENT.many(tx, [_replacement_row(community, row) for row in rows])

    def replaced_span(self, tx: Connection, community: str, row: Replacement) -> tuple[int, int] | None:
        ((first_ms, last_ms),) = _REPLACED.rows(
            tx, community=community, gate=row.gate, direction=row.direction, device=row.by[0], boot=row.boot,
            from_seq=row.from_seq, to_seq=row.to_seq,
        )  # fmt: skip
        return None if first_ms is None else (first_ms, last_ms)

    def replacement_of(self, tx: Connection, triple: Triple) -> Replacement | None:
        device, boot, seq = triple
        found = _REPLACEMENT_OF.rows(tx, device=device, boot=boot, seq=seq)
        return Replacement(triple, *found[0]) if found else None

    def replacements(self, tx: Connection, community: str, sides: Sequence[Side]) -> list[Replacement]:
        asked = ({"community": community, "name": gate, "direction": way} for gate, way in sides)
        return [
            Replacement((device, by_boot, by_seq), gate, direction, *span)
            for gate, direction, device, by_boot, by_seq, *span in _REPLACEMENTS.rows(tx, asked)
        ]

    def forget_replacement(self, tx: Connection, triple: Triple) -> None:
        device, boot, seq = triple
        _FORGET_REPLACEMENT.run(tx, device=device, boot=boot, seq=seq)

    def parties(self, tx: Connection, community: str, spans: Sequence[SideSpan]) -> list[tuple[Side, Party]]:
        rows = _PARTIES.rows(tx, side_rows(community, spans))
        return [((gate, direction), Party(*row)) for gate, direction, *row in rows]

    def ledger(self, tx: Connection, community: str, spans: Sequence[SideSpan]) -> list[LedgerRow]:
        rows = _LEDGER.rows(tx, side_rows(community, spans))
        return [LedgerRow(gate, direction, Unmatched(*row)) for gate, direction, *row in rows]

    def replace_ledger(
        self, tx: Connection, community: str, removed: Sequence[LedgerRow], added: Sequence[LedgerRow]
    ) -> None:
        gone = [
            {
                "community": community, "gate": row.gate, "direction": row.direction, "key": row.row.key,
                "kind": row.row.kind,
            }
            for row in removed
        ]  # fmt: skip
        _REMOVE["ledger"].many(tx, gone)
        _ADD["ledger"].many(tx, [_ledger_row(community, row) for row in added])

    def ledger_states(self, tx: Connection, community: str, spans: Sequence[SideSpan]) -> list[StateRow]:
        return [StateRow(*row) for row in _STATES.rows(tx, side_rows(community, spans))]

    def replace_states(
        self, tx: Connection, community: str, removed: Sequence[StateRow], added: Sequence[StateRow]
    ) -> None:
        _REMOVE["ledger_states"].many(tx, [_state_row(community, row) for row in removed])
        _ADD["ledger_states"].many(tx, [_state_row(community, row) | {"state": row.state} for row in added])

    def add_hours(self, tx: Connection, changed: Changed) -> None:
        sums: dict[tuple[str, str, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(HOUR_SUMS, 0))
        for sign, rows in ((-1, changed.removed.passages), (1, changed.added.passages)):
            for row in rows:
                hour = sums[row.gate, row.direction, row.at_ms - row.at_ms % HOUR_MS]
                hour["passages"] += sign
                hour["bodies"] += sign * row.party
                hour["unnamed"] += sign * row.unnamed
                hour["unseen"] += sign * row.unseen
        for sign, entries in ((-1, changed.ledger_removed), (1, changed.ledger_added)):
            for entry in entries:
                hour = sums[entry.gate, entry.direction, entry.row.at_ms - entry.row.at_ms % HOUR_MS]
                hour["surplus" if entry.row.kind == SURPLUS else "turned_back"] += sign * entry.row.n
        _add_sums(tx, changed.community, sums)

    def note_fold(self, tx: Connection, community: str, newest_ms: int, now_ms: int) -> None:
        _NOTE.run(tx, community=community, newest_ms=newest_ms, folded_at_ms=now_ms)


def stored_passage(row: Sequence[Any]) -> Passage:
    """A row of PASSAGE_FIELDS."""
    key, *plain, evidence, before = row
    triples = tuple((device, boot, seq) for device, boot, seq in evidence)
    members: tuple[Any, ...] = (bytes(key), *plain, triples, before)
    return Passage(*members)


def stored_conflict(row: Sequence[Any]) -> Conflict:
    """A row of CONFLICT_FIELDS."""
    identity, kind, subject, person, key, at_ms, evidence, detail = row
    triples = tuple((device, boot, seq) for device, boot, seq in evidence)
    return Conflict(identity, kind, subject, person, bytes(key), at_ms, triples, detail)


def _state_row(community: str, row: StateRow) -> dict[str, Any]:
    return {"community": community, "gate": row.gate, "direction": row.direction, "step_ms": row.step_ms}


def _span_row(stretch: Stretch) -> dict[str, Any]:
    lo, hi = stretch.from_ms.to_bytes(8, "big"), (stretch.to_ms + 1).to_bytes(8, "big")
    return {"name": stretch.name, "lo": lo, "hi": hi, "from_ms": stretch.from_ms, "to_ms": stretch.to_ms}


def _visit_row(community: str, visit: Visit) -> dict[str, Any]:
    return {
        "community": community,
        "key": visit.key,
        "id": visit.id,
        "until_ms": visit.until_ms,
        "certainty": visit.certainty,
        "duration_class": visit.duration_class,
        **asdict(visit),
    }


def _ledger_row(community: str, entry: LedgerRow) -> dict[str, Any]:
    known = {"community": community, "gate": entry.gate, "direction": entry.direction}
    return {**known, **asdict(entry.row)}


def _replacement_row(community: str, row: Replacement) -> dict[str, Any]:
    device, boot, seq = row.by
    return {
        "community": community,
        "device": device,
        "by_boot": boot,
        "by_seq": seq,
        "gate": row.gate,
        "direction": row.direction,
        "boot": row.boot,
        "from_seq": row.from_seq,
        "to_seq": row.to_seq,
    }


def _add_sums(tx: Connection, community: str, sums: dict[tuple[str, str, int], dict[str, int]]) -> None:
    rows: list[dict[str, Any]] = [
        {"community": community, "gate": gate, "direction": direction, "hour_ms": hour_ms, **change}
        for (gate, direction, hour_ms), change in sorted(sums.items())
        if any(change.values())
    ]
    _ADD_HOURS.many(tx, rows)
    # An hour in which nothing is left has no row, as if nothing had ever been there.
    shrunk = [row for row in rows if any(row[name] < 0 for name in HOUR_SUMS)]
    _EMPTY_HOUR.many(tx, [{name: row[name] for name in HOUR} for row in shrunk])
