"""Injected events, each with its exact truth: what is abnormal in the demo, who did it, when and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from community_flow.demo.habits import OUT, Outing, through
from community_flow.demo.movement import NOBODY, Crossing
from community_flow.demo.people import DemoPerson, Life, People
from community_flow.demo.places import FULL
from community_flow.demo.plan import DAY_MS, HOUR_MS, MINUTE_MS, Plan

ADULT: tuple[Life, ...] = ("office", "home", "retired")


@dataclass(frozen=True, slots=True)
class Story:
    """One injected event. ``person`` NOBODY when no known person is behind it."""

    id: str
    kind: str
    community: str
    person: int
    gate: str | None
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class DemoHold:
    person: int
    from_ms: int
    until_ms: int


@dataclass
class Script:
    """The world while it is being written: who crossed what, and what was injected so far."""

    plan: Plan
    people: People
    rng: Random
    crossings: dict[int, list[Crossing]]
    others: list[Crossing] = field(default_factory=list)
    stories: list[Story] = field(default_factory=list)
    holds: list[DemoHold] = field(default_factory=list)
    used: set[int] = field(default_factory=set)

    def cast(self, count: int, lives: tuple[Life, ...] = ADULT, alone: bool = False) -> list[DemoPerson]:
        """People with a pass and without children in tow whom no other story uses."""
        fit = [p for p in self.people.persons if p.life in lives and p.community == FULL and self._free(p, alone)]
        chosen = self.rng.sample(fit, min(count, len(fit)))
        self.used.update(person.number for person in chosen)
        return chosen

    def _free(self, person: DemoPerson, alone: bool) -> bool:
        if person.number in self.used or any(c.companions for c in self.crossings.get(person.number, ())):
            return False
        return not alone or len(self.people.members(person.household or "")) == 1

    def shown(self, person: DemoPerson) -> int:
        return self.people.carried[person.number].number

    def day(self, least: int, most: int) -> int:
        """Midnight of one of the days ``least`` … ``most`` before the last."""
        days = self.plan.dates
        ago = self.rng.randint(min(least, len(days) - 1), min(most, len(days) - 1))
        return self.plan.midnight_ms(days[len(days) - 1 - ago])

    def drop(self, person: int, from_ms: int, to_ms: int) -> None:
        kept = [c for c in self.crossings.get(person, ()) if not from_ms <= c.t_ms < to_ms]
        self.crossings[person] = kept

    def add(self, crossing: Crossing) -> None:
        if crossing.t_ms >= self.plan.until_ms:
            return
        if crossing.person == NOBODY:
            self.others.append(crossing)
        else:
            self.crossings.setdefault(crossing.person, []).append(crossing)

    def at_home(self, person: int, from_ms: int, to_ms: int) -> bool:
        """Whether somebody stays at home all that time: no crossing then, and the last one before led home."""
        rows = sorted(self.crossings.get(person, ()), key=lambda each: each.t_ms)
        if any(from_ms <= each.t_ms < to_ms for each in rows):
            return False
        before = [each for each in rows if each.t_ms < from_ms]
        return not before or (before[-1].direction == "in") == (before[-1].gate in ("east", "west"))

    def outing(self, person: DemoPerson, midnight_ms: int, outing: Outing, story: str, gate: str) -> list[Crossing]:
        day = self.plan.local_day(midnight_ms)
        made = list(through(self.plan, self.rng, day, person, self.shown(person), outing, gate, story=story))
        for crossing in made:
            self.add(crossing)
        return made

    def tell(self, kind: str, person: int, gate: str | None, from_ms: int, to_ms: int) -> str:
        """Keep the truth of an event; gives its id. One that would begin after the end never happened."""
        made = Story(f"s{len(self.stories) + 1}", kind, FULL, person, gate, from_ms, min(to_ms, self.plan.until_ms))
        if from_ms < self.plan.until_ms:
            self.stories.append(made)
        return made.id


def inject(script: Script) -> None:
    """Add every kind of event that fits the plan's size and length."""
    for needed_days, tell in TELLERS:
        if script.plan.days >= needed_days:
            tell(script)


def _holds(script: Script) -> None:
    """Isolation at home for a week; six in ten break it once, the others are turned back or obey."""
    for place, person in enumerate(script.cast(script.plan.share(10, least=2))):
        from_ms = script.day(2, max(2, script.plan.days - 2))
        hold = DemoHold(person.number, from_ms, from_ms + 7 * DAY_MS)
        script.holds.append(hold)
        script.drop(person.number, hold.from_ms, hold.until_ms)
        at_ms = from_ms + script.rng.randint(0, min(5, script.plan.days - 2)) * DAY_MS + _daytime(script.rng)
        if at_ms + 2 * HOUR_MS > script.plan.until_ms:
            at_ms = from_ms + 11 * HOUR_MS
        if place % 10 < 6:
            _break_hold(script, person, at_ms)
        elif place % 10 < 9:
            script.add(_shown_only(script, person, at_ms))


def _daytime(rng: Random) -> int:
    return int(rng.uniform(9, 19) * HOUR_MS)


def _break_hold(script: Script, person: DemoPerson, at_ms: int) -> None:
    back_ms = at_ms + int(script.rng.uniform(30, 75) * MINUTE_MS)
    gate = script.rng.choice(("east", "west"))
    story = script.tell("hold_broken", person.number, gate, at_ms, back_ms)
    for t_ms, direction in ((at_ms, "out"), (back_ms, "in")):
        shown = script.shown(person)
        script.add(
            Crossing(t_ms, FULL, gate, direction, person.number, shown, story=story, decision="check", reason="hold")
        )


def _shown_only(script: Script, person: DemoPerson, at_ms: int) -> Crossing:
    """Sent to the desk and turned back: an attempt, nobody passes."""
    gate = script.rng.choice(("east", "west"))
    return Crossing(at_ms, FULL, gate, "out", NOBODY, script.shown(person), seen=False, decision="check", reason="hold")


def _overstays(script: Script) -> None:
    """Guests who stay far beyond the end of their pass."""
    guests = [p for p in script.people.persons if p.life == "guest"]
    gone = [p for p in guests if (script.people.carried[p.number].until_ms or 0) + 3 * HOUR_MS < script.plan.until_ms]
    for guest in script.rng.sample(gone, min(len(gone), script.plan.share(5))):
        ends_ms = script.people.carried[guest.number].until_ms or 0
        left_ms = ends_ms + int(script.rng.uniform(5, 20) * HOUR_MS)
        leaving = script.crossings[guest.number][-1]
        leaving.t_ms = left_ms
        story = script.tell("visitor_overstay", guest.number, leaving.gate, ends_ms, left_ms)
        for crossing in script.crossings[guest.number]:
            crossing.story = story
        if left_ms >= script.plan.until_ms:
            script.crossings[guest.number].remove(leaving)


def _impossible_travel(script: Script) -> None:
    """A copied card: seconds after its holder passed, it is shown at the gate on the other side, several times."""
    for person in script.cast(script.plan.share(4)):
        own = [c for c in script.crossings.get(person.number, ()) if c.gate in ("east", "west")]
        chosen = sorted(script.rng.sample(own, min(3, len(own))), key=lambda each: each.t_ms)
        if chosen:
            story = script.tell("impossible_travel", person.number, None, chosen[0].t_ms, chosen[-1].t_ms + MINUTE_MS)
            for crossing in chosen:
                script.add(_copy(script, crossing, story, script.rng.uniform(15, 50), "in"))


def _copy(script: Script, crossing: Crossing, story: str, after_s: float, direction: str) -> Crossing:
    gate = "west" if crossing.gate == "east" else "east"
    t_ms = crossing.t_ms + int(after_s * 1000)
    return Crossing(t_ms, FULL, gate, direction, NOBODY, crossing.credential, story=story)


def _shared_passes(script: Script) -> None:
    """A card lent out: it enters at one gate and, five to eight minutes later, again at the other."""
    for person in script.cast(script.plan.share(6)):
        rows = script.crossings.get(person.number, ())
        own = [c for c in rows if c.gate in ("east", "west") and c.direction == "in"]
        chosen = sorted(script.rng.sample(own, min(2, len(own))), key=lambda each: each.t_ms)
        if chosen:
            story = script.tell("pass_shared", person.number, None, chosen[0].t_ms, chosen[-1].t_ms + 8 * MINUTE_MS)
            for crossing in chosen:
                script.add(_copy(script, crossing, story, script.rng.uniform(300, 480), "in"))


def _ledger_surplus(script: Script) -> None:
    """A group walks in behind others within the hour: more bodies than passes."""
    for _ in range(script.plan.share(5)):
        from_ms = script.day(1, 12) + int(script.rng.choice((10.5, 14, 16, 19.5)) * HOUR_MS)
        to_ms = from_ms + script.rng.randint(30, 50) * MINUTE_MS
        story = script.tell("ledger_surplus", NOBODY, "east", from_ms, to_ms)
        for _ in range(script.rng.randint(9, 14)):
            t_ms = script.rng.randint(from_ms, to_ms)
            script.add(Crossing(t_ms, FULL, "east", "in", NOBODY, seen=False, story=story))


def _unusual_hours(script: Script) -> None:
    """Somebody who is never out at night goes out between two and four."""
    for person in script.cast(script.plan.share(12), ("retired", "home")):
        midnight = script.day(1, 9)
        minute = script.rng.uniform(2 * 60, 3.6 * 60)
        outing = Outing(OUT, minute, minute + script.rng.uniform(30, 60))
        from_ms = midnight + int(minute * MINUTE_MS)
        story = script.tell("unusual_hour", person.number, None, from_ms, from_ms + HOUR_MS)
        script.outing(person, midnight, outing, story, script.rng.choice(("east", "west")))


def _unusual_frequency(script: Script) -> None:
    """Ten to fourteen short ways out in one day by somebody who usually goes once or twice."""
    for person in script.cast(script.plan.share(8), ("retired", "home")):
        midnight = script.day(1, 9)
        script.drop(person.number, midnight + 3 * HOUR_MS, midnight + 27 * HOUR_MS)
        from_ms = midnight + 8 * HOUR_MS
        story = script.tell("unusual_frequency", person.number, None, from_ms, midnight + 20 * HOUR_MS)
        for turn in range(script.rng.randint(10, 14)):
            start = 8 * 60 + turn * 50 + script.rng.uniform(0, 15)
            script.outing(person, midnight, Outing(OUT, start, start + script.rng.uniform(10, 28)), story, "east")


def _silent_residents(script: Script) -> None:
    """Somebody who lives alone and went out daily is no longer seen."""
    for person in script.cast(script.plan.share(6), ("retired",), alone=True):
        last = max((c.t_ms for c in script.crossings.get(person.number, ())), default=0)
        from_ms = script.day(5, 8)
        if last > from_ms:
            script.drop(person.number, from_ms + 3 * HOUR_MS, script.plan.until_ms)
            script.tell("silent_resident", person.number, None, from_ms, script.plan.until_ms)


def _relayed_codes(script: Script) -> None:
    """A screenshot of a rotating code, shown at the other gate while its owner passes: a check, nobody let in."""
    phones = [p for p in script.cast(script.plan.share(8)) if script.people.carried[p.number].kind == "phone"]
    for person in phones:
        own = [c for c in script.crossings.get(person.number, ()) if c.gate in ("east", "west")]
        if own:
            crossing = script.rng.choice(own)
            story = script.tell("relayed_code", person.number, None, crossing.t_ms, crossing.t_ms + 10_000)
            copy = _copy(script, crossing, story, 6, "in")
            copy.seen, copy.decision, copy.reason = False, "check", "replayed_code"
            crossing.story = story
            script.add(copy)


# How many days of reports a kind of event needs to make sense, and who tells it.
TELLERS: tuple[tuple[int, Callable[[Script], None]], ...] = (
    (3, _holds),
    (2, _overstays),
    (2, _impossible_travel),
    (2, _shared_passes),
    (2, _ledger_surplus),
    (14, _silent_residents),
    (10, _unusual_hours),
    (10, _unusual_frequency),
    (2, _relayed_codes),
)
