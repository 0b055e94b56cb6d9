"""The outbox of notices."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.store import new_rows
from community_flow.adapters.sql.tables_notices import notice_keys, notice_messages, notices
from community_flow.domain.notices import Notice
from community_flow.domain.scope import Scope
from community_flow.ports.notices import Message

TOO_OLD = ""
_MESSAGE = [notice_messages.c[each.name] for each in fields(Message)]
_WAITING = notice_messages.c.sent_ms.is_(None) & notice_messages.c.given_up_ms.is_(None)


class SqlNotices:
    def put(self, tx: Connection, found: Sequence[Notice], now_ms: int) -> int:
        new = [each for each in found if self._is_new(tx, each, now_ms)]
        rows = [
            {
                "kind": each.kind, "community": each.community, "gate": each.gate, "at_ms": each.at_ms,
                "path": each.path, "created_ms": now_ms,
            }
            for each in new
        ]  # fmt: skip
        if rows:
            tx.execute(insert(notices), rows)
        return len(new)

    def _is_new(self, tx: Connection, notice: Notice, now_ms: int) -> bool:
        """The unique keys decide, also between two workers; every key is kept, so that a card may change by degrees."""
        rows = [{"key": key, "created_ms": now_ms} for key in sorted(notice.keys)]
        insert = new_rows(tx.dialect, notice_keys).values(rows).on_conflict_do_nothing().returning(notice_keys.c.key)
        return len(tx.execute(insert).all()) == len(rows)

    def bundle(self, tx: Connection, now_ms: int, fresh_from_ms: int, last_before_ms: int) -> list[Message]:
        n = notices.c
        old = n.message.is_(None) & (n.at_ms < fresh_from_ms)
        tx.execute(update(notices).where(old).values(message=TOO_OLD))
        groups: dict[tuple[str, str | None], list[Row[Any]]] = defaultdict(list)
        for row in tx.execute(select(notices).where(n.message.is_(None)).order_by(n.id).with_for_update()):
            groups[row.kind, row.community].append(row)
        calm = self._busy(tx, last_before_ms)
        made = [_message(rows, now_ms) for key, rows in groups.items() if key not in calm]
        for message in made:
            mine = groups[message.kind, message.community]
            values = {each.name: getattr(message, each.name) for each in fields(Message)}
            tx.execute(insert(notice_messages).values(**values, next_ms=now_ms))
            tx.execute(update(notices).where(n.id.in_([row.id for row in mine])).values(message=message.id))
        return made

    def _busy(self, tx: Connection, since_ms: int) -> set[tuple[str, str | None]]:
        m = notice_messages.c
        return {
            (row.kind, row.community)
            for row in tx.execute(select(m.kind, m.community).where(m.created_ms > since_ms).distinct())
        }

    def lease(self, tx: Connection, now_ms: int, until_ms: int, limit: int) -> list[Message]:
        m = notice_messages.c
        due = select(*_MESSAGE).where(_WAITING, m.next_ms <= now_ms).order_by(m.created_ms).limit(limit)
        found = [Message(**row._mapping) for row in tx.execute(due.with_for_update(skip_locked=True))]
        taken = m.id.in_([each.id for each in found])
        tx.execute(update(notice_messages).where(taken).values(next_ms=until_ms, tries=m.tries + 1))
        return found

    def sent(self, tx: Connection, message: str, now_ms: int) -> None:
        mine = notice_messages.c.id == message
        tx.execute(update(notice_messages).where(mine).values(sent_ms=now_ms, error=None))

    def failed(self, tx: Connection, message: str, error: str, next_ms: int, given_up_ms: int | None) -> None:
        mine = notice_messages.c.id == message
        values = {"error": error[:200], "next_ms": next_ms, "given_up_ms": given_up_ms}
        tx.execute(update(notice_messages).where(mine).values(**values))

    def keys(self, tx: Connection, prefix: str) -> list[str]:
        """What was told, by its keys."""
        mine = notice_keys.c.key.startswith(prefix, autoescape=True)
        return list(tx.execute(select(notice_keys.c.key).where(mine)).scalars())

    def recent(self, tx: Connection, scope: Scope, from_ms: int, limit: int) -> list[tuple[Notice, Message | None]]:
        n = notices.c
        mine = or_(n.community.is_(None), within(n.community, scope))
        query = select(notices).where(mine, n.created_ms >= from_ms).order_by(n.id.desc()).limit(limit)
        rows = tx.execute(query).all()
        wanted = {row.message for row in rows if row.message}
        carried = tx.execute(select(*_MESSAGE).where(notice_messages.c.id.in_(wanted)))
        messages = {row.id: Message(**row._mapping) for row in carried}
        return [
            (Notice(row.kind, row.community, row.gate, row.at_ms, row.path, ()), messages.get(row.message or ""))
            for row in rows
        ]

    def tally(self, tx: Connection) -> dict[str, int]:
        m = notice_messages.c
        waiting = tx.execute(select(func.count()).select_from(notice_messages).where(_WAITING)).scalar_one()
        lost = tx.execute(select(func.count()).where(m.given_up_ms.is_not(None))).scalar_one()
        return {"waiting": waiting, "given_up": lost}

    def delete_before(self, tx: Connection, before_ms: int) -> None:
        for table in (notices, notice_keys, notice_messages):
            tx.execute(delete(table).where(table.c.created_ms < before_ms))


def _message(rows: Sequence[Row[Any]], now_ms: int) -> Message:
    gates, paths = {row.gate for row in rows}, {row.path for row in rows}
    times = [row.at_ms for row in rows]
    return Message(
        uuid.uuid4().hex, rows[0].kind, rows[0].community, gates.pop() if len(gates) == 1 else None, len(rows),
        min(times), max(times), paths.pop() if len(paths) == 1 else rows[0].path.partition("#")[0], now_ms,
    )  # fmt: skip
