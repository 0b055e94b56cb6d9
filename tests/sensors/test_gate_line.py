"""What is a crossing of a line, and which way it goes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from sensors.gate_line import BadLine, GateLine, Line
from tests.sensors.streets import net_errors

UPRIGHT = Line(0.5, 0.0, 0.5, 1.0)
WIDE = 20.0
"""Width of the boxes: the margin is 3 pixels."""

Point = tuple[float, float]


def crossings(line: Line, path: list[Point], size: tuple[int, int] = (100, 100)) -> list[tuple[float, str]]:
    gate = GateLine(line, *size)
    found = [gate.update(1, float(t_s), x, y, WIDE, 0.9) for t_s, (x, y) in enumerate(path)]
    return [(round(each.t_s, 6), each.direction) for each in found if each]


@pytest.mark.parametrize(
    ("line", "path", "expected"),
    [
        # downwards line, walker goes left: the right hand of someone who walks down the picture
        (UPRIGHT, [(70, 50), (30, 50)], [(0.5, "in")]),
        # the other way
        (UPRIGHT, [(30, 50), (70, 50)], [(0.5, "out")]),
        # the same line drawn upwards swaps the two
        (Line(0.5, 1, 0.5, 0), [(70, 50), (30, 50)], [(0.5, "out")]),
        # a line drawn to the right: downwards in the picture is in
        (Line(0, 0.5, 1, 0.5), [(50, 20), (50, 80)], [(0.5, "in")]),
        # crossed between two samples at a quarter of the way: the time is interpolated
        (UPRIGHT, [(40, 50), (80, 50)], [(0.25, "out")]),
        # jitter on the line within the margin is nobody's crossing
        (UPRIGHT, [(40, 50), (49, 50), (51, 50), (49, 50), (51.5, 50), (48, 50), (40, 50)], []),
        # stands on the line for long and then goes on: one crossing, when the path cut the line last
        (UPRIGHT, [(40, 50), (49, 50), (51, 50), (49, 50), (51, 50), (60, 50)], [(3.5, "out")]),
        # turns round short of the line
        (UPRIGHT, [(40, 50), (48, 50), (40, 50)], []),
        # goes over and comes back: two crossings
        (UPRIGHT, [(40, 50), (60, 50), (40, 50)], [(0.5, "out"), (1.5, "in")]),
        # round the end of a short line: no crossing there or back
        (Line(0.5, 0.5, 0.5, 1), [(40, 20), (60, 20), (60, 80)], []),
        # round the end, then through it: only the second counts
        (Line(0.5, 0.5, 0.5, 1), [(40, 20), (60, 20), (60, 80), (40, 80)], [(2.5, "in")]),
        # appears beside the line within the margin and goes away from it on the same side
        (UPRIGHT, [(51, 50), (60, 50)], []),
        # appears within the margin and goes over
        (UPRIGHT, [(48, 50), (60, 50)], [(1 / 6, "out")]),
        # appears right on the line: where from is nobody's guess
        (UPRIGHT, [(49.5, 50), (60, 50)], []),
        # exactly on the line is right of it, as long as it stays there nothing happened
        (UPRIGHT, [(40, 50), (50, 50), (50, 50)], []),
        # a slanted line
        (Line(0, 0, 1, 1), [(20, 80), (80, 20)], [(0.5, "out")]),
    ],
)
def test_a_path_crosses_as_the_picture_shows(line: Line, path: list[Point], expected: list[tuple[float, str]]) -> None:
    found = crossings(line, path)
    assert [direction for _, direction in found] == [direction for _, direction in expected]
    assert [t_s for t_s, _ in found] == pytest.approx([t_s for t_s, _ in expected], abs=1e-6)


def test_a_side_is_kept_while_a_track_is_hidden_for_long() -> None:
    gate = GateLine(UPRIGHT, 100, 100)
    gate.update(1, 0.0, 30, 50, WIDE, 0.9)
    assert gate.update(1, 60.0, 70, 50, WIDE, 0.9) is not None


def test_tracks_do_not_share_their_sides_and_an_ended_one_is_forgotten() -> None:
    gate = GateLine(UPRIGHT, 100, 100)
    gate.update(1, 0.0, 30, 50, WIDE, 0.9)
    assert gate.update(2, 1.0, 70, 50, WIDE, 0.9) is None
    gate.forget(1)
    assert gate.update(1, 2.0, 70, 50, WIDE, 0.9) is None


def test_coming_back_soon_is_flagged_as_a_turn_and_later_is_not() -> None:
    for back_s, expected in ((5.0, True), (50.0, False)):
        gate = GateLine(UPRIGHT, 100, 100)
        gate.update(1, 0.0, 30, 50, WIDE, 0.9)
        over = gate.update(1, 1.0, 70, 50, WIDE, 0.9)
        gate.update(1, back_s - 1, 70, 50, WIDE, 0.9)
        back = gate.update(1, back_s, 30, 50, WIDE, 0.9)
        assert over is not None
        assert back is not None
        assert (over.turned, back.turned) == (False, expected)


@given(
    some.lists(some.tuples(some.floats(0, 100), some.floats(0, 100)), min_size=2, max_size=40),
    some.sampled_from([UPRIGHT, Line(0, 0.3, 1, 0.6), Line(0, 0, 1, 1)]),
)
def test_crossings_of_one_track_over_a_line_through_the_whole_picture_alternate(path: list[Point], line: Line) -> None:
    directions = [direction for _, direction in crossings(line, path)]
    assert all(one != other for one, other in pairwise(directions))


@settings(max_examples=1_000)
@given(some.lists(some.tuples(some.floats(0, 100), some.floats(0, 100)), min_size=2, max_size=40))
@example([(0.0, 10.0), (67.875, 10.0)])  # exactly through the line's end
def test_a_line_drawn_the_other_way_swaps_in_and_out_and_nothing_else(path: list[Point]) -> None:
    forth = crossings(Line(0.4, 0.1, 0.6, 0.9), path)
    back = crossings(Line(0.6, 0.9, 0.4, 0.1), path)
    assert [t_s for t_s, _ in forth] == pytest.approx([t_s for t_s, _ in back])
    assert [each for _, each in forth] == [{"in": "out", "out": "in"}[each] for _, each in back]


@given(some.lists(some.floats(0, 100), min_size=2, max_size=40))
def test_ins_less_outs_is_the_change_of_side(xs: list[float]) -> None:
    """With 46 and 54 as the last beyond doubt: whoever ends left of the line came in once more than went out."""
    path = [(10.0, 50.0), *((x, 50.0) for x in xs), (90.0, 50.0)]
    directions = [direction for _, direction in crossings(UPRIGHT, path)]
    assert directions.count("out") - directions.count("in") == 1


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("0.5,0,0.5", "give four fractions"),  # a number is missing
        ("a,b,c,d", "give four fractions"),  # no numbers
        ("0.5,0,0.5,1.2", "outside the picture"),  # below the picture
        ("-0.1,0,0.5,1", "outside the picture"),  # left of it
        ("nan,0,0.5,1", "outside the picture"),  # not a number that can be drawn
        ("inf,0,0.5,1", "outside the picture"),  # nor that
        ("0.5,0.5,0.5,0.5", "shorter than"),  # a point
        ("", "give four fractions"),  # nothing
    ],
)
def test_a_line_that_cannot_be_is_refused_with_the_remedy(text: str, remedy: str) -> None:
    with pytest.raises(BadLine, match=remedy):
        Line.parse(text)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["TUD-Campus", "TUD-Stadtmitte"])
def test_real_tracks_are_counted_exactly_over_any_line(shared_data: Path, name: str) -> None:
    wrong, checked = net_errors(shared_data / "tracks" / f"{name}.gt.txt", lines=200)
    assert wrong == 0
    assert checked > 500
