"""What a device is told to do: versions of its configuration, how long it may be silent, when to fetch a new token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from community_flow.domain.device_state import LEAST_SILENCE_MS, MOST_SILENCE_MS
from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.places import Device
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.devices import ConfigStore, ConfigVersion, DeviceStore
from community_flow.ports.ingest import Signals, Trusted
from community_flow.services.device_tokens import DeviceTokens
from community_flow.services.devices import Devices, NewDevice
from community_flow.services.registry import Registry
from community_flow.services.trust import hash_token

MOST_BYTES = 20_000
SHOWN = 20
"""Versions that the page lists."""

Check = Callable[[Mapping[str, Any]], frozenset[str]]
"""The gates that a document speaks of; raises Invalid for one that a device could not run. The rule is the edge's own
(`sensors/config.py`), handed in so that it stands in one place."""

OUTCOMES = ("running", "failed")


class DeviceSettings:
    def __init__(
        self,
        devices: Devices,
        configs: ConfigStore,
        check: Check,
        signals: Signals,
        first: Callable[[str, str | None], Any],
    ) -> None:
        self.db: Database = devices.db
        self.registry: Registry = devices.registry
        self.store: DeviceStore = devices.store
        self.audit: AuditLog = devices.audit
        self.tokens: DeviceTokens = devices.tokens
        self.clock: Clock = devices.clock
        self.devices, self.configs, self.check, self.signals, self.first = devices, configs, check, signals, first
        devices.begun.append(self.begin)

    # --- the office -----------------------------------------------------------------------------------------------

    def begin(self, tx: Transaction, new: NewDevice) -> None:
        """A device in the place of another begins with what that one was told."""
        if new.replaced is None:
            return
        before = self.configs.newest(tx, new.replaced)
        if before is not None:
            self._keep(tx, new.account, new.community, new.device, 1, before.document, None)
        old = self.store.statuses(tx, Scope.system({new.community})).get(new.replaced)
        self.store.set_silence(tx, new.device, old.silence_ms if old else None)

    def begin_box(self, tx: Transaction, scope: Scope, community: str, device: str) -> None:
        """A box that was claimed just now begins with what its kind can do at once."""
        data: Device = self.registry.one(tx, scope, "device", device)[1]
        document = self.first(data.kind, data.gate)
        if document is not None and self.configs.newest(tx, device) is None:
            self._keep(tx, scope.account, community, device, 1, document, None)

    def first_of(self, kind: str, gate: str | None) -> Any:
        """What the page begins with for a device that was never told anything."""
        return self.first(kind, gate)

    def history(self, scope: Scope, device: str) -> list[ConfigVersion]:
        """Newest first; the first one is what the device should run."""
        with self.db.read() as tx:
            self._one(tx, scope, device)
            return self.configs.history(tx, device, SHOWN)

    def newest(self, scope: Scope) -> dict[str, ConfigVersion]:
        with self.db.read() as tx:
            return self.configs.all_newest(tx, scope)

    def save(self, scope: Scope, device: str, document: Mapping[str, Any], after: int) -> int:
        """A new version in the place of version ``after``; raises Conflict when that is not the newest any more."""
        with self.db.write() as tx:
            community, state = self._active(tx, scope, device)
            self._usable(tx, community, state, document)
            return self._save(tx, scope, community, device, document, after, None)

    def back(self, scope: Scope, device: str, version: int) -> int:
        """The content of an earlier version, as a new one."""
        with self.db.write() as tx:
            community, state = self._active(tx, scope, device)
            earlier, newest = self.configs.one(tx, device, version), self.configs.newest(tx, device)
            if earlier is None or newest is None:
                raise NotFound("There is no such version of this device: choose one from its list.")
            self._usable(tx, community, state, earlier.document)
            return self._save(tx, scope, community, device, earlier.document, newest.version, version)

    def set_silence(self, scope: Scope, device: str, silence_ms: int | None) -> None:
        """How long it may be silent before somebody is told; None for what its kind is allowed."""
        if silence_ms is not None and not LEAST_SILENCE_MS <= silence_ms <= MOST_SILENCE_MS:
            raise Invalid("A device may be silent for 5 minutes to 7 days: give a number between.", field="minutes")
        with self.db.write() as tx:
            community, _ = self._one(tx, scope, device)
            self.store.set_silence(tx, device, silence_ms)
            self._log(tx, scope, community, "device.silence", device, {"ms": silence_ms})
        self.signals.bump(community)

    def ask_rotation(self, scope: Scope, device: str) -> None:
        """Have the device fetch a new token by itself; the old one works until it has."""
        with self.db.write() as tx:
            community, _ = self._active(tx, scope, device)
            self.store.ask_rotation(tx, device, scope.account)
            self._log(tx, scope, community, "device.rotation", device, {})

    # --- the device -----------------------------------------------------------------------------------------------

    def wanted(self, trusted: Trusted) -> tuple[ConfigVersion | None, bool]:
        """(newest version, whether a new token waits)."""
        with self.db.read() as tx:
            return self.configs.newest(tx, trusted.device), self.store.rotation(tx, trusted.device) is not None

    def told(self, trusted: Trusted, version: int, outcome: str, reason: str | None) -> None:
        """The device runs a version, or could not and says why."""
        with self.db.write() as tx:
            fresh = self.configs.told(tx, trusted.device, version, outcome, reason, self.clock.now_ms())
            if fresh and outcome == "failed":
                detail = {"version": version, "reason": reason}
                self._log(tx, None, trusted.community, "device.config.failed", trusted.device, detail)
        if fresh:
            self.signals.bump(trusted.community)

    def next_token(self, trusted: Trusted) -> str:
        """One more token. The one before works until this one is used: the answer may be lost on its way."""
        with self.db.write() as tx:
            account = self.store.rotation(tx, trusted.device)
            if account is None:
                raise Conflict("Nobody asked for a new token: go on with the one that you have.")
            token = self.devices.new_token(tx, account, trusted.device, trusted.community)
            self._log(tx, None, trusted.community, "device.rotate", trusted.device, {})
        self.devices.changed(trusted.device)
        return token

    def took_token(self, trusted: Trusted, token: str) -> None:
        """The device has this token on its disk: the others end now. Whoever calls this says `ended_tokens` afterwards,
        over MQTT when the answer is on its way: it cuts the connection on which the device hears that answer."""
        known = self.devices.trust.of_token(token)
        if known is None or known.device != trusted.device:
            raise Conflict("This is no token of this device: ask for another.")
        now_ms = self.clock.now_ms()
        with self.db.write() as tx:
            if self.store.rotation(tx, trusted.device) is None:
                return
            self.store.revoke_others(tx, trusted.device, hash_token(token), now_ms)
            self.store.ask_rotation(tx, trusted.device, None)

    def ended_tokens(self, trusted: Trusted) -> None:
        self.devices.changed(trusted.device)

    # --- steps ----------------------------------------------------------------------------------------------------

    def _usable(self, tx: Transaction, community: str, state: Device, document: Mapping[str, Any]) -> None:
        if len(msgspec.json.encode(document)) > MOST_BYTES:
            raise Invalid("This configuration is longer than 20 kB: say it shorter.", field="document")
        named = self.check(document)
        known = {gate for (_, gate) in self.registry.gates(tx, Scope.system({community}))}
        allowed = known if state.gate is None else {state.gate}
        if foreign := sorted(named - allowed):
            raise Invalid(
                "The device does not stand at the gate %(gate)s: name its own gate, or enrol a gateway.",
                field="document", gate=foreign[0],
            )  # fmt: skip

    def _save(
        self, tx: Transaction, scope: Scope, community: str, device: str, document: Mapping[str, Any], after: int,
        back_to: int | None,
    ) -> int:  # fmt: skip
        newest = self.configs.newest(tx, device)
        if (newest.version if newest else 0) != after:
            raise Conflict("Somebody else changed this configuration meanwhile: look at it again, then change it.")
        self._keep(tx, scope.account, community, device, after + 1, document, back_to)
        detail = {"version": after + 1} | ({"back_to": back_to} if back_to else {})
        self._log(tx, scope, community, "device.config", device, detail)
        return after + 1

    def _keep(
        self, tx: Transaction, account: str, community: str, device: str, version: int, document: Any,
        back_to: int | None,
    ) -> None:  # fmt: skip
        now_ms = self.clock.now_ms()
        row = ConfigVersion(device, version, community, document, now_ms, account, back_to)
        if not self.configs.add(tx, row):
            raise Conflict("Somebody else changed this configuration meanwhile: look at it again, then change it.")

    def _active(self, tx: Transaction, scope: Scope, device: str) -> tuple[str, Device]:
        community, state = self._one(tx, scope, device)
        if state.status != "active":
            raise Conflict("This device was revoked: enrol a new one.")
        return community, state

    def _one(self, tx: Transaction, scope: Scope, device: str) -> tuple[str, Device]:
        community, state = self.registry.one(tx, scope, "device", device)
        if scope.gates is not None and state.gate not in scope.gates:
            raise NotFound("Nothing by that name here: choose it from the list.")
        return community, state

    def _log(
        self, tx: Transaction, scope: Scope | None, community: str, action: str, device: str, detail: Mapping[str, Any]
    ) -> None:
        account, role = (scope.account, str(scope.role)) if scope else ("device", "device")
        look = Look(account=account, role=role, action=action, community=community, subject=device, detail=detail)
        self.audit.append(tx, look)
