"""Boxes that show a code and wait for a manager to enter it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from community_flow.adapters.sql.tables_devices import device_requests
from community_flow.ports.devices import Request


class SqlRequests:
    def open(
        self, tx: Connection, code_hash: bytes, secret_hash: bytes, version: str, now_ms: int, ends_ms: int
    ) -> None:
        tx.execute(delete(device_requests).where(device_requests.c.expires_ms <= now_ms))
        tx.execute(
            device_requests.insert().values(
                code_hash=code_hash, secret_hash=secret_hash, version=version, created_ms=now_ms, expires_ms=ends_ms
            )
        )

    def waiting(self, tx: Connection, now_ms: int) -> int:
        query = select(func.count()).select_from(device_requests).where(device_requests.c.expires_ms > now_ms)
        return int(tx.execute(query).scalar_one())

    def by_code(self, tx: Connection, code_hash: bytes) -> Request | None:
        return _one(tx, device_requests.c.code_hash == code_hash)

    def by_secret(self, tx: Connection, secret_hash: bytes) -> Request | None:
        return _one(tx, device_requests.c.secret_hash == secret_hash)

    def approve(self, tx: Connection, code_hash: bytes, device: str, community: str) -> bool:
        free = (device_requests.c.code_hash == code_hash) & device_requests.c.device.is_(None)
        done = tx.execute(update(device_requests).where(free).values(device=device, community=community))
        return done.rowcount == 1


def _one(tx: Connection, chosen: ColumnElement[bool]) -> Request | None:
    found = select(*(device_requests.c[name] for name in Request.__dataclass_fields__)).where(chosen)
    row = tx.execute(found).first()
    return None if row is None else Request(**row._mapping)
