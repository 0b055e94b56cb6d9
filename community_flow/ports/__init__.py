"""What services need of the outside. One file per feature; the shared ones are here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

# A unit of work, opened by a service and handed to adapters. Services never look inside: only adapters/sql knows it.
Transaction: TypeAlias = Any


class Database(Protocol):
    """The one store. `write` commits when the block ends and rolls back when it raises."""

    def read(self) -> AbstractContextManager[Transaction]: ...
    def write(self) -> AbstractContextManager[Transaction]: ...


class Clock(Protocol):
    """Wall time; the only source of "now" in services."""

    def now_ms(self) -> int: ...
