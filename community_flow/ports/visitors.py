"""What is known of visitors' comings and goings, as far as the office needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from community_flow.ports import Transaction


@dataclass(frozen=True)
class Stay:
    """First entry and, once they left, the last exit of one person; ``inside`` while a visit is open."""

    person: str
    entered_ms: int
    left_ms: int | None
    inside: bool


class StayReader(Protocol):
    def stays(
        self, tx: Transaction, community: str, persons: Sequence[str], since_ms: int, now_ms: int
    ) -> dict[str, Stay]:
        """Of those persons who were inside at any time after ``since_ms``."""
        ...
