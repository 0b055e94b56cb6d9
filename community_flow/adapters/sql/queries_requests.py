"""What residents ask of the office about their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, insert, select, update

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.tables_registry import data_requests
from community_flow.domain.scope import Scope
from community_flow.ports.requests import DataRequest, State


class SqlRequests:
    def add(self, tx: Connection, request: DataRequest) -> None:
        tx.execute(insert(data_requests), [asdict(request)])

    def settle(self, tx: Connection, request: DataRequest) -> bool:
        c = data_requests.c
        settled = {name: getattr(request, name) for name in ("state", "answer", "settled_ms", "settled_by")}
        mine = update(data_requests).where(c.request == request.request, c.state == "open").values(settled)
        return tx.execute(mine).rowcount == 1

    def rows(
        self, tx: Connection, scope: Scope, *, states: Sequence[State], person: str | None = None, limit: int = 200
    ) -> list[DataRequest]:
        c = data_requests.c
        wanted = [within(c.community, scope), c.state.in_(states)]
        if person is not None:
            wanted.append(c.person == person)
        rows = tx.execute(select(data_requests).where(*wanted).order_by(c.sent_ms, c.request).limit(limit))
        return [DataRequest(**row._mapping) for row in rows]

    def one(self, tx: Connection, scope: Scope, request: str) -> DataRequest | None:
        c = data_requests.c
        row = tx.execute(select(data_requests).where(within(c.community, scope), c.request == request)).first()
        return None if row is None else DataRequest(**row._mapping)
