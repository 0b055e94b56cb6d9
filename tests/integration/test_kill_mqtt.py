"""kill -9 of the broker and of the server in the middle of a load over MQTT: nothing is lost and nothing is double."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from community_flow.adapters.sql.tables_ingest import reports, tray
from community_flow.domain.scope import Role, Scope
from community_flow.services.devices import Enrolled
from community_flow.settings import Settings
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import ingest_parts
from sensors.device_clock import DeviceClock
from sensors.outbox import Outbox
from sensors.uplink_http import BackOff, Sender
from sensors.uplink_mqtt import MqttUplink
from sensors.wire import Count
from tests.conftest import REQUIRED, prepared, serving
from tests.factories import small_community
from tests.integration.test_kill import kill_9
from tests.services import PATIENCE_S, Missing, Mosquitto, mosquitto_broker, wait_until

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))
GATES = 4
LOAD = 150


class Gate(threading.Thread):
    """A device with a real outbox and the real uplink; goes on until everything it saw is answered."""

    def __init__(self, made: Enrolled, port: int, folder: Path) -> None:
        super().__init__(daemon=True)
        self.made, self.port, self.folder = made, port, folder
        self.boot = 0
        self.seen = self.answered = 0
        self.ends = threading.Event()

    def run(self) -> None:
        clock = DeviceClock()
        outbox = Outbox(self.folder / f"{self.made.device}.sqlite", self.made.device, clock)
        # Shorter than at a real gate, so that an answer that was lost is asked for within the test.
        way = MqttUplink(f"mqtt://127.0.0.1:{self.port}", self.made.device, self.made.token, answer_s=2.0)
        sender = Sender(outbox, way, clock, BackOff(0.05, 0.5, random.Random(self.made.device)))
        self.boot = outbox.boot
        while not self.ends.is_set() or outbox.size():
            if not self.ends.is_set():
                self.see(outbox)
            time.sleep(max(0.0, sender.step()))
            self.answered = self.seen - outbox.size()
        way.close()
        outbox.close()

    def see(self, outbox: Outbox) -> None:
        for _ in range(random.randint(1, 3)):
            assert outbox.add(
                lambda boot, seq, now, skew: Count(
                    boot=boot, seq=seq, at=now, skew_ms=skew, gate="east", direction="in", n=1
                )
            )
            self.seen += 1


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    try:
        with mosquitto_broker() as broker:
            yield broker
    except Missing as missing:
        if REQUIRED:
            raise
        pytest.skip(str(missing))


def kept(core: Core) -> set[tuple[str, int, int]]:
    with core.db.read() as tx:
        assert not list(tx.execute(select(tray.c.reason, tray.c.detail)))
        return {tuple(row) for row in tx.execute(select(reports.c.device, reports.c.boot, reports.c.seq))}


def loaded(gates: list[Gate], more: int) -> None:
    """Wait until so many more reports were answered."""
    target = sum(each.answered for each in gates) + more
    wait_until(lambda: sum(each.answered for each in gates) >= target, f"{more} more answers")


def gates_of(core: Core, broker: Mosquitto, folder: Path) -> list[Gate]:
    devices = ingest_parts(core).devices
    return [Gate(devices.enrol(MANAGER, "garden", "camera", "east"), broker.port, folder) for _ in range(GATES)]


def finish(gates: list[Gate]) -> None:
    for each in gates:
        each.ends.set()
    for each in gates:
        each.join(PATIENCE_S)
        assert not each.is_alive(), f"{each.made.device} still waits for answers"


def exactly_once(core: Core, gates: list[Gate]) -> None:
    """Every report that a gate saw is a row, and there is no other row."""
    assert kept(core) == {(each.made.device, each.boot, seq) for each in gates for seq in range(1, each.seen + 1)}


@contextmanager
def world(store: Settings, broker: Mosquitto) -> Iterator[tuple[Settings, Core]]:
    settings = replace(store, mqtt_url=broker.url)
    core = prepared(settings)
    with closing(core.db):
        small_community(core)
        yield settings, core


def break_the_broker(store: Settings, folder: Path, broker: Mosquitto, times: int) -> None:
    with world(store, broker) as (settings, core):
        with serving(settings):
            gates = gates_of(core, broker, folder)
            for each in gates:
                each.start()
            for _ in range(times):
                loaded(gates, LOAD)
                broker.end(signal.SIGKILL)
                time.sleep(0.3)
                broker.start()
            loaded(gates, LOAD)
            finish(gates)
        exactly_once(core, gates)


def break_the_server(store: Settings, folder: Path, broker: Mosquitto, times: int) -> None:
    with world(store, broker) as (settings, core):
        gates = gates_of(core, broker, folder)
        for each in gates:
            each.start()
        for _ in range(times):
            with serving(settings) as server:
                loaded(gates, LOAD)
                kill_9(server)
                answered = sum(each.answered for each in gates)
                assert len(kept(core)) >= answered  # what was answered is on the disk
        with serving(settings):
            loaded(gates, LOAD)
            finish(gates)
        exactly_once(core, gates)


def test_killing_the_broker_loses_and_doubles_nothing(settings: Settings, tmp_path: Path, broker: Mosquitto) -> None:
    break_the_broker(settings, tmp_path, broker, 2)


def test_killing_the_server_loses_and_doubles_nothing(settings: Settings, tmp_path: Path, broker: Mosquitto) -> None:
    break_the_server(settings, tmp_path, broker, 2)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_killing_the_broker_twenty_times(settings: Settings, tmp_path: Path, broker: Mosquitto) -> None:
    break_the_broker(settings, tmp_path, broker, 20)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_killing_the_server_twenty_times(settings: Settings, tmp_path: Path, broker: Mosquitto) -> None:
    break_the_server(settings, tmp_path, broker, 20)
