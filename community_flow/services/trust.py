"""Which device speaks: from a bearer token to what that device may speak of."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from community_flow.domain.journal import Journal
from community_flow.domain.passes import community_secret
from community_flow.domain.places import OUTSIDE
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.ingest import Trusted, TrustReader
from community_flow.ports.keys import KeySource
from community_flow.services.registry import Registry

REMEMBER_MS = 400
"""A token revoked by another process is refused within half a second: so often the store is asked whether anything that
trust rests on has changed. One question for all devices; only when it has are they looked up again."""

LONGEST_MS = 10_000
"""What changes by the clock alone (a rotated token ends, an order ends) is noticed within this time."""


@dataclass(frozen=True, slots=True)
class _Known:
    trusted: Trusted
    looked_up_ms: int
    stamp: object


class Trust:
    """Remembers devices for a moment, so that a burst of reports costs one look-up."""

    def __init__(
        self,
        db: Database,
        tokens: TrustReader,
        registry: Registry,
        keys: KeySource,
        horizon_ms: Callable[[Transaction, str], int],
        clock: Clock,
    ) -> None:
        self.db, self.tokens, self.registry, self.keys = db, tokens, registry, keys
        self.horizon_ms, self.clock = horizon_ms, clock
        self._known: dict[bytes | str, _Known] = {}
        self._stamp: object = None
        self._stamped_ms = 0
        self._lock = threading.Lock()

    def of_token(self, token: str) -> Trusted | None:
        """The device behind a token; None when there is none, or it was revoked."""
        token_hash = hash_token(token)
        return self._remembered(token_hash, lambda tx, now_ms: self.tokens.of_token(tx, token_hash, now_ms))

    def knows(self, token: str) -> bool:
        """Whether its device was here lately; looks at nothing but what is remembered, and may be wrong by moments."""
        return hash_token(token) in self._known

    def of_name(self, device: str) -> Trusted | None:
        """A device that somebody else has asked for its token; None when it has none that is good."""
        return self._remembered(device, lambda tx, now_ms: self.tokens.of_name(tx, device, now_ms))

    def _remembered(
        self, key: bytes | str, look: Callable[[Transaction, int], tuple[str, str] | None]
    ) -> Trusted | None:
        now_ms = self.clock.now_ms()
        stamp = self._stamp_at(now_ms)
        with self._lock:
            known = self._known.get(key)
        if known is not None and known.stamp == stamp and 0 <= now_ms - known.looked_up_ms < LONGEST_MS:
            return known.trusted
        with self.db.read() as tx:
            found = look(tx, now_ms)
            trusted = None if found is None else self.of_device(tx, *found)
        with self._lock:
            if len(self._known) > 10_000:
                self._known.clear()
            if trusted is not None:
                self._known[key] = _Known(trusted, now_ms, stamp)
        return trusted

    def stamp(self) -> object:
        """What changes whenever a token or the registry does, noticed within REMEMBER_MS."""
        return self._stamp_at(self.clock.now_ms())

    def _stamp_at(self, now_ms: int) -> object:
        """What changes whenever a token or the registry does; not older than REMEMBER_MS."""
        with self._lock:
            if self._stamp is not None and 0 <= now_ms - self._stamped_ms < REMEMBER_MS:
                return self._stamp
        with self.db.read() as tx:
            stamp = self.tokens.stamp(tx)
        with self._lock:
            self._stamp, self._stamped_ms = stamp, now_ms
        return stamp

    def of_device(self, tx: Transaction, device: str, community: str, *, even_revoked: bool = False) -> Trusted | None:
        """The same for work inside the program; None for a device that was revoked or never enrolled."""
        journal = self.registry.journal(tx, community)
        states = [state for _, _, state in journal.timeline("device", device).spans() if state is not None]
        if not states or (states[-1].status != "active" and not even_revoked):
            return None
        uid = self.registry.uid(tx, community)
        return Trusted(
            device=device,
            community=community,
            uid=uid,
            kind=states[-1].kind,
            gates=_gates(journal, [state.gate for state in states]),
            zones=frozenset(journal.entities("zone")) | {OUTSIDE},
            horizon_ms=self.horizon_ms(tx, community),
            digest_key=community_secret(self.keys.all("community")[0].secret, uid, "report-digest"),
        )

    def forget(self) -> None:
        """Look everything up again: a token, a device or a gate has changed in this process."""
        with self._lock:
            self._known.clear()
            self._stamp = None


def hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _gates(journal: Journal, own: list[str | None]) -> frozenset[str]:
    """A device moved to another gate still delivers what it saw at the old one; one without a gate serves all."""
    known = frozenset(journal.entities("gate"))
    return known if None in own else known & frozenset(own)
