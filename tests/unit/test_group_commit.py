"""Who is written when, and what becomes of the others when something breaks. The store is a fake of our own port."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from community_flow.adapters.sql.group_commit import MOST_REPORTS, SMALL, GroupCommit, LiveAndLate
from community_flow.adapters.sql.keeping import Known
from community_flow.domain.reports import Outcome
from community_flow.ports.ingest import DeviceNews, Kept, SilentMeter, StoreAway, Submission
from tests.services import PATIENCE_S, wait_until


class FakeStore:
    """Notes groups of device names; ``gate`` holds the first one back so that others queue behind it."""

    is_sqlite = True

    def __init__(self) -> None:
        self.gate, self.groups, self.careful = threading.Event(), list[list[str]](), list[bool]()
        self.errors: dict[str, Exception] = {}

    @contextmanager
    def write(self) -> Iterator[None]:
        yield None

    def keep(self, tx: Any, submissions: Sequence[Submission], *, careful: bool) -> list[Kept]:
        self.groups.append([each.device for each in submissions])
        self.careful.append(careful)
        self.gate.wait(PATIENCE_S)
        for each in submissions:
            if each.device in self.errors and not (careful and isinstance(self.errors[each.device], Known)):
                raise self.errors[each.device]
        return [Kept([Outcome(1, 1, "accepted")], {1: 1}, {"accepted": 1}) for _ in submissions]


class Crowd:
    """Threads that commit; what each heard is noted under its device."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.told: list[int] = []
        store: Any = self.store
        self.commits = GroupCommit(store, store, SilentMeter(), lambda sent, _: self.told.append(len(sent)))
        self.commit = self.commits.commit
        self.heard: dict[str, Kept | Exception] = {}
        self.threads: list[threading.Thread] = []

    def send(self, device: str, size: int) -> None:
        self.threads.append(threading.Thread(target=self._commit, args=(device, size), daemon=True))
        before = len(self.commits._queue)
        self.threads[-1].start()
        if len(self.threads) == 1:
            wait_until(lambda: bool(self.store.groups), "the first group")
        else:
            wait_until(lambda: len(self.commits._queue) > before, "the queue")

    def _commit(self, device: str, size: int) -> None:
        entries: Any = [None] * size
        try:
            (self.heard[device],) = self.commit(
                [Submission(device, "garden", 0, entries, DeviceNews(), lambda form, kept: False)]
            )
        except Exception as error:  # noqa: BLE001 - whatever it was is what the test looks at
            self.heard[device] = error

    def go(self) -> None:
        self.store.gate.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "somebody waits for ever"


def test_what_waits_is_written_together_and_live_bodies_first() -> None:
    crowd = Crowd()
    crowd.send("first", 1)
    for name in ("flood-1", "flood-2"):
        crowd.send(name, MOST_REPORTS - SMALL)
    for name in ("guard", "camera"):
        crowd.send(name, 1)
    crowd.go()
    assert crowd.store.groups == [["first"], ["guard", "camera", "flood-1"], ["flood-2"]]
    assert crowd.told == [1, 3, 1]
    assert all(isinstance(each, Kept) for each in crowd.heard.values())


def test_one_body_that_cannot_be_kept_does_not_take_the_others_with_it() -> None:
    crowd = Crowd()
    crowd.store.errors["bad"] = sqlite3.IntegrityError("of one row")
    for name in ("first", "good", "bad", "better"):
        crowd.send(name, 1)
    crowd.go()
    assert isinstance(crowd.heard["bad"], StoreAway)
    assert all(isinstance(crowd.heard[name], Kept) for name in ("first", "good", "better"))


def test_a_store_that_is_away_is_asked_twice_not_once_for_each() -> None:
    crowd = Crowd()
    for name in ("good", "b", "c"):
        crowd.store.errors[name] = sqlite3.OperationalError("disk full")
    for name in ("first", "good", "b", "c"):
        crowd.send(name, 1)
    crowd.go()
    assert [type(crowd.heard[name]) for name in ("good", "b", "c")] == [StoreAway] * 3
    assert crowd.store.groups == [["first"], ["good", "b", "c"], ["good", "b", "c"]]


def test_nobody_waits_for_ever_for_a_writer_that_breaks_off() -> None:
    crowd = Crowd()
    crowd.store.errors["b"] = KeyError("an error of ours")
    for name in ("first", "leader", "b", "c"):
        crowd.send(name, 1)
    crowd.go()
    assert isinstance(crowd.heard["leader"], KeyError)
    assert isinstance(crowd.heard["c"], StoreAway)
    crowd.store.errors.clear()
    crowd._commit("later", 1)
    assert isinstance(crowd.heard["later"], Kept)


def test_after_a_report_that_was_there_already_groups_are_written_carefully() -> None:
    crowd = Crowd()
    crowd.store.errors["again"] = Known()
    crowd.store.gate.set()
    for name in ("first", "again", "next"):
        crowd._commit(name, 1)
    assert crowd.store.careful == [False, False, True, True]
    assert isinstance(crowd.heard["again"], Kept)


def test_live_bodies_do_not_wait_for_late_ones_where_two_can_write() -> None:
    live, late = Crowd(), Crowd()
    both = LiveAndLate(live.commits, late.commits, SilentMeter())
    live.commit = late.commit = both.commit
    live.store.gate.set()
    late.send("flood", SMALL + 1)
    live._commit("guard", 1)
    assert isinstance(live.heard["guard"], Kept)
    assert "flood" not in late.heard
    late.go()
    assert late.store.groups == [["flood"]]


def test_how_long_the_oldest_waits_is_known() -> None:
    crowd = Crowd()
    assert crowd.commits.waiting_s() == 0
    crowd.send("first", 1)
    crowd.send("second", 1)
    waited_s = crowd.commits.waiting_s()
    assert waited_s > 0
    wait_until(lambda: crowd.commits.waiting_s() > waited_s, "time")
    crowd.go()
    assert crowd.commits.waiting_s() == 0


@pytest.mark.parametrize("size", [MOST_REPORTS + 1, 10 * MOST_REPORTS])
def test_a_body_larger_than_a_group_is_written_alone(size: int) -> None:
    crowd = Crowd()
    crowd.send("first", 1)
    crowd.send("huge", size)
    crowd.send("other", size)
    crowd.go()
    assert crowd.store.groups == [["first"], ["huge"], ["other"]]
