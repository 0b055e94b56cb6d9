"""Rows of accounts, tokens and failed sign-ins."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, select, update

from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_access import accounts, attempts, tokens
from community_flow.domain.scope import Role, Scope
from community_flow.ports.accounts import Account, Token


class SqlAccounts:
    def add(self, tx: Connection, account: Account) -> None:
        tx.execute(insert(accounts), _row(account))

    def save(self, tx: Connection, account: Account) -> None:
        tx.execute(update(accounts).where(accounts.c.account == account.account), _row(account))

    def by_id(self, tx: Connection, account: str) -> Account | None:
        return _account(tx.execute(select(accounts).where(accounts.c.account == account)).first())

    def by_login(self, tx: Connection, login: str) -> Account | None:
        return _account(tx.execute(select(accounts).where(accounts.c.login == login)).first())

    def of_scope(self, tx: Connection, scope: Scope) -> list[Account]:
        rows = [_account(row) for row in tx.execute(select(accounts).order_by(accounts.c.login))]
        found = [row for row in rows if row is not None]
        if scope.role is Role.ADMIN:
            return found
        return [row for row in found if row.communities and set(row.communities) <= scope.communities]

    def add_token(self, tx: Connection, token: Token) -> None:
        tx.execute(insert(tokens), asdict(token))

    def token(self, tx: Connection, digest: bytes) -> Token | None:
        row = tx.execute(select(tokens).where(tokens.c.digest == digest)).first()
        return None if row is None else Token(**row._mapping)

    def use_link(self, tx: Connection, digest: bytes, now_ms: int) -> bool:
        unused = and_(
            tokens.c.digest == digest, tokens.c.kind == "link", tokens.c.used_ms.is_(None), ~tokens.c.revoked,
            tokens.c.expires_ms > now_ms,
        )  # fmt: skip
        return tx.execute(update(tokens).where(unused).values(used_ms=now_ms)).rowcount == 1

    def revoke_tokens(self, tx: Connection, account: str) -> None:
        tx.execute(update(tokens).where(tokens.c.account == account).values(revoked=True))

    def failures(self, tx: Connection, key: str) -> tuple[int, int]:
        row = tx.execute(select(attempts.c.failures, attempts.c.last_ms).where(attempts.c.key == key)).first()
        return (row.failures, row.last_ms) if row else (0, 0)

    def failed(self, tx: Connection, key: str, count: int, now_ms: int) -> None:
        upsert(tx, attempts, [{"key": key, "failures": count, "last_ms": now_ms}], ("key",))

    def succeeded(self, tx: Connection, key: str) -> None:
        tx.execute(delete(attempts).where(attempts.c.key == key))


def _row(account: Account) -> dict[str, Any]:
    return {**asdict(account), "role": str(account.role)}


def _account(row: Row[Any] | None) -> Account | None:
    if row is None:
        return None
    fields = dict(row._mapping)
    for name in ("areas", "communities", "grids", "gates"):
        fields[name] = None if fields[name] is None else tuple(fields[name])
    return Account(**{**fields, "role": Role(fields["role"])})
