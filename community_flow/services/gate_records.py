"""What the sealed table says of each pass, put together from the registry as of now."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from community_flow.domain import gate_table
from community_flow.domain.gate_table import Record
from community_flow.domain.passes import Type
from community_flow.domain.places import Hold, Pass
from community_flow.domain.scope import Scope
from community_flow.domain.sealing import text
from community_flow.ports import Transaction
from community_flow.ports.passes import PassRow, PassStore
from community_flow.ports.people import Found, PeopleStore, Wanted
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.registry import Registry

FEW = 200
CARD_TYPES = (int(Type.CARD),)
ED25519_TYPES = (int(Type.ED25519), int(Type.ED25519_CHALLENGED))
P256_TYPES = (int(Type.P256), int(Type.P256_CHALLENGED))


@dataclass(frozen=True)
class Credential:
    """A pass with its place in the table: the handle opens the record."""

    pass_id: str
    person: str | None
    handle: bytes
    record: Record


class GateRecords:
    def __init__(self, registry: Registry, passes: PassStore, people: PeopleStore, keys: CommunityKeys) -> None:
        self.registry, self.passes, self.people, self.keys = registry, passes, people, keys

    def all(self, tx: Transaction, community: str, now_ms: int) -> list[Credential]:
        """Every card and phone of a community that anybody may still show."""
        scope = Scope.system({community})
        states = {pass_id: state for _, pass_id, state in self.registry.store.current(tx, scope, "pass")}
        people = {found.person: found for found in self.people.find(tx, scope, Wanted(statuses=ANY_STATUS))}
        return self._built(tx, community, states, people, now_ms)

    def some(
        self, tx: Transaction, community: str, pass_ids: Collection[str], now_ms: int
    ) -> tuple[list[Credential], list[bytes]]:
        """Those passes as they are now, and the handles of those that are in no table any more."""
        if not pass_ids:
            return [], []
        scope = Scope.system({community})
        states = self._states(tx, scope, pass_ids)
        persons = sorted({state.person for state in states.values() if state.person})
        made = self._built(tx, community, states, self.people.of_ids(tx, scope, persons), now_ms)
        gone = set(pass_ids) - {each.pass_id for each in made}
        rows = self.passes.of_ids(tx, scope, sorted(gone))
        uid = self.registry.uid(tx, community)
        sealed = [row.sealed_handle for row in rows.values() if row.sealed_handle]
        return made, [self.keys.open_handle(uid, each) for each in sealed]

    def handles(self, tx: Transaction, community: str, pass_ids: Collection[str]) -> dict[str, bytes]:
        """Of those passes that have one."""
        uid = self.registry.uid(tx, community)
        rows = self.passes.of_ids(tx, Scope.system({community}), sorted(pass_ids))
        return {
            pass_id: self.keys.open_handle(uid, row.sealed_handle) for pass_id, row in rows.items() if row.sealed_handle
        }

    def of_person(self, tx: Transaction, community: str, found: Found, state: Pass | None, now_ms: int) -> Record:
        """The record of somebody who was found by an IC card or by a search; ``state`` is the IC card's own."""
        holds = {entity: hold for _, entity, hold in self.registry.store.current(
            tx, Scope.system({community}), "hold", found.person)}  # fmt: skip
        shown = state or Pass(person=found.person, kind="tag", type=found.state.type)
        return self._record(shown, None, found, holds, self._secret(tx, community), now_ms)

    def pass_ids_of(self, tx: Transaction, community: str, persons: Collection[str]) -> set[str]:
        owned = self.registry.owned(tx, Scope.system({community}), "pass", sorted(persons))
        return {pass_id for _, pass_id, _ in owned}

    def household_token(self, tx: Transaction, community: str, household: str) -> str:
        """What the table calls a household: the same for its members, and nothing to anybody else."""
        return _household_token(self._secret(tx, community), household)

    def _states(self, tx: Transaction, scope: Scope, pass_ids: Collection[str]) -> dict[str, Pass]:
        """One by one while they are few: a delta must not read ten thousand passes to send three."""
        if len(pass_ids) <= FEW:
            rows = [each for pass_id in pass_ids for each in self.registry.store.current(tx, scope, "pass", pass_id)]
        else:
            rows = self.registry.store.current(tx, scope, "pass")
        return {pass_id: state for _, pass_id, state in rows if pass_id in pass_ids}

    def _built(
        self, tx: Transaction, community: str, states: Mapping[str, Pass], people: Mapping[str, Found], now_ms: int
    ) -> list[Credential]:
        scope = Scope.system({community})
        rows = self.passes.of_ids(tx, scope, sorted(states))
        holds = {person: hold for _, person, hold in self.registry.store.current(tx, scope, "hold")}
        uid, secret = self.registry.uid(tx, community), self._secret(tx, community)
        made = []
        for pass_id, row in rows.items():
            state = states[pass_id]
            if row.sealed_handle is None or state.kind == "tag":
                continue
            record = self._record(state, row, people.get(state.person or ""), holds, secret, now_ms)
            made.append(Credential(pass_id, state.person, self.keys.open_handle(uid, row.sealed_handle), record))
        return made

    def _record(
        self,
        state: Pass,
        row: PassRow | None,
        found: Found | None,
        holds: Mapping[str, Hold],
        secret: bytes,
        now_ms: int,
    ) -> Record:
        household = found.household if found else None
        moved = found is not None and found.state.status != "active"
        hold = holds.get(state.person or "")
        return Record(
            types=_types(state, row),
            key=text(row.public_key) if row and row.public_key else None,
            serial=state.serial if state.kind == "card" else None,
            name=gate_table.mask(found.row.name) if found and found.row else "*",
            type=state.type,
            status="revoked" if moved and state.status == "active" else state.status,
            from_ms=state.from_ms,
            until_ms=state.until_ms,
            gates=state.gates,
            windows=state.windows,
            household=_household_token(secret, found.state.household) if found and found.state.household else None,
            quota=household.quota_per_day if household else None,
            hold=hold is not None and in_force(hold, now_ms),
            building=household.building if household else None,
            unit=household.unit if household else None,
        )

    def _secret(self, tx: Transaction, community: str) -> bytes:
        return self.keys.table_secret(self.registry.uid(tx, community))


ANY_STATUS = frozenset({"active", "moved_out", "merged"})


def in_force(hold: Hold, now_ms: int) -> bool:
    return hold.from_ms <= now_ms and (hold.until_ms is None or now_ms < hold.until_ms)


def turned(holds: Sequence[tuple[str, str, Any]], since_ms: int, now_ms: int) -> set[str]:
    """Persons whose hold began or ended in (since_ms, now_ms] by its own dates."""
    return {
        person
        for _, person, hold in holds
        if any(moment is not None and since_ms < moment <= now_ms for moment in (hold.from_ms, hold.until_ms))
    }


def _types(state: Pass, row: PassRow | None) -> tuple[int, ...]:
    if state.kind == "card":
        return CARD_TYPES
    key = row.public_key if row else None
    if key is None:
        return ()
    return P256_TYPES if len(key) == 65 else ED25519_TYPES


def _household_token(secret: bytes, household: str) -> str:
    return text(hmac.digest(secret, b"cf/household/v1" + household.encode(), hashlib.sha256)[:6])
