"""One commit for many requests: what waits while a commit is being written goes into the next one together."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence

import psycopg
from sqlalchemy.exc import DBAPIError

from community_flow.adapters.sql.store import SqlDatabase
from community_flow.ports.ingest import Kept, Meter, ReportStore, SilentMeter, StoreAway, Submission

MOST_REPORTS = 5_000
"""A group stays small enough that nobody waits long behind it."""

TROUBLE = (DBAPIError, sqlite3.Error, psycopg.Error)


class _Waiting:
    __slots__ = ("kept", "submission", "trouble")

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.kept: Kept | None = None
        self.trouble: Exception | None = None


class GroupCommit:
    """Leader and followers: whoever gets the lock first writes for all who queued; the others find their work done."""

    def __init__(self, db: SqlDatabase, reports: ReportStore, meter: Meter | None = None) -> None:
        self.db, self.reports, self.meter = db, reports, meter or SilentMeter()
        self._queue: list[_Waiting] = []
        self._queue_lock = threading.Lock()
        self._leader = threading.Lock()
        self.groups = 0

    def commit(self, submission: Submission) -> Kept:
        begun_s, mine = time.perf_counter(), _Waiting(submission)
        with self._queue_lock:
            self._queue.append(mine)
            self.meter.put("commits_waiting", len(self._queue))
        with self._leader:
            while mine.kept is None and mine.trouble is None:
                self._write(self._take())
        if mine.trouble is not None:
            raise StoreAway(
                "The store cannot keep anything now (%(why)s): keep your reports and send them again.",
                why=type(mine.trouble).__name__,
            ) from mine.trouble
        assert mine.kept is not None
        self.meter.observe("commit_seconds", time.perf_counter() - begun_s)
        return mine.kept

    def _take(self) -> list[_Waiting]:
        with self._queue_lock:
            count, size = 0, 0
            for each in self._queue:
                size += len(each.submission.entries)
                if count and size > MOST_REPORTS:
                    break
                count += 1
            group, self._queue = self._queue[:count], self._queue[count:]
            self.meter.put("commits_waiting", len(self._queue))
        return group

    def _write(self, group: Sequence[_Waiting]) -> None:
        self.groups += 1
        begun_s = time.perf_counter()
        try:
            with self.db.write() as tx:
                kept = self.reports.keep(tx, [each.submission for each in group])
        except TROUBLE as error:
            self._fail(group, error)
            return
        self.meter.observe("commit_write_seconds", time.perf_counter() - begun_s)
        self.meter.observe("commit_group_reports", sum(len(each.submission.entries) for each in group))
        for each, found in zip(group, kept, strict=True):
            each.kept = found

    def _fail(self, group: Sequence[_Waiting], error: Exception) -> None:
        """One body that the store cannot take must not take the others with it: write each alone."""
        if len(group) == 1:
            group[0].trouble = error
            return
        for each in group:
            self._write([each])
