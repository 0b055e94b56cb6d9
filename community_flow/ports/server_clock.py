"""What the watch over the server's own clock needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from community_flow.domain.server_clock import Reading, Trouble
from community_flow.ports import Transaction


@dataclass(frozen=True)
class ClockNote:
    """What is kept about the server's clock: the last believed moment, and what is wrong now."""

    believed_ms: int
    trouble: Trouble | None = None
    off_ms: int = 0
    since_ms: int | None = None


class ClockStore(Protocol):
    def note(self, tx: Transaction) -> ClockNote | None:
        """None in a new store; in one of an earlier version, the newest receipt."""
        ...

    def keep(self, tx: Transaction, note: ClockNote) -> None: ...

    def readings(self, tx: Transaction, since_ms: int) -> list[Reading]:
        """Own clocks of the devices that told their status at ``since_ms`` or later."""
        ...


class MachineClock(Protocol):
    """The clock of this process, which can be held against the machine's."""

    def now_ms(self) -> int: ...
    def wall_ms(self) -> int: ...
    def elapsed_ms(self) -> int: ...
    def believe(self) -> None: ...
    def hold(self, now_ms: int) -> None: ...
