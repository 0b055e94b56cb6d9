"""One still picture of a camera, asked for by a manager: in memory for a minute, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

KEPT_MS = 60_000


@dataclass(frozen=True)
class Asked:
    """Who wants a picture of which of a device's cameras. ``id`` is known to the asker and to the device only."""

    id: str
    account: str
    sensor: int
    asked_ms: int


@dataclass(frozen=True)
class Answered:
    """What the device gave: a JPEG, or why there is none."""

    jpeg: bytes = b""
    reason: str = ""


class Pictures(Protocol):
    """Everything ends KEPT_MS after it was put, by the clock and whatever else happens."""

    def ask(self, device: str, asked: Asked) -> bool:
        """In the place of an earlier wish; False when nothing can be kept now."""
        ...

    def asked(self, device: str) -> Asked | None:
        """What is wanted and not answered yet."""
        ...

    def answer(self, device: str, id: str, answered: Answered) -> bool:
        """Keep what was asked for; False when nobody asks for it any more, or it was answered."""
        ...

    def answered(self, device: str, id: str) -> Answered | None: ...

    def forget(self, device: str) -> None: ...
