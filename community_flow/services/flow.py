"""The fold as a service: takes marks from the queue, derives again what they touch, all in one transaction.

A mark is deleted in the transaction that wrote what followed from it, so after any crash each one is folded exactly
once, and there is no cursor that a late commit could slip past.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from community_flow.domain.journal import Journal
from community_flow.domain.ledger import REACH_MS
from community_flow.domain.marks import JOURNAL, Mark, count_subject
from community_flow.domain.passages import GREATEST_KEY, Passage, key_at, key_t_ms
from community_flow.domain.rulebook import Rulebook
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.flow import AfterFold, Changed, FoldQueue, FoldReports, FoldRows, Replacement
from community_flow.ports.fold_bulk import FoldBulk
from community_flow.ports.ingest import Signals, StoreAway
from community_flow.services.fold_aside import Aside
from community_flow.services.fold_bulk import BulkFold
from community_flow.services.fold_ledger import FOREVER_MS, LedgerFold, Touched
from community_flow.services.fold_people import PeopleFold
from community_flow.services.registry import Registry

log = logging.getLogger(__name__)

LIVE_SLICE_S = 0.02
"""On SQLite everybody else who writes waits for a slice to end."""
SHARED_SLICE_S = 0.1
"""Where others write beside it: a slice has a cost of its own, and a page is to see the number move at once."""
FLOOD_SLICE_S = 0.5
LEAST_REST_S, LONGEST_REST_S = 0.05, 0.4
RESTS = 10
"""The rest after a turn, in turns: a turn costs little more for what gathers in a longer rest, and ingest has the
interpreter meanwhile. Where little comes in the least rest is longer than that anyway."""
AGAIN_S = 5
"""After a failure: the store may be away for a while."""
LEAST_SUBJECTS, MOST_SUBJECTS = 8, 512
"""A slice has a cost of its own, so very small ones only make everybody wait longer."""
LOOKS, LOOK_AGAIN_S = 5, 0.1
LONG_MS, LONG_SUBJECTS = 3_600_000, 64
"""Of what a gate's mark speaks of, so much event time in one slice; less where slices have few subjects, because an
hour of a gate may cost as much as dozens of them."""
FLOOD_MARKS = 300
"""While more than this waits, the ledger is left to the end: a flood would settle the same hours again and again."""
PEOPLE = ("p_", "ps_", "tg_", "r:")


class _CheckedError(Exception):
    """Takes the result of a check out of a transaction that must not be kept."""

    def __init__(self, differing: list[str]) -> None:
        super().__init__(differing)
        self.differing = differing


class FoldError(Exception):
    """What was marked of these subjects cannot be folded; the cause says why. Nothing of it was kept."""

    def __init__(self, subjects: frozenset[str]) -> None:
        super().__init__(f"{len(subjects)} subjects")
        self.subjects = subjects


class Flow:
    """Keeps the derived tables in step with reports and journal."""

    def __init__(
        self, db: Database, registry: Registry, queue: FoldQueue, reports: FoldReports, rows: FoldRows,
        bulk: FoldBulk, signals: Signals, clock: Clock,
    ) -> None:  # fmt: skip
        self.db, self.registry, self.signals, self.clock = db, registry, signals, clock
        self.queue, self.reports, self.rows, self.bulk = queue, reports, rows, bulk
        self.after_fold: list[AfterFold] = []
        """Called in the transaction of a slice, with what it changed. What they write is committed with it or not at
        all, so a crash repeats neither; a slice that changed nothing, a report that came twice, a rebuild and a check
        call none. A notification that is written by a hook is therefore written once for each change."""
        self._people, self._ledger = PeopleFold(reports, rows), LedgerFold(reports, rows)
        self._bulk = BulkFold(bulk)
        self._rules: dict[str, tuple[Journal, Rulebook]] = {}
        self._subjects: dict[str, int] = {}

    def drain(self, community: str | None = None, slice_s: float = FLOOD_SLICE_S) -> int:
        """Fold until nothing is marked; gives the number of slices. For loads, rebuilds and tests."""
        slices = 0
        while True:
            with self.db.read() as tx:
                waiting = [each for each in self.queue.waiting(tx) if community in (None, each)]
            if not waiting:
                return slices
            for each in waiting:
                slices += self.fold(each, slice_s)

    def fold(
        self,
        community: str,
        slice_s: float = LIVE_SLICE_S,
        stop: Callable[[], bool] = lambda: False,
        rest: Callable[[float], object] = lambda took_s: None,
        without: Collection[str] = (),
        most: int = MOST_SUBJECTS,
    ) -> int:
        """Fold one community in slices of about ``slice_s`` until all that was marked before is folded (or ``stop``, or
        another folds); ``rest`` is called after each slice with how long that took. Subjects ``without`` are left
        alone, and at ``most`` so many are folded in a slice. Raises FoldError with the subjects of a slice that cannot
        be folded."""
        slices, subjects = 0, min(most, self._subjects.get(community, LEAST_SUBJECTS))
        while not stop():
            changed, begun = self._turn(community, subjects, without)
            if changed is None:
                break
            slices += 1
            self.signals.bump(community)
            took_s = time.perf_counter() - begun
            if took_s < slice_s / 2:
                subjects = min(most, subjects * 2)
            elif took_s > slice_s:
                subjects = min(most, max(LEAST_SUBJECTS, subjects // 2))
            self._subjects[community] = subjects
            if not changed.waits:
                break  # what came meanwhile is folded together after a rest
            rest(took_s)
        return slices

    def _turn(self, community: str, subjects: int, without: Collection[str]) -> tuple[Changed | None, float]:
        """One slice, and when it began: how long others were before us says nothing about our slices."""
        taken: list[Mark] = []
        try:
            with self.db.write() as tx:
                begun = time.perf_counter()
                if not self.queue.lock(tx, community):
                    return None, begun
                return self._slice(tx, community, subjects, without, taken), begun
        except StoreAway:
            raise
        except Exception as error:
            if not taken:
                raise
            raise FoldError(frozenset(mark.subject for mark in taken)) from error

    def rules(self, tx: Transaction, community: str) -> Rulebook:
        """The journal compiled; kept until somebody writes to it."""
        journal = self.registry.journal(tx, community)
        known = self._rules.get(community)
        if known is None or known[0] is not journal:
            known = self._rules[community] = (journal, Rulebook(journal))
        return known[1]

    def rebuild(self, tx: Transaction, community: str) -> None:
        """Derive everything again, in the caller's transaction: readers see the old tables until it commits.

        Hooks are not called: nothing happened in the community, so nobody is to be told anything.
        """
        self.bulk.hold(tx, community)
        self._bulk.rebuild(tx, community, self.rules(tx, community))
        self.rows.note_fold(tx, community, self.reports.newest_ms(tx, community) or 0, self.clock.now_ms())

    def check(self, community: str) -> list[str]:
        """Names of derived tables that a rebuild would change; nothing is changed.

        Looked at is a moment in which nothing waits to be folded. Where there is none, what waits is folded for the
        look only: the real fold, with its hooks, is left to whoever folds here.
        """
        for _ in range(LOOKS):
            with self.db.read() as tx:
                self.bulk.freeze(tx)
                if not self.queue.exceeds(tx, community, 0):
                    return self._bulk.differing(tx, community, self.rules(tx, community))
            time.sleep(LOOK_AGAIN_S)
        try:
            with self.db.write() as guard:
                self.bulk.hold(guard, community)
                with self.bulk.frozen(guard) as tx:
                    while self._slice(tx, community, MOST_SUBJECTS, hooks=False) is not None:
                        pass
                    raise _CheckedError(self._bulk.differing(tx, community, self.rules(tx, community)))
        except _CheckedError as checked:
            return checked.differing

    def fingerprint(self, tx: Transaction, community: str) -> dict[str, tuple[int, str]]:
        """Table → (rows, their sum): equal when everything derived is equal."""
        return self._bulk.fingerprint(tx, community)

    def _slice(
        self, tx: Transaction, community: str, subjects: int, without: Collection[str] = (),
        taken: list[Mark] | None = None, *, hooks: bool = True,
    ) -> Changed | None:  # fmt: skip
        """Fold the marks of the next subjects, which are put into ``taken``; None when there are none."""
        rules = self.rules(tx, community)  # before the marks: what it says of changes, they say too
        more = self.queue.unpack(tx, community)
        marks = self.queue.take(tx, community, subjects, rules.kin, without)
        if not marks:
            return None
        if taken is not None:
            taken += marks
        newest_ms = self.reports.newest_ms(tx, community)
        changed = Changed(community, waits=more or len(marks) >= subjects or any(map(_leads_on, marks)))
        if newest_ms is not None:
            self._apply(tx, rules, marks, changed, newest_ms, _stretch_ms(subjects), flood=more)
        self.rows.note_fold(tx, community, newest_ms or 0, self.clock.now_ms())
        if hooks and changed:
            for hook in self.after_fold:
                hook(tx, changed)
        return changed

    def _apply(
        self, tx: Transaction, rules: Rulebook, marks: Sequence[Mark], changed: Changed, newest_ms: int,
        stretch_ms: int, *, flood: bool,
    ) -> None:  # fmt: skip
        community = changed.community
        touched = Touched()
        people: list[Mark] = []
        gates: list[Mark] = []
        for mark in marks:
            kind, _, rest = mark.subject.partition(":")
            if mark.subject.startswith(PEOPLE):
                people.append(mark)
            elif kind == "gate":
                gates.append(mark)
            elif kind == "void":
                self._void(tx, community, rest)
            elif kind == "census":
                self._census(tx, community, rest, mark)
            elif kind == "journal":
                self._journal(tx, rules, mark, newest_ms)
        changed.waits |= self._counted(tx, community, gates, newest_ms, stretch_ms, touched)
        changed.removed, changed.added = self._people.refold(tx, community, rules, people)
        self.rows.replace(tx, community, changed.removed, changed.added)
        rows = [*changed.removed.passages, *changed.added.passages]
        if people and (flood or self.queue.exceeds(tx, community, FLOOD_MARKS)):
            self.queue.put_last(tx, community, _gate_marks(rows))
            rows, changed.waits = [], True
        for row in rows:
            touched.add(row.gate, row.direction, (max(0, row.at_ms - REACH_MS), row.at_ms + REACH_MS))
        self._ledger.refold(tx, rules, touched, changed)
        self.rows.add_hours(tx, changed)

    def _counted(
        self, tx: Transaction, community: str, marks: Sequence[Mark], newest_ms: int, stretch_ms: int, touched: Touched
    ) -> bool:
        """The event times that marks of gates speak of; what is beyond ``stretch_ms`` is put back, so that a slice
        ends: then True. Marks that come from before the oldest report, as many changes of the registry leave, are one
        from there on."""
        spans = [(mark, key_t_ms(mark.lo), _t_ms(mark.hi, newest_ms)) for mark in marks]
        is_long = any(hi_ms - lo_ms > stretch_ms for _, lo_ms, hi_ms in spans)
        oldest_ms = (self.reports.oldest_ms(tx, community) or 0) if is_long else 0
        rest: dict[Mark, None] = {}
        for mark, lo_ms, hi_ms in spans:
            from_ms, to_ms = lo_ms, hi_ms
            if hi_ms - lo_ms > stretch_ms:
                from_ms = max(lo_ms, oldest_ms)
                to_ms = min(from_ms + stretch_ms, hi_ms)
            if to_ms < hi_ms:
                rest[Mark(mark.subject, key_at(to_ms), mark.hi, mark.cause)] = None
            _, gate, direction = mark.subject.split(":")
            touched.add(gate, direction, (from_ms, to_ms))
        self.queue.put(tx, community, rest)
        return bool(rest)

    def _void(self, tx: Transaction, community: str, named: str) -> None:
        """A correction: from now on what it names is left out; what followed from that is marked for the next slice."""
        device, boot, seq = named.split(":")
        triple = (device, int(boot), int(seq))
        self.rows.void(tx, community, [triple])
        about = self.reports.named(tx, triple)
        if about is None:
            return  # not here yet: when it comes it is found to be corrected
        marks = [Mark(about.subject, about.key, about.key, "correction")]
        if about.from_ms is not None:  # the passages that it took are free again
            reached = key_at(about.from_ms - REACH_MS), key_at(key_t_ms(about.key) + REACH_MS)
            marks = [Mark(about.subject, *reached, "correction")]
        aggregate = self.rows.replacement_of(tx, triple)
        if aggregate is not None:
            marks += self._uncovered(tx, community, aggregate)
            self.rows.forget_replacement(tx, triple)
        self.queue.put(tx, community, marks)

    def _uncovered(self, tx: Transaction, community: str, aggregate: Replacement) -> Iterable[Mark]:
        span = self.rows.replaced_span(tx, community, aggregate)
        if span is not None:
            subject = f"gate:{aggregate.gate}:{aggregate.direction}"
            yield Mark(subject, key_at(span[0]), key_at(span[1]), "correction")

    def _census(self, tx: Transaction, community: str, zone: str, mark: Mark) -> None:
        span_ms = (key_t_ms(mark.lo), min(key_t_ms(mark.hi), FOREVER_MS))
        self.rows.set_censuses(tx, community, zone, span_ms, self.reports.censuses(tx, community, zone, span_ms))

    def _journal(self, tx: Transaction, rules: Rulebook, mark: Mark, newest_ms: int) -> None:
        """A change of the registry: mark those it speaks of, for the time in which it holds."""
        _, kind, entity = mark.subject.split(":", 2)
        lo_ms, hi_ms = key_t_ms(mark.lo), _t_ms(mark.hi, newest_ms)
        if lo_ms > newest_ms:
            return
        subjects = self._concerned(tx, rules, kind, entity, (lo_ms, hi_ms))
        marks = (Mark(subject, mark.lo, mark.hi, "journal") for subject in sorted(subjects))
        self.queue.put(tx, rules.journal.community, marks)

    def _concerned(
        self, tx: Transaction, rules: Rulebook, kind: str, entity: str, span_ms: tuple[int, int]
    ) -> set[str]:
        if kind in ("pass", "person"):
            return {entity}
        if kind == "household":
            return set(rules.members.get(entity, ()))
        gates = {f"gate:{gate}:{way}" for gate in rules.journal.entities("gate") for way in ("in", "out")}
        if kind == "device":
            states: list[Any] = rules.journal.timeline("device", entity).states
            named = {state.gate for state in states if state is not None}
            return {each for each in gates if each.split(":")[1] in named}
        return gates | self.reports.names_between(tx, rules.journal.community, *span_ms)


def _leads_on(mark: Mark) -> bool:
    """What these marks say is marked in its turn; and while the journal's wait, no others are taken."""
    return mark.subject.startswith(("void:", JOURNAL))


def _stretch_ms(subjects: int) -> int:
    return LONG_MS * min(LONG_SUBJECTS, max(LEAST_SUBJECTS, subjects)) // LONG_SUBJECTS


def _t_ms(key: bytes, newest_ms: int) -> int:
    """The event time of a key, not beyond the newest report: nothing happened later."""
    return newest_ms if key == GREATEST_KEY else key_t_ms(key)


def _gate_marks(rows: Iterable[Passage]) -> Iterable[Mark]:
    """One mark per gate and direction from the first to the last of these passages."""
    times: dict[str, list[int]] = {}
    for row in rows:
        times.setdefault(count_subject(row.gate, row.direction), []).append(row.at_ms)
    return [Mark(side, key_at(min(found)), key_at(max(found)), "passages") for side, found in times.items()]


class FoldWorker:
    """A thread that folds what ingest marks, within a tenth of a second, or half a one where much comes."""

    def __init__(
        self, flow: Flow, signals: Signals, pause_s: float = 0.5, rests: Callable[[], int] = lambda: 0,
        slice_s: float = LIVE_SLICE_S,
    ) -> None:  # fmt: skip
        """``rests`` says how many times as long as a slice took others are to be left alone after it."""
        self.flow, self.signals, self.pause_s, self.rests, self.slice_s = flow, signals, pause_s, rests, slice_s
        self.aside = Aside()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self.run, name="fold", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Fold no further slice; may be called from a signal's handler."""
        self._ending.set()

    def stop(self) -> None:
        self.end()
        if self._thread is not None:
            self._thread.join(10)

    def run(self) -> None:
        """Fold what is waiting, then sleep until woken; other processes' marks are seen after ``pause_s``."""
        while not self._ending.is_set():
            begun, slices = time.monotonic(), 0
            try:
                slices = self._turn()
            except Exception:
                log.exception("fold failed; trying again in %s s", AGAIN_S)
                self._ending.wait(AGAIN_S)
            # Reports come first: between turns whoever takes them in has the writer and the processor to itself, and
            # the marks of that time are folded together. Somebody at the gate still sees the number move at once.
            self._ending.wait(min(LONGEST_REST_S, max(LEAST_REST_S, RESTS * (time.monotonic() - begun))))
            # After work there is another look first: what came meanwhile may have woken nobody.
            if not slices and not self._ending.is_set():
                self.signals.wait(self.pause_s)

    def _rest(self, took_s: float) -> None:
        """In a flood turns hardly end, so there the same holds between slices."""
        self._ending.wait(min(LONGEST_REST_S, self.rests() * took_s))

    def _turn(self) -> int:
        """The number of slices that were folded."""
        with self.flow.db.read() as tx:
            waiting = self.flow.queue.waiting(tx)
        return sum(map(self._fold, waiting))

    def _fold(self, community: str) -> int:
        """Fold a community; a subject on which that fails is found by folding one at a time, and left alone."""
        most = MOST_SUBJECTS
        while True:
            try:
                without = self.aside.names(community)
                return self.flow.fold(community, self.slice_s, self._ending.is_set, self._rest, without, most)
            except FoldError as error:
                if most == 1 and not self.aside.add(community, error.subjects, error.__cause__ or error):
                    raise
                most = 1
