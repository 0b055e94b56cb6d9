"""Rendered footage of people at a gate, from a seed, with exact truth: who crossed the line, when and which way.

>>> scene = Scene(seed=7, kind="pair", seconds=60)
>>> scene.render(Path("pair.mp4"))
>>> scene.truth()
(TrueCrossing(t_s=4.2, direction='in', walker=0), …)

A live camera made of it: ``source = "scene:7"`` in an agent's configuration, or `LiveScene`, into which
`LiveScene.send` puts one more walker.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

import numpy as np

from sensors import scene_draw as draw
from sensors.frames import CameraTrouble, Frame, Pace
from sensors.gate_line import Direction, GateLine, Line

Body = Literal["adult", "child", "rider", "pusher", "above"]
Knot = tuple[float, float, float]
"""(t_s, x, y): where the feet are, in fractions of the picture."""

TALL = 0.42
"""An adult's height as a share of the picture's, at the middle of the way."""

SIZES: dict[Body, float] = {"adult": 1.0, "child": 0.62, "rider": 1.0, "pusher": 1.0, "above": 0.75}
WIDTHS: dict[Body, float] = {"adult": 0.34, "child": 0.34, "rider": 0.75, "pusher": 0.34, "above": 0.5}
"""How wide a figure is, in its own heights."""


@dataclass(frozen=True)
class TrueCrossing:
    t_s: float
    direction: Direction
    walker: int


@dataclass(frozen=True)
class Walker:
    """One figure: its way as knots joined by straight, even walks."""

    body: Body
    knots: Sequence[Knot]
    look: draw.Look
    size: float = 1.0

    def at(self, t_s: float) -> tuple[float, float, float, bool] | None:
        """(x, y, how far it walked, whether it walks) or None when it is not there."""
        if not self.knots[0][0] <= t_s <= self.knots[-1][0]:
            return None
        place = min(bisect.bisect_right([knot[0] for knot in self.knots], t_s), len(self.knots) - 1)
        (t0, x0, y0), (t1, x1, y1) = self.knots[place - 1], self.knots[place]
        share = (t_s - t0) / max(t1 - t0, 1e-9)
        return x0 + share * (x1 - x0), y0 + share * (y1 - y0), t_s, abs(x1 - x0) + abs(y1 - y0) > 1e-6

    def facing(self, t_s: float) -> int:
        """-1 to the left, 1 to the right; someone who stands looks where he went last."""
        way = 1
        for (_, x0, _), (t1, x1, _) in zip(self.knots, self.knots[1:], strict=False):
            if x1 != x0:
                way = 1 if x1 > x0 else -1
            if t_s <= t1:
                break
        return way


class Stage:
    """A picture of given size with a background, walkers, and what the light does."""

    def __init__(
        self, seed: int, width: int, height: int, steep: bool = False, drift: bool = False, shadows: bool = False
    ):
        self.width, self.height, self.steep = width, height, steep
        self._drift, self._shadows = drift, shadows
        rng = np.random.default_rng(seed)
        self._ground = draw.ground(rng, width, height, steep)
        self._noise = rng.normal(0, 3, (8, height, width, 1)).astype(np.int16)
        self.walkers: list[Walker] = []

    def tall(self, walker: Walker, y: float) -> float:
        """Height in pixels of a walker whose feet are at ``y``: nearer is bigger, except from above."""
        near = 1.0 if self.steep else 0.55 + 0.6 * y
        return TALL * SIZES[walker.body] * walker.size * near * self.height

    def wide(self, walker: Walker, y: float) -> float:
        """Width in pixels of a walker whose feet are at ``y``."""
        return WIDTHS[walker.body] * self.tall(walker, y)

    def centre(self, walker: Walker, x: float, y: float) -> tuple[float, float]:
        """The middle of the body in pixels: what a counter's box is centred on."""
        lift = 0.0 if walker.body == "above" else self.tall(walker, y) / 2
        return x * self.width, y * self.height - lift

    def box(self, walker: Walker, t_s: float) -> tuple[float, float, float, float] | None:
        """Left, top, right, bottom of the body in pixels, or None when it is not there."""
        found = walker.at(t_s)
        if found is None:
            return None
        (x, y), tall = self.centre(walker, found[0], found[1]), self.tall(walker, found[1])
        half, up = self.wide(walker, found[1]) / 2, tall * (0.28 if walker.body == "above" else 0.5)
        return x - half, y - up, x + half, y + up

    def picture(self, t_s: float, number: int = 0) -> draw.Picture:
        """The picture at ``t_s``, blue first."""
        picture = self._ground.copy()
        for walker in sorted(self.walkers, key=lambda walker: _depth(walker, t_s)):
            self._draw(picture, walker, t_s)
        light = 1 + 0.25 * np.sin(t_s / 9) if self._drift else 1.0
        noisy = picture.astype(np.int16) + self._noise[number % len(self._noise)]
        return np.clip(noisy * light, 0, 255).astype(np.uint8)

    def _draw(self, picture: draw.Picture, walker: Walker, t_s: float) -> None:
        found = walker.at(t_s)
        if found is None:
            return
        x, y, walked, walking = found
        pose = draw.Pose(x * self.width, y * self.height, self.tall(walker, y), walker.facing(t_s), walked * 7, walking)
        if self._shadows:
            draw.shadow(picture, pose, 0.8)
        if walker.body == "pusher":
            draw.cycle(picture, pose, 0.25)
        figures: dict[Body, Callable[[Any, draw.Pose, draw.Look], None]] = {
            "rider": draw.rider,
            "above": draw.from_above,
        }
        figures.get(walker.body, draw.person)(picture, pose, walker.look)

    def truth(self, line: Line, walkers: Sequence[Walker] | None = None) -> tuple[TrueCrossing, ...]:
        """Every cut of a walker's way through the line, by time.

        Someone who comes onto the line and goes back has been over it if his centre was clear of it on the far side by
        the counter's margin: what lies between is a matter of taste, and `scene_kinds` lets nobody turn there.
        """
        found: list[TrueCrossing] = []
        for number, walker in enumerate(self.walkers if walkers is None else walkers):
            gate = GateLine(line, self.width, self.height)
            for t_s, x, y in walker.knots:
                crossing = gate.update(number, t_s, *self.centre(walker, x, y), self.wide(walker, y), 1.0)
                if crossing:
                    found.append(TrueCrossing(crossing.t_s, crossing.direction, number))
        return tuple(sorted(found, key=lambda each: each.t_s))


def _depth(walker: Walker, t_s: float) -> float:
    found = walker.at(t_s)
    return found[1] if found else 0.0


class Scene:
    """Footage of one kind (see `KINDS`), ``seconds`` long, the same for the same seed."""

    def __init__(
        self, seed: int, kind: str = "single", seconds: float = 60.0, width: int = 640, height: int = 360,
        fps: float = 10.0, line: Line | None = None,
    ) -> None:  # fmt: skip
        from sensors.scene_kinds import KINDS, Director

        if kind not in KINDS:
            raise CameraTrouble(f"There is no kind of scene {kind!r}: give one of {', '.join(KINDS)}.")
        self.seed, self.kind, self.seconds, self.fps = seed, kind, seconds, fps
        plan = KINDS[kind]
        self.line = line or plan.line
        self.stage = Stage(seed, width, height, plan.steep, plan.drift, plan.shadows)
        director = Director(np.random.default_rng([seed, 1]), self.line)
        self.stage.walkers.extend(director.walkers(plan, seconds))

    def truth(self) -> tuple[TrueCrossing, ...]:
        return self.stage.truth(self.line)

    def frames(self, fps: float | None = None) -> Iterator[Frame]:
        """The pictures in memory: a `Source` for a counter."""
        step = 1 / min(fps or self.fps, self.fps)
        for number in range(int(self.seconds / step)):
            yield Frame(number + 1, number * step, self.stage.picture(number * step, number))

    live = False

    def render(self, path: Path) -> None:
        """Write the footage as mp4."""
        import cv2

        size = (self.stage.width, self.stage.height)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), self.fps, size)
        if not writer.isOpened():
            raise CameraTrouble(f"{path} cannot be written: give a path that ends in .mp4 in a folder you may use.")
        for frame in self.frames():
            writer.write(frame.picture)
        writer.release()


class LiveScene:
    """An endless rendered camera on the wall clock. Walkers come by themselves, ``per_minute`` of them, or are sent."""

    live = True

    def __init__(
        self, seed: int, per_minute: float = 0.0, width: int = 640, height: int = 360, line: Line | None = None
    ) -> None:
        from sensors.scene_kinds import KINDS, Director

        self._line = line or KINDS["single"].line
        self._stage = Stage(seed, width, height)
        self._rng = np.random.default_rng([seed, 2])
        self._director = Director(self._rng, self._line)
        self._per_minute = per_minute
        self._begun_s = time.monotonic()
        self._due_s = self._gap()
        self._lock = threading.Lock()
        self._sent: list[TrueCrossing] = []

    @classmethod
    def named(cls, name: str) -> LiveScene:
        """``scene:SEED`` or ``scene:SEED?per_minute=6``."""
        seed, _, query = name.removeprefix("scene:").partition("?")
        given = dict(parse_qsl(query))
        try:
            return cls(int(seed), float(given.pop("per_minute", "6")))
        except ValueError:
            raise CameraTrouble(f"{name!r} is no scene: give scene:SEED or scene:SEED?per_minute=6.") from None

    def send(self, direction: Direction) -> TrueCrossing:
        """Let one walker set out now; tells when it will cross, in seconds since the camera began."""
        return self._enter(time.monotonic() - self._begun_s, direction)

    def truth(self) -> tuple[TrueCrossing, ...]:
        """Crossings of everyone who set out so far, some of them still to come."""
        with self._lock:
            return tuple(self._sent)

    def frames(self, fps: float) -> Iterator[Frame]:
        number, pace = 0, Pace(fps)
        while True:
            t_s = time.monotonic() - self._begun_s
            if not pace.wants(t_s):
                time.sleep(0.2 / fps)
                continue
            number += 1
            yield Frame(number, t_s, self._picture(t_s, number))

    def _picture(self, t_s: float, number: int) -> draw.Picture:
        if t_s >= self._due_s:
            self._due_s = t_s + self._gap()
            self._enter(t_s, "in" if self._rng.random() < 0.5 else "out")
        with self._lock:
            self._stage.walkers = [walker for walker in self._stage.walkers if walker.knots[-1][0] >= t_s]
            return self._stage.picture(t_s, number)

    def _enter(self, t_s: float, direction: Direction) -> TrueCrossing:
        with self._lock:
            walker = self._director.passer(t_s, direction)
            self._stage.walkers.append(walker)
            crossing = self._stage.truth(self._line, [walker])[0]
            self._sent.append(crossing)
            return crossing

    def _gap(self) -> float:
        return float(self._rng.exponential(60 / self._per_minute)) if self._per_minute else float("inf")
