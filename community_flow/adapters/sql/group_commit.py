"""One commit for many requests: what waits while a commit is being written goes into the next one together."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import psycopg
from sqlalchemy.exc import DBAPIError, OperationalError

from community_flow.adapters.sql.away import StoreGone
from community_flow.adapters.sql.keeping import Known
from community_flow.adapters.sql.line import Line
from community_flow.domain.errors import FlowError
from community_flow.ports.ingest import Kept, Meter, ReportStore, StoreAway, Submission

MOST_REPORTS = 1_000
"""A group stays small enough that nobody waits long behind it."""

SMALL = 20
"""A body of so few reports is somebody at a gate right now: it goes before what was kept back for hours."""

CAREFUL_GROUPS = 8
"""After a report that was sent again, others mostly follow: for so many groups nothing is taken for new unasked."""

LONGEST_PAUSE_S = 0.002

TROUBLE = (StoreGone, DBAPIError, sqlite3.Error, psycopg.Error)
AWAY = (StoreGone, OperationalError, sqlite3.OperationalError, psycopg.OperationalError)
"""The store itself: disk full, connection cut, server gone."""


@dataclass(slots=True)
class _Body:
    """A submission, and what became of it."""

    submission: Submission
    kept: Kept | None = None
    trouble: Exception | None = None

    @property
    def answer(self) -> Kept | FlowError:
        if self.kept is not None:
            return self.kept
        away = StoreAway(
            "The store cannot keep anything now (%(why)s): keep your reports and send them again.",
            why=type(self.trouble).__name__,
        )
        away.__cause__ = self.trouble
        return away


def _is_large(reports: int, bodies: int) -> bool:
    return reports > SMALL * bodies


class _Waiting:
    """One thread in the queue, with one body or several. ``turn`` is a lock that is held until its owner has something
    to do."""

    __slots__ = ("bodies", "done", "leads", "since_s", "size", "turn")

    def __init__(self, submissions: Sequence[Submission]) -> None:
        self.bodies = [_Body(each) for each in submissions]
        self.size = sum(len(each.entries) for each in submissions)
        self.since_s = time.monotonic()
        self.leads = self.done = False
        self.turn = threading.Lock()
        self.turn.acquire()

    @property
    def is_large(self) -> bool:
        return _is_large(self.size, len(self.bodies))


class GroupCommit:
    """Leader and followers: whoever finds nobody writing writes for all who queued, wakes them, and hands on."""

    def __init__(
        self,
        line: Line,
        reports: ReportStore,
        meter: Meter,
        after: Callable[[Sequence[Submission], Sequence[Kept]], None],
    ) -> None:
        """``after`` is called once for each group that is on disk, before its requests are answered."""
        self.line, self.reports, self.meter, self.after = line, reports, meter, after
        self._queue: list[_Waiting] = []
        self.left = 0
        """How many waited on when the last group was taken."""
        self._lock = threading.Lock()
        self._led = False
        # Groups that are still to be written the careful way.
        self.careful_groups = 0
        self._last_waiting, self._last_s = 0, 0.0
        self.groups = 0

    def commit(self, submissions: Sequence[Submission]) -> list[Kept | FlowError]:
        if not submissions:
            return []
        mine = _Waiting(submissions)
        with self._lock:
            self._queue.append(mine)
            mine.leads, self._led = not self._led, True
        if not mine.leads:
            mine.turn.acquire()
        if mine.leads:
            self._lead(mine)
        self.meter.observe("commit_seconds", time.monotonic() - mine.since_s)
        return [each.answer for each in mine.bodies]

    def waiting_s(self) -> float:
        """How long the oldest request has been waiting: what tells that more comes in than can be written."""
        with self._lock:
            oldest_s = min((each.since_s for each in self._queue), default=None)
        return 0.0 if oldest_s is None else time.monotonic() - oldest_s

    def _lead(self, mine: _Waiting) -> None:
        try:
            self._gather()
            while not mine.done:
                self._serve(self._take(), mine)
        finally:
            self._hand_on()

    def _gather(self) -> None:
        """Where several wait at a time, a moment's pause lets the others of the last group queue again: they have been
        answered just now, and a commit for all of them costs hardly more than one for the first."""
        if self._last_waiting > 1:
            time.sleep(min(self._last_s / 2, LONGEST_PAUSE_S))

    def _serve(self, group: Sequence[_Waiting], mine: _Waiting) -> None:
        self._last_waiting = len(group)
        try:
            self._write([body for each in group for body in each.bodies])
        finally:
            # Whatever went wrong, nobody may wait for ever.
            for each in group:
                for body in each.bodies:
                    body.trouble = None if body.kept else body.trouble or RuntimeError("the writer broke off")
                each.done = True
                if each is not mine:
                    each.turn.release()

    def _hand_on(self) -> None:
        with self._lock:
            following = self._queue[0] if self._queue else None
            self._led = following is not None
            if following is not None:
                following.leads = True
        if following is not None:
            following.turn.release()

    def _take(self) -> list[_Waiting]:
        """All small bodies, then large ones, oldest first, as far as a group goes; always at least one."""
        with self._lock:
            group: list[_Waiting] = []
            size = 0
            for each in sorted(self._queue, key=attrgetter("is_large")):
                size += each.size
                if group and size > MOST_REPORTS:
                    break
                group.append(each)
            chosen = set(map(id, group))
            self._queue = [each for each in self._queue if id(each) not in chosen]
            self.left = len(self._queue)
        return group

    def _write(self, bodies: Sequence[_Body]) -> None:
        self.groups += 1
        begun_s = time.monotonic()
        submissions = [each.submission for each in bodies]
        try:
            kept = self._keep(submissions)
        except TROUBLE as error:
            self._fail(bodies, error)
            return
        self._last_s = time.monotonic() - begun_s
        self.meter.observe("commit_write_seconds", self._last_s)
        self.meter.observe("commit_group_reports", sum(len(each.entries) for each in submissions))
        self.after(submissions, kept)
        for each, found in zip(bodies, kept, strict=True):
            each.kept = found

    def _keep(self, submissions: Sequence[Submission]) -> list[Kept]:
        if self.careful_groups == 0:
            try:
                return self._keep_quickly(submissions)
            except Known:
                self.careful_groups = CAREFUL_GROUPS
            except AWAY:
                # A connection that was cut while nobody used it says so only now. Whether the commit came through or
                # not, the careful way finds out.
                pass
        self.careful_groups = max(0, self.careful_groups - 1)
        with self.line.write() as tx:
            return self.reports.keep(tx, submissions, careful=True)

    def _keep_quickly(self, submissions: Sequence[Submission]) -> list[Kept]:
        if not self.line.is_sqlite:
            with self.line.write_at_once() as driver:
                kept = self.reports.keep_at_once(driver, submissions)
            if kept is not None:
                return kept
        with self.line.write() as tx:
            return self.reports.keep(tx, submissions, careful=False)

    def _fail(self, bodies: Sequence[_Body], error: Exception) -> None:
        """One body that the store cannot take must not take the others with it: write each alone."""
        if len(bodies) == 1 or isinstance(error, AWAY):
            for each in bodies:
                each.trouble = error
            return
        for each in bodies:
            self._write([each])


class LiveAndLate:
    """Two kinds of groups, beside each other where the store lets two write: then nobody at a gate waits until a
    thousand reports that were kept back for hours are written."""

    def __init__(self, live: GroupCommit, late: GroupCommit, meter: Meter) -> None:
        """Both are the same where only one can write."""
        self.live, self.late, self.meter = live, late, meter

    def commit(self, submissions: Sequence[Submission]) -> list[Kept | FlowError]:
        size = sum(len(each.entries) for each in submissions)
        kept = (self.late if _is_large(size, len(submissions)) else self.live).commit(submissions)
        self.meter.put("commits_waiting", sum(each.left for each in {self.live, self.late}))
        return kept

    def waiting_s(self) -> float:
        return max(self.live.waiting_s(), self.late.waiting_s())
