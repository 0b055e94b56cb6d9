"""Reading and writing uploads of residents."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, select

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_people import imports
from community_flow.domain.import_rows import Fault, Table
from community_flow.domain.scope import Scope
from community_flow.ports.imports import Counts, Upload

_PLAIN = ("id", "community", "account", "filename", "created_ms", "state", "kept")


class SqlUploads:
    def save(self, tx: Connection, upload: Upload) -> None:
        row = {name: getattr(upload, name) for name in _PLAIN}
        row |= {"content": upload.table, "mapping": upload.mapping, "counts": upload.counts, "faults": upload.faults}
        upsert(tx, imports, [row], ("id",))

    def one(self, tx: Connection, scope: Scope, upload: str) -> Upload | None:
        row = tx.execute(select(imports).where(within(imports.c.community, scope), imports.c.id == upload)).first()
        if row is None:
            return None
        return Upload(
            **{name: getattr(row, name) for name in _PLAIN},
            table=msgspec.convert(row.content, Table),
            mapping=tuple(row.mapping),
            counts=msgspec.convert(row.counts, Counts),
            faults=msgspec.convert(row.faults, tuple[Fault, ...]),
        )

    def drop_older(self, tx: Connection, than_ms: int) -> None:
        tx.execute(delete(imports).where(imports.c.created_ms < than_ms))
