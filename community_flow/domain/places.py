"""Places and people as the registry journal states them: one frozen type per kind of entry.

Ids are slugs within a community. Times are UTC milliseconds, durations carry their unit in the name.
"""

from __future__ import annotations

from typing import Literal

import msgspec

OUTSIDE = "outside"
"""The zone beyond every outermost gate. It exists implicitly in every community."""

Windows = tuple[tuple[str, ...], ...]
"""Hours of the local day as (from, until) or (from, until, days); HH:MM, until not included.

Days are digits from 1 for Monday to 7, in order; without them it is every day. A window may cross midnight: it then
belongs to the day on which it begins.
"""

Names = dict[str, str]
"""A place's name by language, for example {"zh": "东门", "en": "East gate"}; at least one."""

ZoneKind = Literal["compound", "building", "home", "room", "hall", "open_air"]
Passing = Literal["scanned", "counted", "free"]
Lane = Literal["foot", "bike", "vehicle"]
Passback = Literal["off", "soft", "hard"]
PassType = Literal["resident", "frequent", "visitor", "carer", "worker", "anonymous"]
PassKind = Literal["card", "phone", "tag"]
DeviceKind = Literal["gate_phone", "camera", "checkpoint", "beam", "office", "gateway"]


class _Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of journal data; unknown fields are refused when written (services/registry) and ignored when read."""


class Area(_Data, frozen=True, kw_only=True):
    names: Names
    parent: str | None = None


class Community(_Data, frozen=True, kw_only=True):
    names: Names
    area: str
    timezone: str = "Asia/Shanghai"
    cutoff_hour: int = 0
    language: Literal["zh", "en"] = "zh"
    quota_per_day: int | None = None
    """Outings a day of every household that has no number of its own."""
    telephone: str = ""
    """Of the office, for guards: digits, with + in front where it is needed."""


class Zone(_Data, frozen=True, kw_only=True):
    names: Names
    kind: ZoneKind
    parent: str | None = None
    capacity: int | None = None
    longest_stay_s: int | None = None
    closes_at: str | None = None


class Gate(_Data, frozen=True, kw_only=True):
    names: Names
    inner: str
    outer: str = OUTSIDE
    entries: Passing = "scanned"
    exits: Passing = "scanned"
    lane: Lane = "foot"
    dedup_window_s: int = 30
    passback: Passback = "soft"
    challenge: bool = False
    """Whether phones that come in answer a number of the guard's; cards and ways out are not asked."""
    windows: Windows = ()
    """When people are let in here; empty means always. Whoever leaves is not asked."""
    walk: dict[str, int] = {}
    error_rate: float = 0.03


class Grid(_Data, frozen=True, kw_only=True):
    names: Names
    zones: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


class Household(_Data, frozen=True, kw_only=True):
    unit: str
    building: str | None = None
    home: str | None = None
    quota_per_day: int | None = None


class Person(_Data, frozen=True, kw_only=True):
    """What the fold and the rules read of a person. Names and telephone numbers are not here: see table people."""

    household: str | None = None
    type: PassType = "resident"
    status: Literal["active", "moved_out", "merged"] = "active"
    merged_into: str | None = None


class Pass(_Data, frozen=True, kw_only=True):
    """A credential; its id is ``ps_`` + hex(pass_ref), or ``tg_`` + hex(tag_ref) for an IC card."""

    person: str | None
    kind: PassKind = "card"
    type: PassType = "resident"
    status: Literal["active", "revoked", "copied"] = "active"
    serial: int = 0
    from_ms: int | None = None
    until_ms: int | None = None
    gates: tuple[str, ...] | None = None
    windows: Windows = ()
    keeper: str | None = None
    """On whose phone it is, when that is somebody else's by the office's word."""


class Rule(_Data, frozen=True, kw_only=True):
    """Entity = a pass type: what passes of the type may do where they say nothing themselves."""

    gates: tuple[str, ...] | None = None
    windows: Windows = ()


class Hold(_Data, frozen=True, kw_only=True):
    """Entity = person. A reason to send somebody to the desk; the reason itself is never shown at the gate."""

    kind: Literal["isolation", "health", "office"]
    from_ms: int
    until_ms: int | None = None


class Device(_Data, frozen=True, kw_only=True):
    names: Names
    gate: str | None
    kind: DeviceKind
    status: Literal["active", "revoked"] = "active"
    settings: dict[str, str] = {}


KINDS: dict[str, type[_Data]] = {
    "area": Area,
    "community": Community,
    "zone": Zone,
    "gate": Gate,
    "grid": Grid,
    "household": Household,
    "person": Person,
    "pass": Pass,
    "rule": Rule,
    "hold": Hold,
    "device": Device,
}


def named(names: Names, language: str) -> str:
    """The name in that language, else in the other one."""
    return names.get(language) or next(iter(names.values()), "")
