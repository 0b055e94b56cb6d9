"""Accounts, sign-in links and personal tokens as services see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from community_flow.domain.scope import Role, Scope
from community_flow.ports import Transaction


@dataclass(frozen=True, kw_only=True)
class Account:
    """Somebody who signs in. Empty ``areas`` and ``communities`` of an admin mean the whole installation."""

    account: str
    login: str
    name: str
    role: Role
    password_hash: str | None = None
    authority: str | None = None
    areas: tuple[str, ...] = ()
    communities: tuple[str, ...] = ()
    grids: tuple[str, ...] | None = None
    gates: tuple[str, ...] | None = None
    person: str | None = None
    language: str | None = None
    disabled: bool = False
    epoch: int = 1
    created_ms: int = 0
    seen_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Token:
    digest: bytes
    account: str
    kind: str
    label: str
    created_ms: int
    expires_ms: int | None
    used_ms: int | None = None
    revoked: bool = False


class AccountStore(Protocol):
    def add(self, tx: Transaction, account: Account) -> None: ...
    def save(self, tx: Transaction, account: Account) -> None: ...
    def by_id(self, tx: Transaction, account: str) -> Account | None: ...
    def by_login(self, tx: Transaction, login: str) -> Account | None: ...
    def of_scope(self, tx: Transaction, scope: Scope) -> list[Account]: ...
    def add_token(self, tx: Transaction, token: Token) -> None: ...
    def token(self, tx: Transaction, digest: bytes) -> Token | None: ...
    def use_link(self, tx: Transaction, digest: bytes, now_ms: int) -> bool:
        """True for exactly one caller per link."""
        ...

    def revoke_tokens(self, tx: Transaction, account: str) -> None: ...
    def failures(self, tx: Transaction, key: str) -> tuple[int, int]:
        """(failures in a row, time of the last)."""
        ...

    def failed(self, tx: Transaction, key: str, count: int, now_ms: int) -> None: ...
    def succeeded(self, tx: Transaction, key: str) -> None: ...
