"""What is a crossing into a part of the picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sensors.gate_line import BadLine, GateLine
from sensors.gate_zone import Zone

MIDDLE = Zone(((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)))
HOOK = Zone(((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.7, 0.9), (0.7, 0.3), (0.1, 0.3)))
"""A room and a corridor round the corner."""

Point = tuple[float, float]


def directions(zone: Zone, path: list[Point], wide: float = 10.0) -> list[str]:
    gate = GateLine(zone, 100, 100)
    found = [gate.update(1, float(t_s), x, y, wide, 0.9) for t_s, (x, y) in enumerate(path)]
    return [each.direction for each in found if each]


@pytest.mark.parametrize(
    ("zone", "path", "expected"),
    [
        # walks in
        (MIDDLE, [(10, 50), (50, 50)], ["in"]),
        # comes out of a door inside it
        (MIDDLE, [(50, 50), (90, 50)], ["out"]),
        # right through, with a look inside
        (MIDDLE, [(10, 50), (50, 50), (90, 50)], ["in", "out"]),
        # past it
        (MIDDLE, [(10, 10), (90, 10)], []),
        # stands on its border
        (MIDDLE, [(10, 50), (29.5, 50), (30.5, 50), (29.5, 50), (10, 50)], []),
        # round the corner of a hook without leaving it
        (HOOK, [(20, 20), (80, 20), (80, 80)], []),
        # across the inner corner, which lies outside
        (HOOK, [(20, 20), (50, 50), (80, 80)], ["out", "in"]),
    ],
)
def test_a_path_goes_into_a_zone_and_out_of_it(zone: Zone, path: list[Point], expected: list[str]) -> None:
    assert directions(zone, path) == expected


def test_a_zone_as_small_as_a_person_has_an_inside() -> None:
    door = Zone(((0.45, 0.4), (0.55, 0.4), (0.55, 0.6), (0.45, 0.6)))
    assert directions(door, [(20, 50), (50, 50)], wide=60.0) == ["in"]


@given(some.lists(some.tuples(some.floats(0, 100), some.floats(0, 100)), min_size=1, max_size=40))
def test_ins_less_outs_says_who_is_inside(path: list[Point]) -> None:
    found = directions(MIDDLE, [(5.0, 5.0), *path, (50.0, 50.0)])
    assert found.count("in") - found.count("out") == 1


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("0.1,0.1,0.9,0.1", "has 2 corners: give 3 to 20"),  # a line
        ("0.1,0.1,0.9,0.1,0.5", "two fractions for each corner"),  # half a corner
        ("a,b,c,d,e,f", "two fractions for each corner"),  # no numbers
        ("0.1,0.1,0.9,0.1,0.5,1.5", "outside the picture"),  # below it
        ("0.1,0.1,0.9,0.9,0.9,0.1,0.1,0.9", "crosses itself"),  # a bow tie
        ("0.1,0.1,0.11,0.1,0.1,0.11", "draw it larger"),  # a slip of the hand
    ],
)
def test_a_zone_that_cannot_be_is_refused_with_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(BadLine, match=remedy):
        Zone.parse(text)
