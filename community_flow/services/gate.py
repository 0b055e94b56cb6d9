"""The gate's list, what it may ask online, and what it knows of the inside."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from community_flow.domain import gate_table
from community_flow.domain import passes as cf1
from community_flow.domain.errors import Invalid, NotFound
from community_flow.domain.gate_table import Download, Header, Record
from community_flow.domain.places import OUTSIDE, Gate
from community_flow.domain.scope import Scope
from community_flow.domain.sealing import text
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.gate import GateReader, Open, Shift
from community_flow.ports.ingest import Trusted
from community_flow.ports.keys import KeySource
from community_flow.ports.people import Found, PeopleStore, Wanted
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.gate_records import Credential, GateRecords, turned
from community_flow.services.ingest_keys import IngestKeys
from community_flow.services.live import day_start_ms
from community_flow.services.registry import Registry
from community_flow.services.table_keys import TableKeys

MOST_FOUND = 5
SHORTEST_QUERY = 2
REFERENCE_MS = 60_000
CODES_MS = 120_000
"""Twice as long as a rotating code can be good."""

SHARED_MS = 2_000
"""Phones at one gate share what was read of the inside for so long."""


@dataclass(frozen=True)
class Version:
    """What a device has: the day, the newest journal row in it, and when it was made."""

    epoch: int
    number: int
    at_ms: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}-{self.at_ms}"

    @classmethod
    def parse(cls, given: str | None) -> Version | None:
        """None for nothing and for what we did not write: then a whole table is sent."""
        parts = (given or "").split("-")
        whole = len(parts) == 3 and all(part.isascii() and part.isdecimal() and len(part) < 16 for part in parts)
        return cls(*map(int, parts)) if whole else None


@dataclass(frozen=True)
class Listed:
    """One row of a search: enough to ask "is it you?", and a reference that is good once."""

    ref: str
    name: str
    type: str
    building: str | None
    unit: str | None


@dataclass(frozen=True)
class Inside:
    """Zone counts and, for the gate's own rules, who is in and how often households went out today."""

    as_of_ms: int
    zones: Mapping[str, int]
    full: bool
    inside: tuple[str, ...]
    used: Mapping[str, int]
    shown: Mapping[str, tuple[int, int]]
    """lid → (token_s, when): rotating codes that other phones saw; when is 0 for a code seen at another gate."""

    emergency: Open | None = None
    """That everyone passes at this gate now: begun by whom and when."""


class GateDesk:
    """Everything a gate phone asks for. The device was checked by the caller."""

    def __init__(
        self, db: Database, registry: Registry, records: GateRecords, people: PeopleStore, reader: GateReader,
        keys: CommunityKeys, ring: KeySource, ingest: IngestKeys, audit: AuditLog, clock: Clock,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:  # fmt: skip
        self.db, self.registry, self.records, self.people, self.reader = db, registry, records, people, reader
        self.keys, self.table_keys, self.ingest, self.audit = keys, TableKeys(ring), ingest, audit
        self.clock, self.random = clock, random
        self._day_lids: dict[str, tuple[int, dict[str, str]]] = {}
        self._states: dict[tuple[str, str], tuple[int, Inside]] = {}

    def gates_of(self, scope: Scope) -> list[dict[str, Any]]:
        """Communities and their scanned gates that somebody may stand at."""
        with self.db.read() as tx:
            communities, gates = self.registry.communities(tx, scope), self.registry.gates(tx, scope)
        return [
            {
                "community": community, "names": data.names,
                "gates": [
                    {"gate": gate, "names": state.names}
                    for (of, gate), state in sorted(gates.items())
                    if of == community and (scope.gates is None or gate in scope.gates)
                ],
            }
            for community, data in sorted(communities.items())
        ]  # fmt: skip

    def check_gate(self, scope: Scope, community: str, gate: str) -> None:
        """Whether somebody may stand at a gate; raises NotFound for a foreign one."""
        with self.db.read() as tx:
            self.registry.one(tx, scope.narrowed(community), "gate", gate)
        if scope.gates is not None and gate not in scope.gates:
            raise NotFound("Nothing by that name here: choose it from the list.")

    def check_own(self, trusted: Trusted, gate: str) -> None:
        """Whether a device may speak of a gate; raises NotFound for another one."""
        if gate not in trusted.gates:
            raise NotFound("Nothing by that name here: choose it from the list.")

    # --- the list ------------------------------------------------------------------------------------------------

    def download(self, trusted: Trusted, since: str | None) -> Download:
        """The whole table, or what changed since the version the device names; signed for this device."""
        now_ms = self.clock.now_ms()
        epoch = gate_table.epoch_of(now_ms)
        has = Version.parse(since)
        with self.db.read() as tx:
            newest = Version(epoch, self.registry.store.newest(tx), now_ms)
            follows = has is not None and has.epoch == epoch and has.number <= newest.number and has.at_ms <= now_ms
            if has is not None and follows:
                made, gone = self._changes(tx, trusted.community, has, now_ms)
            else:
                made, gone = self.records.all(tx, trusted.community, now_ms), []
            salt = gate_table.epoch_salt(self.keys.table_secret(trusted.uid), epoch)
            header = self._header(tx, trusted, newest, salt, since if follows else None)
        sealed = [self._sealed(each, trusted.uid, salt, epoch) for each in made]
        removed = [gate_table.locate(handle, salt, trusted.uid)[0] for handle in gone]
        return gate_table.sign(header, sealed, removed, self.table_keys.signer())

    def signer(self) -> str:
        """The public key that signs lists."""
        return self.table_keys.public()

    def _changes(
        self, tx: Transaction, community: str, has: Version, now_ms: int
    ) -> tuple[list[Credential], list[bytes]]:
        rows = self.reader.changed_since(tx, community, has.number, has.at_ms, now_ms)
        changed = {kind: {entity for each, entity in rows if each == kind} for kind, _ in rows}
        households = self.registry.owned(
            tx, Scope.system({community}), "person", sorted(changed.get("household", ()))
        )  # fmt: skip
        persons = changed.get("person", set()) | changed.get("hold", set()) | {person for _, person, _ in households}
        holds = self.registry.store.current(tx, Scope.system({community}), "hold")
        persons |= turned(holds, has.at_ms, now_ms)
        pass_ids = changed.get("pass", set()) | self.records.pass_ids_of(tx, community, persons)
        pass_ids |= self.reader.passes_changed_since(tx, community, has.at_ms)
        return self.records.some(tx, community, pass_ids, now_ms)

    def _sealed(self, each: Credential, uid: bytes, salt: bytes, epoch: int) -> bytes:
        nonce = self.random(gate_table.NONCE)
        return gate_table.seal_record(each.record, each.handle, salt, uid, epoch, nonce)

    def _header(self, tx: Transaction, trusted: Trusted, version: Version, salt: bytes, since: str | None) -> Header:
        return Header(
            community=text(trusted.uid), device=trusted.device, epoch=version.epoch, salt=text(salt),
            version=str(version), issued_ms=version.at_ms, expires_ms=version.at_ms + gate_table.DEAD_MS,
            records="", removed="", since=since, site=self._site(tx, trusted),
        )  # fmt: skip

    def _site(self, tx: Transaction, trusted: Trusted) -> dict[str, Any]:
        """What the gate needs besides records: places, and the keys it checks and seals with."""
        scope = Scope.system({trusted.community})
        data = self.registry.communities(tx, scope)[trusted.community]
        places = {
            kind: {
                entity: msgspec.to_builtins(state) for _, entity, state in self.registry.store.current(tx, scope, kind)
            }
            for kind in ("gate", "zone", "rule")
        }
        kid, key = self.ingest.public()
        return {
            "community": trusted.community, "names": data.names, "timezone": data.timezone, "language": data.language,
            "gate": self._gate_of(tx, trusted), "gates": places["gate"], "zones": places["zone"],
            "rules": places["rule"], "quota": data.quota_per_day, "telephone": data.telephone,
            "card_keys": self._card_keys(tx),
            "ingest": {"kid": kid, "key": text(key)},
        }  # fmt: skip

    def _gate_of(self, tx: Transaction, trusted: Trusted) -> str | None:
        """Where the device stands now; what it may still deliver of other gates is another matter."""
        gate: str | None = self.registry.one(tx, Scope.system({trusted.community}), "device", trusted.device)[1].gate
        return gate

    def _card_keys(self, tx: Transaction) -> list[dict[str, Any]]:
        """Of every community here, so that a neighbour's card is told from a forgery."""
        uids = [self.registry.uid(tx, community) for community in self.registry.store.communities(tx)]
        known = [key for uid in uids for key in self.keys.card_keys(uid)]
        return [{"community": text(key.community), "id": key.id, "key": text(key.public)} for key in known]

    # --- the moment ----------------------------------------------------------------------------------------------

    def state(self, trusted: Trusted) -> Inside:
        """Counts by zone, and for the rules of this device's gate who is inside and which outings are used."""
        now_ms = self.clock.now_ms()
        with self.db.read() as tx:
            name = self._gate_of(tx, trusted) or ""
            known = self._states.get((trusted.community, name))
            if known is None or not 0 <= now_ms - known[0] < SHARED_MS:
                known = now_ms, self._state(tx, trusted, name, now_ms)
                self._states[trusted.community, name] = known
        return known[1]

    def forget_state(self, trusted: Trusted) -> None:
        """What every phone of a gate must hear at once changed."""
        for known in [key for key in self._states if key[0] == trusted.community]:
            self._states.pop(known, None)

    def _state(self, tx: Transaction, trusted: Trusted, name: str, now_ms: int) -> Inside:
        scope = Scope.system({trusted.community})
        gates = {gate: state for (_, gate), state in self.registry.gates(tx, scope).items()}
        gate = gates.get(name)
        zones = self.reader.zone_counts(tx, scope, now_ms)
        lids = self._lids_inside(tx, trusted, gate, now_ms)
        full = self._is_full(tx, scope, gate, zones)
        used = self._used(tx, trusted, gates, now_ms)
        shown = self._shown(tx, trusted, name, now_ms)
        return Inside(now_ms, zones, full, lids, used, shown, self.reader.emergency(tx, trusted.community, name))

    def _is_full(self, tx: Transaction, scope: Scope, gate: Gate | None, counts: Mapping[str, int]) -> bool:
        zone = self.registry.zones(tx, scope).get((min(scope.communities), gate.inner)) if gate else None
        return bool(gate and zone and zone.capacity is not None and counts.get(gate.inner, 0) >= zone.capacity)

    def _lids_inside(self, tx: Transaction, trusted: Trusted, gate: Gate | None, now_ms: int) -> tuple[str, ...]:
        if gate is None or gate.passback == "off":
            return ()
        persons = self.reader.inside(tx, Scope.system({trusted.community}), gate.inner, now_ms)
        pass_ids = self.records.pass_ids_of(tx, trusted.community, persons)
        lids = self._lids(tx, trusted, pass_ids, gate_table.epoch_of(now_ms))
        return tuple(sorted(lids[each] for each in pass_ids if each in lids))

    def _lids(self, tx: Transaction, trusted: Trusted, pass_ids: Collection[str], epoch: int) -> dict[str, str]:
        """Where passes lie in the table of a day; a lid stays the same all day, so each is worked out once."""
        day, known = self._day_lids.get(trusted.community, (epoch, {}))
        known = known if day == epoch else {}
        salt = gate_table.epoch_salt(self.keys.table_secret(trusted.uid), epoch)
        missing = {each for each in pass_ids if each not in known and each.startswith("ps_")}
        for pass_id, handle in self.records.handles(tx, trusted.community, missing).items():
            known[pass_id] = text(gate_table.locate(handle, salt, trusted.uid)[0])
        self._day_lids[trusted.community] = (epoch, known)
        return known

    def _shown(self, tx: Transaction, trusted: Trusted, gate: str, now_ms: int) -> dict[str, tuple[int, int]]:
        """The newest code of each pass, so that a picture of it is worth nothing at the next phone."""
        scope = Scope.system({trusted.community})
        codes = self.reader.codes_shown(tx, scope, now_ms - CODES_MS)
        lids = self._lids(tx, trusted, {cf1.pass_id(ref) for ref, *_ in codes}, gate_table.epoch_of(now_ms))
        shown: dict[str, tuple[int, int]] = {}
        for ref, token_s, t_ms, at in sorted(codes, key=lambda code: (code[1], -code[2])):
            lid = lids.get(cf1.pass_id(ref))
            if lid is not None:
                shown[lid] = (token_s, t_ms if at == gate else 0)
        return shown

    def _used(self, tx: Transaction, trusted: Trusted, gates: Mapping[str, Gate], now_ms: int) -> dict[str, int]:
        """Outings of the day by household, where they are limited.

        Of those that only the community limits, no more than those who have used theirs: thousands of households
        otherwise come to every phone every few seconds.
        """
        scope = Scope.system({trusted.community})
        community = self.registry.communities(tx, scope)[trusted.community]
        own = {entity: state.quota_per_day for _, entity, state in self.registry.store.current(tx, scope, "household")}
        quotas = {entity: community.quota_per_day if quota is None else quota for entity, quota in own.items()}
        limited = [household for household, quota in quotas.items() if quota is not None]
        if not limited:
            return {}
        home = {person: state.household for _, person, state in self.registry.owned(tx, scope, "person", limited)}
        border = {name for name, gate in gates.items() if gate.outer == OUTSIDE}
        used: Counter[str] = Counter()
        for person, count in self.reader.outings(tx, scope, home, border, day_start_ms(community, now_ms)).items():
            used[home[person]] += count
        told = [each for each, count in used.items() if own[each] is not None or count >= (quotas[each] or 0)]
        return {self.records.household_token(tx, trusted.community, each): used[each] for each in told}

    # --- asking online -------------------------------------------------------------------------------------------

    def of_tag(self, trusted: Trusted, tag: str) -> Record:
        """The record behind an IC card; raises NotFound. The number is in no list: it could be guessed."""
        try:
            pass_id = cf1.tag_id(self.keys.tag_ref(trusted.uid, tag))
        except ValueError as error:
            raise Invalid("A card number has 4 to 32 digits or letters.", field="tag") from error
        scope = Scope.system({trusted.community})
        with self.db.read() as tx:
            _, state = self.registry.one(tx, scope, "pass", pass_id)
            found = self.people.of_ids(tx, scope, [state.person or ""]).get(state.person or "")
            if found is None:
                raise NotFound("Nobody holds this card now: register by unit instead.")
            return self.records.of_person(tx, trusted.community, found, state, self.clock.now_ms())

    def search(self, trusted: Trusted, shift: Shift, query: str) -> list[Listed]:
        """At most five people who fit, masked; what was asked and who was shown is in the log."""
        wanted = query.strip()[:40]
        if len(wanted) < SHORTEST_QUERY:
            raise Invalid("Give at least two characters of a unit, a name, its initials or a telephone number.")
        with self.db.write() as tx:
            found = self.people.find(tx, Scope.system({trusted.community}), Wanted(text=wanted))
            shown = sorted(found, key=lambda each: (each.unit or "", each.person))[:MOST_FOUND]
            self.audit.append(
                tx, *(self._look(shift, "gate.search", each.person, {"found": len(found)}) for each in shown)
            )
            return [self._listed(tx, trusted, shift, each) for each in shown]

    def of_reference(self, trusted: Trusted, shift: Shift, ref: str) -> Record:
        """The record of somebody chosen from a search on this device within the last minute."""
        scope, digest = Scope.system({trusted.community}), hashlib.sha256(ref.encode()).digest()
        with self.db.write() as tx:
            person = self.reader.referred(tx, digest, trusted.device, self.clock.now_ms() - REFERENCE_MS)
            found = self.people.of_ids(tx, scope, [person]).get(person) if person else None
            if found is None:
                raise NotFound("This choice is older than a minute: search again.")
            self.audit.append(tx, self._look(shift, "gate.look", found.person, {}))
            return self.records.of_person(tx, trusted.community, found, None, self.clock.now_ms())

    def full_name(self, trusted: Trusted, shift: Shift, code: str) -> str:
        """Whose pass lies before a guard, in full: for a PIN session, and in the log that the resident reads."""
        token = cf1.decode(code)
        if not isinstance(token, cf1.Token):
            raise Invalid("This is not a community pass.", field="pass")
        pass_id = cf1.pass_id(self.keys.pass_ref(trusted.uid, token.handle))
        scope = Scope.system({trusted.community})
        with self.db.write() as tx:
            _, state = self.registry.one(tx, scope, "pass", pass_id)
            found = self.people.of_ids(tx, scope, [state.person or ""]).get(state.person or "")
            if found is None or found.row is None:
                raise NotFound("No name is kept with this pass.")
            self.audit.append(tx, self._look(shift, "gate.name", found.person, {}))
            return found.row.name

    def _listed(self, tx: Transaction, trusted: Trusted, shift: Shift, found: Found) -> Listed:
        ref = "s_" + text(self.random(18))
        gate = self._gate_of(tx, trusted) or ""
        digest = hashlib.sha256(ref.encode()).digest()
        self.reader.add_reference(tx, digest, trusted, found.person, shift.account, gate, self.clock.now_ms())
        household = found.household
        return Listed(
            ref, gate_table.mask(found.row.name) if found.row else "*", found.state.type,
            household.building if household else None, household.unit if household else None,
        )  # fmt: skip

    def _look(self, shift: Shift, action: str, person: str, detail: dict[str, Any]) -> Look:
        return Look(
            account=shift.account, role="guard", action=action, community=shift.community, person=person,
            subject=shift.device, purpose="gate", detail=detail,
        )  # fmt: skip
