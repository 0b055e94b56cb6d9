"""The places of the demo: one area, a full community and a small one, as registry data."""

from __future__ import annotations

from dataclasses import dataclass

from community_flow.demo.plan import Plan
from community_flow.domain.places import Area, Community, Device, DeviceKind, Gate, Grid, Zone

AREA = "xinghe"
FULL = "jinxiu"
SMALL = "hubin"
BUILDINGS = 9
COMPOUND = "compound"
HALLS = ("market", "canteen", "clinic", "kindergarten")


@dataclass(frozen=True)
class DemoDevice:
    """A device of the demo. ``key`` is how the simulator calls it; ``id`` is what it is enrolled as."""

    key: str
    id: str
    community: str
    state: Device


AREAS = {
    "linjiang": Area(names={"zh": "临江区", "en": "Linjiang District"}),
    AREA: Area(names={"zh": "星河街道", "en": "Xinghe Subdistrict"}, parent="linjiang"),
}


def communities(timezone: str) -> dict[str, Community]:
    return {
        FULL: Community(names={"zh": "锦绣花园", "en": "Jinxiu Garden"}, area=AREA, timezone=timezone),
        SMALL: Community(names={"zh": "湖滨里", "en": "Lakeside Lane"}, area=AREA, timezone=timezone),
    }


def zones() -> dict[tuple[str, str], Zone]:
    """Every zone by (community, id); buildings have no gate of their own."""
    found = {
        (FULL, COMPOUND): Zone(names={"zh": "小区", "en": "Compound"}, kind="compound"),
        (SMALL, COMPOUND): Zone(names={"zh": "小区", "en": "Compound"}, kind="compound"),
    }
    for number in range(1, BUILDINGS + 1):
        found[FULL, f"b{number}"] = _building(number)
    for number in (1, 2):
        found[SMALL, f"b{number}"] = _building(number)
    found[FULL, "clinic"] = _hall("卫生站", "Clinic", "room", 50, 3 * 3600, "18:00")
    found[FULL, "canteen"] = _hall("社区食堂", "Canteen", "hall", 120, 90 * 60, "20:00")
    found[FULL, "market"] = _hall("便民市场", "Market hall", "hall", 160, 2 * 3600, "20:30")
    found[FULL, "kindergarten"] = _hall("幼儿园", "Kindergarten", "room", 110, 11 * 3600, "18:30")
    return found


def _building(number: int) -> Zone:
    return Zone(names={"zh": f"{number}号楼", "en": f"Building {number}"}, kind="building", parent=COMPOUND)


def _hall(zh: str, en: str, kind: str, capacity: int, longest_stay_s: int, closes_at: str) -> Zone:
    return Zone(
        names={"zh": zh, "en": en},
        kind="room" if kind == "room" else "hall",
        parent=COMPOUND,
        capacity=capacity,
        longest_stay_s=longest_stay_s,
        closes_at=closes_at,
    )


WALK_S = {
    ("east", "west"): 240,
    ("east", "clinic"): 90,
    ("east", "market"): 120,
    ("east", "canteen"): 110,
    ("east", "kindergarten"): 150,
    ("west", "clinic"): 180,
    ("west", "market"): 150,
    ("west", "canteen"): 140,
    ("west", "kindergarten"): 100,
    ("clinic", "market"): 80,
    ("clinic", "canteen"): 70,
    ("clinic", "kindergarten"): 120,
    ("market", "canteen"): 45,
    ("market", "kindergarten"): 110,
    ("canteen", "kindergarten"): 90,
}


def walk_s(one: str, other: str) -> int:
    """Seconds a quick walker needs between two gates of the full community."""
    return WALK_S.get((one, other)) or WALK_S.get((other, one), 0)


def gates() -> dict[tuple[str, str], Gate]:
    """Six gates of the full community: two scanned both ways, two counted by a camera, two with a free exit."""
    return {
        (FULL, "east"): Gate(names={"zh": "东门", "en": "East gate"}, inner=COMPOUND, walk=_walk("east")),
        (FULL, "west"): Gate(names={"zh": "西门", "en": "West gate"}, inner=COMPOUND, walk=_walk("west")),
        (FULL, "market"): _hall_gate("market", "市场入口", "Market entrance", "counted"),
        (FULL, "clinic"): _hall_gate("clinic", "卫生站门口", "Clinic door", "counted"),
        (FULL, "canteen"): _hall_gate("canteen", "食堂门口", "Canteen door", "free"),
        (FULL, "kindergarten"): _hall_gate("kindergarten", "幼儿园门口", "Kindergarten door", "free"),
        (SMALL, "south"): Gate(names={"zh": "南门", "en": "South gate"}, inner=COMPOUND),
    }


def _hall_gate(gate: str, zh: str, en: str, exits: str) -> Gate:
    return Gate(
        names={"zh": zh, "en": en},
        outer=COMPOUND,
        inner=gate,
        exits="counted" if exits == "counted" else "free",
        passback="off",
        walk=_walk(gate),
    )


def _walk(gate: str) -> dict[str, int]:
    return {other: walk_s(gate, other) for other in ("east", "west", *HALLS) if other != gate}


def grids() -> dict[tuple[str, str], Grid]:
    thirds = (("grid-1", "第一网格", "Grid 1", (1, 2, 3)), ("grid-2", "第二网格", "Grid 2", (4, 5, 6)))
    found = {
        (FULL, key): Grid(names={"zh": zh, "en": en}, zones=tuple(f"b{n}" for n in numbers))
        for key, zh, en, numbers in (*thirds, ("grid-3", "第三网格", "Grid 3", (7, 8, 9)))
    }
    found[SMALL, "grid-1"] = Grid(names={"zh": "第一网格", "en": "Grid 1"}, zones=("b1", "b2"))
    return found


# key, community, gate, kind, Chinese, English
_DEVICES: tuple[tuple[str, str, str | None, DeviceKind, str, str], ...] = (
    ("east-phone", FULL, "east", "gate_phone", "东门手机一", "East phone 1"),
    ("east-phone-2", FULL, "east", "gate_phone", "东门手机二", "East phone 2"),
    ("east-camera", FULL, "east", "camera", "东门摄像头", "East camera"),
    ("west-phone", FULL, "west", "gate_phone", "西门手机", "West phone"),
    ("market-phone", FULL, "market", "checkpoint", "市场扫码点", "Market checkpoint"),
    ("market-camera", FULL, "market", "camera", "市场摄像头", "Market camera"),
    ("clinic-phone", FULL, "clinic", "gate_phone", "卫生站手机", "Clinic phone"),
    ("clinic-camera", FULL, "clinic", "camera", "卫生站摄像头", "Clinic camera"),
    ("canteen-phone", FULL, "canteen", "checkpoint", "食堂扫码点", "Canteen checkpoint"),
    ("kindergarten-phone", FULL, "kindergarten", "gate_phone", "幼儿园手机", "Kindergarten phone"),
    ("office", FULL, None, "office", "居委会电脑", "Office computer"),
    ("tour-phone", FULL, "east", "gate_phone", "演示手机", "Tour phone"),
    ("south-phone", SMALL, "south", "gate_phone", "南门手机", "South phone"),
)


def devices(plan: Plan) -> dict[str, DemoDevice]:
    """Devices by the simulator's name for them."""
    return {
        key: DemoDevice(
            key,
            plan.ident("d_", key),
            community,
            Device(names={"zh": zh, "en": en}, gate=gate, kind=kind),
        )
        for key, community, gate, kind, zh, en in _DEVICES
    }


CAMERAS = {"east": "east-camera", "market": "market-camera", "clinic": "clinic-camera"}
"""The counting device of a gate of the full community; the other gates have none."""
