"""Who works for whom, and that nobody waits for ever whatever breaks."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from community_flow.services.together import MOST, Together
from tests.services import wait_until


class Desk:
    """Doubles numbers; holds the first group back at ``gate`` so that others queue behind it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun: list[int] = []
        self.groups: list[list[int]] = []
        self.together = Together(self.first, self.second)
        self.heard: dict[int, int | Exception] = {}
        self.threads: list[threading.Thread] = []

    def first(self, number: int) -> int:
        self.begun.append(number)
        if len(self.begun) == 1:
            self.gate.wait(10)
        if number < 0:
            raise ValueError(f"{number} is below zero")
        return number

    def second(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(numbers))
        if 666 in numbers:
            raise KeyError("an error of ours")
        return [LookupError("unlucky") if each == 13 else 2 * each for each in numbers]

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.threads.append(threading.Thread(target=self._ask, args=(number,), daemon=True))
            inside = self.together._inside
            self.threads[-1].start()
            wait_until(lambda before=inside: self.together._inside > before, "the question")  # type: ignore[misc]

    def _ask(self, number: int) -> None:
        try:
            self.heard[number] = self.together.ask(number)
        except Exception as error:  # noqa: BLE001 - whatever it was is what the test looks at
            self.heard[number] = error

    def go(self) -> None:
        self.gate.set()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive(), "somebody waits for ever"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_was_asked_meanwhile_is_answered_together(desk: Desk) -> None:
    desk.send(1, 2, 3, 4)
    desk.go()
    assert desk.groups == [[1], [2, 3, 4]]
    assert desk.heard == {1: 2, 2: 4, 3: 6, 4: 8}


def test_one_who_asks_alone_is_answered_at_once(desk: Desk) -> None:
    desk.gate.set()
    assert [desk.together.ask(number) for number in (1, 2)] == [2, 4]
    assert desk.groups == [[1], [2]]


def test_a_group_has_an_end(desk: Desk) -> None:
    desk.send(*range(MOST + 10))
    desk.go()
    assert [len(each) for each in desk.groups] == [1, MOST, 9]


def test_trouble_is_told_to_the_one_who_has_it(desk: Desk) -> None:
    desk.send(1, -2, 13, 4)
    desk.go()
    assert (desk.heard[1], desk.heard[4]) == (2, 8)
    assert isinstance(desk.heard[-2], ValueError)
    assert isinstance(desk.heard[13], LookupError)


def test_nobody_waits_for_ever_for_one_who_breaks_off(desk: Desk) -> None:
    desk.send(1, 2, 666, 3)
    desk.go()
    assert isinstance(desk.heard[2], KeyError)  # the one who worked for all
    assert all(isinstance(desk.heard[each], RuntimeError) for each in (666, 3))
    assert desk.together.ask(5) == 10
