"""One transaction's worth of submissions: rows, marks, tray, gaps, news of devices.

All writes of one device happen one after the other (its status row is locked), so "is it there already?" followed by
an insert is exact; the primary key (device, boot, seq) stands behind it all the same.

Nearly every body is *plain*: numbers that follow each other and were never sent before. For those nothing is asked
beforehand: the insert itself says whether they were new, and one UPDATE moves the boot's end on. When it turns out
that one was there already, `Known` ends the transaction and the group is written again the careful way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, cast

import msgspec

from community_flow.adapters.sql.boots import Boot, Entry, Triple, advance, plain_runs
from community_flow.adapters.sql.device_news import tell_devices
from community_flow.adapters.sql.driver import Driver, kind_of
from community_flow.adapters.sql.mark_packs import PACK_COLUMNS, packs
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.domain.marks import TOGETHER_MS, Mark
from community_flow.domain.passages import report_key
from community_flow.domain.reports import HOLDS, Hold, KeptReport, Outcome, TrayItem
from community_flow.ports.ingest import Kept, Prepared, SeenBefore, Submission

Seal = Callable[[str], Mapping[str, str]]

REPORT_COLUMNS = {name: kind_of(reports.c[name].type) for name in KeptReport._fields}
_COUNT_ALIKE = {
    "kind": "'count'", "pass_ref": "NULL", "tag_ref": "NULL", "person": "NULL", "token_s": "NULL", "assurance": "0",
    "method": "NULL", "decision": "NULL", "reason": "NULL", "passed": "false", "forced": "false", "operator": "NULL",
    "party": "1", "held": "false",
}  # fmt: skip
"""What is the same in every count, written into the statement: each bound value costs a third of a microsecond."""
COUNT_COLUMNS = {
    f"{name}={_COUNT_ALIKE[name]}" if name in _COUNT_ALIKE else name: kind for name, kind in REPORT_COLUMNS.items()
}


def _picked(names: Iterable[str]) -> Callable[[KeptReport], Any]:
    return itemgetter(*map(KeptReport._fields.index, names))


_BOUND = [name for name in KeptReport._fields if name not in _COUNT_ALIKE]
_OFTEN_ALIKE = ("device", "boot", "community", "skew_ms", "received_ms", "gate", "from_ms")
"""What the counts of a body mostly have in common; SQLite is told it once for all of them."""
LEAST_ALIKE = 4
count_values = _picked(_BOUND)
_alike, _own = _picked(_OFTEN_ALIKE), _picked([name for name in _BOUND if name not in _OFTEN_ALIKE])
TRAY_COLUMNS = {
    "community": "text", "device": "text", "boot": "bigint", "seq": "bigint", "received_ms": "bigint", "reason": "text",
    "detail": "text", "body": "text", "digest": "bytea", "state": "text",
}  # fmt: skip


class Known(Exception):
    """A report that was taken for new is there already: nothing of this transaction may be kept."""


@dataclass(slots=True)
class Work:
    """What a group of submissions comes to."""

    sql: Driver
    seal: Seal
    known: dict[Triple, bytes] = field(default_factory=dict)
    counts: list[KeptReport] = field(default_factory=list)
    others: list[KeptReport] = field(default_factory=list)
    spans: dict[tuple[str, str, int, str], list[Any]] = field(default_factory=dict)
    tray: list[tuple[Any, ...]] = field(default_factory=list)
    used: list[tuple[str, bytes]] = field(default_factory=list)
    forged: Counter[str] = field(default_factory=Counter)

    def keep(self, submissions: Sequence[Submission], careful: bool) -> list[Kept]:
        """Everything of these submissions, within the caller's transaction; raises Known unless ``careful``."""
        lock_devices(self.sql, {each.device for each in submissions})
        runs = {} if careful else plain_runs(submissions)
        closely = [each for each in submissions if each.device not in runs]
        self._read_known(closely)
        outcomes = [
            self.take_plain(each) if each.device in runs else [self._take(each, entry) for entry in each.entries]
            for each in submissions
        ]
        self._write(exact=not runs)
        through = advance(self.sql, runs.values(), closely)
        kept = [kept_of(each, found, through) for each, found in zip(submissions, outcomes, strict=True)]
        tell_devices(self.sql, submissions, kept, self.forged)
        return kept

    def _read_known(self, submissions: Iterable[Submission]) -> None:
        """Digests of those reports that the store has already."""
        wanted: dict[Boot, list[int]] = defaultdict(list)
        for each in submissions:
            for entry in each.entries:
                if isinstance(entry, Prepared):
                    wanted[each.device, entry.row.boot].append(entry.row.seq)
        for (device, boot), seqs in wanted.items():
            for seq, digest in digests(self.sql, device, boot, seqs):
                self.known[device, boot, seq] = bytes(digest)

    def take_plain(self, submission: Submission) -> list[Outcome]:
        """Everything in it is new, unless `_write` finds out otherwise. Counts, of which there are most, are marked
        along the way: those that follow each other mostly lie in one stretch."""
        outcomes: list[Outcome] = []
        where: tuple[str, int] | None = None
        span: list[Any] = []
        for entry in submission.entries:
            row = entry.row  # type: ignore[union-attr]  # `plain_runs` looked
            if row.kind != "count" or row.held:
                outcomes.append(self._add(entry))  # type: ignore[arg-type]
                continue
            self.counts.append(row)
            t_ms, subject = row.t_ms, cast(str, entry.subject)  # type: ignore[union-attr]
            if where != (subject, t_ms // TOGETHER_MS):
                where, span = (subject, t_ms // TOGETHER_MS), self._span(row, subject)
            place = (t_ms, row.boot, row.seq)
            if place < span[1]:
                span[1] = place
            elif place > span[2]:
                span[2] = place
            outcomes.append(Outcome(row.boot, row.seq, "accepted"))
        return outcomes

    def _take(self, submission: Submission, entry: Entry) -> Outcome:
        """Decide what becomes of one report."""
        if isinstance(entry, SeenBefore):
            return Outcome(entry.boot, entry.seq, "duplicate")
        if isinstance(entry, TrayItem):
            self._lay(entry)
            return Outcome(entry.boot, entry.seq, "rejected", entry.reason)
        row = entry.row
        known = self.known.get((row.device, row.boot, row.seq))
        if known is None:
            return self._add(entry)
        if known == row.digest or (len(known) != len(row.digest) and submission.same(entry.form, known)):
            return Outcome(row.boot, row.seq, "duplicate")
        self._lay(_beside(submission, entry))
        return Outcome(row.boot, row.seq, "conflict", "other_content")

    def _add(self, entry: Prepared) -> Outcome:
        row = entry.row
        self.known[row.device, row.boot, row.seq] = row.digest
        (self.counts if row.kind == "count" and not row.held else self.others).append(row)
        if entry.ref_hash is not None:
            self.used.append((f"{row.device}:{row.boot}:{row.seq}", entry.ref_hash))
        if entry.forged:
            self.forged[row.device] += 1
        if entry.hold is not None:
            self._lay(_held_back(row, entry.hold))
            return Outcome(row.boot, row.seq, "accepted", "held")
        if entry.subject is not None:
            self._span(row, entry.subject)
        return Outcome(row.boot, row.seq, "accepted")

    def _span(self, row: KeptReport, subject: str) -> list[Any]:
        """[community, first, last] of the mark that a row belongs to, its place included."""
        place = (row.t_ms, row.boot, row.seq)
        span = self.spans.setdefault(
            (row.device, subject, row.t_ms // TOGETHER_MS, row.kind), [row.community, place, place]
        )
        span[1:] = min(span[1], place), max(span[2], place)
        return span

    def _lay(self, item: TrayItem) -> None:
        body = msgspec.json.encode(self.seal(item.text) if item.text else None).decode()
        self.tray.append((*item[:7], body, item.digest, "open"))

    def _write(self, exact: bool) -> None:
        new = self._write_counts()
        new += self.sql.bulk("reports", REPORT_COLUMNS, self.others)
        if not exact and new < len(self.counts) + len(self.others):
            raise Known
        self.sql.bulk("dirty", PACK_COLUMNS, packs(self.marks()))
        self.sql.bulk("tray", TRAY_COLUMNS, self.tray)
        self.sql.many("UPDATE scan_references SET used_by = ? WHERE ref_hash = ? AND used_by IS NULL", self.used)

    def _write_counts(self) -> int:
        if not self.sql.is_sqlite:
            return self.sql.bulk("reports", COUNT_COLUMNS, [count_values(row) for row in self.counts])
        new, alone = 0, []
        for alike, found in groupby(self.counts, _alike):
            rows = list(found)
            if len(rows) < LEAST_ALIKE:
                alone += rows
                continue
            new += self.sql.bulk_alike("reports", COUNT_COLUMNS, alike, _OFTEN_ALIKE, list(map(_own, rows)))
        return new + self.sql.bulk("reports", COUNT_COLUMNS, list(map(count_values, alone)))

    def marks(self) -> Iterator[tuple[str, Mark]]:
        """With their communities."""
        for (device, subject, _, cause), (community, first, last) in self.spans.items():
            lo, hi = (report_key(t_ms, device, boot, seq) for t_ms, boot, seq in (first, last))
            yield community, Mark(subject, lo, hi, cause)


def kept_of(submission: Submission, outcomes: list[Outcome], through: Mapping[Boot, int]) -> Kept:
    boots = {each.boot for each in outcomes}
    tally: dict[str, int] = {}
    for each in outcomes:
        tally[each.outcome] = tally.get(each.outcome, 0) + 1
    return Kept(outcomes, {boot: through[submission.device, boot] for boot in boots}, tally)


def _beside(submission: Submission, entry: Prepared) -> TrayItem:
    row = entry.row
    detail = "This number was kept before with other content. Both are kept: look which one is true."
    text = entry.form.decode()
    return TrayItem(
        row.community, row.device, row.boot, row.seq, submission.received_ms, "conflict", detail, text, row.digest
    )


def _held_back(row: KeptReport, hold: Hold) -> TrayItem:
    return TrayItem(row.community, row.device, row.boot, row.seq, row.received_ms, hold, HOLDS[hold], "", row.digest)


def lock_devices(sql: Driver, devices: Collection[str]) -> None:
    """Hold the status rows of these devices until the transaction ends."""
    if sql.is_sqlite:  # one writer anyway
        return
    wanted = sorted(devices)  # always in the same order, so that two groups never wait for each other
    sql.rows("SELECT 1 FROM device_status WHERE device = ANY(?) ORDER BY device FOR UPDATE", wanted)


def digests(sql: Driver, device: str, boot: int, seqs: list[int]) -> list[Any]:
    """[(seq, digest)] of those that are kept."""
    query = "SELECT seq, digest FROM reports WHERE device = ? AND boot = ? AND seq "
    least, most = min(seqs), max(seqs)
    if most - least < 2 * len(seqs):
        return sql.rows(f"{query}BETWEEN ? AND ?", device, boot, least, most)
    # Scattered numbers: a range could hold millions of other reports.
    if sql.is_sqlite:
        return sql.rows(f"{query}IN (SELECT value FROM json_each(?))", device, boot, str(seqs))  # noqa: S608
    return sql.rows(f"{query}= ANY(?)", device, boot, seqs)
