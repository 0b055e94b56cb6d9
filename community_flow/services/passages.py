"""What operators read of the fold: passages, attempts, visits, conflicts, and how many are inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from community_flow.domain.device_state import is_late
from community_flow.domain.occupancy import Baseline, GateFlow, ZoneVisits, baseline_ms, borders, occupancy
from community_flow.domain.rulebook import Places, Rulebook
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.flow import FlowReader, Kept, RowQuery
from community_flow.services.pseudonyms import Pseudonyms

EVERYDAY = "everyday"

Reading = Callable[[Transaction, Scope, RowQuery], list[Kept]]


@dataclass(frozen=True, slots=True)
class ZoneOccupancy:
    community: str
    zone: str
    inside: int
    low: int
    high: int
    as_of_ms: int
    stale_devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A derived row with the name that stands for its person."""

    community: str
    person: str | None
    row: Any
    received_ms: int | None


class Passages:
    def __init__(
        self, db: Database, reader: FlowReader, rules: Callable[[Transaction, str], Rulebook],
        pseudonyms: Pseudonyms, audit: AuditLog, clock: Clock,
    ) -> None:  # fmt: skip
        self.db, self.reader, self.rules = db, reader, rules
        self.pseudonyms, self.audit, self.clock = pseudonyms, audit, clock

    def passages(self, scope: Scope, query: RowQuery) -> list[Listed]:
        return self._listed(self.reader.passages, "passages", scope, query)

    def attempts(self, scope: Scope, query: RowQuery) -> list[Listed]:
        return self._listed(self.reader.attempts, "attempts", scope, query)

    def visits(self, scope: Scope, query: RowQuery) -> list[Listed]:
        return self._listed(self.reader.visits, "visits", scope, query)

    def conflicts(self, scope: Scope, query: RowQuery) -> list[Listed]:
        return self._listed(self.reader.conflicts, "conflicts", scope, query)

    def _listed(self, read: Reading, what: str, scope: Scope, query: RowQuery) -> list[Listed]:
        if query.person is None:
            with self.db.read() as tx:
                return self._shown(tx, read(tx, scope, query))
        with self.db.write() as tx:
            person = self._person(tx, scope, query.person)
            if person is None:
                return []
            # Asking for one person is a look at that person, whatever comes of it.
            look = Look(
                account=scope.account, role=str(scope.role), action=f"look.{what}", person=person[1],
                community=person[0], purpose=EVERYDAY,
            )  # fmt: skip
            self.audit.append(tx, look)
            return self._shown(tx, read(tx, scope, replace(query, person=person[1])))

    def _person(self, tx: Transaction, scope: Scope, asked: str) -> tuple[str, str] | None:
        """(community, person) by id or by pseudonym."""
        for community in sorted(scope.communities):
            known = self.rules(tx, community).journal.entities("person")
            if asked in known:
                return community, asked
            if asked.startswith("P-"):
                named = self.pseudonyms.all(tx, community, EVERYDAY, known)
                found = [person for person in known if named[person] == asked]
                if found:
                    return community, found[0]
        return None

    def _shown(self, tx: Transaction, rows: Sequence[Kept]) -> list[Listed]:
        names: dict[tuple[str, str], str] = {}
        for community in {each.community for each in rows}:
            people = {each.row.person for each in rows if each.community == community and each.row.person is not None}
            named = self.pseudonyms.all(tx, community, EVERYDAY, people)
            names.update({(community, person): name for person, name in named.items()})
        return [
            Listed(each.community, names.get((each.community, each.row.person)), each.row, each.received_ms)
            for each in rows
        ]

    def occupancy_of(
        self, scope: Scope, community: str | None = None, zone: str | None = None, as_of_ms: int | None = None
    ) -> list[ZoneOccupancy]:
        """Every zone in scope, or one community's, or one zone."""
        mine = scope.narrowed(community)
        with self.db.read() as tx:
            found = [
                row for each in sorted(mine.communities) for row in self.occupancy(tx, mine, each, as_of_ms=as_of_ms)
            ]
        return [row for row in found if zone in (None, row.zone)]

    def occupancy(
        self, tx: Transaction, scope: Scope, community: str, *, as_of_ms: int | None = None
    ) -> list[ZoneOccupancy]:
        """How many are in each zone of a community, as of now unless said otherwise."""
        at_ms = self.clock.now_ms() if as_of_ms is None else as_of_ms
        places = self.rules(tx, community).places(at_ms)
        count = _Counting(tx, self.reader, scope, community, places, at_ms)
        stale = self._stale(tx, scope, community, at_ms)
        return [
            ZoneOccupancy(community, zone, found.inside, found.low, found.high, at_ms, _watching(zone, places, stale))
            for zone in sorted(places.zones)
            for found in (count.of(zone),)
        ]

    def _stale(self, tx: Transaction, scope: Scope, community: str, at_ms: int) -> dict[str, str | None]:
        """Devices not heard of lately → their gate."""
        seen = self.reader.last_seen(tx, scope, community)
        devices = self.rules(tx, community).journal.all_at("device", at_ms)
        return {
            name: device.gate
            for name, device in sorted(devices.items())
            if device.status == "active" and is_late(seen.get(name), at_ms)
        }


class _Counting:
    """Occupancy of one community at one moment: reads what several zones share once."""

    def __init__(
        self, tx: Transaction, reader: FlowReader, scope: Scope, community: str, places: Places, at_ms: int
    ) -> None:
        self.tx, self.reader, self.scope, self.community = tx, reader, scope, community
        self.places, self.at_ms = places, at_ms
        self.visits = reader.open_visits(tx, scope, community, at_ms)
        self.censuses = reader.censuses(tx, scope, community, at_ms)
        self._flows: dict[int, list[GateFlow]] = {}

    def of(self, zone: str) -> Any:
        """The zone's occupancy."""
        census = self.censuses.get(zone)
        since_ms = baseline_ms(zone, self.places, None if census is None else census[0], self.at_ms)
        unseen = self.reader.unseen_exits(self.tx, self.scope, self.community, zone, since_ms, self.at_ms)
        visits = replace(self.visits.get(zone, ZoneVisits()), unseen_exits=unseen)
        baseline = Baseline(since_ms, self._correction(zone, census))
        return occupancy(zone, self.places, visits, self._since(since_ms), baseline)

    def _correction(self, zone: str, census: tuple[int, int] | None) -> int:
        if census is None:
            return 0
        at_ms, heads = census
        # Who was never seen before and then comes from inside is in the census without a visit: from now on they are
        # outside, or have a visit that counts them.
        ways = [
            (name, direction)
            for name, gate in self.places.gates.items()
            for direction, (start, _, _) in zip(("in", "out"), gate.ways(), strict=True)
            if zone in start
        ]
        gone = self.reader.first_seen(self.tx, self.scope, self.community, ways, at_ms, self.at_ms)
        return heads - self.reader.open_count(self.tx, self.scope, self.community, zone, at_ms) - gone

    def _since(self, since_ms: int) -> list[GateFlow]:
        if since_ms not in self._flows:
            from_ms = since_ms + 1 if since_ms else 0
            self._flows[since_ms] = self.reader.gate_flows(self.tx, self.scope, self.community, from_ms, self.at_ms)
        return self._flows[since_ms]


def _watching(zone: str, places: Places, stale: dict[str, str | None]) -> tuple[str, ...]:
    """Stale devices at the zone's own gates."""
    own: Iterable[str] = (name for name, gate in places.gates.items() if borders(gate, zone))
    gates = set(own)
    return tuple(device for device, gate in stale.items() if gate in gates)
