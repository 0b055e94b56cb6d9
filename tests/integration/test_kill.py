"""kill -9 of the server in the middle of a load: what was answered is kept, once each; the rest can be sent again."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from community_flow.adapters.sql.tables_ingest import reports
from community_flow.commands.server import ENDING_S
from community_flow.domain.scope import Role, Scope
from community_flow.settings import Settings
from community_flow.wiring.core import build_core
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import LiveServer, prepared, serving
from tests.factories import small_community
from tests.fold_queue import waiting
from tests.processes import parent_of, processes_of, send
from tests.services import PATIENCE_S, wait_until

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))
THREADS = 4
KILL_AFTER_ANSWERS = 150


class Sender(threading.Thread):
    """Sends reports one after the other on one device; remembers what was answered."""

    def __init__(self, port: int, token: str, boot: int) -> None:
        super().__init__(daemon=True)
        self.port, self.token, self.boot = port, token, boot
        self.sent: dict[int, str] = {}
        self.answered: set[int] = set()
        self.stopped = threading.Event()

    def run(self) -> None:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as line:
                for seq in range(1, 100_000):
                    if self.stopped.is_set():
                        return
                    self.sent[seq] = self.report(seq)
                    self.answered |= accepted(line, self.token, [self.sent[seq]])
        except (OSError, http.client.HTTPException):
            return  # the server was killed, as it should be

    def report(self, seq: int) -> str:
        at = int(time.time() * 1000)
        return wire.Count(boot=self.boot, seq=seq, at=at, gate="east", direction="in", n=1).encode()


def accepted(line: http.client.HTTPConnection, token: str, texts: list[str]) -> set[int]:
    """Sent again on 503, as a device does: after a long stall the store counts as gone until it is heard again."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    end = time.monotonic() + PATIENCE_S
    while True:
        line.request("POST", "/v1/reports", wire.body("b", texts), headers)
        response = line.getresponse()
        status, body = response.status, response.read()
        if status != 503 or time.monotonic() > end:
            break
        time.sleep(0.2)
    assert status == 200, body
    answer = wire.answer_from(body)
    assert {each.outcome for each in answer.results} <= {"accepted", "duplicate"}
    return {each.seq for each in answer.results}


def kill_9(server: LiveServer) -> None:
    send(processes_of(server.pid), signal.SIGKILL)


@pytest.fixture
def prepared_settings(sqlite_settings: Settings) -> Settings:
    core = prepared(sqlite_settings)
    small_community(core)
    core.db.close()
    return sqlite_settings


def load_until_killed(settings: Settings, tokens: list[str], boot: int) -> list[Sender]:
    with serving(settings) as server:
        port = urlsplit(server.url).port or 0
        senders = [Sender(port, token, boot) for token in tokens]
        for each in senders:
            each.start()
        wait_until(lambda: sum(len(each.answered) for each in senders) >= KILL_AFTER_ANSWERS, "enough answers")
        kill_9(server)
        for each in senders:
            each.stopped.set()
            each.join(60)
    return senders


@pytest.mark.parametrize("time_of_day", ["first", "second"])
def test_nothing_that_was_answered_is_lost_by_kill_9(prepared_settings: Settings, time_of_day: str) -> None:
    core = build_core(prepared_settings)
    with closing(core.db):
        devices = [ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "east") for _ in range(THREADS)]
        senders = load_until_killed(prepared_settings, [each.token for each in devices], boot=11)
        answered = {(made.device, seq) for made, each in zip(devices, senders, strict=True) for seq in each.answered}
        assert len(answered) >= KILL_AFTER_ANSWERS
        with core.db.read() as tx:
            kept = {(row.device, row.seq) for row in tx.execute(select(reports.c.device, reports.c.seq))}
            marks = len([mark for mark in waiting(tx) if mark.cause == "count"])
        assert not answered - kept
        assert marks <= len(kept)  # the fold may have taken some; none stands for a report that is not there

        with serving(prepared_settings) as server:  # it comes back by itself, and everything may be sent again
            port = urlsplit(server.url).port or 0
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as line:
                for made, each in zip(devices, senders, strict=True):
                    assert accepted(line, made.token, list(each.sent.values())[-900:]) == set(list(each.sent)[-900:])
        with core.db.read() as tx:
            rows = tx.execute(select(func.count()).select_from(reports)).scalar_one()
        assert rows == sum(len(each.sent) for each in senders)


def test_a_server_told_to_end_while_it_replaces_a_worker_ends(settings: Settings) -> None:
    """A worker that has only just begun does not hear that it shall end."""
    with serving(settings) as server:
        send([min(set(processes_of(server.pid)) - {server.pid})], signal.SIGKILL)
        time.sleep(0.3)
        send([server.pid], signal.SIGTERM)
        wait_until(lambda: _has_ended(server.pid), "the end of the server", 3 * ENDING_S)


def _has_ended(pid: int) -> bool:
    try:
        parent_of(pid)
    except ProcessLookupError:
        return True
    return False
