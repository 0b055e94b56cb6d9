"""Writes admission.json: `python -m tests.vectors.make_admission`. Named cases, then seeded mixtures of every input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from community_flow.domain.admission import Gate, Shown, State, evaluate, replay
from community_flow.domain.gate_table import Record
from tests.vectors.made import Made, write

MADE = Made("community-flow/vectors/admission")
NOW_MS = 1_795_420_800_000  # 2026-11-23 16:00 in Shanghai
DAY_MS = 86_400_000
NAMES = {"east": {"zh": "东门", "en": "East gate"}, "north": {"zh": "北门"}}
Case = dict[str, Any]

CARD: Case = {"kind": "card", "serial": 1, "expiry_day": 700}
CODE: Case = {"kind": "rotating"}
RECORD: Case = {"types": [33], "serial": 1, "name": "林*梅"}
GATE: Case = {"gate": "east", "direction": "in", "at_ms": NOW_MS, "utc_offset_min": 480, "names": NAMES}


def case(why: str, *, shown: Case = CARD, record: Case | None = RECORD, gate: Case | None = None, **state: Any) -> Case:
    return {"why": why, "shown": shown, "record": record, "gate": GATE | (gate or {}), "state": state}


def named() -> Iterator[Case]:
    yield case("a resident's card")
    yield case("a resident leaves", gate={"direction": "out"})
    yield case("a rotating code", shown=CODE)
    for fault in ("not_ours", "malformed", "unknown_type"):
        yield case(f"a text that is {fault}", shown=CODE | {"fault": fault}, record=None)
    for proof in ("forged", "unknown_key", "foreign", "no_challenge"):
        yield case(f"a proof that is {proof}", shown=CARD | {"proof": proof})
        yield case(f"a proof that is {proof}, no record", shown=CARD | {"proof": proof}, record=None)
    yield case("a good card that the list does not have", record=None)
    yield case("an IC card without network", shown={"kind": "tag"}, record=None, gate={"online": False})
    yield case("an IC card with network", shown={"kind": "tag"})
    yield case("found by the office", shown={"kind": "ref"})
    for status in ("revoked", "copied"):
        yield case(status, record=RECORD | {"status": status})
        yield case(f"{status}, leaving", record=RECORD | {"status": status}, gate={"direction": "out"})
    yield case("a replaced card", shown=CARD | {"serial": 0})
    yield case("a card newer than the list", shown=CARD | {"serial": 2})
    yield case("a phone's clock is off", shown=CODE | {"clock_good": False})
    yield case("the same showing", shown=CODE | {"replay": "same"})
    yield case("a picture of an old screen", shown=CODE | {"replay": "older"})
    yield case("a hold", record=RECORD | {"hold": True})
    yield case("a hold, leaving", record=RECORD | {"hold": True}, gate={"direction": "out"})
    yield from dates()
    yield from rules()
    yield from surroundings()
    yield from types_and_gates()
    yield from weekdays()
    yield from community_quota()
    yield from order()
    yield from challenges()


def challenges() -> Iterator[Case]:
    """What was said to the guard's number, at gates that ask phones for one and at others."""
    for asks in (False, True):
        for kind, shown in (("card", CARD), ("phone", CODE), ("IC card", {"kind": "tag"})):
            for said in ("none", "missing", "answered", "wrong", "old"):
                for direction in ("in", "out"):
                    why = f"{kind}, {said}, {direction}, the gate {'asks' if asks else 'does not ask'}"
                    gate = {"direction": direction} | ({"challenge": True} if asks else {})
                    yield case(why, shown=shown | {"challenge": said}, gate=gate)
    yield case(
        "a wrong answer of a revoked pass", shown=CODE | {"challenge": "wrong"}, record=RECORD | {"status": "revoked"}
    )
    yield case("a wrong answer, the clock is off", shown=CODE | {"challenge": "wrong", "clock_good": False})
    yield case(
        "answered, an old time", shown=CODE | {"challenge": "answered", "replay": "older"}, gate={"challenge": True}
    )
    yield case("answered, a hold", shown=CODE | {"challenge": "answered"}, record=RECORD | {"hold": True})


def types_and_gates() -> Iterator[Case]:
    """Rules by pass type, what a pass says itself before them, and the gate's own hours."""
    working = {"worker": {"gates": ["north"], "windows": [["08:00", "12:00"], ["13:00", "18:00"]]}}
    for kind in ("resident", "frequent", "visitor", "carer", "worker", "anonymous"):
        for name, rule in (
            ("its gate", {"gates": ["east", "north"]}),
            ("another gate", {"gates": ["north"]}),
            ("no gate", {"gates": []}),
            ("its hours", {"windows": [["08:00", "18:00"]]}),
            ("other hours", {"windows": [["18:00", "08:00"]]}),
            ("other hours, leaving", {"windows": [["18:00", "08:00"]]}),
        ):
            way = "out" if name.endswith("leaving") else "in"
            gate = {"rules": {kind: rule}, "direction": way}
            yield case(f"a {kind}, for the type {name}", record=RECORD | {"type": kind}, gate=gate)
    yield case("a rule for another type", record=RECORD | {"type": "carer"}, gate={"rules": working})
    yield case("no type means a resident", gate={"rules": {"resident": {"gates": ["north"]}}})
    worker = RECORD | {"type": "worker"}
    own = worker | {"gates": ["east"], "windows": [["15:00", "17:00"]]}
    yield case("what the pass says goes before its type", record=own, gate={"rules": working})
    yield case("own gate, hours of the type", record=worker | {"gates": ["east"]}, gate={"rules": working})
    yield case(
        "own hours, gate of the type", record=worker | {"windows": [["15:00", "17:00"]]}, gate={"rules": working}
    )
    yield case("no gate of its own", record=worker | {"gates": []}, gate={"rules": {"worker": {"gates": ["east"]}}})
    hours = {"windows": [["06:00", "09:00"], ["17:00", "20:00"]]}
    for kind in ("resident", "visitor"):
        yield case(f"a closed gate, {kind}", record=RECORD | {"type": kind}, gate=hours)
    yield case("a closed gate, leaving", gate=hours | {"direction": "out"})
    yield case("an open gate", gate={"windows": [["16:00", "16:01"]]})
    yield case("a gate that closes now", gate={"windows": [["06:00", "16:00"]]})
    yield case("a gate open over midnight", gate={"windows": [["22:00", "16:01"]]})
    yield case("a closed gate, good hours of its own", record=RECORD | {"windows": [["15:00", "17:00"]]}, gate=hours)
    yield case(
        "a closed gate and wrong hours of its own", record=RECORD | {"windows": [["06:00", "07:00"]]}, gate=hours
    )


def community_quota() -> Iterator[Case]:
    """The community's outings for households without a number of their own; free exits."""
    home = RECORD | {"household": "h"}
    for used in (0, 1, 2, 3):
        yield case(
            f"{used} of the community's 2", record=home, gate={"direction": "out", "quota": 2}, used=used, age_ms=0
        )
    out: Case = {"direction": "out", "quota": 1}
    yield case("the household's number goes first", record=home | {"quota": 3}, gate=out, used=2, age_ms=0)
    yield case("the household's smaller number", record=home | {"quota": 0}, gate=out, used=0, age_ms=0)
    yield case("nobody's household", gate=out, used=1, age_ms=0)
    yield case("outings of old", record=home, gate=out, used=1, age_ms=600_001)
    yield case("outings nobody knows", record=home, gate=out, age_ms=0)
    yield case("coming back in", record=home, gate=out | {"direction": "in"}, used=1, age_ms=0)
    for exits in ("scanned", "counted", "free"):
        yield case(f"the way out is {exits}", record=home, gate=out | {"exits": exits}, used=1, age_ms=0)
        yield case(
            f"a revoked pass, the way out is {exits}", record=home | {"status": "revoked"}, gate=out | {"exits": exits}
        )
        yield case(
            f"an ended pass, the way out is {exits}", record=home | {"until_ms": NOW_MS}, gate=out | {"exits": exits}
        )


def order() -> Iterator[Case]:
    """Two things are wrong at once: which one is said."""
    wrongs: dict[str, Case] = {
        "forged": {"shown": {"proof": "forged"}},
        "revoked": {"record": {"status": "revoked"}},
        "a hold": {"record": {"hold": True}},
        "expired": {"record": {"until_ms": NOW_MS, "type": "visitor"}},
        "a wrong gate": {"record": {"gates": ["north"]}},
        "wrong hours": {"record": {"windows": [["06:00", "07:00"]]}},
        "a closed gate": {"gate": {"windows": [["06:00", "07:00"]]}},
        "inside": {"gate": {"passback": "hard"}, "state": {"inside": True, "age_ms": 0}},
        "full": {"state": {"full": True, "age_ms": 0}},
    }
    names = list(wrongs)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            parts: dict[str, Case] = {
                part: wrongs[first].get(part, {}) | wrongs[second].get(part, {})
                for part in ("shown", "record", "gate", "state")
            }
            shown, record = CARD | parts["shown"], RECORD | parts["record"]
            yield case(f"{first} and {second}", shown=shown, record=record, gate=parts["gate"], **parts["state"])


def dates() -> Iterator[Case]:
    yield case("not yet", record=RECORD | {"from_ms": NOW_MS + 1})
    yield case("from now", record=RECORD | {"from_ms": NOW_MS})
    yield case("ended now", record=RECORD | {"until_ms": NOW_MS})
    yield case("ends in a moment", record=RECORD | {"until_ms": NOW_MS + 1})
    yield case("a visitor's card ended now", record=RECORD | {"until_ms": NOW_MS, "type": "visitor"})
    yield case("a phone pass ended now", shown=CODE, record=RECORD | {"until_ms": NOW_MS})
    yield case("shortened by the office", record=RECORD | {"until_ms": NOW_MS - 15 * DAY_MS})
    yield case("ended, leaving", record=RECORD | {"until_ms": NOW_MS}, gate={"direction": "out"})
    midnight_ms = 1_795_363_200_000  # 2026-11-23 00:00 in Shanghai
    today = 326
    for days, moment_ms in ((0, -1), (1, -1), (1, 0), (15, -1), (15, 0)):
        when = {"at_ms": midnight_ms + days * DAY_MS + moment_ms}
        yield case(f"a card's last day, {days} days {moment_ms} ms on", shown=CARD | {"expiry_day": today}, gate=when)
    for offset in (-480, 0, 330, 840):
        yield case(
            f"a card's last day at {offset} min", shown=CARD | {"expiry_day": today}, gate={"utc_offset_min": offset}
        )
        yield case(
            f"a card's last day before at {offset} min",
            shown=CARD | {"expiry_day": today - 1},
            gate={"utc_offset_min": offset},
        )


def rules() -> Iterator[Case]:
    yield case("for this gate", record=RECORD | {"gates": ["north", "east"]})
    yield case("for another gate", record=RECORD | {"gates": ["north"]})
    yield case("for gates without names", record=RECORD | {"gates": ["north", "cellar"]})
    yield case("for no gate", record=RECORD | {"gates": []})
    yield case("for another gate, leaving", record=RECORD | {"gates": ["north"]}, gate={"direction": "out"})
    for start, end in (
        ("16:00", "16:01"),
        ("15:59", "16:00"),
        ("22:00", "16:01"),
        ("22:00", "06:00"),
        ("16:00", "16:00"),
    ):
        yield case(f"good {start} to {end}", record=RECORD | {"windows": [[start, end]]})
    two = RECORD | {"windows": [["06:00", "09:00"], ["17:00", "20:00"]]}
    yield case("two windows", record=two)
    yield case("two windows, leaving", record=two, gate={"direction": "out"})
    for used, age_ms in ((1, 0), (2, 0), (3, 600_000), (3, 600_001), (None, 0), (2, None)):
        state: Case = {name: value for name, value in {"used": used, "age_ms": age_ms}.items() if value is not None}
        for direction in ("in", "out"):
            why = f"{used} of 2 outings, {age_ms} ms old, {direction}"
            yield case(why, record=RECORD | {"quota": 2}, gate={"direction": direction}, **state)


def surroundings() -> Iterator[Case]:
    for passback in ("off", "soft", "hard"):
        for age_ms in (0, 600_000, 600_001):
            for direction in ("in", "out"):
                gate = {"passback": passback, "direction": direction}
                yield case(f"inside, {passback}, {age_ms} ms old, {direction}", gate=gate, inside=True, age_ms=age_ms)
        yield case(f"outside, {passback}", gate={"passback": passback}, inside=False, age_ms=0)
    yield case("full", full=True, age_ms=0)
    yield case("full, long ago", full=True, age_ms=600_001)
    yield case("full, leaving", gate={"direction": "out"}, full=True, age_ms=0)
    yield case("free flow", gate={"free_flow": True}, shown=CARD | {"proof": "forged"}, record=None)
    yield case("a list of 14 days", gate={"list_age_ms": 14 * DAY_MS})
    yield case("a list of over 14 days", gate={"list_age_ms": 14 * DAY_MS + 1})
    yield case("forged, list of over 14 days", shown=CARD | {"proof": "forged"}, gate={"list_age_ms": 14 * DAY_MS + 1})


SHOWN: dict[str, tuple[Any, ...]] = {
    "kind": ("card", "card", "rotating", "rotating", "tag", "ref"),
    "fault": (None,) * 15 + ("not_ours", "malformed"),
    "proof": ("good",) * 12 + ("forged", "foreign", "unknown_key"),
    "clock_good": (True,) * 9 + (False,),
    "replay": ("fresh",) * 8 + ("same", "older"),
    "challenge": ("none",) * 12 + ("missing", "answered", "wrong", "old"),
    "serial": (None, 1, 1, 1, 0, 2),
    "expiry_day": (None, 700, 700, 326, 325, 310, 0),
}
RECORDS: dict[str, tuple[Any, ...]] = {
    "types": ([33], [17, 18]),
    "name": ("林*梅", "J*** S***"),
    "type": ("resident", "resident", "visitor", "carer", "worker", "frequent", "anonymous"),
    "household": (None, "h"),
    "serial": (None, 1),
    "status": ("active",) * 8 + ("revoked", "copied"),
    "from_ms": (None, None, None, NOW_MS - 1, NOW_MS + 90_061_000),
    "until_ms": (None, None, None, NOW_MS + 1, NOW_MS - 90_061_000),
    "gates": (None, None, ["east"], ["north", "east"], ["north"], []),
    "windows": ((), (), [["08:00", "18:00"]], [["18:00", "08:00"]], [["06:00", "07:30"], ["11:30", "13:00"]]),
    "quota": (None, 1, 2),
    "hold": (False,) * 8 + (True,),
}
GATES: dict[str, tuple[Any, ...]] = {
    "gate": ("east", "east", "north"),
    "direction": ("in", "in", "out"),
    "at_ms": (NOW_MS, NOW_MS + 7_200_000, NOW_MS + 36_000_123),
    "utc_offset_min": (480, 0, -210),
    "passback": ("off", "soft", "hard"),
    "challenge": (False, False, True),
    "free_flow": (False,) * 19 + (True,),
    "exits": ("scanned", "scanned", "counted", "free"),
    "windows": ((), (), [["08:00", "22:00"]], [["22:00", "05:00"]]),
    "rules": (
        {},
        {},
        {"visitor": {"gates": ["north"]}},
        {"worker": {"windows": [["07:00", "19:00"]]}, "carer": {"gates": []}},
    ),
    "quota": (None, None, 1, 2),
    "online": (True, False),
    "list_age_ms": (0,) * 12 + (14 * DAY_MS, 14 * DAY_MS + 1),
}
STATES: dict[str, tuple[Any, ...]] = {
    "inside": (None, False, True),
    "used": (None, 0, 1, 2),
    "full": (False, False, False, True),
    "age_ms": (None, 0, 600_000, 600_001),
}


DAYS = ("12345", "67", "135", "1", "1267", "23456", "7")
SPANS = (["08:00", "18:00"], ["22:00", "06:00"], ["00:00", "24:00"])


def weekdays() -> Iterator[Case]:
    """A week at one hour, then windows over midnight, on their day, the day after, and in another zone of time."""
    for day in range(7):
        gate = {"at_ms": NOW_MS + day * DAY_MS}
        for days in DAYS:
            yield case(
                f"good on {days}, day {day + 1}", record=RECORD | {"windows": [["08:00", "18:00", days]]}, gate=gate
            )
    for hours in (-17, -16, 5, 6, 13, 14, 15):
        gate = {"at_ms": NOW_MS + hours * 3_600_000}
        yield case(
            f"over midnight on a Monday, {hours} h", record=RECORD | {"windows": [["22:00", "06:00", "1"]]}, gate=gate
        )
        yield case(f"a gate open all Sunday, {hours} h", gate=gate | {"windows": [["00:00", "24:00", "7"]]})
    monday = RECORD | {"windows": [["00:00", "24:00", "1"]]}
    for offset in (-720, -480, 480, 840):
        yield case(f"a Monday at {offset} minutes", record=monday, gate={"utc_offset_min": offset})
    for number in range(60):
        spans = [
            [*MADE.pick(f"{number}/span{each}", SPANS), MADE.pick(f"{number}/days{each}", DAYS)] for each in range(2)
        ]
        gate = {"at_ms": NOW_MS + MADE.number(f"{number}/hour", 168) * 3_600_000}
        yield case(f"two windows with days, {number}", record=RECORD | {"windows": spans}, gate=gate)


def mixed(number: int) -> Case:
    def drawn(part: str, choices: dict[str, tuple[Any, ...]]) -> Case:
        picked = {name: MADE.pick(f"{number}/{part}/{name}", values) for name, values in choices.items()}
        return {name: value for name, value in picked.items() if value is not None}

    record = None if MADE.number(f"{number}/none", 12) == 0 else drawn("record", RECORDS)
    gate = drawn("gate", GATES) | {"names": NAMES}
    shown = drawn("shown", SHOWN)
    return {"why": f"mixture {number}", "shown": shown, "record": record, "gate": gate, "state": drawn("state", STATES)}


def answered(given: Case) -> Case:
    record = None if given["record"] is None else msgspec.convert(given["record"], Record)
    decision = evaluate(
        msgspec.convert(given["shown"], Shown),
        record,
        msgspec.convert(given["gate"], Gate),
        msgspec.convert(given["state"], State),
    )
    return dict(msgspec.to_builtins(decision))


def replays() -> Iterator[Case]:
    for last in (None, (100, NOW_MS)):
        for token_s in (99, 100, 101):
            for later_ms in (-1, 0, 30_000, 30_001):
                found = replay(last, token_s, NOW_MS + later_ms, 30_000)
                yield {
                    "last": last,
                    "token_s": token_s,
                    "at_ms": NOW_MS + later_ms,
                    "window_ms": 30_000,
                    "expect": found,
                }


def body() -> dict[str, Any]:
    cases = [*named(), *(mixed(number) for number in range(300))]
    return {"cases": [each | {"expect": answered(each)} for each in cases], "replays": list(replays())}


if __name__ == "__main__":
    write("admission.json", body())
