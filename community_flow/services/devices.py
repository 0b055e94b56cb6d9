"""Devices: enrol, claim, rotate, revoke, and how each of them is."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from community_flow.domain import device_state
from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.places import Community, Device, DeviceKind, Gate, Names
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.devices import Claim, DeviceStatus, DeviceStore
from community_flow.ports.ingest import Trusted
from community_flow.services.claim_codes import CODE_MS, hash_code, new_code
from community_flow.services.device_tokens import DeviceTokens
from community_flow.services.registry import Change, Registry
from community_flow.services.trust import Trust, hash_token

GATELESS = ("office", "gateway")
"""Kinds that speak of every gate; the others stand at one."""

DEVICE_ID = re.compile(r"d_[a-z2-7]{12}")
KIND_NAMES: Mapping[DeviceKind, tuple[str, str]] = {
    "gate_phone": ("门岗手机", "gate phone"),
    "camera": ("摄像头", "camera"),
    "checkpoint": ("扫码器", "scanner"),
    "beam": ("红外计数器", "beam counter"),
    "office": ("办公室补录", "office entry"),
    "gateway": ("网关", "gateway"),
}


@dataclass(frozen=True)
class Enrolled:
    """A device with its token, which is shown once."""

    device: str
    token: str
    community: str


@dataclass(frozen=True)
class ClaimCode:
    device: str
    code: str
    expires_ms: int


@dataclass(frozen=True)
class DeviceState:
    """One line of the list. state: ok, late, down, never, skewed, mismatch, fault, revoked."""

    device: str
    community: str
    names: Names
    gate: str | None
    kind: str
    state: str
    status: DeviceStatus | None


@dataclass(frozen=True)
class Config:
    """What a device is told about itself. ``ingest_key`` is what it seals to."""

    device: str
    community: str
    uid: bytes
    kind: str
    names: Names
    gates: dict[str, Gate]
    about: Community
    version: int


@dataclass(frozen=True)
class NewDevice:
    """A device that was enrolled just now, and the one whose place it takes."""

    community: str
    device: str
    data: Device
    account: str
    replaced: str | None = None


Begun = Callable[[Transaction, NewDevice], None]


class Devices:
    """The one place that enrols and ends devices."""

    def __init__(
        self,
        db: Database,
        store: DeviceStore,
        registry: Registry,
        audit: AuditLog,
        trust: Trust,
        tokens: DeviceTokens,
        clock: Clock,
    ) -> None:
        self.db, self.store, self.registry = db, store, registry
        self.audit, self.trust, self.tokens, self.clock = audit, trust, tokens, clock
        self.after_change: list[Callable[[str], None]] = []
        """Called with a device that got a token or lost it, once that is committed."""
        self.begun: list[Begun] = []
        """Called for each new device, in the transaction that enrols it."""

    def enrol(
        self,
        scope: Scope,
        community: str,
        kind: DeviceKind,
        gate: str | None,
        *,
        names: Names | None = None,
        device: str | None = None,
        valid_from_ms: int | None = None,
    ) -> Enrolled:
        """A new device and its first token."""
        with self.db.write() as tx:
            device = self.add(tx, scope, community, kind, gate, names, device, valid_from_ms)
            token = self.new_token(tx, scope.account, device, community)
        self.changed(device)
        return Enrolled(device, token, community)

    def invite(
        self, scope: Scope, community: str, kind: DeviceKind, gate: str | None, *, names: Names | None = None
    ) -> ClaimCode:
        """A new device that fetches its token itself with a code."""
        with self.db.write() as tx:
            device = self.add(tx, scope, community, kind, gate, names)
            return self._new_code(tx, scope, device, community)

    def new_code(self, scope: Scope, device: str) -> ClaimCode:
        """A code for a device that exists: its phone was replaced or set up anew."""
        with self.db.write() as tx:
            community, state = self._one(tx, scope, device)
            if state.status != "active":
                raise Conflict("This device was revoked: enrol a new one.")
            return self._new_code(tx, scope, device, community)

    def claim(self, code: str) -> Enrolled:
        """Exchange a code for a token. The device's earlier tokens end: only one phone is this device."""
        code_hash, now_ms = hash_code(code), self.clock.now_ms()
        with self.db.write() as tx:
            claim = self._usable(self.store.claim(tx, code_hash), now_ms)
            if not self.store.use_claim(tx, code_hash, now_ms):
                raise Conflict("This code was used already: ask for a new one on the page Devices.")
            self.store.revoke_tokens(tx, claim.device, now_ms)
            token = self.claimed_in(tx, claim.device, claim.community)
        self.changed(claim.device)
        return Enrolled(claim.device, token, claim.community)

    def claimed_in(self, tx: Transaction, device: str, community: str) -> str:
        """The token that a device fetches by itself."""
        token = self.new_token(tx, "claim", device, community)
        self._log(tx, "device", community, "device.claim", device)
        return token

    def rotate(self, scope: Scope, device: str) -> Enrolled:
        """A new token; the old ones end at once."""
        with self.db.write() as tx:
            community, state = self._one(tx, scope, device)
            if state.status != "active":
                raise Conflict("This device was revoked: enrol a new one.")
            self.store.revoke_tokens(tx, device, self.clock.now_ms())
            token = self.new_token(tx, scope.account, device, community)
            self._log(tx, scope, community, "device.rotate", device)
        self.changed(device)
        return Enrolled(device, token, community)

    def revoke(self, scope: Scope, device: str) -> None:
        """The device may not speak any more. What it reported stays."""
        with self.db.write() as tx:
            self._end(tx, scope, device)
        self.changed(device)

    def replace(self, scope: Scope, device: str) -> ClaimCode:
        """A new device in the place of an old one, whose token ends now; the new one fetches its own with a code."""
        with self.db.write() as tx:
            new, community = self.replace_in(tx, scope, device)
            code = self._new_code(tx, scope, new, community)
        self.changed(device)
        return code

    def replace_in(self, tx: Transaction, scope: Scope, old: str) -> tuple[str, str]:
        """(device, community) of one that takes the name, gate and settings of another; history stays with that one."""
        community, state = self._one(tx, scope, old)
        if state.status != "active":
            raise Conflict("This device was revoked: enrol a new one.")
        self._end(tx, scope, old)
        new = new_device_id()
        self._keep(tx, scope, NewDevice(community, new, state, scope.account, replaced=old), self.clock.now_ms())
        self._log(tx, scope, community, "device.replace", old, {"by": new})
        return new, community

    def clear_mismatch(self, scope: Scope, device: str) -> None:
        """Somebody has looked at why the same number came with other content."""
        with self.db.write() as tx:
            community, _ = self._one(tx, scope, device)
            self.store.clear_mismatch(tx, scope, device)
            self._log(tx, scope, community, "device.checked", device)

    def list(self, scope: Scope) -> list[DeviceState]:
        """Devices in scope with their states, the worst first; a guard sees those of the own gates."""
        now_ms = self.clock.now_ms()
        with self.db.read() as tx:
            rows = self.registry.store.current(tx, scope, "device")
            statuses = self.store.statuses(tx, scope)
        found = [
            DeviceState(
                device, community, each.names, each.gate, each.kind, state_of(each, statuses.get(device), now_ms),
                statuses.get(device),
            )
            for community, device, each in rows
            if scope.gates is None or each.gate in scope.gates
        ]  # fmt: skip
        return sorted(found, key=lambda each: device_state.WORST_FIRST.index(each.state))

    def one(self, scope: Scope, device: str) -> DeviceState:
        """One line of the list; raises NotFound."""
        for each in self.list(scope):
            if each.device == device:
                return each
        raise NotFound("Nothing by that name here: choose it from the list.")

    def places(self, scope: Scope) -> tuple[dict[str, Community], dict[tuple[str, str], Gate]]:
        """Communities and gates in scope, for the form and for names."""
        with self.db.read() as tx:
            return self.registry.communities(tx, scope), self.registry.gates(tx, scope)

    def config(self, trusted: Trusted) -> Config:
        """What this device is to know about itself."""
        scope = Scope.system({trusted.community})
        with self.db.read() as tx:
            state: Device = self.registry.one(tx, scope, "device", trusted.device)[1]
            gates = self.registry.gates(tx, scope)
            about = self.registry.communities(tx, scope)[trusted.community]
            version = self.registry.store.newest(tx)
        mine = {gate: data for (_, gate), data in gates.items() if state.gate in (None, gate)}
        return Config(trusted.device, trusted.community, trusted.uid, state.kind, state.names, mine, about, version)

    # --- steps ----------------------------------------------------------------------------------------------------

    def add(
        self,
        tx: Transaction,
        scope: Scope,
        community: str,
        kind: DeviceKind,
        gate: str | None,
        names: Names | None,
        device: str | None = None,
        valid_from_ms: int | None = None,
    ) -> str:
        """A new device without a token."""
        place = self._place(tx, scope, community, kind, gate)
        device = device or new_device_id()
        if not DEVICE_ID.fullmatch(device):
            raise Invalid("A device id is d_ and 12 of a-z and 2-7: leave it out to get one.", field="device")
        if self.registry.store.current(tx, Scope.system(self.registry.store.communities(tx)), "device", device):
            raise Conflict("The device %(device)s exists: leave the id out to get a new one.", device=device)
        data = Device(names=names or _default_names(kind, place), gate=gate, kind=kind)
        since_ms = self.clock.now_ms() if valid_from_ms is None else valid_from_ms
        self._keep(tx, scope, NewDevice(community, device, data, scope.account), since_ms)
        self._log(tx, scope, community, "device.enrol", device)
        return device

    def _keep(self, tx: Transaction, scope: Scope, new: NewDevice, since_ms: int) -> None:
        change = Change(new.community, "device", new.device, since_ms, new.data)
        self.registry.record(tx, [change], scope.account)
        self.store.add(tx, new.device, new.community)
        for begin in self.begun:
            begin(tx, new)

    def _end(self, tx: Transaction, scope: Scope, device: str) -> None:
        now_ms = self.clock.now_ms()
        community, state = self._one(tx, scope, device)
        ended = msgspec.structs.replace(state, status="revoked")
        self.registry.record(tx, [Change(community, "device", device, now_ms, ended)], scope.account)
        self.store.revoke_tokens(tx, device, now_ms)
        self._log(tx, scope, community, "device.revoke", device)

    def _place(self, tx: Transaction, scope: Scope, community: str, kind: str, gate: str | None) -> Gate | None:
        if community not in self.registry.communities(tx, scope):
            raise NotFound("There is no community by that name: choose one from the list.", field="community")
        if gate is None:
            if kind not in GATELESS:
                raise Invalid("A device of this kind stands at a gate: choose which.", field="gate")
            return None
        found = self.registry.gates(tx, scope).get((community, gate))
        if found is None:
            raise NotFound("There is no gate %(gate)s in this community: choose one from the list.", gate=gate)
        return found

    def new_token(self, tx: Transaction, account: str, device: str, community: str) -> str:
        """One more token of a device; whoever calls this says `changed` afterwards."""
        seed, token = self.tokens.new()
        self.store.add_token(tx, device, community, hash_token(token), seed, self.clock.now_ms(), account)
        return token

    def changed(self, device: str) -> None:
        """Tell everybody who remembers tokens; after the commit."""
        self.trust.forget()
        for tell in self.after_change:
            tell(device)

    def _new_code(self, tx: Transaction, scope: Scope, device: str, community: str) -> ClaimCode:
        code, expires_ms = new_code(), self.clock.now_ms() + CODE_MS
        self.store.add_claim(tx, hash_code(code), device, community, expires_ms)
        self._log(tx, scope, community, "device.code", device)
        return ClaimCode(device, code, expires_ms)

    def _usable(self, claim: Claim | None, now_ms: int) -> Claim:
        if claim is None:
            raise NotFound("This code is not known: read it again from the page Devices.")
        if claim.used_ms is not None:
            raise Conflict("This code was used already: ask for a new one on the page Devices.")
        if claim.expires_ms <= now_ms:
            raise Conflict("This code was good for 15 minutes: ask for a new one on the page Devices.")
        return claim

    def _one(self, tx: Transaction, scope: Scope, device: str) -> tuple[str, Device]:
        return self.registry.one(tx, scope, "device", device)

    def _log(
        self, tx: Transaction, who: Scope | str, community: str, action: str, device: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        account, role = (who, who) if isinstance(who, str) else (who.account, str(who.role))
        look = Look(account=account, role=role, action=action, community=community, subject=device, detail=detail or {})
        self.audit.append(tx, look)


@dataclass(frozen=True)
class Chosen:
    """Which lines of the list; None or empty stands for all."""

    state: str | None = None
    kind: str | None = None
    gate: str | None = None
    text: str = ""

    def admits(self, each: DeviceState) -> bool:
        words = " ".join([*each.names.values(), each.device, each.gate or ""]).casefold()
        return (
            self.state in (None, "", each.state)
            and self.kind in (None, "", each.kind)
            and self.gate in (None, "", each.gate)
            and self.text.strip().casefold() in words
        )


def state_of(device: Device, status: DeviceStatus | None, now_ms: int) -> str:
    """The worst thing that can be said of a device."""
    if device.status == "revoked":
        return "revoked"
    if status is None:
        return "never"
    return device_state.state_of(
        status.last_ms, now_ms, skew_ms=status.skew_ms, mismatch_ms=status.mismatch_ms or status.differs_ms,
        faults=status.faults, offline_ms=status.offline_ms,
        silence_ms=device_state.silence_of(device.kind, status.silence_ms),
    )  # fmt: skip


def new_device_id() -> str:
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    return "d_" + "".join(secrets.choice(letters) for _ in range(12))


def _default_names(kind: DeviceKind, gate: Gate | None) -> Names:
    zh, en = KIND_NAMES[kind]
    if gate is None:
        return {"zh": zh, "en": en.capitalize()}
    names = {"zh": f"{gate.names['zh']}{zh}"} if "zh" in gate.names else {}
    return {**names, "en": f"{gate.names['en']} {en}"} if "en" in gate.names else names or {"zh": zh}
