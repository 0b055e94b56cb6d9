"""Ground-truth tracks of real streets over lines drawn at random: ins less outs is where each began and ended."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

from sensors.gate_line import GateLine, Line

Point = tuple[float, float, float, float]
"""(t_s, x, y, width)"""


def net_errors(path: Path, lines: int, seed: int = 7) -> tuple[int, int]:
    """(walkers counted wrong, walkers checked) over so many lines through the whole picture.

    Lines on which a walker begins or ends within the margin are left out: there the truth is a matter of taste.
    """
    paths, rng = _tracks(path), random.Random(seed)
    wrong = checked = 0
    for _ in range(lines):
        line = Line(rng.uniform(0.05, 0.95), 0, rng.uniform(0.05, 0.95), 1)
        gate = GateLine(line, 640, 480)
        for number, points in paths.items():
            found = [gate.update(number, t, x, y, width, 1.0) for t, x, y, width in points]
            if not (_clear(line, points[0]) and _clear(line, points[-1])):
                continue
            net = sum({"in": 1, "out": -1}[each.direction] for each in found if each)
            wrong += net != _side(line, points[-1]) - _side(line, points[0])
            checked += 1
    return wrong, checked


def _place(line: Line, y: float) -> float:
    return (line.x1 + (line.x2 - line.x1) * y / 480) * 640


def _clear(line: Line, at: Point) -> bool:
    _, x, y, width = at
    return abs(x - _place(line, y)) > 0.2 * width


def _side(line: Line, at: Point) -> int:
    """1 on the right-hand side of someone who walks down the picture, which is to the left."""
    return int(at[1] < _place(line, at[2]))


def _tracks(path: Path) -> dict[int, list[Point]]:
    found: dict[int, list[Point]] = defaultdict(list)
    for row in path.read_text().splitlines():
        frame, number, left, top, width, height = (float(part) for part in row.split(",")[:6])
        found[int(number)].append((frame / 25, left + width / 2, top + height / 2, width))
    return {number: sorted(points) for number, points in found.items()}
