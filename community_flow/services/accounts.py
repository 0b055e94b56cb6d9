"""Accounts: who may sign in, what they may see, and how guessing is slowed down."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from community_flow.domain.errors import Conflict, Forbidden, Invalid, NotFound, TooMany
from community_flow.domain.places import Area, Community, Gate
from community_flow.domain.scope import Role, Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.accounts import Account, AccountStore, Token
from community_flow.ports.audit import AuditLog, Look
from community_flow.services.registry import Registry, communities_of_areas

PASSWORD_LEAST = 10
LINK_MS = 15 * 60_000
FREE_FAILURES = 4
LONGEST_WAIT_S = 900

WRONG = "The login or the password is wrong. After five wrong tries you have to wait."
BAD_LINK = "This sign-in link was used or is older than 15 minutes: ask for a new one."


@dataclass(frozen=True)
class Places:
    areas: Mapping[str, Area]
    communities: Mapping[str, Community]
    gates: Mapping[tuple[str, str], Gate]


@dataclass(frozen=True)
class SignedIn:
    account: Account
    scope: Scope


class Accounts:
    def __init__(
        self, db: Database, store: AccountStore, registry: Registry, audit: AuditLog, clock: Clock,
        hasher: PasswordHasher | None = None,
    ) -> None:  # fmt: skip
        self.db, self.store, self.registry, self.audit, self.clock = db, store, registry, audit, clock
        self.hasher = hasher or PasswordHasher()
        # A stranger's login costs as much as a known one, so that the time of an answer names no accounts.
        self._nobody = _hash_of_nothing(self.hasher)

    def add(self, account: Account, password: str | None, by: str) -> Account:
        """Make an account; raises Invalid or Conflict."""
        with self.db.write() as tx:
            return self.add_in(tx, account, password, by)

    def add_in(self, tx: Transaction, account: Account, password: str | None, by: str) -> Account:
        _check(account, password)
        if self.store.by_login(tx, account.login):
            raise Conflict("The login %(login)s is taken: choose another one.", field="login", login=account.login)
        made = replace(
            account, account="a_" + secrets.token_hex(6), created_ms=self.clock.now_ms(),
            password_hash=None if password is None else self.hasher.hash(password),
        )  # fmt: skip
        self.store.add(tx, made)
        self._log(tx, made, by, "account.add", {"login": made.login, "role": made.role})
        return made

    def sign_in(self, login: str, password: str, remote: str) -> SignedIn:
        """Check a password; raises Forbidden, or TooMany with the time to wait."""
        keys = (f"login:{login[:80]}", f"from:{remote}")
        with self.db.read() as tx:
            self._wait(tx, keys)
            account = self.store.by_login(tx, login)
        right = self._matches(account, password)
        with self.db.write() as tx:
            if account is None or not right or account.disabled:
                self._failed(tx, keys, account)
            else:
                self.store.succeeded(tx, keys[0])
                return self._enter(tx, account, "sign-in")
        raise Forbidden(WRONG)

    def make_link(self, account: Account, by: str) -> str:
        """A secret that signs in once within 15 minutes."""
        with self.db.write() as tx:
            self._log(tx, account, by, "account.link", {"login": account.login})
            return self._token(tx, account, "link", "one-time link", LINK_MS)

    def use_link(self, secret: str) -> SignedIn:
        digest = _digest(secret)
        with self.db.write() as tx:
            token = self.store.token(tx, digest)
            account = self.store.by_id(tx, token.account) if token else None
            used = account and not account.disabled and self.store.use_link(tx, digest, self.clock.now_ms())
            if account is None or not used:
                raise Forbidden(BAD_LINK)
            return self._enter(tx, account, "sign-in.link")

    def make_token(self, account: Account, label: str, by: str) -> str:
        """A personal token for programs; shown once, kept as a digest."""
        with self.db.write() as tx:
            self._log(tx, account, by, "account.token", {"label": label})
            return self._token(tx, account, "personal", label, None, prefix="cfp_")

    def of_token(self, secret: str) -> SignedIn | None:
        with self.db.read() as tx:
            token = self.store.token(tx, _digest(secret))
            if token is None or token.kind != "personal" or token.revoked:
                return None
            return self._signed_in(tx, token.account)

    def of_session(self, account: str, epoch: int) -> SignedIn | None:
        """The account of a session cookie, while it is neither disabled nor signed out elsewhere."""
        with self.db.read() as tx:
            found = self._signed_in(tx, account)
        return found if found and found.account.epoch == epoch else None

    def list(self, scope: Scope) -> list[Account]:
        with self.db.read() as tx:
            return self.store.of_scope(tx, scope)

    def by_login(self, login: str) -> Account:
        with self.db.read() as tx:
            account = self.store.by_login(tx, login)
        if account is None:
            raise NotFound("There is no account with the login %(login)s: see `user list`.", login=login)
        return account

    def in_scope(self, scope: Scope, account: str) -> Account:
        """An account that the asker may manage; raises NotFound for any other."""
        for each in self.list(scope):
            if each.account == account:
                return each
        raise NotFound("There is no such account here.")

    def places(self, scope: Scope) -> Places:
        """What an account can be bound to, by id, for people who choose from names."""
        with self.db.read() as tx:
            return Places(self.registry.areas(tx), self.registry.communities(tx, scope), self.registry.gates(tx, scope))

    def set_password(self, account: Account, password: str, by: str) -> None:
        """New password; every session, link and token of the account ends."""
        _check(account, password)
        self._change(replace(account, password_hash=self.hasher.hash(password)), by, "account.password")

    def disable(self, account: Account, by: str) -> None:
        if account.account == by:
            raise Conflict("You cannot disable your own account: ask another admin.")
        self._change(replace(account, disabled=True), by, "account.disable")

    def enable(self, account: Account, by: str) -> None:
        self._change(replace(account, disabled=False), by, "account.enable")

    def set_language(self, account: Account, language: str) -> None:
        with self.db.write() as tx:
            self.store.save(tx, replace(account, language=language))

    def count(self) -> int:
        with self.db.read() as tx:
            return len(self.store.of_scope(tx, Scope.system(())))

    def _change(self, account: Account, by: str, action: str) -> None:
        changed = replace(account, epoch=account.epoch + 1)
        with self.db.write() as tx:
            self.store.save(tx, changed)
            self.store.revoke_tokens(tx, account.account)
            self._log(tx, changed, by, action, {"login": account.login})

    def _signed_in(self, tx: Transaction, account: str) -> SignedIn | None:
        found = self.store.by_id(tx, account)
        if found is None or found.disabled:
            return None
        return SignedIn(found, self._scope(tx, found))

    def _scope(self, tx: Transaction, account: Account) -> Scope:
        everything = Scope.system(self.registry.store.communities(tx))
        known = self.registry.communities(tx, everything)
        return scope_of(account, self.registry.areas(tx), known)

    def _enter(self, tx: Transaction, account: Account, action: str) -> SignedIn:
        seen = replace(account, seen_ms=self.clock.now_ms())
        self.store.save(tx, seen)
        self._log(tx, seen, seen.account, action, {})
        return SignedIn(seen, self._scope(tx, seen))

    def _matches(self, account: Account | None, password: str) -> bool:
        known = account.password_hash if account else None
        try:
            return self.hasher.verify(known or self._nobody, password[:1024]) and known is not None
        except (VerifyMismatchError, InvalidHashError):
            return False

    def _wait(self, tx: Transaction, keys: tuple[str, ...]) -> None:
        now_ms = self.clock.now_ms()
        for key in keys:
            failures, last_ms = self.store.failures(tx, key)
            wait_s = min(LONGEST_WAIT_S, 2 ** max(0, failures - FREE_FAILURES)) if failures > FREE_FAILURES else 0
            left_s = (last_ms + wait_s * 1000 - now_ms + 999) // 1000
            if left_s > 0:
                raise TooMany("Too many wrong tries: wait %(left)s seconds and try again.", retry_s=left_s, left=left_s)

    def _failed(self, tx: Transaction, keys: tuple[str, ...], account: Account | None) -> None:
        now_ms = self.clock.now_ms()
        for key in keys:
            count, last_ms = self.store.failures(tx, key)
            fresh = 0 if now_ms - last_ms > 3_600_000 else count
            self.store.failed(tx, key, fresh + 1, now_ms)
        if account:
            self._log(tx, account, account.account, "sign-in.failed", {})

    def _token(
        self, tx: Transaction, account: Account, kind: str, label: str, lifetime_ms: int | None, prefix: str = ""
    ) -> str:
        secret = prefix + secrets.token_urlsafe(32)
        now_ms = self.clock.now_ms()
        expires_ms = None if lifetime_ms is None else now_ms + lifetime_ms
        self.store.add_token(
            tx,
            Token(digest=_digest(secret), account=account.account, kind=kind, label=label[:80],
                  created_ms=now_ms, expires_ms=expires_ms),
        )  # fmt: skip
        return secret

    def _log(self, tx: Transaction, account: Account, by: str, action: str, detail: Mapping[str, object]) -> None:
        self.audit.append(
            tx,
            Look(account=by, role=account.role if by == account.account else "", action=action,
                 subject=account.account, detail=detail),
        )  # fmt: skip


def scope_of(account: Account, areas: Mapping[str, Area], communities: Mapping[str, Community]) -> Scope:
    """What an account sees: its communities and those of its areas; an admin without either sees all."""
    if account.role is Role.ADMIN and not account.areas and not account.communities:
        mine = set(communities)
    else:
        mine = communities_of_areas(areas, communities, account.areas) | (set(account.communities) & set(communities))
    return Scope(
        account.account, account.role, frozenset(mine),
        None if account.gates is None else frozenset(account.gates),
        None if account.grids is None else frozenset(account.grids),
        account.person,
    )  # fmt: skip


def _check(account: Account, password: str | None) -> None:
    if not 1 <= len(account.login) <= 80 or account.login != account.login.strip():
        raise Invalid("A login has 1 to 80 characters and no space at its ends.", field="login")
    if not account.name.strip() or len(account.name) > 80:
        raise Invalid("Give the person's name, 80 characters at most.", field="name")
    if account.role is Role.RESIDENT and account.person is None:
        raise Invalid("A resident's account needs the person it belongs to.", field="person")
    if account.role not in (Role.ADMIN, Role.OFFICIAL, Role.RESIDENT) and not account.communities:
        raise Invalid("Choose the community in which this account works.", field="communities")
    if account.role is Role.OFFICIAL and not (account.areas or account.communities):
        raise Invalid("Choose the area that this official answers for.", field="areas")
    if password is not None and len(password) < PASSWORD_LEAST:
        raise Invalid("A password has at least 10 characters: a short sentence is easy to remember.", field="password")


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """As long to check as a hash of ``hasher``, but random where that has its result: no password gives it, and it
    costs nothing to make."""
    salt, result = (
        b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${result}"


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
