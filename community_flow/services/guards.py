"""Guards at a gate phone: a number and a PIN say who decides; a shift opens the online search for five minutes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from community_flow.domain.errors import Forbidden, Invalid, TooMany
from community_flow.domain.scope import Role, Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.accounts import AccountStore
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.gate import GuardPin, GuardStore, Shift
from community_flow.ports.ingest import Trusted

IDLE_MS = 5 * 60_000
FREE_FAILURES = 4
LONGEST_WAIT_S = 900
AT_GATES = (Role.GUARD, Role.STEWARD, Role.MANAGER)
WRONG = "The number or the PIN is wrong. After five wrong tries you have to wait."
LOCKED = "Give your number and PIN first: the search opens for five minutes."


@dataclass(frozen=True)
class OnDuty:
    """An opened shift. ``session`` is told once and kept as a digest."""

    session: str
    operator: str
    name: str
    idle_ms: int = IDLE_MS


class Guards:
    def __init__(
        self, db: Database, store: GuardStore, accounts: AccountStore, audit: AuditLog, clock: Clock,
        hasher: PasswordHasher | None = None, random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:  # fmt: skip
        self.db, self.store, self.accounts, self.audit, self.clock = db, store, accounts, audit, clock
        self.hasher, self.random = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1), random

    def operator_of(self, account: str) -> str | None:
        with self.db.read() as tx:
            pin = self.store.pin_of_account(tx, account)
        return pin.operator if pin else None

    def set_pin(self, scope: Scope, pin: str) -> str:
        """One's own PIN; gives the number to type with it."""
        if not (pin.isascii() and pin.isdecimal() and 4 <= len(pin) <= 8):
            raise Invalid("A PIN has 4 to 8 digits.", field="pin")
        if len(set(pin)) == 1 or pin in "0123456789" or pin in "9876543210":
            raise Invalid("Choose a PIN that is not in a row or all the same.", field="pin")
        pin_hash, now_ms = self.hasher.hash(pin), self.clock.now_ms()
        with self.db.write() as tx:
            known = self.store.pin_of_account(tx, scope.account)
            operator = known.operator if known else f"g{self.store.numbers(tx) + 1}"
            self.store.save_pin(
                tx, GuardPin(account=scope.account, operator=operator, pin_hash=pin_hash, changed_ms=now_ms)
            )
            self.audit.append(
                tx, Look(account=scope.account, role=scope.role, action="gate.pin", subject=operator)
            )  # fmt: skip
        return operator

    def open(self, trusted: Trusted, operator: str, pin: str) -> OnDuty:
        """Begin a shift on a device; raises Forbidden, or TooMany with the time to wait."""
        operator = operator.strip().lower()
        operator = f"g{operator}" if operator.isdecimal() else operator
        keys = (f"pin:{operator[:20]}", f"pin-at:{trusted.device}")
        with self.db.read() as tx:
            self._wait(tx, keys)
            known = self.store.pin_of(tx, operator)
        right = known is not None and self._matches(known, pin)
        with self.db.write() as tx:
            name = self._name(tx, known, trusted) if right else None
            if known is not None and name is not None:
                self.accounts.succeeded(tx, keys[0])
                return self._begin(tx, known, trusted, name)
            self._failed(tx, keys)
        raise Forbidden(WRONG)

    def close(self, trusted: Trusted, session: str) -> None:
        with self.db.write() as tx:
            self.store.end(tx, _digest(session))

    def on_duty(self, trusted: Trusted, session: str | None) -> Shift:
        """The shift of a session on this device, kept open by use; raises Forbidden."""
        now_ms = self.clock.now_ms()
        with self.db.write() as tx:
            shift = self.store.shift(tx, _digest(session or ""))
            if shift is None or shift.device != trusted.device or now_ms - shift.seen_ms > IDLE_MS:
                raise Forbidden(LOCKED)
            self.store.seen(tx, shift.session_hash, now_ms)
            return shift

    def _begin(self, tx: Transaction, known: GuardPin, trusted: Trusted, name: str) -> OnDuty:
        session, now_ms = secrets.token_urlsafe(24), self.clock.now_ms()
        self.store.begin(
            tx,
            Shift(session_hash=_digest(session), account=known.account, operator=known.operator, device=trusted.device,
                  community=trusted.community, begun_ms=now_ms, seen_ms=now_ms),
        )  # fmt: skip
        self.audit.append(
            tx,
            Look(account=known.account, role="guard", action="gate.shift", community=trusted.community,
                 subject=trusted.device),
        )  # fmt: skip
        return OnDuty(session, known.operator, name)

    def _name(self, tx: Transaction, known: GuardPin | None, trusted: Trusted) -> str | None:
        """The guard's name, if the account may stand at this gate."""
        account = self.accounts.by_id(tx, known.account) if known else None
        if account is None or account.disabled or account.role not in AT_GATES:
            return None
        if trusted.community not in account.communities:
            return None
        here = account.gates is None or trusted.gates & set(account.gates)
        return account.name if here else None

    def _matches(self, known: GuardPin, pin: str) -> bool:
        try:
            return self.hasher.verify(known.pin_hash, pin[:64])
        except (VerifyMismatchError, InvalidHashError):
            return False

    def _wait(self, tx: Transaction, keys: tuple[str, ...]) -> None:
        for key in keys:
            failures, last_ms = self.accounts.failures(tx, key)
            wait_s = min(LONGEST_WAIT_S, 2 ** (failures - FREE_FAILURES)) if failures > FREE_FAILURES else 0
            left_s = (last_ms + wait_s * 1000 - self.clock.now_ms() + 999) // 1000
            if left_s > 0:
                raise TooMany("Too many wrong tries: wait %(left)s seconds and try again.", retry_s=left_s, left=left_s)

    def _failed(self, tx: Transaction, keys: tuple[str, ...]) -> None:
        for key in keys:
            self.accounts.failed(tx, key, self.accounts.failures(tx, key)[0] + 1, self.clock.now_ms())


def _digest(session: str) -> bytes:
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).digest()
