"""What happens in a rendered scene, by kind: who sets out when, and along which way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sensors.gate_line import Direction, Line
from sensors.scene import Body, Knot, Walker
from sensors.scene_draw import some_look

UPRIGHT = Line(0.5, 0.0, 0.5, 1.0)
NEAR_EDGE = Line(0.88, 0.0, 0.88, 1.0)
ACROSS = Line(0.0, 0.5, 1.0, 0.5)
LEVEL = Line(0.0, 0.55, 1.0, 0.55)


@dataclass(frozen=True)
class Plan:
    """A kind of scene: its line, view and light, and what comes by each time."""

    act: Act
    line: Line = UPRIGHT
    gap_s: float = 1.5
    steep: bool = False
    drift: bool = False
    shadows: bool = False


class Director:
    """Places walkers relative to a line: along the way that leads over it, on lanes beside each other."""

    def __init__(self, rng: np.random.Generator, line: Line) -> None:
        self.rng = rng
        dx, dy = line.x2 - line.x1, line.y2 - line.y1
        self._sideways = abs(dy) >= abs(dx)
        self._in = (-1 if dy > 0 else 1) if self._sideways else (1 if dx > 0 else -1)
        self.middle = (line.x1 + line.x2) / 2 if self._sideways else (line.y1 + line.y2) / 2

    def walkers(self, plan: Plan, seconds: float) -> Iterator[Walker]:
        """Everyone of a scene. A group sets out when the last has gone, so that classes stay what they are called."""
        t_s = 2.0
        while True:
            group = plan.act(self, t_s)
            end_s = max((walker.knots[-1][0] for walker in group), default=seconds)
            if end_s >= seconds - 0.5:
                return
            yield from group
            t_s = end_s + plan.gap_s * float(self.rng.uniform(0.5, 1.5))

    def either(self) -> Direction:
        return "in" if self.rng.random() < 0.5 else "out"

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def passer(
        self,
        t_s: float,
        direction: Direction,
        body: Body = "adult",
        lane: float | None = None,
        speed: float | None = None,
    ) -> Walker:
        """One who walks right through."""
        return self.walker(t_s, direction, (), body, lane, speed)

    def walker(
        self, t_s: float, direction: Direction, stops: Sequence[tuple[float, float]], body: Body = "adult",
        lane: float | None = None, speed: float | None = None, back: bool = False,
    ) -> Walker:  # fmt: skip
        """One who stands at each of ``stops`` (place past the line as walked, seconds), then goes on or back."""
        forward = self._in if direction == "in" else -self._in
        speed = speed or self.between(0.14, 0.24)
        lane = lane if lane is not None else self.lane(body)
        begin, end = self._ends(forward, body)
        places = [
            (begin, 0.0),
            *((self.middle + forward * past, wait) for past, wait in stops),
            (begin if back else end, 0.0),
        ]
        return Walker(body, self._knots(t_s, places, lane, speed), some_look(self.rng), self.between(0.92, 1.08))

    def lane(self, body: Body = "adult") -> float:
        if not self._sideways:
            return self.between(0.2, 0.8)
        return self.between(0.2, 0.8) if body == "above" else self.between(0.66, 0.95)

    def _ends(self, forward: int, body: Body) -> tuple[float, float]:
        if self._sideways:
            low, high = -0.12, 1.12
        else:
            low, high = (-0.2, 1.2) if body == "above" else (0.4, 1.55)
        return (low, high) if forward > 0 else (high, low)

    def _knots(self, t_s: float, places: Sequence[tuple[float, float]], lane: float, speed: float) -> tuple[Knot, ...]:
        knots: list[Knot] = []
        before = places[0][0]
        for place, wait_s in places:
            t_s += abs(place - before) / speed
            knots.append((t_s, place, lane) if self._sideways else (t_s, lane, place))
            if wait_s:
                t_s += wait_s
                knots.append((t_s, place, lane) if self._sideways else (t_s, lane, place))
            before = place
        return tuple(knots)


Act: TypeAlias = Callable[[Director, float], list[Walker]]


def single(body: Body = "adult", speed: tuple[float, float] = (0.14, 0.24)) -> Act:
    return lambda stage, t_s: [stage.passer(t_s, stage.either(), body, speed=stage.between(*speed))]


def pair(
    body: Body = "adult", beside: tuple[float, float] = (0.05, 0.1), behind: tuple[float, float] = (0.25, 0.5)
) -> Act:
    """Two who keep step: ``beside`` each other by so much of the picture, the second ``behind`` by so many seconds."""

    def act(stage: Director, t_s: float) -> list[Walker]:
        way, speed, apart = stage.either(), stage.between(0.15, 0.22), stage.between(*beside)
        lane = stage.lane(body) - apart / 2
        later = t_s + stage.between(*behind)
        return [stage.passer(t_s, way, body, lane=lane, speed=speed),
                stage.passer(later, way, body, lane=lane + apart, speed=speed)]  # fmt: skip

    return act


def turner(stage: Director, t_s: float) -> list[Walker]:
    """Turns round at the gate: short of the line, or over it and back (two crossings)."""
    past = stage.between(-0.1, -0.045) if stage.rng.random() < 0.5 else stage.between(0.06, 0.15)
    return [stage.walker(t_s, stage.either(), [(past, stage.between(0.2, 1.5))], back=True)]


def stander(stage: Director, t_s: float) -> list[Walker]:
    """Stands on the line for a while and goes on; or goes back, having stood right on it or clearly beyond it."""
    back = stage.rng.random() < 0.4
    if not back:
        past = stage.between(-0.02, 0.02)
    else:
        past = stage.between(-0.006, 0.006) if stage.rng.random() < 0.5 else stage.between(0.03, 0.05)
    return [stage.walker(t_s, stage.either(), [(past, stage.between(4, 10))], back=back)]


def meeting(stage: Director, t_s: float) -> list[Walker]:
    """Two from both sides, one hiding the other for a moment near the line."""
    speed = stage.between(0.15, 0.22)
    lane = stage.between(0.66, 0.85)
    later, beside = t_s + stage.between(-0.4, 0.4), lane + stage.between(0.04, 0.1)
    return [stage.passer(t_s, "in", lane=lane, speed=speed), stage.passer(later, "out", lane=beside, speed=speed)]


def with_child(stage: Director, t_s: float) -> list[Walker]:
    """A child half hidden behind an adult."""
    way, speed, lane = stage.either(), stage.between(0.14, 0.2), stage.between(0.7, 0.95)
    return [stage.passer(t_s, way, lane=lane, speed=speed),
            stage.passer(t_s + stage.between(0.25, 0.45), way, "child", lane=lane - 0.02, speed=speed)]  # fmt: skip


def nobody(stage: Director, t_s: float) -> list[Walker]:
    return []


KINDS: dict[str, Plan] = {
    "single": Plan(single()),
    "pair": Plan(pair()),
    "turn": Plan(turner),
    "stand": Plan(stander),
    "meet": Plan(meeting),
    "rider": Plan(single("rider", (0.3, 0.45))),
    "pushed": Plan(single("pusher")),
    "child": Plan(with_child),
    "edge": Plan(single(), line=NEAR_EDGE),
    "shadow": Plan(single(), shadows=True),
    "drift": Plan(single(), drift=True),
    "overhead": Plan(single("above"), line=ACROSS, steep=True),
    "overhead pair": Plan(pair("above", (0.22, 0.3), (0.0, 0.3)), line=ACROSS, steep=True),
    "oblique": Plan(single(speed=(0.16, 0.24)), line=LEVEL),
    "oblique pair": Plan(pair(beside=(0.14, 0.2), behind=(0.0, 0.3)), line=LEVEL),
    "empty": Plan(nobody),
}
