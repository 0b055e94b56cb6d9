"""The outbox of notices: written in the transaction of what happened, sent afterwards, at least once, bundled.

A re-fold, a rebuild, a crash or a second worker tells nothing twice: the keys of what was told are unique in the store,
and every attempt to send carries the same Idempotency-Key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog

from community_flow.domain import notices
from community_flow.domain.anomalies import Anomaly
from community_flow.domain.notices import Notice
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.flow import Changed
from community_flow.ports.notices import Message, NoticeStore, Sink

log = structlog.get_logger()

LOOK_EVERY_S = 2.0
WATCH_EVERY_MS = 60_000
LEASE_MS = 60_000
AT_ONCE = 20
KEPT_MS = 30 * 24 * notices.HOUR_MS

Watcher = Callable[[Transaction], Iterable[Notice]]
"""Looks for what nobody reports: a silent device, a full disk."""


class Notices:
    """``sink`` is None where nobody is to be told: then notices are only listed."""

    def __init__(self, db: Database, store: NoticeStore, sink: Sink | None, clock: Clock) -> None:
        self.db, self.store, self.sink, self.clock = db, store, sink, clock
        self.watchers: list[Watcher] = []
        self._watched_ms = 0
        self.begun_ms = clock.now_ms()
        """Before this nobody here listened: silence of that time is not the devices'."""

    def folded(self, tx: Transaction, changed: Changed) -> None:
        """A hook of the fold, in its transaction."""
        self.put(
            tx,
            [
                notices.of_conflict(each, changed.community)
                for each in changed.added.conflicts
                if each.kind in notices.FOLDED
            ],
        )

    def reviewed(self, tx: Transaction, found: Sequence[Anomaly]) -> None:
        """A hook of the review, in its transaction."""
        self.put(tx, [notices.of_anomaly(each) for each in found if each.kind in notices.REVIEWED])

    def put(self, tx: Transaction, found: Sequence[Notice]) -> int:
        """Write down what is fresh and was not told before; gives how many."""
        now_ms = self.clock.now_ms()
        fresh = [each for each in found if each.at_ms >= now_ms - notices.FRESH_MS]
        return self.store.put(tx, fresh, now_ms) if fresh else 0

    def watch(self) -> None:
        """Ask the watchers, once a minute however often this is called."""
        now_ms = self.clock.now_ms()
        if 0 <= now_ms - self._watched_ms < WATCH_EVERY_MS:
            return
        self._watched_ms = now_ms
        with self.db.read() as tx:
            found = [each for watcher in self.watchers for each in watcher(tx)]
        if found:
            with self.db.write() as tx:
                self.put(tx, found)

    def step(self) -> int:
        """Bundle what waits and try what is due; gives how many messages were taken."""
        if self.sink is None:
            return 0
        now_ms = self.clock.now_ms()
        with self.db.write() as tx:
            self.store.bundle(tx, now_ms, now_ms - notices.FRESH_MS, now_ms - notices.BUNDLE_MS)
            due = self.store.lease(tx, now_ms, now_ms + LEASE_MS, AT_ONCE)
        return sum(self._send(self.sink, message) for message in due)

    def tidy(self, tx: Transaction) -> None:
        self.store.delete_before(tx, self.clock.now_ms() - KEPT_MS)

    def recent(self, scope: Scope, limit: int = 20) -> list[tuple[Notice, Message | None]]:
        """Of the last day, newest first, with the message that carried each."""
        with self.db.read() as tx:
            return self.store.recent(tx, scope, self.clock.now_ms() - 24 * notices.HOUR_MS, limit)

    def tally(self) -> dict[str, int]:
        with self.db.read() as tx:
            return self.store.tally(tx)

    def start(self) -> None:
        threading.Thread(target=self._run, name="notices", daemon=True).start()

    def _send(self, sink: Sink, message: Message) -> bool:
        error = sink.send(message.id, body_of(message), self.clock.now_ms())
        now_ms = self.clock.now_ms()
        with self.db.write() as tx:
            if error is None:
                self.store.sent(tx, message.id, now_ms)
                return True
            given_up = now_ms if now_ms - message.created_ms >= notices.GIVE_UP_MS else None
            self.store.failed(tx, message.id, error, now_ms + notices.pause_ms(message.tries + 1), given_up)
        log.warning("notice not delivered", why=error, tries=message.tries + 1, given_up=given_up is not None)
        return False

    def _run(self) -> None:
        rest = threading.Event()
        while True:
            rest.wait(LOOK_EVERY_S)
            try:
                self.watch()
                self.step()
            except Exception:  # the thread's outermost loop: what waits is in the store
                log.exception("notices failed")


def body_of(message: Message) -> bytes:
    """What the receiver gets: where to look, and nobody's name."""
    return msgspec.json.encode(
        {
            "id": message.id, "kind": message.kind, "title": notices.TITLES[message.kind],
            "community": message.community, "gate": message.gate, "count": message.count, "from_ms": message.from_ms,
            "to_ms": message.to_ms, "path": message.path,
        }
    )  # fmt: skip
