"""A community whose people meet at known times, for tests of cases and statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert

from community_flow.adapters.sql.tables_flow import flow_hours, passages, visits
from community_flow.adapters.sql.tables_registry import people
from community_flow.domain.places import Household, Person, Zone
from community_flow.domain.visits import CLASS_ENDS_MS, NEVER
from community_flow.services.registry import Change
from community_flow.wiring.core import Core
from tests.factories import small_community

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
NOON_MS = 1_795_406_400_000
"""2026-11-23 12:00 in Shanghai."""

LIN, WANG, ZHOU, MA, HE = (f"p_{letter * 12}" for letter in "lwzmh")
NAMES = {LIN: "林晓梅", WANG: "王强", ZHOU: "周敏", MA: "马丽", HE: "何军"}
UNITS = {LIN: "1-1-101", WANG: "1-1-101", ZHOU: "1-1-102", MA: "1-1-103", HE: "1-1-104"}


@dataclass
class FixedClock:
    """Wall time that a test sets."""

    ms: int = NOON_MS + 12 * HOUR_MS

    def now_ms(self) -> int:
        return self.ms


def met(core: Core, community: str = "garden") -> None:
    """Lin is in the clinic 12:00-13:00. Wang shares her home; Zhou sits with her for 40 min; Ma comes while she may
    still be there; He passes the east gate 10 s after her and is otherwise only in the compound."""
    small_community(core, community)
    with core.db.write() as tx:
        changes: list[Change] = [
            Change(community, "household", f"h_{unit}", 0, Household(unit=unit, building="b1"))
            for unit in set(UNITS.values())
        ]
        changes += [Change(community, "person", who, 0, Person(household=f"h_{unit}")) for who, unit in UNITS.items()]
        changes.append(Change(community, "zone", "hall", 0, Zone(names={"zh": "大厅", "en": "Hall"}, kind="hall")))
        core.registry.record(tx, changes, "test")
        tx.execute(
            insert(people),
            [
                {"community": community, "person": who, "name": name, "initials": "x", "phone": "13800000000",
                 "created_ms": 0}
                for who, name in NAMES.items()
            ],
        )  # fmt: skip
        tx.execute(insert(visits), [visit(community, n, *row) for n, row in enumerate(VISITS)])
        tx.execute(insert(passages), [passage(community, n, *row) for n, row in enumerate(PASSAGES)])
        tx.execute(insert(flow_hours), [hour(community, *row) for row in HOURS])


# who, zone, minutes after noon: entered, last evidence, latest exit (None: seen then)
VISITS: list[tuple[str, str, int, int, int | None]] = [
    (LIN, "compound", -600, 300, None), (WANG, "compound", -600, 300, None), (ZHOU, "compound", -60, 200, None),
    (MA, "compound", -60, 200, None), (HE, "compound", 61, 300, None),
    (LIN, "clinic", 0, 60, None), (ZHOU, "clinic", 20, 90, None), (MA, "clinic", -30, -30, 100),
    (HE, "clinic", 61, 80, None),
]  # fmt: skip
PASSAGES: list[tuple[str, str, str, int]] = [
    (LIN, "east", "in", -36_000_000), (HE, "east", "in", -36_000_000 + 10_000), (MA, "east", "in", -3_600_000),
    (LIN, "clinic-door", "in", 0),
]  # fmt: skip
# gate, direction, hours after noon, bodies, surplus
HOURS: list[tuple[str, str, int, int, int]] = [
    ("east", "in", 0, 40, 2), ("east", "out", 0, 30, 0), ("west", "in", 0, 0, 25), ("clinic-door", "in", 0, 3, 0),
    ("east", "in", 1, 12, 0), ("west", "in", 1, 0, 9), ("clinic-door", "in", 1, 20, 0),
]  # fmt: skip


def visit(
    community: str, number: int, who: str, zone: str, entered: int, last: int, latest: int | None
) -> dict[str, Any]:
    start, earliest = (NOON_MS + minutes * MINUTE_MS for minutes in (entered, last))
    until = earliest if latest is None else NOON_MS + latest * MINUTE_MS
    spread = until - earliest
    length = until - start
    return {
        "community": community, "key": number.to_bytes(8, "big"), "zone": zone, "id": f"v{number}/{zone}",
        "subject": who, "person": who, "entered_ms": start, "left_ms": earliest if latest is None else None,
        "left_earliest_ms": earliest, "left_latest_ms": until, "until_ms": until or NEVER,
        "certainty": "seen" if latest is None else "likely" if spread <= 4 * HOUR_MS else "possible",
        "duration_class": sum(length >= end for end in CLASS_ENDS_MS), "passage": f"v{number}", "closed_by": None,
    }  # fmt: skip


def passage(community: str, number: int, who: str, gate: str, direction: str, after_ms: int) -> dict[str, Any]:
    at_ms = NOON_MS + after_ms
    return {
        "community": community, "key": number.to_bytes(8, "big"), "id": f"v{number}", "subject": who, "person": who,
        "gate": gate, "direction": direction, "at_ms": at_ms, "last_ms": at_ms, "kind": "scan", "method": "card",
        "assurance": 1, "decision": "allow", "reason": "ok", "forced": False, "party": 1, "unnamed": 0, "unseen": 0,
        "evidence": [], "before": "",
    }  # fmt: skip


def hour(community: str, gate: str, direction: str, after: int, bodies: int, surplus: int) -> dict[str, Any]:
    return {
        "community": community, "gate": gate, "direction": direction, "hour_ms": NOON_MS + after * HOUR_MS,
        "passages": bodies, "bodies": bodies, "unnamed": 0, "unseen": 0, "surplus": surplus, "turned_back": 0,
    }  # fmt: skip
