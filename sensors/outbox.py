"""What a device has to say and nobody has confirmed yet: one SQLite file that survives a pulled plug.

A report has its identity (device, boot, seq) and its bytes from the moment it is written; it is sent again exactly so.
"""

from __future__ import annotations

import math
import secrets
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from sensors.device_clock import DeviceClock, monotonic_ms
from sensors.reserve import Reserve
from sensors.wire import Count, Gap, Reading, Report, Scan, Span, decode
from sensors.wire_rules import MAX_BODIES

MOST_BOOT = (1 << 53) - 1
MINUTE_MS = 60_000
RESERVE_BYTES = 1 << 20
"""Forgetting what was answered is written to the log first: a batch of a thousand needs about a quarter of this."""
SLICE = 1_000
"""Summing takes room before it gives any: so many reports fit into what is held in reserve."""
LOG_PAGES = 128
"""The log is carried over into the file this often, so that a small disk holds reports and not their log."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS boots (boot INTEGER PRIMARY KEY, begun_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reports (
  device TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL,
  at_ms INTEGER NOT NULL, steady_ms INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (device, boot, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (
  device TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL, why TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (device, boot, seq)
) WITHOUT ROWID;
"""


_SLICE = (
    "SELECT boot, seq, kind, body FROM reports WHERE device = ? AND at_ms >= ? AND at_ms < ? AND (boot, seq) > (?, ?)"
    " ORDER BY boot, seq LIMIT ?"
)


class OutboxTrouble(RuntimeError):
    """The outbox cannot be written; the message names the remedy."""


@dataclass(frozen=True)
class Kept:
    """One report in the outbox."""

    boot: int
    seq: int
    body: str


@dataclass
class Lost:
    """Numbers that found no room, when the first of them was, and what they would have said."""

    first: int
    last: int
    from_ms: int
    sums: Counter[str] = field(default_factory=Counter)


class Outbox:
    """One per device process; safe to use from several threads."""

    def __init__(self, path: Path, device: str, clock: DeviceClock) -> None:
        self._path, self._device, self._clock = path, device, clock
        self._lock = threading.Lock()
        self._lost: list[Lost] = []
        self._seq = 0
        self._compacted_ms = 0.0
        self._unread_ms = math.inf
        """The earliest moment that a report speaks of which came since the last compaction began."""
        self._tallies: Counter[str] = Counter({"in": 0, "out": 0, "scans": 0, "readings": 0})
        self._reserve = Reserve(path.with_suffix(".reserve"), RESERVE_BYTES)
        with self._named_trouble():
            self._store = _opened(path)
            self.boot = self._new_boot()
        self._reserve.hold()

    @property
    def device(self) -> str:
        return self._device

    def close(self) -> None:
        self._store.close()

    @property
    def lost(self) -> int:
        """Reports that found no room and are not yet told as a gap."""
        return sum(each.last - each.first + 1 for each in self._lost)

    def add(self, make: Callable[[int, int, int, int | None], Report]) -> bool:
        """Keep the report that ``make(boot, seq, now_ms, skew_ms)`` gives; False when the disk had no room for it.

        On True it is on the disk for good.
        """
        with self._lock:
            self._seq += 1
            report = make(self.boot, self._seq, self._clock.now(), self._clock.skew_ms)
            if not self._insert([report]):
                self._lose(report)
                return False
            self._unread_ms = min(self._unread_ms, report.at)
            self._tallies.update(_tally(report))
            if self._lost:
                self._tell_gaps()
            return True

    def tallies(self) -> dict[str, int]:
        """What was kept since this start. Asked for while a report is made, it is exact up to that report's number."""
        return dict(self._tallies)

    def oldest(self, most: int) -> list[Kept]:
        """The reports to send next, oldest boot first."""
        found = self._read(
            "SELECT r.boot, r.seq, r.body FROM reports r JOIN boots b ON b.boot = r.boot"
            " WHERE r.device = ? ORDER BY b.begun_ms, r.boot, r.seq LIMIT ?",
            (self._device, most),
        )
        return [Kept(boot, seq, body) for boot, seq, body in found]

    def delete(self, answered: Iterable[tuple[int, int]]) -> None:
        """Forget what the server said it keeps."""
        rows = [(self._device, boot, seq) for boot, seq in answered]
        self._write(
            lambda: self._store.executemany("DELETE FROM reports WHERE device = ? AND boot = ? AND seq = ?", rows)
        )

    def set_aside(self, kept: Kept, why: str) -> None:
        """A report that the server cannot read: out of the way, not out of the world."""
        key = (self._device, kept.boot, kept.seq)

        def move() -> None:
            self._store.execute("INSERT OR IGNORE INTO refused VALUES (?, ?, ?, ?, ?)", (*key, why[:500], kept.body))
            self._store.execute("DELETE FROM reports WHERE device = ? AND boot = ? AND seq = ?", key)

        self._write(move)

    def size(self) -> int:
        return int(self._read("SELECT count(*) FROM reports WHERE device = ?", (self._device,))[0][0])

    def oldest_ms(self) -> int | None:
        """When the oldest waiting report was written, by the wall clock."""
        found = self._read("SELECT min(at_ms) FROM reports WHERE device = ?", (self._device,))
        return None if found[0][0] is None else int(found[0][0])

    def compact(self, before_ms: int) -> int:
        """Replace counts written before ``before_ms`` by sums per minute; how many reports that spared.

        In slices, so that nobody who counts waits long; what was looked at before is not read again, but what has come
        since is, whatever moment it speaks of.
        """
        spared, after = 0, (0, 0)
        with self._lock:
            since_ms, self._unread_ms = min(self._compacted_ms, self._unread_ms), math.inf
        since_ms = since_ms if since_ms <= before_ms else 0
        while rows := self._read(_SLICE, (self._device, since_ms, before_ms, *after, SLICE)):
            sums = list(_sums(rows))
            if sums:
                self._write(partial(self._replace, sums))
            spared += sum(len(each) - 1 for each in sums)
            after = rows[-1][:2]
        self._compacted_ms = before_ms - MINUTE_MS
        return spared

    def _replace(self, sums: Sequence[Sequence[Count]]) -> None:
        for counts in sums:
            self._seq += 1
            self._put(_sum(counts, self.boot, self._seq))
            self._store.executemany(
                "DELETE FROM reports WHERE device = ? AND boot = ? AND seq = ?",
                [(self._device, each.boot, each.seq) for each in counts],
            )

    def _lose(self, report: Report) -> None:
        if not self._lost or self._lost[-1].last + 1 != report.seq:
            self._lost.append(Lost(report.seq, report.seq, report.at))
        self._lost[-1].last = report.seq
        self._lost[-1].sums.update(_tally(report))

    def _tell_gaps(self) -> None:
        """There is room again: say what had none. Numbers that a failed try took are lost as well."""
        gaps = self._gaps()
        if self._insert(gaps):
            self._lost.clear()
            return
        for gap in gaps:
            self._lose(gap)

    def _gaps(self) -> list[Report]:
        found: list[Report] = []
        for lost in self._lost:
            self._seq += 1
            at, skew = self._clock.now(), self._clock.skew_ms
            found.append(
                Gap(
                    boot=self.boot, seq=self._seq, at=at, skew_ms=skew, from_=lost.first, to=lost.last, reason="disk",
                    from_ms=min(lost.from_ms, at), counters=dict(lost.sums) or None,
                )
            )  # fmt: skip
        return found

    def _insert(self, reports: Sequence[Report]) -> bool:
        """Whether the reports are on the disk now. A full one (or a folder that went away) must not stop counting."""
        try:
            self._store.execute("BEGIN IMMEDIATE")
            for report in reports:
                self._put(report)
            self._store.execute("COMMIT")
        except sqlite3.OperationalError:
            if self._store.in_transaction:
                self._store.execute("ROLLBACK")
            return False
        return True

    def _put(self, report: Report) -> None:
        row = (self._device, report.boot, report.seq, report.KIND, report.at, monotonic_ms(), report.encode())
        self._store.execute("INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _new_boot(self) -> int:
        """A number for this start, on the disk before anything bears it: a reused one would look like a resend."""
        boot = secrets.randbelow(MOST_BOOT) + 1
        self._store.execute("INSERT INTO boots VALUES (?, ?)", (boot, self._clock.now()))
        return boot

    def _read(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock, self._named_trouble():
            return self._store.execute(sql, values).fetchall()

    def _write(self, action: Callable[[], object]) -> None:
        with self._lock, self._named_trouble():
            try:
                self._transact(action)
            except sqlite3.OperationalError:
                if not self._reserve.release():
                    raise
                self._transact(action)
                self._store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._reserve.hold()

    def _transact(self, action: Callable[[], object]) -> None:
        before = self._seq
        self._store.execute("BEGIN IMMEDIATE")
        try:
            action()
            self._store.execute("COMMIT")
        except sqlite3.Error:
            self._seq = before  # nobody has seen the numbers that were given in it
            if self._store.in_transaction:
                self._store.execute("ROLLBACK")
            raise

    def _named_trouble(self) -> _NamedTrouble:
        return _NamedTrouble(self._path)


def _tally(report: Report) -> dict[str, int]:
    """Sums by which the server sees whether everything has come."""
    match report:
        case Count():
            return {report.direction: report.n}
        case Scan():
            return {"scans": 1}
        case Reading():
            return {"readings": 1}
        case _:
            return {}


class _NamedTrouble:
    """Turns SQLite's words into ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.DatabaseError):
            raise OutboxTrouble(
                f"The outbox {self._path} cannot be used ({error}): make room on its disk, or check that the folder may"
                " be written; a damaged file can be moved away, a new one is made."
            ) from error


def _opened(path: Path) -> sqlite3.Connection:
    store = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = FULL")
    store.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    store.executescript(SCHEMA)
    return store


def _sums(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[Count]]:
    """Counts that one sum may stand for: they follow each other at their gate, in one direction, minute and skew.

    No number may be missing between them: it was perhaps answered already, and a span over it would take it back.
    """
    for run in _runs(rows):
        sides: dict[tuple[str, str], list[Count]] = {}
        for count in run:
            sides.setdefault((count.gate, count.direction), []).append(count)
        for counts in sides.values():
            for (*_, is_sum), group in groupby(counts, _alike):
                same = list(group)
                if len(same) > 1 and not is_sum and sum(each.n for each in same) <= MAX_BODIES:
                    yield same


def _alike(count: Count) -> tuple[int, int | None, bool]:
    return count.at // MINUTE_MS, count.skew_ms, count.from_ms is not None


def _runs(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[Count]]:
    """The counts of each stretch of numbers in which none is missing."""
    run: list[Count] = []
    next_one = None
    for boot, seq, kind, body in rows:
        if (boot, seq) != next_one:
            yield run
            run = []
        next_one = boot, seq + 1
        if kind == Count.KIND and isinstance(count := decode(body).report, Count):
            run.append(count)
    yield run


def _sum(counts: Sequence[Count], boot: int, seq: int) -> Count:
    first, last = counts[0], counts[-1]
    return Count(
        boot=boot,
        seq=seq,
        at=max(each.at for each in counts),
        skew_ms=last.skew_ms,
        gate=last.gate,
        direction=last.direction,
        n=sum(each.n for each in counts),
        from_ms=min(each.at for each in counts),
        replaces=Span(boot=first.boot, from_=first.seq, to=last.seq),
    )
