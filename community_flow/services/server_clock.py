"""The watch over the server's own clock: notices, says so, and keeps the damage away until it is put right.

Judged at the start and every few seconds. While the machine's clock is not believed, this process counts on from the
last believed moment, tells devices no time (they keep the offset that they know), keeps reports aside, deletes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from community_flow.domain.errors import Conflict, FlowError
from community_flow.domain.scope import Scope
from community_flow.domain.server_clock import Evidence, Judgement, judge
from community_flow.ports import Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.server_clock import ClockNote, ClockStore, MachineClock

log = structlog.get_logger()

LOOK_EVERY_S = 5.0
NOTE_EVERY_MS = 30_000
NEAR_MS = 60_000
PATIENCE_MS = 180_000
HEARD_MS = 150_000
"""Devices tell their status every minute: who was silent for two and a half says nothing about now."""

SENTENCES = {
    "behind": "The server's clock is behind what it has already written: set the machine's clock, or turn on NTP.",
    "ahead": "The server was off for long, or its clock runs ahead: wait for a device, or confirm the time.",
    "jumped": "Somebody set the server's clock while it ran: put it back, or confirm the time.",
    "disagrees": "Several devices differ from the server's clock by the same amount: set it, or turn on NTP.",
}
HOLDING = ("behind", "ahead")
"""Only these leave the time unknown; after a jump the steady counter knows it, and devices only contradict."""


class ServerClock:
    def __init__(
        self, db: Database, store: ClockStore, clock: MachineClock, synchronised: Callable[[], bool], audit: AuditLog
    ) -> None:
        self.db, self.store, self.clock, self.synchronised, self.audit = db, store, clock, synchronised, audit
        self.judgement = Judgement(None)
        self.changed: list[Callable[[Transaction, ClockNote], None]] = []
        self._looked = False
        self._believed_ms: int | None = None
        self._noted_ms = 0
        self._disagree_since_ms: int | None = None

    def knows_time(self) -> bool:
        """False while reports must wait for the time at which they came."""
        return self.judgement.trouble not in HOLDING

    def trouble(self) -> str | None:
        """What is wrong, in a sentence; None when the clock is believed."""
        return None if self.judgement.trouble is None else SENTENCES[self.judgement.trouble]

    def check(self, *, keep: bool = True) -> Judgement:
        """Look once. With ``keep`` what was found is written down for the next start and for other processes."""
        with self.db.read() as tx:
            note = self.store.note(tx)
            readings = self.store.readings(tx, self.clock.now_ms() - HEARD_MS)
        seen = Evidence(
            wall_ms=self.clock.wall_ms(), expected_ms=self._expected_ms(note),
            running=self._looked and self.knows_time(),
            synchronised=self._confirmed_elsewhere(note) or self.synchronised(), readings=readings,
        )  # fmt: skip
        found = self._patient(judge(seen))
        self._apply(found, seen)
        if keep:
            self._note(note, found)
        self.judgement = found
        return found

    def accept(self, scope: Scope) -> None:
        """Somebody looked at a watch: what the machine says now is right."""
        wall_ms = self.clock.wall_ms()
        with self.db.write() as tx:
            self.store.keep(tx, ClockNote(wall_ms))
            self._log(tx, "clock.accepted", scope, {"off_ms": self.judgement.off_ms, "to_ms": wall_ms})
        self.check()

    def refuse_deletion(self) -> None:
        """Raises Conflict while the clock is not believed: nothing may be called old by it."""
        self.check(keep=False)
        if self.judgement.trouble is not None:
            raise Conflict("Nothing is deleted while the server's clock is in doubt: put it right first.")

    def start(self) -> None:
        """The first look is taken before anything is served; a store that is away is asked again in a moment."""
        try:
            self.check()
        except FlowError:
            log.warning("the server's clock cannot be held against the store yet")
        threading.Thread(target=self._watch, name="clock", daemon=True).start()

    def _watch(self) -> None:
        rest = threading.Event()
        while True:
            rest.wait(LOOK_EVERY_S)
            try:
                self.check()
            except Exception:  # the thread's outermost loop: a store that is away must not end the watch
                log.exception("clock check failed")

    def _confirmed_elsewhere(self, note: ClockNote | None) -> bool:
        """A person, or a process that had reason to, has just written down what this machine says."""
        before, self._believed_ms = self._believed_ms, None if note is None else note.believed_ms
        doubted = self.judgement.trouble in ("jumped", *HOLDING)
        if not doubted or before is None or note is None or note.believed_ms == before:
            return False
        return abs(self.clock.wall_ms() - note.believed_ms) <= NEAR_MS

    def _expected_ms(self, note: ClockNote | None) -> int | None:
        if self._looked:
            return self.clock.now_ms()
        return None if note is None else note.believed_ms

    def _patient(self, found: Judgement) -> Judgement:
        """Devices need a minute to measure anew after a clock was put right: only who goes on contradicting counts."""
        if found.trouble != "disagrees":
            self._disagree_since_ms = None
            return found
        elapsed_ms = self.clock.elapsed_ms()
        self._disagree_since_ms = elapsed_ms if self._disagree_since_ms is None else self._disagree_since_ms
        return found if elapsed_ms - self._disagree_since_ms >= PATIENCE_MS else Judgement(None)

    def _apply(self, found: Judgement, seen: Evidence) -> None:
        self._looked = True
        if found.trouble in (None, "disagrees"):
            self.clock.believe()
        elif found.trouble in HOLDING and self.knows_time():
            self.clock.hold(seen.wall_ms - found.off_ms)

    def _note(self, note: ClockNote | None, found: Judgement) -> None:
        now_ms = self.clock.now_ms()
        before = None if note is None else note.trouble
        if found.trouble == before and now_ms - self._noted_ms < NOTE_EVERY_MS:
            return
        with self.db.write() as tx:
            newest = self.store.note(tx) or ClockNote(now_ms)
            if note is not None and newest.believed_ms != note.believed_ms:
                return  # somebody wrote meanwhile, perhaps that the machine is right: look again first
            # In doubt this is what time it is at least: a restart, or a command beside the server, goes on from here.
            kept = replace(newest, believed_ms=now_ms, trouble=found.trouble, off_ms=found.off_ms)
            if found.trouble != newest.trouble:
                kept = replace(kept, since_ms=now_ms)
                self._tell(tx, kept)
            self.store.keep(tx, kept)
        self._noted_ms = now_ms

    def _tell(self, tx: Transaction, note: ClockNote) -> None:
        action = "clock.right" if note.trouble is None else "clock.wrong"
        self._log(tx, action, None, {"trouble": note.trouble, "off_ms": note.off_ms})
        log.warning("the server's clock", trouble=note.trouble, off_ms=note.off_ms)
        for hook in self.changed:
            hook(tx, note)

    def _log(self, tx: Transaction, action: str, scope: Scope | None, detail: dict[str, object]) -> None:
        account, role = ("system", "") if scope is None else (scope.account, str(scope.role))
        self.audit.append(tx, Look(account=account, role=role, action=action, detail=detail))
