"""One thread answers for all, and nobody waits for ever whatever breaks."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from community_flow.domain.errors import Busy
from community_flow.services.together import MOST, MOST_WAITING, Together
from tests.services import PATIENCE_S, wait_until


class Desk:
    """Doubles numbers; holds the first group back at ``gate`` so that others queue behind it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.groups: list[list[int]] = []
        self.threads: set[str] = set()
        self.heard: dict[str, int | Exception] = {}
        self.together: Together[int, str, int] = Together(self.double, self.deliver)

    def double(self, numbers: Sequence[int]) -> list[int]:
        self.groups.append(list(numbers))
        self.threads.add(threading.current_thread().name)
        self.gate.wait(PATIENCE_S)
        if 6_666 in numbers:
            raise LookupError("unlucky")
        return [2 * each for each in numbers]

    def deliver(self, tickets: Sequence[str], answers: Sequence[int | Exception]) -> None:
        self.heard.update(zip(tickets, answers, strict=True))

    def first(self, number: int) -> None:
        """Asked alone: the others come while it is being answered."""
        self.together.put(number, str(number))
        wait_until(lambda: bool(self.groups), "the first group")

    def ask(self, *numbers: int) -> None:
        for number in numbers:
            self.together.put(number, str(number))

    def go(self, answers: int) -> None:
        self.gate.set()
        wait_until(lambda: len(self.heard) == answers, f"{answers} answers")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_was_asked_meanwhile_is_answered_together_by_one_thread(desk: Desk) -> None:
    desk.first(1)
    desk.ask(2, 3, 4)
    desk.go(4)
    assert desk.groups == [[1], [2, 3, 4]]
    assert desk.heard == {"1": 2, "2": 4, "3": 6, "4": 8}
    assert len(desk.threads) == 1


def test_a_group_has_an_end(desk: Desk) -> None:
    desk.first(-1)
    desk.ask(*range(MOST + 10))
    desk.go(MOST + 11)
    assert [len(each) for each in desk.groups] == [1, MOST, 10]


def test_heavy_questions_make_small_groups(desk: Desk) -> None:
    desk.together.weight = lambda number: MOST / 2
    desk.first(1)
    desk.ask(2, 3, 4, 5, 6)
    desk.go(6)
    assert desk.groups == [[1], [2, 3], [4, 5], [6]]


def test_a_question_that_breaks_us_takes_no_other_with_it(desk: Desk) -> None:
    desk.first(1)
    desk.ask(12, 6_666, 14)
    desk.go(4)
    assert (desk.heard["12"], desk.heard["14"]) == (24, 28)
    assert isinstance(desk.heard["6666"], LookupError)
    desk.ask(5)
    desk.go(5)
    assert desk.heard["5"] == 10


def test_too_many_are_sent_away_and_those_inside_are_answered(desk: Desk) -> None:
    desk.first(-1)
    desk.ask(*range(MOST_WAITING))
    with pytest.raises(Busy):
        desk.ask(MOST_WAITING)
    desk.go(MOST_WAITING + 1)
    desk.ask(MOST_WAITING)
    desk.go(MOST_WAITING + 2)


def test_it_says_how_long_the_oldest_has_waited(desk: Desk) -> None:
    assert desk.together.waiting_s() == 0
    desk.first(1)
    wait_until(lambda: desk.together.waiting_s() > 0.05, "a wait that is seen")
    desk.go(1)
    wait_until(lambda: desk.together.waiting_s() == 0, "an end of the wait")
