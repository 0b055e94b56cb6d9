"""Notices: each thing once, whatever is folded again, crashes or runs twice; delivered at least once. Both stores."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from community_flow.adapters.sql.queries_notices import SqlNotices
from community_flow.adapters.sql.tables_ingest import device_status
from community_flow.adapters.sql.tables_notices import notice_messages, notices
from community_flow.adapters.webhook import Webhook, signature
from community_flow.domain.notices import BUNDLE_MS, FRESH_MS, GIVE_UP_MS, Notice
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction
from community_flow.ports.flow import Changed
from community_flow.services.notices import LEASE_MS, Notices
from community_flow.settings import BadSetting, Settings
from community_flow.wiring.core import Core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.notices import notices_of, sink_of
from tests.contract.test_ingest import Desk
from tests.contract.test_tray import HandTime
from tests.factories import a_person, small_community
from tests.services import PATIENCE_S

KEY = b"a key that an operator made"
ROOT = Path(__file__).parent.parent.parent
NOW = 1_795_420_800_000
HOUR = 3_600_000


@dataclass
class Receiver:
    """A real server on loopback that keeps what it took."""

    url: str = ""
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: threading.Event = field(default_factory=threading.Event)
    slow_s: float = 0.0

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((dict(self.headers.items()), body))
            found.taken.set()
            time.sleep(found.slow_s)
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def hand() -> HandTime:
    return HandTime(NOW)


@pytest.fixture
def outbox(core: Core, hand: HandTime, receiver: Receiver) -> Notices:
    return Notices(core.db, SqlNotices(), Webhook(receiver.url, KEY, PATIENCE_S), hand)


def notice(*keys: str, at_ms: int = NOW, kind: str = "relayed_code", gate: str | None = "east") -> Notice:
    return Notice(kind, "garden", gate, at_ms, "/anomalies", keys)


def put(outbox: Notices, *found: Notice) -> int:
    with outbox.db.write() as tx:
        return outbox.put(tx, found)


def written(core: Core) -> list[Any]:
    with core.db.read() as tx:
        return list(tx.execute(select(notices).order_by(notices.c.id)))


def test_a_message_says_where_to_look_signed_and_without_a_person(outbox: Notices, receiver: Receiver) -> None:
    put(outbox, notice("a"))
    assert outbox.step() == 1
    ((headers, body),) = receiver.got
    told = json.loads(body)
    assert told | {"id": ""} == {
        "id": "", "kind": "relayed_code", "title": {"en": "One code at two gates", "zh": "同一动态码在两处出示"},
        "community": "garden", "gate": "east", "count": 1, "from_ms": NOW, "to_ms": NOW, "path": "/anomalies",
    }  # fmt: skip
    assert headers["Idempotency-Key"] == told["id"]
    assert headers["X-Flow-Signature"] == f"sha256={signature(KEY, headers['X-Flow-Timestamp'], body)}"
    assert signature(b"another key of sixteen", headers["X-Flow-Timestamp"], body) not in headers["X-Flow-Signature"]
    assert outbox.step() == 0


def test_what_was_told_is_not_told_again_also_when_its_card_was_rekeyed(outbox: Notices, core: Core) -> None:
    assert put(outbox, notice("a", "b")) == 1
    assert put(outbox, notice("a", "b"), notice("b", "c")) == 0  # a late report took a's place in the card
    assert put(outbox, notice("c", "d")) == 0  # and b's, later
    assert put(outbox, notice("e")) == 1
    assert len(written(core)) == 2


def test_what_is_rolled_back_is_not_told(outbox: Notices, core: Core) -> None:
    def fold_that_fails() -> None:
        with outbox.db.write() as tx:
            outbox.put(tx, [notice("a")])
            raise RuntimeError("the fold failed")

    with pytest.raises(RuntimeError):
        fold_that_fails()
    assert written(core) == []
    assert put(outbox, notice("a")) == 1


def test_a_flood_of_late_events_rings_nobody(outbox: Notices, receiver: Receiver, core: Core) -> None:
    late = [notice(f"late {number}", at_ms=NOW - FRESH_MS - 1) for number in range(10_000)]
    assert put(outbox, *late) == 0
    assert outbox.step() == 0
    assert (receiver.got, written(core)) == ([], [])


def test_many_of_a_kind_are_one_message_and_the_next_waits(outbox: Notices, receiver: Receiver, hand: HandTime) -> None:
    put(outbox, *(notice(f"{number}", at_ms=NOW - number) for number in range(500)))
    put(outbox, notice("other", kind="impossible_travel", gate="west"))
    assert outbox.step() == 2
    put(outbox, notice("later"), notice("later still"))
    assert outbox.step() == 0
    hand.at_ms += BUNDLE_MS
    assert outbox.step() == 1
    counts = [(told["kind"], told["count"], told["from_ms"]) for told in receiver.bodies()]
    assert sorted(counts[:2]) == [("impossible_travel", 1, NOW), ("relayed_code", 500, NOW - 499)]
    assert counts[2] == ("relayed_code", 2, NOW)


def test_a_receiver_that_is_away_gets_it_later_under_the_same_key(
    outbox: Notices, receiver: Receiver, hand: HandTime
) -> None:
    receiver.status = 500
    put(outbox, notice("a"))
    assert outbox.step() == 0
    assert outbox.step() == 0  # not before the pause is over
    assert len(receiver.got) == 1
    hand.at_ms += 30_000
    receiver.status = 204
    assert outbox.step() == 1
    assert len({headers["Idempotency-Key"] for headers, _ in receiver.got}) == 1
    assert outbox.tally() == {"waiting": 0, "given_up": 0}


def test_after_three_days_it_is_given_up_and_seen(outbox: Notices, receiver: Receiver, hand: HandTime) -> None:
    receiver.status = 404
    put(outbox, notice("a"))
    tries = 0
    while outbox.tally()["given_up"] == 0:
        outbox.step()
        hand.at_ms += HOUR
        tries += 1
        assert tries < 100
    assert tries * HOUR > GIVE_UP_MS
    hand.at_ms += 10 * HOUR
    assert outbox.step() == 0
    sent = len(receiver.got)
    assert sent == tries
    with outbox.db.read() as tx:
        (message,) = tx.execute(select(notice_messages)).all()
    assert message.error == "The receiver answered 404."


def test_a_redirect_is_not_followed(outbox: Notices, receiver: Receiver) -> None:
    receiver.status = 307
    put(outbox, notice("a"))
    assert outbox.step() == 0
    assert len(receiver.got) == 1


def test_two_senders_send_once(outbox: Notices, receiver: Receiver) -> None:
    receiver.slow_s = 0.2
    for number in range(6):
        put(outbox, Notice("relayed_code", f"c{number}", None, NOW, "/anomalies", (f"k{number}",)))
    start = threading.Barrier(2)

    def sender() -> None:
        start.wait()
        outbox.step()

    both = [threading.Thread(target=sender) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    keys = [headers["Idempotency-Key"] for headers, _ in receiver.got]
    assert len(keys) == len(set(keys)) == 6


SENDER = """
import sys
from community_flow.adapters.sql.queries_notices import SqlNotices
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.adapters.webhook import Webhook
from community_flow.services.notices import Notices

class Hand:
    def now_ms(self):
        return int(sys.argv[3])

Notices(SqlDatabase(sys.argv[1]), SqlNotices(), Webhook(sys.argv[2], sys.argv[4].encode()), Hand()).step()
"""


def test_killed_between_sending_and_noting_it_is_sent_again_under_the_same_key(
    outbox: Notices, receiver: Receiver, hand: HandTime, core: Core
) -> None:
    """kill -9 while the receiver has it and the store does not know: twice on the way, one key, so taken once."""
    receiver.slow_s = PATIENCE_S
    put(outbox, notice("a"))
    arguments = [core.settings.store_url, receiver.url, str(NOW), KEY.decode()]
    sender = subprocess.Popen([sys.executable, "-c", SENDER, *arguments], cwd=ROOT)
    assert receiver.taken.wait(PATIENCE_S)
    os.kill(sender.pid, signal.SIGKILL)
    sender.wait(PATIENCE_S)
    receiver.slow_s = 0.0
    assert outbox.tally()["waiting"] == 1
    assert outbox.step() == 0  # the dead one's lease has not run out
    hand.at_ms += LEASE_MS
    assert outbox.step() == 1
    assert len(receiver.got) == 2
    assert len({headers["Idempotency-Key"] for headers, _ in receiver.got}) == 1
    assert outbox.tally() == {"waiting": 0, "given_up": 0}


# --- what writes into it ----------------------------------------------------------------------------------------------


def test_a_fold_tells_of_a_copied_code_once_however_often_it_is_folded(core: Core) -> None:
    """Somebody at two gates a second apart: told in the fold's transaction; not by a rebuild, nor by a late report."""
    small_community(core)
    desk, person = Desk(core, "office", None), a_person(core)
    flow = flow_parts(core).flow
    at = desk.now_ms - 60_000

    def passes(seq: int, gate: str, at_ms: int) -> Any:
        return desk.scan(seq, person=person, gate=gate, at=at_ms, method="manual")

    desk.send(passes(1, "east", at), passes(2, "west", at + 1_000))
    flow.drain()
    assert [(row.kind, row.gate) for row in written(core)] == [("impossible_travel", "west")]
    with core.db.write() as tx:
        flow.rebuild(tx, "garden")
    # Evidence that comes late takes the first scan's place: the conflict has another id and the same story.
    desk.send(passes(3, "east", at - 1_000))
    flow.drain()
    assert len(written(core)) == 1


def test_an_old_event_that_is_folded_late_is_not_told(core: Core) -> None:
    small_community(core)
    desk, person = Desk(core, "office", None), a_person(core)
    at = desk.now_ms - FRESH_MS - HOUR
    desk.send(
        desk.scan(1, person=person, gate="east", at=at, method="manual"),
        desk.scan(2, person=person, gate="west", at=at + 1_000, method="manual"),
    )
    flow_parts(core).flow.drain()
    assert written(core) == []


def test_a_silent_device_a_grown_tray_and_their_like_are_told_once(core: Core) -> None:
    small_community(core)
    desk = Desk(core, "camera", "east")
    outbox = notices_of(core)
    outbox.clock = HandTime(core.clock.now_ms())
    outbox.begun_ms = 0  # this server has listened for long
    poison = json.loads(desk.count(1).encode()) | {"n": -1}
    desk.send_raw(*(json.dumps(poison | {"seq": seq}) for seq in range(1, 120)))
    with core.db.write() as tx:
        silent_ms = core.clock.now_ms() - 20 * 60_000
        tx.execute(update(device_status).values(last_ms=silent_ms))
    outbox.watch()
    assert sorted((row.kind, row.gate) for row in written(core)) == [("device_silent", "east"), ("tray_grows", None)]
    for _ in range(3):
        outbox.clock.at_ms += 61_000
        outbox.watch()
    assert len(written(core)) == 2
    listed = outbox.recent(Scope.system({"garden"}))
    assert [(each.kind, message) for each, message in listed] == [("tray_grows", None), ("device_silent", None)]
    assert outbox.recent(Scope.system({"elsewhere"})) == []


def test_nothing_changed_tells_nothing(core: Core, outbox: Notices) -> None:
    def hook(tx: Transaction) -> None:
        outbox.folded(tx, Changed("garden"))

    with core.db.write() as tx:
        hook(tx)
    assert written(core) == []


@pytest.mark.parametrize(
    ("environment", "remedy"),
    [
        ({"FLOW_NOTIFY_URL": "ftp://example.org"}, "write https://"),
        ({"FLOW_NOTIFY_URL": "http://127.0.0.1/"}, "FLOW_NOTIFY_KEY_FILE"),  # no secret has a default
        ({"FLOW_NOTIFY_URL": "http://127.0.0.1/", "FLOW_NOTIFY_KEY_FILE": "/nowhere/key"}, "cannot be read"),
        ({"FLOW_NOTIFY_URL": "http://127.0.0.1/", "FLOW_NOTIFY_KEY_FILE": "/dev/null"}, "too short"),
    ],
)
def test_a_sink_that_cannot_be_used_is_refused_with_its_remedy(environment: dict[str, str], remedy: str) -> None:
    with pytest.raises(BadSetting, match=remedy):
        sink_of(Settings.from_env(environment))
    assert sink_of(Settings.from_env({})) is None
