"""Passes as services see them: what the journal does not say of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True, kw_only=True)
class PassRow:
    """``sealed_handle`` is None for IC cards, ``public_key`` for all but phones."""

    community: str
    pass_id: str
    ref: bytes
    sealed_handle: bytes | None
    public_key: bytes | None
    short_code: str | None
    issued_ms: int
    changed_ms: int


class PassStore(Protocol):
    def add(self, tx: Transaction, rows: Sequence[PassRow]) -> int:
        """How many were new: a reference is kept once."""
        ...

    def of_ids(self, tx: Transaction, scope: Scope, pass_ids: Sequence[str]) -> dict[str, PassRow]: ...

    def of_keys(self, tx: Transaction, scope: Scope, public_keys: Sequence[bytes]) -> list[PassRow]:
        """Those that the phones with these keys sign."""
        ...

    def changed(self, tx: Transaction, pass_ids: Sequence[str], now_ms: int) -> None:
        """Note that gates must learn of these."""
        ...

    def codes_taken(self, tx: Transaction, community: str, codes: Sequence[str]) -> set[str]: ...

    def by_short_code(self, tx: Transaction, scope: Scope, code: str) -> PassRow | None: ...
