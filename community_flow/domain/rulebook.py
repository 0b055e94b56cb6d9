"""What the fold asks the journal, compiled: places as of a moment, and who held which credential when."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from community_flow.domain.journal import Journal
from community_flow.domain.local_days import EPOCH, local_days
from community_flow.domain.places import OUTSIDE, Community, Device, Gate, Household, Pass, Person, Zone

DEFAULT_WINDOW_MS = 30_000
PUBLIC_STAY_S = 12 * 3600
LONGEST_STAY_S = {"room": PUBLIC_STAY_S, "hall": PUBLIC_STAY_S, "open_air": PUBLIC_STAY_S}
"""Longest stay by kind of zone where the zone states none; people live in the other kinds."""

COUNTERS = ("camera", "beam")
"""Kinds of devices that count bodies."""

Chain = tuple[str, ...]
"""A zone and its ancestors, innermost first; empty for outside."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """A gate as of a moment."""

    window_ms: int
    inner: str
    outer: str
    inner_chain: Chain
    outer_chain: Chain
    entries: str
    exits: str
    walk: dict[str, int]
    error_rate: float
    counter: str | None
    """The gate's one counting device, where the journal names one."""

    def ways(self) -> tuple[tuple[Chain, Chain, str], tuple[Chain, Chain, str]]:
        """(from, to, how it is watched) inward and outward."""
        return (self.outer_chain, self.inner_chain, self.entries), (self.inner_chain, self.outer_chain, self.exits)

    def watched(self, direction: str) -> str:
        """scanned, counted or free, in that direction."""
        return self.entries if direction == "in" else self.exits


@dataclass(slots=True)
class Places:
    """All places of a community as of a moment."""

    gates: dict[str, GateRule]
    zones: dict[str, Zone]
    timezone: ZoneInfo
    cutoff_hour: int
    entries_scanned: frozenset[str]
    """Zones that have entrances, all of them scanned."""
    exits_scanned: frozenset[str]
    _closings: dict[tuple[str, int], int] = field(default_factory=dict)

    def bound_ms(self, zone: str, evidence_ms: int) -> int | None:
        """When somebody last known inside at ``evidence_ms`` has left at the latest, as far as the zone's rules say."""
        state = self.zones.get(zone)
        if state is None:
            return None
        stay_s = LONGEST_STAY_S.get(state.kind) if state.longest_stay_s is None else state.longest_stay_s
        ends = [] if stay_s is None else [evidence_ms + stay_s * 1000]
        if state.closes_at is not None:
            ends.append(self.closing_ms(state.closes_at, evidence_ms))
        return min(ends, default=None)

    def closing_ms(self, closes_at: str, after_ms: int) -> int:
        """The first closing time later than ``after_ms``, by the community's clock."""
        day = datetime.fromtimestamp(after_ms / 1000, self.timezone).date().toordinal()
        closing_ms = self._closing_of(closes_at, day)
        return closing_ms if closing_ms > after_ms else self._closing_of(closes_at, day + 1)

    def _closing_of(self, closes_at: str, day: int) -> int:
        key = (closes_at, day)
        if key not in self._closings:
            hour, minute = map(int, closes_at.split(":"))
            local = datetime.fromordinal(day).replace(hour=hour, minute=minute, tzinfo=self.timezone)
            self._closings[key] = int(local.timestamp()) * 1000
        return self._closings[key]

    def day(self, t_ms: int) -> int:
        """The community's day (proleptic ordinal) of a moment; it begins at the cut-off hour."""
        return local_days(self.timezone.key, self.cutoff_hour).day(t_ms) + EPOCH.toordinal()

    def day_span_ms(self, day: int) -> tuple[int, int]:
        """[from, until) of a community's day."""
        days, number = local_days(self.timezone.key, self.cutoff_hour), day - EPOCH.toordinal()
        return days.start_ms(number), days.start_ms(number + 1)


class Rulebook:
    """Reads one journal as of event time; answers are remembered, so keep one per journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        kinds = ("community", "zone", "gate", "device")
        self.epochs = sorted({start for kind in kinds for start in self._starts(kind)})
        """Moments from which on the places may be others."""
        self._places: dict[int, Places] = {}

    def _starts(self, kind: str) -> Iterator[int]:
        for entity in self.journal.entities(kind):
            yield from self.journal.timeline(kind, entity).starts_ms

    def places(self, t_ms: int) -> Places:
        """Places as of ``t_ms``."""
        epoch = bisect_right(self.epochs, t_ms)
        found = self._places.get(epoch)
        if found is None:
            found = self._places[epoch] = compiled(self.journal, self.epochs[epoch - 1] if epoch else -1)
        return found

    def subject(self, named: str, t_ms: int) -> str:
        """The person behind a named subject at ``t_ms``, or the name itself where the journal knows nobody."""
        person = named
        if named.startswith(("ps_", "tg_")):
            state: Pass | None = self.journal.at("pass", named, t_ms)
            if state is None or state.person is None:
                return named
            person = state.person
        return self._merged(person, t_ms) if person.startswith("p_") else person

    def steady(self, named: str, since_ms: int) -> bool:
        """Whether `subject` gives the same answer from ``since_ms`` on, because no row of its kin begins later."""
        kin = self.kin(named)
        return len(kin) == 1 or all(
            start <= since_ms
            for name in kin
            for start in self.journal.timeline("person" if name.startswith("p_") else "pass", name).starts_ms
        )

    def _merged(self, person: str, t_ms: int) -> str:
        seen = set()
        while person not in seen:
            seen.add(person)
            state: Person | None = self.journal.at("person", person, t_ms)
            if state is None or state.merged_into is None:
                return person
            person = state.merged_into
        return min(seen)  # two records merged into each other: one of them, whichever way the question is put

    def kin(self, name: str) -> frozenset[str]:
        """Every person and credential that any row, at any time, has tied to ``name``, itself included.

        Whoever a report of one of them was or will be ascribed to is among them: this is what a change must look at.
        """
        return self._kin.get(name) or frozenset((name,))

    @cached_property
    def _kin(self) -> dict[str, frozenset[str]]:
        ties: dict[str, set[str]] = defaultdict(set)
        for kind, tied in (("pass", "person"), ("person", "merged_into")):
            for entity in self.journal.entities(kind):
                for state in self.journal.timeline(kind, entity).states:
                    other = getattr(state, tied, None)
                    if other is not None:
                        ties[entity].add(other)
                        ties[other].add(entity)
        found: dict[str, frozenset[str]] = {}
        for name in ties:
            if name not in found:
                group = _reachable(ties, name)
                found.update(dict.fromkeys(group, group))
        return found

    @cached_property
    def watched_gates(self) -> frozenset[str]:
        """Gates to which any row, at any time, has given a counting device."""
        found: set[str] = set()
        for device in self.journal.entities("device"):
            states: list[Any] = self.journal.timeline("device", device).states
            found.update(state.gate for state in states if state is not None and state.kind in COUNTERS and state.gate)
        return frozenset(found)

    def household(self, person: str, t_ms: int) -> str | None:
        state: Person | None = self.journal.at("person", person, t_ms)
        return None if state is None else state.household

    def day_span_ms(self, day: int) -> tuple[int, int]:
        """[from, until) of a community's day, by the clock that held at its noon."""
        return self.places((day - 719_163) * 86_400_000 + 43_200_000).day_span_ms(day)

    def quota(self, household: str, t_ms: int) -> int | None:
        """How many outings a day the household may have: its own number, else the community's."""
        state: Household | None = self.journal.at("household", household, t_ms)
        if state is None or state.quota_per_day is not None:
            return None if state is None else state.quota_per_day
        community: Community | None = self.journal.at("community", self.journal.community, t_ms)
        return None if community is None else community.quota_per_day

    @cached_property
    def members(self) -> dict[str, frozenset[str]]:
        """Everybody who ever belonged to a household."""
        found: dict[str, set[str]] = defaultdict(set)
        for person in self.journal.entities("person"):
            people: list[Any] = self.journal.timeline("person", person).states
            for state in people:
                if state is not None and state.household is not None:
                    found[state.household].add(person)
        return {household: frozenset(people) for household, people in found.items()}

    def _limits(self, kind: str, entity: str) -> bool:
        """Whether any row, at any time, gives it a number of outings."""
        states: list[Any] = self.journal.timeline(kind, entity).states
        return any(state is not None and state.quota_per_day is not None for state in states)

    @cached_property
    def quota_households(self) -> dict[str, frozenset[str]]:
        """Person → households with a quota, at any time, that the person ever belonged to."""
        found: dict[str, set[str]] = defaultdict(set)
        everywhere = self._limits("community", self.journal.community)
        for household in self.journal.entities("household"):
            if everywhere or self._limits("household", household):
                for person in self.members.get(household, ()):
                    found[person].add(household)
        return {person: frozenset(households) for person, households in found.items()}


def _reachable(ties: dict[str, set[str]], name: str) -> frozenset[str]:
    group, rest = {name}, [name]
    while rest:
        for other in ties.get(rest.pop(), ()):
            if other not in group:
                group.add(other)
                rest.append(other)
    return frozenset(group)


def compiled(journal: Journal, t_ms: int) -> Places:
    """The places of a journal as of ``t_ms``."""
    zones: dict[str, Zone] = journal.all_at("zone", t_ms)
    counters = _counters(journal.all_at("device", t_ms))
    gates = {
        name: _gate_rule(gate, zones, counters.get(name)) for name, gate in sorted(journal.all_at("gate", t_ms).items())
    }
    community: Community | None = journal.at("community", journal.community, t_ms)
    timezone, cutoff_hour = (community.timezone, community.cutoff_hour) if community else ("UTC", 0)
    entries, exits = _watched(gates)
    return Places(gates, zones, ZoneInfo(timezone), cutoff_hour, entries, exits)


def _gate_rule(gate: Gate, zones: dict[str, Zone], counter: str | None) -> GateRule:
    return GateRule(
        gate.dedup_window_s * 1000,
        gate.inner,
        gate.outer,
        chain(zones, gate.inner),
        chain(zones, gate.outer),
        gate.entries,
        gate.exits,
        gate.walk,
        gate.error_rate,
        counter,
    )


def chain(zones: dict[str, Zone], zone: str | None) -> Chain:
    """The zone and its ancestors; a circle of parents ends where it began."""
    found: list[str] = []
    while zone is not None and zone != OUTSIDE and zone not in found:
        found.append(zone)
        state = zones.get(zone)
        zone = state.parent if state else None
    return tuple(found)


def _counters(devices: dict[str, Device]) -> dict[str, str]:
    """Gate → its counting device: the first by id, should there be two."""
    found: dict[str, str] = {}
    for name, device in sorted(devices.items()):
        if device.gate is not None and device.kind in COUNTERS and device.status == "active":
            found.setdefault(device.gate, name)
    return found


def _watched(gates: dict[str, GateRule]) -> tuple[frozenset[str], frozenset[str]]:
    """Zones whose entrances, and zones whose exits, exist and are all scanned."""
    entrances: dict[str, set[str]] = defaultdict(set)
    exits: dict[str, set[str]] = defaultdict(set)
    for gate in gates.values():
        for start, goal, watched in gate.ways():
            for zone in set(goal) - set(start):
                entrances[zone].add(watched)
            for zone in set(start) - set(goal):
                exits[zone].add(watched)
    scanned = {"scanned"}
    return (
        frozenset(zone for zone, ways in entrances.items() if ways == scanned),
        frozenset(zone for zone, ways in exits.items() if ways == scanned),
    )
