"""The fold again, slow and obvious: every rule straight from its definition, over the whole history, no state kept.

Written apart from `community_flow/domain/fold.py` to be compared with it; it shares no code with what it judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
Row = dict[str, Any]
Order = tuple[int, str, int, int]


def order(row: Row) -> Order:
    return row["t_ms"], row["device"], row["boot"], row["seq"]


def triple(row: Row) -> tuple[str, int, int]:
    return row["device"], row["boot"], row["seq"]


def name(row: Row) -> str:
    return ":".join(map(str, triple(row)))


@dataclass
class Model:
    """``journal``: (number, kind, entity, valid_from_ms, data or None); ``reports``: rows as kept, each once."""

    journal: Sequence[tuple[int, str, str, int, Any]]
    reports: Sequence[Row]

    # --- the journal, read naively -----------------------------------------------------------------------------------

    def state(self, kind: str, entity: str | None, t_ms: int) -> Any:
        rows = [row for row in self.journal if row[1] == kind and row[2] == entity and row[3] <= t_ms]
        return max(rows, key=lambda row: (row[3], row[0]))[4] if rows else None

    def entities(self, kind: str) -> set[str]:
        return {row[2] for row in self.journal if row[1] == kind}

    def chain(self, zone: str, t_ms: int) -> list[str]:
        found: list[str] = []
        while zone and zone != "outside" and zone not in found:
            found.append(zone)
            state = self.state("zone", zone, t_ms)
            zone = state.parent or "" if state else ""
        return found

    def ways(self, t_ms: int) -> list[tuple[list[str], list[str], str]]:
        """(from, to, watched) of every way through every gate."""
        found = []
        for entity in self.entities("gate"):
            gate = self.state("gate", entity, t_ms)
            if gate:
                outer, inner = self.chain(gate.outer, t_ms), self.chain(gate.inner, t_ms)
                found += [(outer, inner, gate.entries), (inner, outer, gate.exits)]
        return found

    def all_scanned(self, zone: str, t_ms: int, leaving: bool) -> bool:
        ways = self.ways(t_ms)
        if leaving:
            watched = [how for start, goal, how in ways if zone in start and zone not in goal]
        else:
            watched = [how for start, goal, how in ways if zone in goal and zone not in start]
        return bool(watched) and all(how == "scanned" for how in watched)

    # --- whose a report is -------------------------------------------------------------------------------------------

    def live(self) -> list[Row]:
        corrected = {(row["device"], *row["of"]) for row in self.reports if row["kind"] == "correction"}
        kept = [row for row in self.reports if triple(row) not in corrected and row["kind"] != "correction"]
        return sorted(kept, key=order)

    def subject(self, row: Row) -> str:
        who: str = row["who"]
        if not who:
            return "r:" + name(row)
        if not who.startswith("p_"):
            held = self.state("pass", who, row["t_ms"])
            if held is None or held.person is None:
                return who
            who = held.person
        seen: list[str] = []
        while who not in seen:
            seen.append(who)
            state = self.state("person", who, row["t_ms"])
            if state is None or state.merged_into is None:
                return who
            who = state.merged_into
        return min(seen)

    def scans(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.live():
            if row["kind"] in ("scan", "visitor"):
                found.setdefault(self.subject(row), []).append(row)
        return found

    # --- passages ----------------------------------------------------------------------------------------------------

    def passages_of(self, scans: list[Row]) -> list[list[Row]]:
        """Each passage as the list of its evidence."""
        found: list[list[Row]] = []
        for row in scans:
            if row["passed"]:
                if found and self.repeats(row, found[-1][0]):
                    found[-1].append(row)
                else:
                    found.append([row])
        return found

    def repeats(self, row: Row, first: Row) -> bool:
        gate = self.state("gate", first["gate"], first["t_ms"])
        window_ms = gate.dedup_window_s * 1000 if gate else 30_000
        same = (row["gate"], row["direction"]) == (first["gate"], first["direction"])
        return same and row["t_ms"] - first["t_ms"] <= window_ms

    def passages(self) -> set[tuple[Any, ...]]:
        return {
            (
                name(evidence[0]), subject, evidence[0]["gate"], evidence[0]["direction"], evidence[0]["t_ms"],
                evidence[-1]["t_ms"], max(row["party"] for row in evidence), tuple(triple(row) for row in evidence),
            )
            for subject, scans in self.scans().items()
            for evidence in self.passages_of(scans)
        }  # fmt: skip

    def attempts(self) -> set[tuple[str, str]]:
        return {(name(row), who) for who, scans in self.scans().items() for row in scans if not row["passed"]}

    # --- where somebody is -------------------------------------------------------------------------------------------

    def way(self, first: Row) -> tuple[list[str], list[str], str] | None:
        """(from, to, inner zone) of a passage; None at a gate that did not exist."""
        t_ms = first["t_ms"]
        gate = self.state("gate", first["gate"], t_ms)
        if gate is None:
            return None
        outer, inner = self.chain(gate.outer, t_ms), self.chain(gate.inner, t_ms)
        return (outer, inner, gate.inner) if first["direction"] == "in" else (inner, outer, gate.inner)

    def open_after(self, passages: list[list[Row]], index: int) -> set[str]:
        """Zones the subject is in after passage ``index``."""
        while index >= 0:
            way = self.way(passages[index][0])
            if way is not None:
                return set(way[1])
            index -= 1
        return set()

    def known(self, passages: list[list[Row]], index: int) -> bool:
        """Whether any passage before ``index`` says where the subject is."""
        return any(self.way(evidence[0]) is not None for evidence in passages[:index])

    def begins(self, passages: list[list[Row]], index: int, zone: str) -> bool:
        way = self.way(passages[index][0])
        if way is None or zone not in way[1]:
            return False
        again = passages[index][0]["direction"] == "in" and zone == way[2]
        return again or zone not in self.open_after(passages, index - 1)

    def ends(self, passages: list[list[Row]], index: int, zone: str) -> bool:
        way = self.way(passages[index][0])
        return way is not None and (zone not in way[1] or self.begins(passages, index, zone))

    def visits(self) -> set[tuple[Any, ...]]:
        found = set()
        for subject, scans in self.scans().items():
            if subject.startswith("r:"):
                continue
            passages = self.passages_of(scans)
            for index in range(len(passages)):
                way = self.way(passages[index][0])
                for zone in way[1] if way else ():
                    if self.begins(passages, index, zone):
                        found.add(self.visit(subject, passages, index, zone))
        return found

    def visit(self, subject: str, passages: list[list[Row]], index: int, zone: str) -> tuple[Any, ...]:
        first = passages[index][0]
        after = [each for each in range(index + 1, len(passages)) if self.ends(passages, each, zone)]
        end = after[0] if after else None
        inside = passages[index : end if end is not None else len(passages)]
        evidence = max(row["t_ms"] for each in inside if self.way(each[0]) is not None for row in each)
        left = latest = None
        absent: list[int] = []
        if end is not None:
            last = passages[end][0]
            way = self.way(last)
            assert way is not None
            absent = [last["t_ms"]]
            if zone in way[0]:
                evidence = last["t_ms"]
            if last["direction"] == "out" and way[2] == zone:
                left = latest = evidence = last["t_ms"]
        if left is None:
            limits = absent + self.limits(zone, evidence)
            latest = max(evidence, min(limits)) if limits else None
        closed_by = name(passages[end][0]) if end is not None else None
        return name(first), zone, subject, first["t_ms"], left, evidence, latest, closed_by

    def limits(self, zone: str, evidence_ms: int) -> list[int]:
        state = self.state("zone", zone, evidence_ms)
        if state is None:
            return []
        stay_s = state.longest_stay_s
        if stay_s is None and state.kind in ("room", "hall", "open_air"):
            stay_s = 12 * 3600
        found = [] if stay_s is None else [evidence_ms + stay_s * 1000]
        if state.closes_at:
            community = self.state("community", "garden", evidence_ms)
            zone_info = ZoneInfo(community.timezone)
            day = datetime.fromtimestamp(evidence_ms / 1000, zone_info).date()
            hour, minute = map(int, state.closes_at.split(":"))
            closings = [
                datetime(each.year, each.month, each.day, hour, minute, tzinfo=zone_info).timestamp() * 1000
                for each in (day + timedelta(days=shift) for shift in range(-1, 3))
            ]
            found.append(int(min(each for each in closings if each > evidence_ms)))
        return found

    # --- conflicts ---------------------------------------------------------------------------------------------------

    def conflicts(self) -> set[tuple[str, str, frozenset[tuple[str, int, int]]]]:
        found = set()
        for subject, scans in self.scans().items():
            if subject.startswith("r:"):
                continue
            passages = self.passages_of(scans)
            for index, evidence in enumerate(passages):
                for kind, others in self.contradictions(passages, index):
                    found.add((kind, subject, frozenset([triple(row) for row in others] + [triple(evidence[0])])))
        return found | self.relays() | self.quotas()

    def contradictions(self, passages: list[list[Row]], index: int) -> list[tuple[str, list[Row]]]:
        first = passages[index][0]
        t_ms, way = first["t_ms"], self.way(first)
        found: list[tuple[str, list[Row]]] = []
        before = passages[index - 1] if index else None
        walk_s = self.walk(before[0]["gate"], first["gate"], t_ms) if before else None
        if before and walk_s is not None and t_ms - before[-1]["t_ms"] < walk_s * 1000:
            found.append(("impossible_travel", [before[0]]))
        if way is None or not self.known(passages, index):
            return found
        inside = self.open_after(passages, index - 1)
        if first["direction"] == "in" and way[2] in inside and self.all_scanned(way[2], t_ms, leaving=True):
            opener = max(each for each in range(index) if self.begins(passages, each, way[2]))
            found.append(("passback", [passages[opener][0]]))
        if any(zone not in inside and self.all_scanned(zone, t_ms, leaving=False) for zone in way[0]):
            found.append(("unseen_entry", []))
        return found

    def walk(self, start: str, goal: str, t_ms: int) -> int | None:
        if start == goal:
            return None
        stated = []
        for one, other in ((start, goal), (goal, start)):
            gate = self.state("gate", one, t_ms)
            if gate and other in gate.walk:
                stated.append(gate.walk[other])
        return min(stated) if stated else None

    def relays(self) -> set[tuple[str, str, frozenset[tuple[str, int, int]]]]:
        shown: dict[tuple[str, int], dict[str, Row]] = {}
        for row in self.live():
            if row["kind"] != "scan" or not row["who"].startswith("ps_") or row["token_s"] is None:
                continue
            # A picture of a code that is a day old is no relay.
            if abs(row["t_ms"] - 1_767_225_600_000 - row["token_s"] * 1000) <= 24 * HOUR_MS:
                shown.setdefault((row["who"], row["token_s"]), {}).setdefault(row["gate"], row)
        return {
            ("relayed_code", f"relay:{who}@{token_s}", frozenset(triple(row) for row in gates.values()))
            for (who, token_s), gates in shown.items()
            if len(gates) > 1
        }

    def quotas(self) -> set[tuple[str, str, frozenset[tuple[str, int, int]]]]:
        outings: dict[tuple[str, Any], list[Row]] = {}
        for subject, scans in self.scans().items():
            for evidence in self.passages_of(scans):
                first = evidence[0]
                t_ms = first["t_ms"]
                person, gate = self.state("person", subject, t_ms), self.state("gate", first["gate"], t_ms)
                if first["direction"] == "out" and gate and gate.outer == "outside" and person and person.household:
                    zone_info = ZoneInfo(self.state("community", "garden", t_ms).timezone)
                    day = datetime.fromtimestamp(t_ms / 1000, zone_info).date()
                    outings.setdefault((person.household, day), []).append(first)
        found = set()
        for (household, _), rows in outings.items():
            last_ms = max(row["t_ms"] for row in rows)
            state, whole = self.state("household", household, last_ms), self.state("community", "garden", last_ms)
            quota = whole.quota_per_day if state and state.quota_per_day is None and whole else None
            quota = state.quota_per_day if state and state.quota_per_day is not None else quota
            if quota is not None and len(rows) > quota:
                found.add(("quota", f"quota:{household}", frozenset(triple(row) for row in rows)))
        return found

    # --- the gate ledger ---------------------------------------------------------------------------------------------

    def ledger(self) -> set[tuple[str, str, str, int, int, str]]:
        """(gate, direction, kind, t, n, source) of what found no partner."""
        sides = {(row["gate"], row["direction"]) for row in self.reports if row["kind"] in ("scan", "visitor", "count")}
        return {(*side, *entry) for side in sides for entry in self.side(*side)}

    def side(self, gate: str, direction: str) -> list[tuple[str, int, int, str]]:
        here: Callable[[Row], bool] = lambda row: (row["gate"], row["direction"]) == (gate, direction)  # noqa: E731
        everyone = [row for row in self.live() if row["kind"] == "count" and here(row)]
        aggregates = [row for row in everyone if row.get("replaces")]
        standing = [row for row in everyone if not any(self.replaces(by, row) for by in aggregates)]
        counts = [row for row in standing if self.is_counter(row)]
        bodies = [row for row in counts if row["from_ms"] is None for _ in range(row["n"])]
        through = [
            evidence[0]
            for scans in self.scans().values()
            for evidence in self.passages_of(scans)
            if here(evidence[0])
            for _ in range(max(row["party"] for row in evidence))
        ]
        through.sort(key=order)
        lone_bodies, lone_passages = self.paired(bodies, through)
        found: dict[tuple[str, int, str], int] = {}
        for row in lone_bodies:
            self.add(found, "surplus", row)
        for row in counts:
            if row["from_ms"] is not None:
                first_ms, last_ms = row["from_ms"] - 10_000, row["t_ms"] + 10_000
                near = [place for place, each in enumerate(lone_passages) if first_ms <= each["t_ms"] <= last_ms]
                taken = near[: row["n"]]
                lone_passages = [each for place, each in enumerate(lone_passages) if place not in taken]
                for _ in range(row["n"] - len(taken)):
                    self.add(found, "surplus", row)
        for row in lone_passages:
            if self.counter(gate, row["t_ms"]) is not None:
                self.add(found, "turned_back", row)
        return [(kind, t_ms, n, source) for (kind, t_ms, source), n in found.items()]

    @staticmethod
    def add(found: dict[tuple[str, int, str], int], kind: str, row: Row) -> None:
        key = (kind, row["t_ms"], name(row))
        found[key] = found.get(key, 0) + 1

    @staticmethod
    def paired(bodies: list[Row], through: list[Row]) -> tuple[list[Row], list[Row]]:
        left, right = list(bodies), list(through)
        lone_left, lone_right = [], []
        while left and right:
            apart = left[0]["t_ms"] - right[0]["t_ms"]
            if abs(apart) <= 10_000:
                left.pop(0)
                right.pop(0)
            elif apart < 0:
                lone_left.append(left.pop(0))
            else:
                lone_right.append(right.pop(0))
        return lone_left + left, lone_right + right

    def counter(self, gate: str, t_ms: int) -> str | None:
        if self.state("gate", gate, t_ms) is None:
            return None
        devices = sorted(self.entities("device"))
        for device in devices:
            state = self.state("device", device, t_ms)
            if state and state.gate == gate and state.kind in ("camera", "beam") and state.status == "active":
                return device
        return None

    def is_counter(self, row: Row) -> bool:
        return self.counter(row["gate"], row["t_ms"]) in (None, row["device"])

    @staticmethod
    def replaces(by: Row, row: Row) -> bool:
        boot, first, last = by["replaces"]
        covers = by["device"] == row["device"] and boot == row["boot"] and first <= row["seq"] <= last
        return bool(covers) and (by["boot"] != row["boot"] or row["seq"] < by["seq"])

    def censuses(self) -> set[tuple[str, int, int]]:
        return {(row["zone"], row["t_ms"], row["n"]) for row in self.live() if row["kind"] == "census"}
