"""Versions of what devices are told to do."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select, update

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.store import new_rows
from community_flow.adapters.sql.tables_devices import device_configs as configs
from community_flow.domain.scope import Scope
from community_flow.ports.devices import ConfigVersion

_ROW = [configs.c[name] for name in ConfigVersion.__dataclass_fields__]


class SqlConfigs:
    def add(self, tx: Connection, row: ConfigVersion) -> bool:
        values = {column.name: getattr(row, column.name) for column in configs.c}
        added = new_rows(tx.dialect, configs).values(**values).on_conflict_do_nothing().returning(configs.c.version)
        return tx.execute(added).first() is not None

    def newest(self, tx: Connection, device: str) -> ConfigVersion | None:
        found = self.history(tx, device, 1)
        return found[0] if found else None

    def one(self, tx: Connection, device: str, version: int) -> ConfigVersion | None:
        row = tx.execute(select(*_ROW).where(configs.c.device == device, configs.c.version == version)).first()
        return None if row is None else _version(row)

    def history(self, tx: Connection, device: str, limit: int) -> list[ConfigVersion]:
        query = select(*_ROW).where(configs.c.device == device).order_by(configs.c.version.desc()).limit(limit)
        return [_version(row) for row in tx.execute(query)]

    def told(self, tx: Connection, device: str, version: int, outcome: str, reason: str | None, now_ms: int) -> bool:
        mine = (configs.c.device == device) & (configs.c.version == version)
        other = configs.c.outcome.is_(None) | (configs.c.outcome != outcome)
        values = {"outcome": outcome, "reason": reason, "outcome_ms": now_ms}
        return tx.execute(update(configs).where(mine, other).values(**values)).rowcount == 1

    def all_newest(self, tx: Connection, scope: Scope) -> dict[str, ConfigVersion]:
        highest = (
            select(configs.c.device, func.max(configs.c.version).label("version"))
            .where(within(configs.c.community, scope))
            .group_by(configs.c.device)
            .subquery()
        )
        same = (configs.c.device == highest.c.device) & (configs.c.version == highest.c.version)
        return {row.device: _version(row) for row in tx.execute(select(*_ROW).join(highest, same))}


def _version(row: Any) -> ConfigVersion:
    return ConfigVersion(**row._mapping)
