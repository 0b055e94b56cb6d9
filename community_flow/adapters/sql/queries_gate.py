"""What a gate reads: changes of the registry, who is inside, who went out, guards and their shifts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from community_flow.adapters.sql.driver import batched
from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.queries_registry import CHUNK
from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_flow import passages, visits
from community_flow.adapters.sql.tables_gate import gate_emergencies, guard_pins, guard_shifts
from community_flow.adapters.sql.tables_ingest import COUNTED, references, reports
from community_flow.adapters.sql.tables_registry import journal, passes
from community_flow.domain.scope import Scope
from community_flow.ports.gate import Emergency, GuardPin, Open, Shift
from community_flow.ports.ingest import Trusted


class SqlGate:
    def emergency(self, tx: Connection, community: str, gate: str) -> Open | None:
        found = (
            select(gate_emergencies.c.id, gate_emergencies.c.begun_ms, gate_emergencies.c.begun_by)
            .where(
                gate_emergencies.c.community == community, gate_emergencies.c.gate == gate,
                gate_emergencies.c.ended_ms.is_(None),
            )
            .order_by(gate_emergencies.c.begun_ms.desc(), gate_emergencies.c.id)
            .limit(1)
        )  # fmt: skip
        row = tx.execute(found).first()
        return Open(*row) if row else None

    def inside(self, tx: Connection, scope: Scope, zone: str, now_ms: int) -> frozenset[str]:
        found = select(visits.c.person).where(
            within(visits.c.community, scope), visits.c.zone == zone, visits.c.until_ms > now_ms,
            visits.c.entered_ms <= now_ms, visits.c.person.is_not(None),
        )  # fmt: skip
        return frozenset(tx.execute(found).scalars())

    def zone_counts(self, tx: Connection, scope: Scope, now_ms: int) -> dict[str, int]:
        found = (
            select(visits.c.zone, func.count())
            .where(within(visits.c.community, scope), visits.c.until_ms > now_ms, visits.c.entered_ms <= now_ms)
            .group_by(visits.c.zone)
        )
        return {row[0]: row[1] for row in tx.execute(found)}

    def outings(
        self, tx: Connection, scope: Scope, persons: Collection[str], gates: Collection[str], since_ms: int
    ) -> dict[str, int]:
        found: dict[str, int] = {}
        for chunk in batched(sorted(persons), CHUNK):
            rows = (
                select(passages.c.person, func.count())
                .where(
                    within(passages.c.community, scope), passages.c.person.in_(chunk), passages.c.direction == "out",
                    passages.c.gate.in_(sorted(gates)), passages.c.at_ms >= since_ms,
                )
                .group_by(passages.c.person)
            )  # fmt: skip
            found.update({row[0]: row[1] for row in tx.execute(rows)})
        return found

    def changed_since(
        self, tx: Connection, community: str, number: int, since_ms: int, now_ms: int
    ) -> set[tuple[str, str]]:
        due = and_(journal.c.valid_from_ms > since_ms, journal.c.valid_from_ms <= now_ms)
        found = select(journal.c.kind, journal.c.entity).where(
            journal.c.community == community, or_(journal.c.number > number, due)
        )
        return {(kind, entity) for kind, entity in tx.execute(found)}

    def passes_changed_since(self, tx: Connection, community: str, since_ms: int) -> set[str]:
        found = select(passes.c.pass_id).where(passes.c.community == community, passes.c.changed_ms >= since_ms)
        return set(tx.execute(found).scalars())

    def codes_shown(self, tx: Connection, scope: Scope, since_ms: int) -> list[tuple[bytes, int, int, str]]:
        found = select(reports.c.pass_ref, reports.c.token_s, reports.c.t_ms, reports.c.gate).where(
            within(reports.c.community, scope), reports.c.t_ms >= since_ms, ~COUNTED, reports.c.token_s.is_not(None),
            reports.c.pass_ref.is_not(None), reports.c.passed,
        )  # fmt: skip
        return [(bytes(row.pass_ref), row.token_s, row.t_ms, row.gate) for row in tx.execute(found)]

    def add_reference(
        self, tx: Connection, ref_hash: bytes, trusted: Trusted, person: str, account: str, gate: str, now_ms: int
    ) -> None:
        tx.execute(
            insert(references).values(
                ref_hash=ref_hash,
                community=trusted.community,
                person=person,
                account=account,
                gate=gate,
                device=trusted.device,
                issued_ms=now_ms,
                used_by=None,
            )
        )

    def referred(self, tx: Connection, ref_hash: bytes, device: str, since_ms: int) -> str | None:
        mine = select(references.c.person).where(
            references.c.ref_hash == ref_hash, references.c.device == device, references.c.issued_ms >= since_ms
        )
        return tx.execute(mine).scalar()


class SqlGuards:
    def pin_of(self, tx: Connection, operator: str) -> GuardPin | None:
        row = tx.execute(select(guard_pins).where(guard_pins.c.operator == operator)).first()
        return GuardPin(**row._mapping) if row else None

    def pin_of_account(self, tx: Connection, account: str) -> GuardPin | None:
        row = tx.execute(select(guard_pins).where(guard_pins.c.account == account)).first()
        return GuardPin(**row._mapping) if row else None

    def numbers(self, tx: Connection) -> int:
        return int(tx.execute(select(func.count()).select_from(guard_pins)).scalar_one())

    def save_pin(self, tx: Connection, pin: GuardPin) -> None:
        upsert(tx, guard_pins, [asdict(pin)], ("account",))

    def begin(self, tx: Connection, shift: Shift) -> None:
        # One guard a phone: whoever gives a PIN ends the shift before.
        tx.execute(delete(guard_shifts).where(guard_shifts.c.device == shift.device))
        tx.execute(insert(guard_shifts).values(**asdict(shift)))

    def shift(self, tx: Connection, session_hash: bytes) -> Shift | None:
        row = tx.execute(select(guard_shifts).where(guard_shifts.c.session_hash == session_hash)).first()
        return Shift(**{**row._mapping, "session_hash": bytes(row.session_hash)}) if row else None

    def seen(self, tx: Connection, session_hash: bytes, now_ms: int) -> None:
        mine = guard_shifts.c.session_hash == session_hash
        tx.execute(update(guard_shifts).where(mine).values(seen_ms=now_ms))

    def end(self, tx: Connection, session_hash: bytes) -> None:
        tx.execute(delete(guard_shifts).where(guard_shifts.c.session_hash == session_hash))


class SqlEmergencies:
    def one(self, tx: Connection, emergency: str) -> Emergency | None:
        row = tx.execute(select(gate_emergencies).where(gate_emergencies.c.id == emergency)).first()
        return Emergency(**row._mapping) if row else None

    def save(self, tx: Connection, emergency: Emergency) -> None:
        upsert(tx, gate_emergencies, [asdict(emergency)], ("id",))
