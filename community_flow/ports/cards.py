"""What is printed on a card, and who prints it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Paper = Literal["a4", "cr80"]


@dataclass(frozen=True, kw_only=True)
class CardFace:
    """One card. The full name and the building are on it, never the door: a guard compares the name with the person,
    a finder can bring it back, and a thief does not learn which flat stands empty. A mask would make the cards of one
    family look alike."""

    person: str
    name: str
    building: str
    community: str
    text: str
    short_code: str
    until: str
    serial: int
    language: Literal["zh", "en"]


class CardPrinter(Protocol):
    def __call__(self, faces: Sequence[CardFace], paper: Paper) -> bytes:
        """A PDF; raises Invalid naming the character and the person when no font can draw a name."""
        ...
