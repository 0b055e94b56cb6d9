"""Who may take part of a process's time: live reports always before what was collected."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from community_flow.domain.errors import Busy
from community_flow.services import lanes as lanes_module
from community_flow.services.lanes import LARGE_AT_ONCE, LARGE_BYTES, LARGE_INSIDE, LONGEST_REST_S, MOST, RESTS, Lanes
from tests.services import PATIENCE_S, wait_until

LIVE, FLOOD = 300, LARGE_BYTES + 1


def in_threads(lanes: Lanes, count: int, leave: threading.Event) -> list[str]:
    """Let so many large bodies in; what becomes of each is noted."""
    noted: list[str] = []

    def come() -> None:
        try:
            with lanes.enter(FLOOD):
                noted.append("inside")
                leave.wait(PATIENCE_S)
        except Busy as busy:
            noted.append(f"again in {busy.retry_s} s")

    for _ in range(count):
        threading.Thread(target=come, daemon=True).start()
    return noted


def test_few_large_bodies_work_at_once_and_the_others_wait_their_turn() -> None:
    lanes, leave = Lanes(), threading.Event()
    noted = in_threads(lanes, LARGE_AT_ONCE + 3, leave)
    wait_until(lambda: len(noted) == LARGE_AT_ONCE, "the first large bodies")
    with lanes.enter(LIVE):  # somebody at a gate does not wait for them
        assert noted == ["inside"] * LARGE_AT_ONCE
    leave.set()
    wait_until(lambda: noted == ["inside"] * (LARGE_AT_ONCE + 3), "the others")


def test_a_flood_never_takes_the_room_of_live_reports() -> None:
    lanes, leave = Lanes(), threading.Event()
    noted = in_threads(lanes, MOST + 10, leave)
    wait_until(lambda: len(noted) == MOST + 10 - LARGE_INSIDE + LARGE_AT_ONCE, "those for whom there is no room")
    assert noted.count("again in 1 s") == MOST + 10 - LARGE_INSIDE
    with ExitStack() as inside:
        for _ in range(MOST - LARGE_INSIDE):
            inside.enter_context(lanes.enter(LIVE))
        with pytest.raises(Busy, match="keep your reports"):
            inside.enter_context(lanes.enter(LIVE))
    leave.set()


def test_a_place_stays_empty_after_a_large_body_only_while_somebody_reports_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes_module, "LIVE_S", PATIENCE_S)
    rests: list[float] = []
    lanes = Lanes(rests.append)

    def large() -> None:
        with lanes.enter(FLOOD):
            threading.Event().wait(0.01)

    large()
    assert rests == []
    with lanes.enter(LIVE):
        pass
    large()
    assert len(rests) == 1
    assert 0.01 * RESTS <= rests[0] <= LONGEST_REST_S


def test_a_flood_is_one_only_beside_somebody_who_reports_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "LIVE_S", PATIENCE_S)
    lanes = Lanes()
    with lanes.enter(FLOOD):
        assert not lanes.flooded()
        with lanes.enter(LIVE):
            pass
        assert lanes.flooded()
    assert not lanes.flooded()


def test_whoever_leaves_makes_room_even_when_it_failed() -> None:
    lanes = Lanes()
    for size in (LIVE, FLOOD) * MOST:
        with pytest.raises(ValueError, match="broken"), lanes.enter(size):
            raise ValueError("broken")
    with lanes.enter(FLOOD), lanes.enter(LIVE):
        pass
