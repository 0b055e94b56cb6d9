"""Boxes of a scene's people as a poor detector would give them, drawn from a seed: no picture and no network is asked.

What the tracker and the line make of misses, jitter, merged pairs and boxes of nobody can be measured with these for
any number of crossings at little cost; what a real network sees cannot.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sensors.boxes import Boxes, suppress, without_pairs
from sensors.scene import Scene, Stage
from tests.bench._recorded import Recorded

MISSED, WEAK, MERGED, FALSE_S = 0.08, 0.10, 0.3, 0.4
"""Chance a box that somebody is not found, only just found, boxed with who overlaps him; boxes of nobody a second."""

HIDDEN = 0.65
"""Share of a body behind others from which on it is not found."""

JITTER = 0.04
"""Spread of each edge, in box sizes."""


def noisy(scene: Scene, seed: int, fps: float) -> Recorded:
    """All of ``scene`` at ``fps``."""
    rng, stage = np.random.default_rng([seed, 3]), scene.stage
    found = Recorded(stage.height, stage.width)
    for number in range(int(scene.seconds * fps)):
        boxes = _seen(rng, stage, number / fps, FALSE_S / fps)
        found.sights.append((number / fps, without_pairs(suppress(boxes, 0.55))))
    return found


def _seen(rng: np.random.Generator, stage: Stage, t_s: float, false: float) -> Boxes:
    rows = list(_bodies(rng, stage, t_s))
    rows += [_nobody(rng, stage) for _ in range(rng.poisson(false))]
    if not rows:
        return Boxes.none()
    found = np.array(rows, np.float32)
    corners = np.clip(found[:, :4], 0, np.array([stage.width, stage.height] * 2, np.float32))
    large = (corners[:, 2] - corners[:, 0] > 4) & (corners[:, 3] - corners[:, 1] > 8)
    return Boxes(corners, found[:, 4]).only(large)


def _bodies(rng: np.random.Generator, stage: Stage, t_s: float) -> Iterator[list[float]]:
    """Nearest first, because who stands nearer hides who stands behind him."""
    there = [(stage.box(walker, t_s), walker.at(t_s)) for walker in stage.walkers]
    near = sorted(((box, at[1]) for box, at in there if box and at), key=lambda each: -each[1])
    before: list[tuple[float, float, float, float]] = []
    for box, _ in near:
        hidden = max((_share(box, other) for other in before), default=0.0)
        if hidden < HIDDEN and rng.random() >= MISSED:
            yield _jittered(rng, box, hidden)
        if hidden > 0.3 and rng.random() < MERGED:
            yield _jittered(rng, _round(box, before[-1]), 0.0)
        before.append(box)


def _jittered(rng: np.random.Generator, box: tuple[float, ...], hidden: float) -> list[float]:
    wide, high = box[2] - box[0], box[3] - box[1]
    noise = rng.normal(0, JITTER, 4) * [wide, high, wide, high]
    weak = rng.random() < WEAK + hidden / 2
    score = rng.uniform(0.11, 0.34) if weak else rng.uniform(0.4, 0.95)
    return [*(np.array(box) + noise), float(score)]


def _nobody(rng: np.random.Generator, stage: Stage) -> list[float]:
    high = rng.uniform(0.1, 0.5) * stage.height
    x, y = rng.uniform(0, stage.width), rng.uniform(0, stage.height)
    return [x - 0.2 * high, y - high / 2, x + 0.2 * high, y + high / 2, float(rng.uniform(0.11, 0.6))]


def _share(box: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    return max(0.0, wide) * max(0.0, high) / ((box[2] - box[0]) * (box[3] - box[1]))


def _round(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, float, float, float]:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
