"""The places of a community as tables of numbers: one row for each way (epoch, gate, direction) that reports name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from community_flow.domain.bulk_columns import Codes, Codes32, Ints, Mask, ScanTable
from community_flow.domain.places import OUTSIDE
from community_flow.domain.rulebook import DEFAULT_WINDOW_MS, LONGEST_STAY_S, Chain, GateRule, Places, Rulebook

UNBOUNDED = -1
"""In an array of times: nothing bounds it."""


@dataclass(slots=True)
class Ways:
    """``kind`` numbers the rows. Zones lie in slots by their depth, outermost first; -1 is an empty slot.

    ``regular``: every zone keeps its depth through all epochs, so that a zone is always met in the same slot.
    """

    rules: list[GateRule | None]
    places: list[Places]
    gates: list[str]
    zones: list[str]
    known: Mask
    window_ms: Ints
    goal: Codes32
    start: Codes32
    inner: Codes32
    inward: Mask
    entries_scanned: Mask
    """Of each slot of ``start``: the zone's entrances are all scanned."""
    exits_scanned: Mask
    gate: Codes32
    walk_ms: Ints
    """The longest walking time that is stated between the gate and any other."""
    outside: Mask
    """The gate's outer zone is the outside."""
    counter: list[str | None]
    target: list[str]
    """JSON of the zone one is in afterwards."""
    epoch: Codes32
    """Place among ``epochs`` of the way's epoch."""
    stay_ms: Ints
    """[epoch, zone]; UNBOUNDED where the zone states none."""
    closes: Mask
    regular: bool

    @property
    def slots(self) -> int:
        return int(self.goal.shape[1])

    def bounds(self, zone: Codes32, way: Codes32, evidence_ms: Ints) -> Ints:
        """`Places.bound_ms` of each zone as of ``way``'s epoch; zone -1 gives UNBOUNDED."""
        epoch = self.epoch[way]
        stay = self.stay_ms[epoch, zone]
        found = np.where((zone >= 0) & (stay >= 0), evidence_ms + stay, UNBOUNDED)
        for row in np.flatnonzero((zone >= 0) & self.closes[epoch, zone]).tolist():
            bound = self.places[way[row]].bound_ms(self.zones[zone[row]], int(evidence_ms[row]))
            found[row] = UNBOUNDED if bound is None else bound
        return found


def ways_of(table: ScanTable, rules: Rulebook) -> tuple[Ways, Codes32]:
    """The ways that these rows name, and the way of each row."""
    sides: Codes[tuple[str, str]] = Codes()
    of_label = np.array([sides[label.gate, label.direction] for label in table.labels], np.int64)
    epoch = np.searchsorted(np.array(rules.epochs, np.int64), table.t_ms, side="right")
    side = of_label[table.label]
    combined, first, kind = np.unique(epoch * max(1, len(sides)) + side, return_index=True, return_inverse=True)
    names = list(sides)
    moments = table.t_ms[first].tolist()
    found = [(names[each % len(names)], t_ms) for each, t_ms in zip(combined.tolist(), moments, strict=True)]
    return _compiled(found, rules), kind.astype(np.int32)


def _compiled(found: Sequence[tuple[tuple[str, str], int]], rules: Rulebook) -> Ways:
    places = [rules.places(t_ms) for _, t_ms in found]
    gates = [each.gates.get(gate) for each, ((gate, _), _) in zip(places, found, strict=True)]
    inward = np.array([direction == "in" for (_, direction), _ in found], bool)
    zones: Codes[str] = Codes()
    depth: dict[str, set[int]] = {}
    starts, goals = [], []
    for gate, is_in in zip(gates, inward.tolist(), strict=True):
        way = _way(gate, is_in)
        starts.append(way[0])
        goals.append(way[1])
        for chain in way:
            for slot, zone in enumerate(reversed(chain)):
                depth.setdefault(zone, set()).add(slot)
    slots = max((len(chain) for chain in [*starts, *goals]), default=0)
    goal, start = _slotted(goals, slots, zones), _slotted(starts, slots, zones)
    epochs: Codes[int] = Codes()
    epoch = np.array([epochs[id(each)] for each in places], np.int32)
    by_epoch = {id(each): each for each in places}
    stay_ms, closes = _stays([by_epoch[each] for each in epochs], list(zones))
    names: Codes[str] = Codes()
    return Ways(
        rules=gates, places=places, gates=[gate for (gate, _), _ in found], zones=list(zones),
        known=np.array([gate is not None for gate in gates], bool),
        window_ms=np.array([DEFAULT_WINDOW_MS if gate is None else gate.window_ms for gate in gates], np.int64),
        goal=goal, start=start,
        inner=np.array([-1 if gate is None else zones.get(gate.inner, -1) for gate in gates], np.int32),
        inward=inward, entries_scanned=_scanned(starts, [each.entries_scanned for each in places], slots),
        exits_scanned=np.array(
            [g is not None and g.inner in each.exits_scanned for g, each in zip(gates, places, strict=True)], bool
        ),
        gate=np.array([names[gate] for (gate, _), _ in found], np.int32),
        walk_ms=np.array([_longest_walk_s(gate, each) * 1000 for ((gate, _), _), each in
                          zip(found, places, strict=True)], np.int64),
        outside=np.array([gate is not None and gate.outer == OUTSIDE for gate in gates], bool),
        counter=[None if gate is None else gate.counter for gate in gates],
        target=[_target(gate, is_in) for gate, is_in in zip(gates, inward.tolist(), strict=True)],
        epoch=epoch, stay_ms=stay_ms, closes=closes, regular=all(len(each) == 1 for each in depth.values()),
    )  # fmt: skip


def _way(gate: GateRule | None, inward: bool) -> tuple[Chain, Chain]:
    if gate is None:
        return (), ()
    return (gate.outer_chain, gate.inner_chain) if inward else (gate.inner_chain, gate.outer_chain)


def _slotted(chains: Sequence[Chain], slots: int, zones: Codes[str]) -> Codes32:
    found = np.full((len(chains), slots), -1, np.int32)
    for row, chain in enumerate(chains):
        for slot, zone in enumerate(reversed(chain)):
            found[row, slot] = zones[zone]
    return found


def _scanned(chains: Sequence[Chain], scanned: Sequence[frozenset[str]], slots: int) -> Mask:
    found = np.zeros((len(chains), slots), bool)
    for row, (chain, zones) in enumerate(zip(chains, scanned, strict=True)):
        for slot, zone in enumerate(reversed(chain)):
            found[row, slot] = zone in zones
    return found


def _stays(places: Sequence[Places], zones: Sequence[str]) -> tuple[Ints, Mask]:
    # One column more than there are zones, so that the code -1 finds a place that says nothing.
    stay = np.full((len(places), len(zones) + 1), UNBOUNDED, np.int64)
    closes: NDArray[np.bool_] = np.zeros((len(places), len(zones) + 1), bool)
    for row, each in enumerate(places):
        for code, name in enumerate(zones):
            zone = each.zones.get(name)
            if zone is None:
                continue
            stay_s = LONGEST_STAY_S.get(zone.kind) if zone.longest_stay_s is None else zone.longest_stay_s
            stay[row, code] = UNBOUNDED if stay_s is None else stay_s * 1000
            closes[row, code] = zone.closes_at is not None
    return stay, closes


def _longest_walk_s(name: str, places: Places) -> int:
    gate = places.gates.get(name)
    stated = [] if gate is None else list(gate.walk.values())
    stated += [other.walk[name] for other in places.gates.values() if name in other.walk]
    return max(stated, default=0)


def _target(gate: GateRule | None, inward: bool) -> str:
    zone = OUTSIDE if gate is None else (gate.inner if inward else gate.outer) or OUTSIDE
    return msgspec.json.encode(zone).decode()
