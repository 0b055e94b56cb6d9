"""Derived rows as the fold reads and replaces them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
)

from community_flow.adapters.sql.asking import ask, asked, in_passing
from community_flow.adapters.sql.store import insert_ignore, new_rows, upsert
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
from community_flow.ports.flow import Census, Changed, LedgerRow, Replacement, Rows, StoredEnds, Stretch

Struct = TypeVar("Struct", bound=msgspec.Struct)
HOUR_MS = 3_600_000
DERIVED = (passages, attempts, visits, conflicts, ledger, ledger_states, flow_hours, censuses, voids, replacements)

PASSAGE_FIELDS = Passage.__struct_fields__
ATTEMPT_FIELDS = Attempt.__struct_fields__
VISIT_FIELDS = Visit.__struct_fields__
CONFLICT_FIELDS = Conflict.__struct_fields__


class SqlFoldRows:
    def ends(self, tx: Connection, community: str, wanted: Sequence[tuple[str, bytes]]) -> dict[str, StoredEnds]:
        if not ask(tx, ({"name": subject, "lo": lo} for subject, lo in wanted)):
            return {}
        # PostgreSQL has no max() of bytes.
        p, a = passages.c, asked.c
        mine = and_(in_passing(p.community, community), p.subject == a.name)
        latest = select(p.key).where(mine).order_by(p.key.desc()).limit(1).correlate(asked)
        before, last = latest.where(p.key < a.lo).scalar_subquery(), latest.scalar_subquery()
        k = checkpoints.c
        anchor = select(k.key).where(k.community == community, k.subject == a.name).limit(1).correlate(asked)
        rows = tx.execute(select(a.name, before, last, anchor.scalar_subquery()))
        return {
            subject: StoredEnds(_bytes(resume), _bytes(end), _bytes(anchored))
            for subject, resume, end, anchored in rows
        }

    def passages(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[Passage]:
        rows = _between(tx, community, passages, PASSAGE_FIELDS, stretches)
        return [stored_passage(row) for row in rows]

    def attempts(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[Attempt]:
        rows = _between(tx, community, attempts, ATTEMPT_FIELDS, stretches)
        return [Attempt(bytes(row[0]), *row[1:]) for row in rows]

    def visits(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[Visit]:
        return [Visit(*row) for row in _between(tx, community, visits, VISIT_FIELDS, stretches, "entered_ms")]

    def conflicts(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[Conflict]:
        rows = _between(tx, community, conflicts, CONFLICT_FIELDS, stretches)
        return [stored_conflict(row) for row in rows]

    def replace(self, tx: Connection, community: str, removed: Rows, added: Rows) -> None:
        _delete(tx, community, passages, [{"key_": row.key} for row in removed.passages])
        _delete(tx, community, attempts, [{"key_": row.key} for row in removed.attempts])
        _delete(tx, community, visits, [{"key_": row.key, "zone_": row.zone} for row in removed.visits])
        _delete(tx, community, conflicts, [{"id_": row.id} for row in removed.conflicts])
        _insert(tx, community, passages, PASSAGE_FIELDS, added.passages)
        _insert(tx, community, attempts, ATTEMPT_FIELDS, added.attempts)
        if added.visits:
            tx.execute(insert(visits), [_visit_row(community, row) for row in added.visits])
        _insert(tx, community, conflicts, CONFLICT_FIELDS, added.conflicts)

    def void(self, tx: Connection, community: str, triples: Sequence[Triple]) -> None:
        rows = [{"community": community, "device": device, "boot": boot, "seq": seq} for device, boot, seq in triples]
        insert_ignore(tx, voids, rows)

    def set_censuses(
        self, tx: Connection, community: str, zone: str, span_ms: tuple[int, int], rows: Sequence[Census]
    ) -> None:
        c = censuses.c
        tx.execute(delete(censuses).where(c.community == community, c.zone == zone, c.at_ms.between(*span_ms)))
        known = {"community": community, "zone": zone}
        if rows:
            tx.execute(insert(censuses), [{**known, "key": row.key, "at_ms": row.at_ms, "n": row.n} for row in rows])

    def add_replacements(self, tx: Connection, community: str, rows: Sequence[Replacement]) -> None:
        insert_ignore(tx, replacements, [_replacement_row(community, row) for row in rows])

    def replaced_span(self, tx: Connection, community: str, row: Replacement) -> tuple[int, int] | None:
        r = reports.c
        found = tx.execute(
            select(func.min(r.t_ms), func.max(r.t_ms)).where(
                r.device == row.by[0],
                r.boot == row.boot,
                r.seq.between(row.from_seq, row.to_seq),
                r.community == community,
                r.kind == "count",
                r.gate == row.gate,
                r.direction == row.direction,
            )
        ).one()
        return None if found[0] is None else (found[0], found[1])

    def replacement_of(self, tx: Connection, triple: Triple) -> Replacement | None:
        device, boot, seq = triple
        c = replacements.c
        row = tx.execute(
            select(c.gate, c.direction, c.boot, c.from_seq, c.to_seq).where(
                c.device == device, c.by_boot == boot, c.by_seq == seq
            )
        ).first()
        return None if row is None else Replacement(triple, *row)

    def replacements(self, tx: Connection, community: str, gate: str, direction: str) -> list[Replacement]:
        """What live aggregates of a gate and direction stand for."""
        c = replacements.c
        rows = tx.execute(
            select(c.device, c.by_boot, c.by_seq, c.boot, c.from_seq, c.to_seq).where(
                c.community == community, c.gate == gate, c.direction == direction
            )
        )
        return [
            Replacement((device, by_boot, by_seq), gate, direction, *span) for device, by_boot, by_seq, *span in rows
        ]

    def forget_replacement(self, tx: Connection, triple: Triple) -> None:
        device, boot, seq = triple
        c = replacements.c
        tx.execute(delete(replacements).where(c.device == device, c.by_boot == boot, c.by_seq == seq))

    def parties(
        self, tx: Connection, community: str, gate: str, direction: str, span_ms: tuple[int, int]
    ) -> list[Party]:
        p = passages.c
        rows = tx.execute(
            select(p.key, p.at_ms, p.id, p.party)
            .where(p.community == community, p.gate == gate, p.direction == direction, p.at_ms.between(*span_ms))
            .order_by(p.key)
        )
        return [Party(bytes(key), at_ms, source, party) for key, at_ms, source, party in rows]

    def ledger(
        self, tx: Connection, community: str, gate: str, direction: str, span_ms: tuple[int, int]
    ) -> list[LedgerRow]:
        c = ledger.c
        rows = tx.execute(
            select(c.key, c.kind, c.at_ms, c.from_ms, c.n, c.source).where(
                c.community == community,
                c.gate == gate,
                c.direction == direction,
                c.key >= span_ms[0].to_bytes(8, "big"),
                c.key < (span_ms[1] + 1).to_bytes(8, "big"),
            )
        )
        return [LedgerRow(gate, direction, Unmatched(bytes(row[0]), *row[1:])) for row in rows]

    def replace_ledger(
        self, tx: Connection, community: str, removed: Sequence[LedgerRow], added: Sequence[LedgerRow]
    ) -> None:
        gone = [
            {"gate_": row.gate, "direction_": row.direction, "key_": row.row.key, "kind_": row.row.kind}
            for row in removed
        ]
        _delete(tx, community, ledger, gone)
        if added:
            tx.execute(insert(ledger), [_ledger_row(community, row) for row in added])

    def ledger_states(
        self, tx: Connection, community: str, gate: str, direction: str, span_ms: tuple[int, int]
    ) -> dict[int, str]:
        c = ledger_states.c
        here = and_(c.community == community, c.gate == gate, c.direction == direction, c.step_ms.between(*span_ms))
        return {row.step_ms: row.state for row in tx.execute(select(c.step_ms, c.state).where(here))}

    def replace_states(
        self, tx: Connection, community: str, gate: str, direction: str, old: Mapping[int, str], new: Mapping[int, str]
    ) -> None:
        known = {"community": community, "gate": gate, "direction": direction}
        c = ledger_states.c
        gone = [{"step_": step} for step, text in old.items() if new.get(step) != text]
        if gone:
            here = and_(c.community == community, c.gate == gate, c.direction == direction)
            tx.execute(delete(ledger_states).where(here, c.step_ms == bindparam("step_")), gone)
        come = [{**known, "step_ms": step, "state": text} for step, text in new.items() if old.get(step) != text]
        if come:
            tx.execute(insert(ledger_states), come)

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
        known = tx.execute(select(folds.c.runs, folds.c.newest_ms).where(folds.c.community == community)).first()
        runs, newest = (known.runs, known.newest_ms) if known else (0, 0)
        row = {
            "community": community,
            "runs": runs + 1,
            "folded_at_ms": now_ms,
            "newest_ms": max(newest, newest_ms),
        }
        upsert(tx, folds, [row], ("community",))


HOUR_SUMS = ("passages", "bodies", "unnamed", "unseen", "surplus", "turned_back")


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


def _between(
    tx: Connection,
    community: str,
    table: Table,
    fields: Sequence[str],
    stretches: Sequence[Stretch],
    place: str = "key",
) -> Sequence[Sequence[Any]]:
    """Rows of some subjects, each between two event times."""
    if not stretches or not ask(tx, map(_span_row, stretches)):
        return []
    c, a = table.c, asked.c
    if place == "key":
        within: ColumnElement[bool] = and_(c.key >= a.lo, c.key < a.hi)
    else:
        within = c[place].between(a.from_ms, a.to_ms)
    mine = and_(in_passing(c.community, community), c.subject == a.name, within)
    return tx.execute(select(*(c[name] for name in fields)).select_from(asked).join(table, mine)).all()


def _span_row(stretch: Stretch) -> dict[str, Any]:
    lo, hi = stretch.from_ms.to_bytes(8, "big"), (stretch.to_ms + 1).to_bytes(8, "big")
    return {"name": stretch.name, "lo": lo, "hi": hi, "from_ms": stretch.from_ms, "to_ms": stretch.to_ms}


def _delete(tx: Connection, community: str, table: Table, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    keys = [table.c[name[:-1]] == bindparam(name) for name in rows[0]]
    tx.execute(delete(table).where(table.c.community == community, *keys), rows)


def _insert(
    tx: Connection, community: str, table: Table, fields: Sequence[str], rows: Sequence[msgspec.Struct]
) -> None:
    if rows:
        getters: Callable[[Any], dict[str, Any]] = msgspec.structs.asdict
        tx.execute(insert(table), [{"community": community, **getters(row)} for row in rows])


def _visit_row(community: str, visit: Visit) -> dict[str, Any]:
    return {
        "community": community,
        "key": visit.key,
        "id": visit.id,
        "until_ms": visit.until_ms,
        "certainty": visit.certainty,
        "duration_class": visit.duration_class,
        **msgspec.structs.asdict(visit),
    }


def _ledger_row(community: str, entry: LedgerRow) -> dict[str, Any]:
    known = {"community": community, "gate": entry.gate, "direction": entry.direction}
    return {**known, **msgspec.structs.asdict(entry.row)}


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
    if not rows:
        return
    c = flow_hours.c
    adding = new_rows(tx, flow_hours)
    total = {name: c[name] + adding.excluded[name] for name in HOUR_SUMS}
    keys = ["community", "gate", "direction", "hour_ms"]
    tx.execute(adding.on_conflict_do_update(index_elements=keys, set_=total), rows)
    shrunk = [row for row in rows if any(row[name] < 0 for name in HOUR_SUMS)]
    if shrunk:  # an hour in which nothing is left has no row, as if nothing had ever been there
        place = [c[name] == bindparam(name + "_") for name in keys]
        empty = [c[name] == 0 for name in HOUR_SUMS]
        tx.execute(
            delete(flow_hours).where(*place, *empty), [{name + "_": row[name] for name in keys} for row in shrunk]
        )


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
