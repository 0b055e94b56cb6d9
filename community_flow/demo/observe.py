"""What devices notice of what happens: scans, counts and visitors, with all that goes wrong on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from community_flow.demo.movement import NOBODY, Crossing
from community_flow.demo.people import People
from community_flow.demo.places import CAMERAS, COMPOUND, FULL, HALLS
from community_flow.demo.plan import DAY_MS, HOUR_MS, MINUTE_MS, Plan

LOST_IN, LOST_OUT = 0.008, 0.022
REPEATED = 0.015
CAMERA_MISSES, CAMERA_GHOSTS = 0.012, 0.002
METHODS = {"card": "card", "phone": "rotating", "tag": "tag"}
EXIT_SCANNED = ("east", "west", "south")


@dataclass(eq=False, slots=True)
class Note:
    """A report before it has its number. ``body`` holds wire fields; ``credential`` stands for the pass shown and
    ``token_ms`` for the moment in a rotating code; ``of`` is the note that a correction takes back."""

    device: str
    t_ms: int
    body: dict[str, Any]
    credential: int = NOBODY
    token_ms: int = 0
    of: Note | None = None
    forged: bool = False
    crossing: Crossing | None = None


class Observer:
    """Turns crossings into notes. ``crossings`` are marked unseen where a scan was lost."""

    def __init__(self, plan: Plan, people: People) -> None:
        self.plan, self.people = plan, people
        self.rng = Random(f"{plan.seed}:observe")
        self.token_ms: dict[str, int] = {}

    def notes(self, crossings: Sequence[Crossing]) -> list[Note]:
        """Everything that devices write down, in no order. ``crossings`` are in time order."""
        found: list[Note] = []
        for crossing in crossings:
            self._lose(crossing)
            found += self._at_gate(crossing)
            if crossing.reason != "hold" or crossing.person != NOBODY:
                found += self._by_camera(crossing)
        found += self._ghosts()
        return [note for note in found if note.t_ms < self.plan.until_ms]

    def _lose(self, crossing: Crossing) -> None:
        """Somebody is waved through; events of a story keep the scans they are told by."""
        if crossing.direction == "out" and crossing.gate not in EXIT_SCANNED:
            crossing.seen = False
        elif crossing.seen and not crossing.story and crossing.credential != NOBODY:
            lost = LOST_IN if crossing.direction == "in" else LOST_OUT
            crossing.seen = self.rng.random() >= lost

    def _at_gate(self, crossing: Crossing) -> Iterator[Note]:
        if crossing.visitor:
            yield self._visitor(crossing)
        elif crossing.decision != "allow" and not crossing.seen:
            yield self._scan(crossing, crossing.t_ms, passed=False)
        elif crossing.seen and crossing.credential != NOBODY:
            yield self._scan(crossing, crossing.t_ms, passed=True)
            if self.rng.random() < REPEATED and not crossing.story:
                yield self._scan(crossing, crossing.t_ms + self.rng.randint(1500, 18_000), passed=True)

    def _phone(self, gate: str) -> str:
        if gate == "east" and self.rng.random() < 0.22:
            return "east-phone-2"
        return f"{gate}-phone"

    def _scan(self, crossing: Crossing, t_ms: int, passed: bool) -> Note:
        shown = self.people.passes[crossing.credential]
        body: dict[str, Any] = {
            "kind": "scan",
            "gate": crossing.gate,
            "direction": crossing.direction,
            "method": METHODS[shown.kind],
            "decision": crossing.decision,
            "reason": crossing.reason,
            "passed": passed,
            "forced": passed and crossing.decision == "stop",
            "party": len(crossing.bodies) if passed else 1,
        }
        if crossing.decision != "allow" and passed:
            body["operator"] = f"g{self.rng.randint(1, 6):02d}"
        token_ms = crossing.t_ms - self.rng.randint(500, 9000)
        if crossing.reason == "replayed_code":
            token_ms = self.token_ms.get(crossing.story, token_ms)
        elif crossing.story:
            self.token_ms[crossing.story] = token_ms
        return Note(self._phone(crossing.gate), t_ms, body, crossing.credential, token_ms, None, False, crossing)

    def _visitor(self, crossing: Crossing) -> Note:
        body: dict[str, Any] = {
            "kind": "visitor",
            "gate": crossing.gate,
            "direction": crossing.direction,
            "class": crossing.visitor,
            "party": 1,
            "passed": True,
        }
        if crossing.direction == "in":
            body |= {"unit": self.rng.choice(self.people.households).unit, "valid_min": 60}
        return Note(self._phone(crossing.gate), crossing.t_ms, body, crossing=crossing)

    def _by_camera(self, crossing: Crossing) -> Iterator[Note]:
        """Each body a little after the scan, unless the camera misses it."""
        camera = CAMERAS.get(crossing.gate)
        if camera is None or crossing.community != FULL or (crossing.decision != "allow" and not crossing.seen):
            return
        for place in range(len(crossing.bodies)):
            if self.rng.random() >= CAMERA_MISSES:
                t_ms = crossing.t_ms + self.rng.randint(600, 4000) + 700 * place
                yield self._count(camera, crossing.gate, crossing.direction, t_ms)

    def _count(self, camera: str, gate: str, direction: str, t_ms: int) -> Note:
        confidence = round(self.rng.uniform(0.72, 0.99), 2)
        body = {"kind": "count", "gate": gate, "direction": direction, "n": 1, "confidence": confidence}
        return Note(camera, t_ms, body)

    def _ghosts(self) -> Iterator[Note]:
        """A dog, a swinging door: a camera counts what is not there."""
        for gate, camera in CAMERAS.items():
            for day in self.plan.dates:
                for _ in range(round(self.plan.share(1500 if gate == "east" else 400) * CAMERA_GHOSTS)):
                    t_ms = self.plan.midnight_ms(day) + self.rng.randint(6 * HOUR_MS, 21 * HOUR_MS)
                    yield self._count(camera, gate, self.rng.choice(("in", "out")), t_ms)


def per_minute(notes: Sequence[Note], device: str) -> list[Note]:
    """The same notes, but the counts of ``device`` summed by gate, direction and minute, as simple cameras do."""
    sums: dict[tuple[str, str, int], int] = defaultdict(int)
    kept: list[Note] = []
    for note in notes:
        if note.device == device and note.body["kind"] == "count":
            sums[note.body["gate"], note.body["direction"], note.t_ms // MINUTE_MS] += note.body["n"]
        else:
            kept.append(note)
    for (gate, direction, minute), n in sums.items():
        body = {"kind": "count", "gate": gate, "direction": direction, "n": n, "from_ms": minute * MINUTE_MS}
        kept.append(Note(device, (minute + 1) * MINUTE_MS - 1, body))
    return kept


def office_work(plan: Plan, people: People, crossings: Sequence[Crossing], rng: Random) -> Iterator[Note]:
    """Paper entries of lost scans, typed in at the office; they name the person."""
    lost = [c for c in crossings if not c.seen and c.credential != NOBODY and not c.story and c.gate in EXIT_SCANNED]
    known = [c for c in lost if c.community == FULL and c.person != NOBODY and c.decision == "allow"]
    for crossing in rng.sample(known, min(len(known), plan.share(14))):
        crossing.seen = True
        body = {
            "kind": "scan",
            "gate": crossing.gate,
            "direction": crossing.direction,
            "person": people.persons[crossing.person].id,
            "method": "manual",
            "decision": "allow",
            "reason": "ok",
            "passed": True,
            "forced": False,
            "party": len(crossing.bodies),
            "note": "from the paper list",
        }
        yield Note("office", crossing.t_ms, body, crossing=crossing)


def mistakes(plan: Plan, notes: Sequence[Note], rng: Random) -> Iterator[Note]:
    """A scan in the wrong direction, taken back with a correction before the right one is made."""
    scans = [n for n in notes if n.body["kind"] == "scan" and n.body["passed"] and n.credential != NOBODY]
    plain = [n for n in scans if n.crossing is not None and not n.crossing.story and n.t_ms == n.crossing.t_ms]
    for note in rng.sample(plain, min(len(plain), plan.share(12))):
        other = "out" if note.body["direction"] == "in" else "in"
        wrong = Note(note.device, note.t_ms - 9000, {**note.body, "direction": other}, note.credential, note.token_ms)
        wrong.token_ms = wrong.t_ms - 1000
        yield wrong
        yield Note(note.device, note.t_ms - 4000, {"kind": "correction", "note": "wrong direction"}, of=wrong)


def housekeeping(plan: Plan, insiders: dict[int, int], rng: Random) -> Iterator[Note]:
    """Head counts, a status a day, a reading now and then, one gap. ``insiders``: truly inside, by moment."""
    for t_ms, inside in insiders.items():
        yield Note("office", t_ms, {"kind": "census", "zone": COMPOUND, "n": inside})
    for place, day in enumerate(plan.dates):
        midnight = plan.midnight_ms(day)
        for hall in HALLS:
            yield Note(f"{hall}-phone", midnight + 3 * HOUR_MS, {"kind": "census", "zone": hall, "n": 0})
        for device in ("east-phone", "west-phone", "east-camera", "market-camera", "clinic-camera", "south-phone"):
            body: dict[str, Any] = {"kind": "status", "queue": 0, "version": "1.0.0", "config": 1, "faults": []}
            yield Note(device, midnight + 5 * HOUR_MS + place, body)
        subject = {"bed": "obs-1"}
        value = round(rng.gauss(36.6, 0.25), 1)
        reading = {"kind": "reading", "subject": subject, "quantity": "body-temperature", "value": value, "unit": "Cel"}
        yield Note("clinic-phone", midnight + 10 * HOUR_MS, reading)
    if plan.days > 4:
        yield Note("clinic-camera", plan.from_ms + 3 * DAY_MS + 12 * HOUR_MS, {"kind": "gap", "reason": "disk"})
