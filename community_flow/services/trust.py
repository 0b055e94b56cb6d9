"""Which device speaks: from a bearer token to what that device may speak of."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from community_flow.domain.journal import Journal
from community_flow.domain.passes import community_secret
from community_flow.domain.places import OUTSIDE
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.ingest import Trusted, TrustReader
from community_flow.ports.keys import KeySource
from community_flow.services.registry import Registry

REMEMBER_MS = 400
"""A token revoked by another process is refused within half a second."""


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
        self._known: dict[bytes | str, tuple[int, Trusted | None]] = {}
        self._lock = threading.Lock()

    def of_token(self, token: str) -> Trusted | None:
        """The device behind a token; None when there is none, or it was revoked."""
        token_hash = hash_token(token)
        return self._remembered(token_hash, lambda tx, now_ms: self.tokens.of_token(tx, token_hash, now_ms))

    def of_name(self, device: str) -> Trusted | None:
        """A device that somebody else has asked for its token; None when it has none that is good."""
        return self._remembered(device, lambda tx, now_ms: self.tokens.of_name(tx, device, now_ms))

    def _remembered(
        self, key: bytes | str, look: Callable[[Transaction, int], tuple[str, str] | None]
    ) -> Trusted | None:
        now_ms = self.clock.now_ms()
        with self._lock:
            since_ms, known = self._known.get(key, (0, None))
        if known is not None and 0 <= now_ms - since_ms < REMEMBER_MS:
            return known
        with self.db.read() as tx:
            found = look(tx, now_ms)
            trusted = None if found is None else self.of_device(tx, *found)
        with self._lock:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[key] = (now_ms, trusted)
        return trusted

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


def hash_token(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _gates(journal: Journal, own: list[str | None]) -> frozenset[str]:
    """A device moved to another gate still delivers what it saw at the old one; one without a gate serves all."""
    known = frozenset(journal.entities("gate"))
    return known if None in own else known & frozenset(own)
