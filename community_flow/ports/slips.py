"""Slips by which a phone becomes somebody's pass: what is kept of them, and who prints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from community_flow.ports import Transaction


@dataclass(frozen=True, kw_only=True)
class Slip:
    """``code_hash`` is of the code on paper, which is kept nowhere."""

    code_hash: bytes
    community: str
    person: str
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, kw_only=True)
class SlipFace:
    """What is printed: for whom, the address with the code as a QR code, and the code to type."""

    name: str
    building: str
    community: str
    address: str
    code: str
    until: str
    language: Literal["zh", "en"]


class SlipStore(Protocol):
    def add(self, tx: Transaction, slips: Sequence[Slip]) -> None:
        """Older slips of the same people that nobody used stop working."""
        ...

    def use(self, tx: Transaction, code_hash: bytes, now_ms: int) -> Slip | None:
        """The slip, once: None for a code that is unknown, used or too old."""
        ...


class SlipPrinter(Protocol):
    def __call__(self, faces: Sequence[SlipFace]) -> bytes:
        """A PDF of A4 sheets; raises Invalid for a name that no font can draw."""
        ...
