"""Shared pieces of every table: the metadata, column types that behave alike on both stores, and the scope filter."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Dialect, LargeBinary, MetaData, Text, TypeDecorator, false

from community_flow.domain.scope import Scope

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Ms = BigInteger
"""UTC milliseconds, or any number that may exceed 32 bits."""

Raw = LargeBinary
"""Bytes: digests, keyed references, sealed bodies."""


class Json(TypeDecorator[Any]):
    """JSON kept as text, so that both stores give back exactly what was written."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


def json_text(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def within(column: ColumnElement[str], scope: Scope) -> ColumnElement[bool]:
    """The filter every query starts with: rows of the scope's communities."""
    return column.in_(sorted(scope.communities)) if scope.communities else false()
