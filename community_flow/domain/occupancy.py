"""How many are inside: open visits, companions and strangers, and what the counting devices saw beyond that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, sqrt

from community_flow.domain.places import OUTSIDE
from community_flow.domain.rulebook import PUBLIC_STAY_S, GateRule, Places


@dataclass(frozen=True, slots=True)
class GateFlow:
    """Sums over one gate and direction since the zone's baseline."""

    gate: str
    direction: str
    unnamed: int = 0
    """Bodies that passed and have no visit: companions and strangers."""
    unseen: int = 0
    """Exits of known people whose entry was not seen."""
    crossings: int = 0
    surplus: int = 0


@dataclass(frozen=True, slots=True)
class ZoneVisits:
    """Visits of one zone at a moment."""

    open: int = 0
    stale: int = 0
    """Of the open ones, those whose last evidence is older than four hours."""
    unseen_exits: int = 0
    """Visits that ended without a seen exit since the baseline."""
    recent_seen: int = 0
    recent_unseen: int = 0
    """Visits that ended in the last day, with and without a seen exit."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the count starts from: a census and the open visits then, or just a moment."""

    since_ms: int
    correction: int = 0
    """Heads counted in the census less the visits open at that moment."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    zone: str
    inside: int
    low: int
    high: int


def baseline_ms(zone: str, places: Places, census_ms: int | None, as_of_ms: int) -> int:
    """Since when unmatched bodies add up: the last census; else, where people can leave by a free way, as long as a
    stranger stays at most; else from the first report."""
    if census_ms is not None:
        return census_ms
    if any(watched == "free" for gate in places.gates.values() for watched in borders(gate, zone)):
        return as_of_ms - PUBLIC_STAY_S * 1000
    return 0


def borders(gate: GateRule, zone: str) -> list[str]:
    """How each way through the gate across the zone's border is watched."""
    return [watched for start, goal, watched in gate.ways() if (zone in start) != (zone in goal)]


def occupancy(
    zone: str, places: Places, visits: ZoneVisits, flows: Iterable[GateFlow], baseline: Baseline
) -> Occupancy:
    """Bodies inside, with an interval.

    A body counted on its way out first explains a visit that ended unseen, and one on its way in an exit whose entry
    was not seen: the same person is not subtracted, or added, twice. The interval holds what the gates' measured
    error makes of the bodies counted since the baseline, and downwards the open visits that, going by the last day,
    have ended unseen.
    """
    strangers, surplus_in, surplus_out, unseen_entries, variance = 0, 0, 0, 0, 0.0
    for flow in flows:
        sign = crossing_sign(places.gates.get(flow.gate), flow.direction, zone)
        if not sign:
            continue
        strangers += sign * flow.unnamed
        variance += places.gates[flow.gate].error_rate * flow.crossings
        surplus_in += flow.surplus if sign > 0 else 0
        surplus_out += flow.surplus if sign < 0 else 0
        unseen_entries += flow.unseen if sign < 0 else 0
    unmatched = max(0, surplus_in - unseen_entries) - max(0, surplus_out - visits.unseen_exits)
    inside = max(0, visits.open + strangers + unmatched + baseline.correction)
    error = ceil(2 * sqrt(variance))
    ended = visits.recent_seen + visits.recent_unseen
    gone = round(visits.stale * visits.recent_unseen / ended) if ended else 0
    return Occupancy(zone, inside, max(0, inside - error - gone), inside + error)


def crossing_sign(gate: GateRule | None, direction: str, zone: str) -> int:
    """+1 when a passage in that direction leads into the zone, -1 out of it, 0 when it does not cross its border."""
    if gate is None:
        return 0
    inward = (zone in gate.inner_chain) - (zone in gate.outer_chain)
    return inward if direction == "in" else -inward


def of_zones(
    places: Places,
    visits: Mapping[str, ZoneVisits],
    flows: Mapping[str, Iterable[GateFlow]],
    baselines: Mapping[str, Baseline],
) -> list[Occupancy]:
    """Every zone of the community, sorted by id."""
    none = ZoneVisits()
    return [
        occupancy(zone, places, visits.get(zone, none), flows.get(zone, ()), baselines[zone])
        for zone in sorted(places.zones)
        if zone != OUTSIDE
    ]
