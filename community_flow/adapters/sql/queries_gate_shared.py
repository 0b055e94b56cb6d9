"""What guards share: ticks of a roll call, and guests of whom hosts are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, Row, delete, insert, select, update

from community_flow.adapters.sql.store import new_rows
from community_flow.adapters.sql.tables_gate import guest_asks, roll_ticks
from community_flow.ports.gate import GuestAsk, Tick


class SqlRolls:
    def keep(self, tx: Connection, community: str, zone: str, ticks: Sequence[Tick]) -> None:
        if not ticks:
            return
        statement = new_rows(tx.dialect, roll_ticks)
        new = statement.excluded
        later = statement.on_conflict_do_update(
            index_elements=["community", "zone", "key"],
            set_={"found": new.found, "at_ms": new.at_ms, "operator": new.operator},
            where=roll_ticks.c.at_ms < new.at_ms,
        )
        tx.execute(later, [{"community": community, "zone": zone, **asdict(tick)} for tick in ticks])

    def since(self, tx: Connection, community: str, zone: str, since_ms: int) -> list[Tick]:
        wanted = (roll_ticks.c.key, roll_ticks.c.found, roll_ticks.c.at_ms, roll_ticks.c.operator)
        here = (roll_ticks.c.community == community, roll_ticks.c.zone == zone, roll_ticks.c.at_ms >= since_ms)
        return [Tick(**row._mapping) for row in tx.execute(select(*wanted).where(*here).order_by(roll_ticks.c.key))]

    def forget(self, tx: Connection, community: str, before_ms: int) -> None:
        tx.execute(delete(roll_ticks).where(roll_ticks.c.community == community, roll_ticks.c.at_ms < before_ms))


class SqlGuestAsks:
    def add(self, tx: Connection, ask: GuestAsk) -> None:
        tx.execute(insert(guest_asks).values(asdict(ask)))

    def one(self, tx: Connection, community: str, ask: str) -> GuestAsk | None:
        mine = (guest_asks.c.id == ask, guest_asks.c.community == community)
        row = tx.execute(select(guest_asks).where(*mine)).first()
        return _ask(row) if row else None

    def open(self, tx: Connection, community: str, household: str, since_ms: int) -> list[GuestAsk]:
        asked = select(guest_asks).where(
            guest_asks.c.community == community, guest_asks.c.household == household,
            guest_asks.c.asked_ms >= since_ms, guest_asks.c.answer.is_(None),
        )  # fmt: skip
        return [_ask(row) for row in tx.execute(asked.order_by(guest_asks.c.asked_ms, guest_asks.c.id))]

    def answer(self, tx: Connection, ask: GuestAsk, answer: str, person: str, now_ms: int) -> bool:
        first = update(guest_asks).where(guest_asks.c.id == ask.id, guest_asks.c.answer.is_(None))
        return tx.execute(first.values(answer=answer, person=person, answered_ms=now_ms)).rowcount == 1

    def forget(self, tx: Connection, community: str, before_ms: int) -> None:
        tx.execute(delete(guest_asks).where(guest_asks.c.community == community, guest_asks.c.asked_ms < before_ms))


def _ask(row: Row[tuple[object, ...]]) -> GuestAsk:
    return GuestAsk(**row._mapping)
