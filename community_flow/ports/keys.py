"""The installation's keys as services see them (adapters/keys.py keeps them in files)."""

from __future__ import annotations

from typing import Protocol


class Secret(Protocol):
    """One key; ``secret`` is 32 raw bytes for every name but ingest."""

    @property
    def id(self) -> int: ...
    @property
    def from_ms(self) -> int: ...
    @property
    def secret(self) -> bytes: ...


class KeySource(Protocol):
    def now(self, name: str) -> Secret:
        """The newest key by that name that is in use already."""
        ...

    def all(self, name: str) -> tuple[Secret, ...]:
        """Every key by that name, oldest first, those announced for later included."""
        ...
