"""Whose box is whose, frame after frame."""

from __future__ import annotations

import numpy as np
import pytest

from sensors.boxes import Boxes, overlaps, suppress, without_pairs
from sensors.counter import Follower
from sensors.gate_line import Line
from sensors.track import Tracker, cheapest_pairs


def box(x: float, score: float = 0.9, y: float = 100, width: float = 20, height: float = 60) -> tuple[float, ...]:
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2, score)


def boxes(*rows: tuple[float, ...]) -> Boxes:
    found = np.array(rows, np.float32).reshape(-1, 5)
    return Boxes(found[:, :4], found[:, 4])


def numbers(tracker: Tracker, t_s: float, *rows: tuple[float, ...]) -> dict[int, float]:
    """Number -> centre, left to right, of the confirmed tracks."""
    return {track.number: round(track.centre[0]) for track in tracker.update(boxes(*rows), t_s)}


def test_a_track_counts_only_once_it_was_seen_three_times() -> None:
    tracker = Tracker()
    assert numbers(tracker, 0.0, box(10)) == {}
    assert numbers(tracker, 0.1, box(12)) == {}
    assert numbers(tracker, 0.2, box(14)) == {1: 14}


def test_a_weak_box_continues_a_track_but_begins_none() -> None:
    tracker = Tracker()
    for step in range(4):
        numbers(tracker, step / 10, box(10 + step))
    assert numbers(tracker, 0.4, box(14, 0.15), box(200, 0.15)) == {1: 14}
    assert len(tracker.tracks) == 1


def test_two_who_meet_keep_their_numbers() -> None:
    tracker = Tracker()
    for step in range(30):
        found = numbers(tracker, step / 10, box(50 + 5 * step, y=100), box(200 - 5 * step, y=112))
    assert found == {1: 195, 2: 55}


def test_someone_hidden_for_a_second_is_found_again_by_distance() -> None:
    tracker = Tracker()
    for step in range(10):
        numbers(tracker, step / 10, box(50 + 4 * step))
    for step in range(10, 19):
        numbers(tracker, step / 10)
    assert numbers(tracker, 1.9, box(110)) == {1: 110}


def test_someone_gone_for_long_is_over_and_the_next_is_somebody_else() -> None:
    tracker = Tracker()
    for step in range(10):
        numbers(tracker, step / 10, box(50 + 4 * step))
    numbers(tracker, 4.0)
    assert tracker.over == [1]
    numbers(tracker, 4.1, box(90))
    assert [track.number for track in tracker.tracks] == [2]


def test_nobody_is_lost_while_nothing_moved_and_nobody_looked() -> None:
    tracker = Tracker()
    for step in range(5):
        numbers(tracker, step / 10, box(50))
    tracker.rest(60.0)
    assert numbers(tracker, 60.5, box(50)) == {1: 50}


def test_a_box_twice_as_far_as_a_stride_is_nobody_known() -> None:
    tracker = Tracker()
    for step in range(5):
        numbers(tracker, step / 10, box(50))
    numbers(tracker, 0.5, box(150))
    assert [track.number for track in tracker.tracks] == [1, 2]


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        # nothing seen
        ([], 0),
        # one person
        ([box(50)], 1),
        # one person found twice
        ([box(50, 0.9), box(52, 0.5)], 1),
        # two beside each other
        ([box(50), box(66)], 2),
        # two and a box round both: the parts are people, the whole is not
        ([box(50), box(72), box(61, 0.95, width=44)], 2),
        # a child before an adult is no pair
        ([box(50, width=30), box(52, 0.8, width=14, y=110, height=30)], 2),
    ],
)
def test_how_many_people_boxes_stand_for(rows: list[tuple[float, ...]], left: int) -> None:
    assert len(without_pairs(suppress(boxes(*rows), 0.55))) == left


def test_overlap_is_one_with_itself_and_nought_apart() -> None:
    pair = boxes(box(50), box(90)).corners
    assert overlaps(pair, pair).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_pairs_are_made_cheapest_first_and_never_at_infinite_cost() -> None:
    assert cheapest_pairs(np.array([[0.5, 0.1], [0.2, 0.3], [np.inf, np.inf]])) == [(0, 1), (1, 0)]


def test_where_pictures_are_few_somebody_only_just_seen_takes_no_box_of_who_is_known() -> None:
    tracker = Tracker()
    for step in range(6):
        known = numbers(tracker, step * 0.4, box(50 + 12 * step))
    numbers(tracker, 2.4, box(122), box(136, 0.5))  # a box of nobody, where he will be next
    assert numbers(tracker, 2.8, box(137)) == dict.fromkeys(known, 137)


@pytest.mark.parametrize("score", [0.2, 0.9])
def test_a_box_widths_above_a_tall_walker_is_not_his_though_the_grown_boxes_overlap(score: float) -> None:
    tracker = Tracker()
    for step in range(6):
        numbers(tracker, step / 10, box(100, y=300, width=40, height=160))
    tracker.update(boxes(box(100, score, y=150, width=40, height=160)), 0.6)
    assert tracker.tracks[0].centre == (100, 300)


def test_a_box_round_two_walkers_who_are_known_begins_no_third() -> None:
    tracker = Tracker()
    for step in range(12):
        two = box(100 + step), box(124 + step)
        numbers(tracker, step / 10, *two, *((box(112 + step, width=46, height=64),) if step > 6 else ()))
    assert [track.number for track in tracker.tracks] == [1, 2]


def test_a_box_round_two_walkers_who_are_known_tells_of_neither_where_he_is() -> None:
    tracker = Tracker()
    for step in range(8):
        numbers(tracker, step / 10, box(100 + step), box(116 + step))
    numbers(tracker, 0.8, box(108), box(116, width=40, height=64))  # one is not found, and there is a box round both
    assert [round(track.width) for track in tracker.tracks] == [20, 20]
    assert numbers(tracker, 0.9, box(109), box(125)) == {1: 109, 2: 125}


def test_a_weak_box_where_a_walker_is_expected_goes_before_a_sure_one_farther_off() -> None:
    tracker = Tracker()
    for step in range(8):
        numbers(tracker, step / 10, box(100, y=200 + 5 * step, width=40, height=140))
    found = numbers(
        tracker, 0.8, box(125, 0.5, y=285, width=40, height=140), box(100, 0.15, y=240, width=40, height=140)
    )
    assert found == {1: 100}


def at_thirty(tracker: Tracker, pictures: int) -> None:
    """Somebody walks down the picture, three pixels from each to the next."""
    for number in range(pictures):
        numbers(tracker, number / 30, box(100, y=100 + 3 * number, width=40, height=140))


def test_with_many_pictures_a_second_one_box_of_nobody_moves_nobody() -> None:
    tracker = Tracker()
    at_thirty(tracker, 20)
    numbers(tracker, 20 / 30, box(112, y=112, width=40, height=140))  # he himself is not found in this one
    assert [round(part) for part in tracker.tracks[0].centre] == pytest.approx([100, 160], abs=4)
    assert numbers(tracker, 21 / 30, box(100, y=163, width=40, height=140)) == {1: 100}
    assert len(tracker.tracks) == 1


@pytest.mark.parametrize("fps", [30, 60])
def test_with_many_pictures_a_second_one_that_trembles_is_no_crossing(fps: int) -> None:
    follower, ways = Follower([Line(0, 0.5, 1, 0.5)], 400, 400), []
    for number in range(4 * fps):
        tremble = 20 if number % 4 == 0 else 0
        seen = boxes(box(200, y=120 + 40 * number / fps + tremble, width=50, height=150))
        ways += [crossing.direction for _, crossing in follower.follow(number / fps, seen)[1]]
    assert ways == ["in"]


@pytest.mark.parametrize("fps", [5, 10, 15, 30, 60])
def test_a_walkers_speed_is_taken_from_as_long_a_way_at_any_rate(fps: int) -> None:
    tracker = Tracker()
    for number in range(2 * fps):
        numbers(tracker, number / fps, box(50 + 40 * number / fps))
    way = tracker.tracks[0].way
    assert way[-1][0] - way[0][0] == pytest.approx(0.7, abs=0.06) or fps < 10
    assert tracker.tracks[0].pace == pytest.approx((40, 0), abs=0.01)
