"""The registry: places, people's roles and passes, each change dated and kept in the journal."""

from __future__ import annotations

import re
import secrets
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.journal import Entry, Journal
from community_flow.domain.places import KINDS, OUTSIDE, Area, Community, Gate, Household, Windows, Zone
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.registry import FoldMarks, JournalStore

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_HOUR = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
MOST_WINDOWS = 6
MOST_OUTINGS = 99
NO_COMMUNITY = ""
"""Areas belong to no community; their journal rows carry this."""


@dataclass(frozen=True)
class Change:
    """What somebody wants to be true of an entity from a moment on; ``data`` None ends it."""

    community: str
    kind: str
    entity: str
    valid_from_ms: int
    data: Any


Amendment = Callable[[Any], Any]
"""A state of domain/places.py -> the state it should have been."""


class Registry:
    """Writes changes and gives the journal of a community from memory, re-read when somebody wrote."""

    def __init__(self, db: Database, store: JournalStore, marks: FoldMarks, clock: Clock) -> None:
        self.db, self.store, self.marks, self.clock = db, store, marks, clock
        self._journals: dict[str, tuple[int, Journal]] = {}
        self._loading = threading.Lock()
        self._writing: weakref.WeakSet[Any] = weakref.WeakSet()

    def record(self, tx: Transaction, changes: Sequence[Change], account: str) -> list[Entry]:
        """Keep changes in the caller's transaction; raises Invalid with the field that is wrong."""
        now_ms = self.clock.now_ms()
        rows = [
            Entry(0, each.community, each.kind, each.entity, each.valid_from_ms, _checked(each)) for each in changes
        ]
        self._writing.add(tx)
        entries = self.store.append(tx, rows, now_ms, account)
        self.store.project(tx, [(each.community, each.kind, each.entity) for each in entries], now_ms)
        self.marks.journal_changed(tx, entries)
        return entries

    def add_community(self, tx: Transaction, community: str, data: Community, account: str) -> bytes:
        """A new community with its 16 random bytes; raises Conflict when the id is taken."""
        if community in self.store.communities(tx):
            raise Conflict("A community with the id %(id)s exists: choose another id.", id=community)
        uid = secrets.token_bytes(16)
        self.store.add_community(tx, community, uid, self.clock.now_ms())
        self.record(tx, [Change(community, "community", community, 0, data)], account)
        return uid

    def add_area(self, tx: Transaction, area: str, data: Area, account: str) -> None:
        self.record(tx, [Change(NO_COMMUNITY, "area", area, 0, data)], account)

    def refresh(self) -> int:
        """Bring the projection up to now: rows dated in the future come into effect. Gives how many entities did."""
        with self.db.read() as tx:
            if not self.store.due(tx, self.clock.now_ms()):
                return 0
        with self.db.write() as tx:
            now_ms = self.clock.now_ms()
            due = self.store.due(tx, now_ms)
            self.store.project(tx, due, now_ms)
        return len(due)

    def journal(self, tx: Transaction, community: str) -> Journal:
        """The journal as this transaction sees it; from memory while nothing was written."""
        newest = self.store.newest(tx)
        if tx in self._writing:  # its own rows may yet be rolled back, and their numbers given again
            return self.store.of_community(tx, community)
        known = self._journals.get(community)
        if known and known[0] == newest:
            return known[1]
        # When somebody has written, all who ask at that moment wait for one who reads. Nobody asks for a second
        # connection meanwhile: whoever holds one and waits for another waits for ever once all do.
        with self._loading:
            known = self._journals.get(community)
            if known and known[0] == newest:
                return known[1]
            journal = self.store.of_community(tx, community)
            if known is None or known[0] < newest:
                self._journals[community] = newest, journal
        return journal

    def communities(self, tx: Transaction, scope: Scope) -> dict[str, Community]:
        return {entity: state for _, entity, state in self.store.current(tx, scope, "community")}

    def areas(self, tx: Transaction) -> dict[str, Area]:
        rows = self.store.current(tx, Scope.system({NO_COMMUNITY}), "area")
        return {entity: state for _, entity, state in rows}

    def zones(self, tx: Transaction, scope: Scope) -> dict[tuple[str, str], Zone]:
        return self._keyed(tx, scope, "zone")

    def gates(self, tx: Transaction, scope: Scope) -> dict[tuple[str, str], Gate]:
        return self._keyed(tx, scope, "gate")

    def owned(self, tx: Transaction, scope: Scope, kind: str, owners: Sequence[str]) -> list[tuple[str, str, Any]]:
        """(community, entity, state) of what belongs now to any of ``owners``; see `JournalStore.owned`."""
        return self.store.owned(tx, scope, kind, owners)

    def one(self, tx: Transaction, scope: Scope, kind: str, entity: str) -> tuple[str, Any]:
        """(community, state) of one entity in scope; raises NotFound."""
        rows = self.store.current(tx, scope, kind, entity)
        if not rows:
            raise NotFound("Nothing by that name here: choose it from the list.")
        return rows[0][0], rows[0][2]

    def uid(self, tx: Transaction, community: str) -> bytes:
        return self.store.uid(tx, community)

    def amend(
        self, tx: Transaction, community: str, kind: str, entity: str, from_ms: int, change: Amendment, account: str
    ) -> list[Entry]:
        """Change an entity from ``from_ms`` on, rows that take effect later included.

        A change dated in the past must not be undone by a row written before it. ``change`` gives the new state, or the
        old one to leave it as it is.
        """
        rows = [each.entry for each in self.store.history(tx, community, kind, [entity])]
        return self.record(tx, amended(rows, from_ms, change), account)

    def _keyed(self, tx: Transaction, scope: Scope, kind: str) -> dict[tuple[str, str], Any]:
        return {(community, entity): state for community, entity, state in self.store.current(tx, scope, kind)}


def amended(rows: Sequence[Entry], from_ms: int, change: Amendment) -> list[Change]:
    """The changes that make ``change`` hold from ``from_ms`` on; ``rows`` are one entity's, in order of effect."""
    states = [(row, row.data and msgspec.convert(row.data, KINDS[row.kind])) for row in rows]
    before = [pair for pair in states if pair[0].valid_from_ms <= from_ms]
    # Of rows with the same moment only the last one holds.
    later = {row.valid_from_ms: (row, state) for row, state in states if row.valid_from_ms > from_ms}
    starts = [(from_ms, *before[-1])] if before else []
    starts += [(valid_from_ms, row, state) for valid_from_ms, (row, state) in later.items()]
    wanted = [(start, row, state, change(state)) for start, row, state in starts if state is not None]
    return [Change(row.community, row.kind, row.entity, start, new) for start, row, old, new in wanted if new != old]


def communities_of_areas(
    areas: Mapping[str, Area], communities: Mapping[str, Community], wanted: Sequence[str]
) -> set[str]:
    """Communities in any of ``wanted`` areas or in an area below them."""
    below = set(wanted)
    grown = True
    while grown:
        more = {name for name, area in areas.items() if area.parent in below} - below
        grown = bool(more)
        below |= more
    return {name for name, community in communities.items() if community.area in below}


def _checked(change: Change) -> Mapping[str, Any] | None:
    kind = KINDS.get(change.kind)
    if kind is None:
        raise Invalid("There is no registry entry of the kind %(kind)s.", field="kind", kind=change.kind)
    if change.kind in ("area", "community", "grid", "zone", "gate") and not SLUG.fullmatch(change.entity):
        raise Invalid("An id has 1-40 small letters, digits and hyphens, for example east-gate.", field="id")
    if change.kind == "zone" and change.entity == OUTSIDE:
        raise Invalid("The zone called outside exists in every community: choose another id.", field="id")
    if change.data is None:
        return None
    raw = change.data if isinstance(change.data, Mapping) else msgspec.to_builtins(change.data)
    unknown = set(raw) - set(kind.__struct_fields__)
    if unknown:
        raise Invalid("The field %(field)s is not kept: leave it out.", field=min(unknown))
    try:
        checked = msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise Invalid("This entry cannot be used: %(why)s.", why=str(error)) from error
    rule = _RULES.get(change.kind)
    if rule:
        rule(checked)
    return dict(msgspec.to_builtins(checked))


def _check_zone(zone: Zone) -> None:
    if zone.capacity is not None and not 0 < zone.capacity <= 1_000_000:
        raise Invalid("A capacity is a whole number from 1 to 1,000,000.", field="capacity")
    if zone.closes_at is not None and not _HOUR.fullmatch(zone.closes_at):
        raise Invalid("A closing time is written HH:MM, for example 22:00.", field="closes_at")


def _check_gate(gate: Gate) -> None:
    if gate.inner == gate.outer:
        raise Invalid("A gate joins two different zones: choose another inner or outer zone.", field="inner")
    if not 0 <= gate.dedup_window_s <= 600:
        raise Invalid("The time in which a repeat counts once is 0 to 600 seconds.", field="dedup_window_s")

    check_windows(gate.windows)


def _check_quota(limited: Community | Household) -> None:
    if limited.quota_per_day is not None and not 0 <= limited.quota_per_day <= MOST_OUTINGS:
        raise Invalid("Outings a day are a whole number from 0 to 99; empty means no limit.", field="quota")


def check_windows(windows: Windows) -> None:
    """Raises Invalid for hours that no clock shows, that are empty, or that are too many for a gate's list."""
    if len(windows) > MOST_WINDOWS:
        raise Invalid("At most six spans of hours: join some of them.", field="windows")
    for window in windows:
        if not _is_window(*window):
            raise Invalid("Hours are written like 08:00-18:00, several with commas between them.", field="windows")


def _is_window(start: str = "", end: str = "", days: str = "1234567", *more: str) -> bool:
    in_order = bool(days) and days == "".join(sorted(set(days) & set("1234567")))
    # All day on some days is said as 00:00 to 24:00; without days that would be no rule at all.
    hours = bool(_HOUR.fullmatch(start)) and bool(_HOUR.fullmatch(end) or end == "24:00") and start != end
    return hours and in_order and not more


def _check_community(community: Community) -> None:
    _check_quota(community)
    if community.telephone and not _TELEPHONE.fullmatch(community.telephone):
        raise Invalid("A telephone number has 3 to 20 digits, with + in front for abroad.", field="telephone")


_TELEPHONE = re.compile(r"\+?[0-9]{3,20}")
_RULES: dict[str, Callable[[Any], None]] = {
    "zone": _check_zone, "gate": _check_gate, "community": _check_community, "household": _check_quota,
    "rule": lambda rule: check_windows(rule.windows), "pass": lambda state: check_windows(state.windows),
}  # fmt: skip
