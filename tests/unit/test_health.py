"""What machines are told of how people are served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from community_flow.ports.health import Check, Part
from community_flow.services.health import MUTE, Probe
from community_flow.services.patience import Patient
from tests.services import PATIENCE_S


def well() -> str | None:
    return None


def ill() -> str | None:
    return "away"


def state(store: Check, redis: Check) -> str:
    return Probe({"store": Part(store, needed=True), "redis": Part(redis)}).look().state


def test_only_what_is_needed_makes_it_not_ready() -> None:
    assert state(well, well) == "ok"
    assert state(well, ill) == "degraded"
    assert state(ill, well) == "not ready"
    assert state(ill, ill) == "not ready"
    found = Probe({"store": Part(well, needed=True), "redis": Part(ill)}).look()
    assert found.ready
    assert found.parts == {"store": "ok", "redis": "away"}


def test_a_check_that_breaks_is_a_part_that_is_not_well() -> None:
    def broken() -> str | None:
        raise ZeroDivisionError

    assert Probe({"store": Part(broken, needed=True)}).look().parts == {
        "store": "The check itself failed (ZeroDivisionError)."
    }


def threads() -> int:
    return sum(thread.name == "question" for thread in threading.enumerate())


def test_a_part_that_hangs_costs_one_thread_and_the_patience_once() -> None:
    go_on = threading.Event()

    def hanging() -> str | None:
        go_on.wait(PATIENCE_S)
        return None

    probe = Probe({"store": Part(well, needed=True), "a": Part(hanging), "b": Part(hanging)}, patience_s=0.2)
    before, took_s = threads(), []
    for _ in range(5):
        begun = time.monotonic()
        parts = probe.look().parts
        assert (parts["a"], parts["b"]) == (MUTE, MUTE)
        took_s.append(time.monotonic() - begun)
    # The fastest: whatever else the machine does, none could be faster than one after the other.
    assert min(took_s) < 2 * 0.2, "the parts are waited for together, not one after the other"
    assert until(lambda: threads() - before == 2)
    go_on.set()
    assert until(lambda: probe.look().state == "ok")


def until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def test_an_answer_that_comes_late_is_not_given_to_the_next_question() -> None:
    answers = iter([1, 2])
    go_on = threading.Event()

    def question() -> int:
        go_on.wait(PATIENCE_S)
        return next(answers)

    patient = Patient(question, 0, lambda _: -1)
    assert patient.ask(0.05) == 0
    go_on.set()
    assert until(lambda: threads() == 0)
    assert patient.ask(PATIENCE_S) == 2
