"""Boxes that nobody has claimed: each shows a code, a manager enters it, and the box fetches its token by itself.

A code is good once and for a quarter of an hour. The box asks with a secret of its own that is never shown, so reading
the code off its screen gives nobody its token; the store keeps both as hashes only.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from community_flow.domain.errors import Busy, Conflict, NotFound
from community_flow.domain.places import DeviceKind, Names
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.devices import Request, RequestStore
from community_flow.services.claim_codes import CODE_MS, hash_code, new_code
from community_flow.services.device_settings import DeviceSettings
from community_flow.services.devices import Devices, Enrolled

MOST_WAITING = 1_000
"""Boxes that wait at once; each costs a row, and anybody may ask."""

UNKNOWN = "This code is not known: read it again from the device, which shows a new one every 15 minutes."


@dataclass(frozen=True)
class Shown:
    """What a box shows, and what it asks with."""

    code: str
    secret: str
    expires_ms: int


@dataclass(frozen=True)
class Wanted:
    """What a manager wants the box to be: a new device, or one in the place of another."""

    community: str
    kind: DeviceKind
    gate: str | None
    names: Names | None = None


class DeviceRequests:
    def __init__(
        self, db: Database, store: RequestStore, devices: Devices, settings: DeviceSettings, clock: Clock
    ) -> None:
        self.db, self.store, self.devices, self.settings, self.clock = db, store, devices, settings, clock

    def open(self, version: str) -> Shown:
        """A code for a box to show."""
        now_ms = self.clock.now_ms()
        shown = Shown(new_code(), secrets.token_urlsafe(32), now_ms + CODE_MS)
        with self.db.write() as tx:
            if self.store.waiting(tx, now_ms) >= MOST_WAITING:
                raise Busy("Too many devices wait to be claimed: try again in a quarter of an hour.", retry_s=900)
            self.store.open(tx, hash_code(shown.code), _hash_secret(shown.secret), version, now_ms, shown.expires_ms)
        return shown

    def approve(self, scope: Scope, code: str, wanted: Wanted) -> str:
        """Make the box that shows ``code`` a new device; gives the device."""
        with self.db.write() as tx:
            self._waiting(tx, code)
            device = self.devices.add(tx, scope, wanted.community, wanted.kind, wanted.gate, wanted.names)
            self.settings.begin_box(tx, scope, wanted.community, device)
            self._take(tx, code, device, wanted.community)
        return device

    def replace(self, scope: Scope, code: str, old: str) -> str:
        """Put the box that shows ``code`` in the place of a device, whose token ends now; gives the new device."""
        with self.db.write() as tx:
            self._waiting(tx, code)
            device, community = self.devices.replace_in(tx, scope, old)
            self.settings.begin_box(tx, scope, community, device)
            self._take(tx, code, device, community)
        self.devices.changed(old)
        return device

    def poll(self, secret: str) -> Enrolled | None:
        """What the box became; None while nobody has entered its code. Raises NotFound when it is to ask anew.

        The answer may be lost on its way, so it is given again until the device has spoken: each time with a new token,
        and only the last one is good.
        """
        secret_hash, now_ms = _hash_secret(secret), self.clock.now_ms()
        with self.db.read() as tx:
            found = self.store.by_secret(tx, secret_hash)
            spoke = found and found.device and self.devices.store.last_ms(tx, found.device)
        if found is None or found.expires_ms <= now_ms or spoke:
            raise NotFound("This request has ended: ask for a new code.")
        if found.device is None or found.community is None:
            return None
        with self.db.write() as tx:
            self.devices.store.revoke_tokens(tx, found.device, now_ms)
            token = self.devices.claimed_in(tx, found.device, found.community)
        self.devices.changed(found.device)
        return Enrolled(found.device, token, found.community)

    def _waiting(self, tx: Transaction, code: str) -> Request:
        found = self.store.by_code(tx, hash_code(code))
        if found is None or found.expires_ms <= self.clock.now_ms():
            raise NotFound(UNKNOWN, field="code")
        if found.device is not None:
            raise Conflict("This code was used already: the device is in the list.", field="code")
        return found

    def _take(self, tx: Transaction, code: str, device: str, community: str) -> None:
        if not self.store.approve(tx, hash_code(code), device, community):
            raise Conflict("This code was used already: the device is in the list.", field="code")


def _hash_secret(secret: str) -> bytes:
    return hashlib.sha256(b"request:" + secret.encode()).digest()
