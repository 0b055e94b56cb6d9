"""The live page: who is inside, how people flow, what needs a look, which sensors can be believed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from community_flow.domain.device_state import WORST_FIRST, silence_of, state_of
from community_flow.domain.errors import NotFound
from community_flow.domain.local_days import local_days
from community_flow.domain.places import OUTSIDE, Community, Device, Gate, Names, Zone
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.live import Counting, DeviceSeen, FlowCell, Inbox, LiveReader, OpenItem, ZoneCount
from community_flow.services.registry import Registry

STEP_MS = 5 * 60_000
RATE_MS = 10 * 60_000
WEEK_MS = 7 * 24 * 3_600_000


@dataclass(frozen=True)
class Amount:
    """A number with the interval it stands for; ``stale`` names the sensors that widened it."""

    inside: int
    low: int
    high: int
    stale: tuple[str, ...] = ()


@dataclass(frozen=True)
class ZoneRow:
    zone: str
    names: Names
    kind: str
    capacity: int | None
    amount: Amount


@dataclass(frozen=True)
class DeviceRow:
    device: str
    names: Names
    gate: str | None
    kind: str
    state: str
    last_ms: int | None


@dataclass(frozen=True)
class GateRow:
    """A gate with its sensors. ``state`` is that of its worst sensor; "none" when nothing watches it."""

    gate: str
    names: Names
    sensors: tuple[tuple[str, int], ...]
    per_minute: float | None
    last_ms: int | None
    state: str


@dataclass(frozen=True)
class Series:
    """One value per slot of five minutes since the day began, oldest first."""

    slots_ms: tuple[int, ...]
    entries: tuple[int, ...]
    exits: tuple[int, ...]
    inside: tuple[int, ...]


@dataclass(frozen=True)
class LiveView:
    community: str
    data: Community
    as_of_ms: int
    day_start_ms: int
    total: Amount
    capacity: int | None
    entries: int
    exits: int
    entries_week_ago: int | None
    exits_week_ago: int | None
    series: Series
    zones: tuple[ZoneRow, ...]
    gates: tuple[GateRow, ...]
    devices: tuple[DeviceRow, ...]
    open_count: int
    items: tuple[OpenItem, ...]
    any_report: bool

    @property
    def troubled(self) -> tuple[DeviceRow, ...]:
        """Sensors whose numbers cannot be fully believed now."""
        return tuple(each for each in self.devices if each.state != "ok")

    @property
    def down(self) -> int:
        return sum(each.state in ("down", "never") for each in self.devices)


@dataclass(frozen=True)
class _Places:
    zones: Mapping[str, Zone]
    gates: Mapping[str, Gate]
    devices: Mapping[str, Device]
    own: frozenset[str]
    """The gates that the reader may see one by one; a guard sees their own."""

    @property
    def top(self) -> set[str]:
        return {name for name, zone in self.zones.items() if zone.parent is None}

    @property
    def border(self) -> set[str]:
        """Gates between the community and the outside."""
        return {name for name, gate in self.gates.items() if gate.outer == OUTSIDE}

    def is_counted(self, zone: str) -> bool:
        """True when some gate lies on the zone's border."""
        return any(
            (zone in self._chain(gate.inner)) != (zone in self._chain(gate.outer)) for gate in self.gates.values()
        )

    def _chain(self, zone: str | None) -> set[str]:
        chain: set[str] = set()
        while zone is not None and zone in self.zones and zone not in chain:
            chain.add(zone)
            zone = self.zones[zone].parent
        return chain


class Live:
    def __init__(
        self, db: Database, registry: Registry, reader: LiveReader, counting: Counting, inbox: Inbox, clock: Clock
    ) -> None:
        self.db, self.registry, self.reader = db, registry, reader
        self.counting, self.inbox, self.clock = counting, inbox, clock

    def communities(self, scope: Scope) -> dict[str, Community]:
        """Those in scope, the one with the most places first."""
        with self.db.read() as tx:
            known = self.registry.communities(tx, scope)
            places = Counter(community for community, _ in self.registry.zones(tx, scope))
        return dict(sorted(known.items(), key=lambda each: (-places[each[0]], each[0])))

    def view(self, scope: Scope, community: str) -> LiveView:
        """Everything the page shows of one community, as of now; raises NotFound outside the scope."""
        mine = scope.narrowed(community)
        now_ms = self.clock.now_ms()
        with self.db.read() as tx:
            data = self.registry.communities(tx, mine).get(community)
            if data is None:
                raise NotFound("There is no community by that name here: choose it from the list.")
            places = self._places(tx, mine)
            counts = {each.zone: each for each in self.counting.occupancy(tx, mine, community)}
            start_ms = day_start_ms(data, now_ms)
            flow = self.reader.flow(tx, mine, start_ms, now_ms + 1, STEP_MS)
            recent = self.reader.flow(tx, mine, now_ms - RATE_MS, now_ms + 1, RATE_MS + 1)
            before = self.reader.flow(tx, mine, *week_before(data, now_ms), WEEK_MS)
            latest = self.reader.latest(tx, mine, start_ms)
            changes = self._changes(tx, mine, places, start_ms, now_ms)
            seen = {each.device: each for each in self.reader.devices(tx, mine)}
            any_report = self.reader.any_report(tx, mine)
        devices = _device_rows(places.devices, seen, now_ms)
        total = _total(places, counts)
        entries, exits = _sums(flow, places.border & places.own)
        entries_before, exits_before = _sums(before, places.border & places.own)
        return LiveView(
            community, data, now_ms, start_ms, total, _capacity(places), entries, exits,
            entries_before or None, exits_before or None,
            series(flow, places.border & places.own, changes, total.inside, start_ms, now_ms),
            _zone_rows(places, counts), _gate_rows(places, devices, recent, latest), devices,
            self.inbox.open_count(scope, community), tuple(self.inbox.foremost(scope, community, 4)), any_report,
        )  # fmt: skip

    def _places(self, tx: Transaction, scope: Scope) -> _Places:
        rows = self.registry.store.current(tx, scope, "device")
        gates = {gate: data for (_, gate), data in self.registry.gates(tx, scope).items()}
        own = frozenset(gates) if scope.gates is None else scope.gates & frozenset(gates)
        devices = {device: data for _, device, data in rows if data.status == "active" and data.kind != "office"}
        zones = {zone: data for (_, zone), data in self.registry.zones(tx, scope).items()}
        mine = {name: each for name, each in devices.items() if each.gate is None or each.gate in own}
        return _Places(zones, gates, mine, own)

    def _changes(self, tx: Transaction, scope: Scope, places: _Places, start_ms: int, now_ms: int) -> Counter[int]:
        changes = Counter(self.reader.visit_changes(tx, scope, places.top, start_ms, now_ms + 1, STEP_MS))
        changes.update(self.reader.unnamed_changes(tx, scope, places.border, start_ms, now_ms + 1, STEP_MS))
        return changes


def day_start_ms(community: Community, now_ms: int) -> int:
    """When the community's day began: its cut-off hour in its own time zone."""
    days = local_days(community.timezone, community.cutoff_hour)
    return days.start_ms(days.day(now_ms))


def week_before(community: Community, now_ms: int) -> tuple[int, int]:
    """The same weekday a week ago, as far as this day has run: clocks may have been changed between the two."""
    days = local_days(community.timezone, community.cutoff_hour)
    today = days.day(now_ms)
    start_ms = days.start_ms(today - 7)
    return start_ms, start_ms + now_ms - days.start_ms(today)


def device_state(seen: DeviceSeen | None, now_ms: int, kind: str = "") -> str:
    """As on the page of devices."""
    if seen is None:
        return "never"
    return state_of(
        seen.last_ms, now_ms, skew_ms=seen.skew_ms, mismatch_ms=seen.mismatch_ms, faults=seen.faults,
        offline_ms=seen.offline_ms, silence_ms=silence_of(kind, seen.silence_ms),
    )  # fmt: skip


def series(
    flow: Iterable[FlowCell], border: set[str], changes: Mapping[int, int], inside_now: int, start_ms: int, now_ms: int
) -> Series:
    """Flow per slot, and people inside at the end of each slot, worked back from the count now."""
    slots = range(start_ms, now_ms + 1, STEP_MS)
    sums: dict[str, Counter[int]] = {"in": Counter(), "out": Counter()}
    for cell in flow:
        if cell.gate in border:
            sums[cell.direction][cell.slot_ms] += cell.bodies
    inside, levels = inside_now, []
    for slot_ms in reversed(slots):
        levels.append(max(0, inside))
        inside -= changes.get(slot_ms, 0)
    return Series(
        tuple(slots), tuple(sums["in"][slot] for slot in slots), tuple(sums["out"][slot] for slot in slots),
        tuple(reversed(levels)),
    )  # fmt: skip


def _sums(flow: Iterable[FlowCell], border: set[str]) -> tuple[int, int]:
    entries = exits = 0
    for cell in flow:
        if cell.gate in border:
            entries, exits = (
                entries + cell.bodies * (cell.direction == "in"),
                exits + cell.bodies * (cell.direction == "out"),
            )
    return entries, exits


def _amount(count: ZoneCount) -> Amount:
    return Amount(count.inside, count.low, count.high, tuple(count.stale_devices))


def _total(places: _Places, counts: Mapping[str, ZoneCount]) -> Amount:
    mine = [_amount(counts[zone]) for zone in sorted(places.top) if zone in counts]
    stale = sorted({device for each in mine for device in each.stale})
    return Amount(sum(a.inside for a in mine), sum(a.low for a in mine), sum(a.high for a in mine), tuple(stale))


def _capacity(places: _Places) -> int | None:
    capacities = [places.zones[zone].capacity for zone in places.top]
    known = [each for each in capacities if each is not None]
    return sum(known) if known and len(known) == len(capacities) else None


def _zone_rows(places: _Places, counts: Mapping[str, ZoneCount]) -> tuple[ZoneRow, ...]:
    """Zones below the whole that have a gate of their own (nobody counts the others), nearest their capacity first."""
    rows = [
        ZoneRow(name, zone.names, zone.kind, zone.capacity, _amount(counts[name]))
        for name, zone in places.zones.items()
        if name in counts and name not in places.top and places.is_counted(name)
    ]
    return tuple(sorted(rows, key=lambda row: (-(row.amount.inside / row.capacity if row.capacity else 0), row.zone)))


def _device_rows(devices: Mapping[str, Device], seen: Mapping[str, DeviceSeen], now_ms: int) -> tuple[DeviceRow, ...]:
    rows = [
        DeviceRow(
            name, device.names, device.gate, device.kind, device_state(seen.get(name), now_ms, device.kind),
            seen[name].last_ms if name in seen else None,
        )
        for name, device in devices.items()
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (WORST_FIRST.index(row.state), row.gate or "", row.device)))


def _gate_rows(
    places: _Places, devices: Sequence[DeviceRow], recent: Iterable[FlowCell], latest: Mapping[str, int]
) -> tuple[GateRow, ...]:
    bodies: Counter[str] = Counter()
    for cell in recent:
        bodies[cell.gate] += cell.bodies
    at_gate: defaultdict[str, list[DeviceRow]] = defaultdict(list)
    for device in devices:
        at_gate[device.gate or ""].append(device)
    return tuple(
        _gate_row(name, gate, at_gate[name], bodies[name], latest.get(name))
        for name, gate in places.gates.items()
        if name in places.own
    )


def _gate_row(name: str, gate: Gate, devices: Sequence[DeviceRow], bodies: int, last_ms: int | None) -> GateRow:
    kinds = Counter(each.kind for each in devices)
    state = min((each.state for each in devices), key=WORST_FIRST.index, default="none")
    rate = round(bodies / (RATE_MS / 60_000), 1) if devices else None
    return GateRow(name, gate.names, tuple(sorted(kinds.items())), rate, last_ms, state)
