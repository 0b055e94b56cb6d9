"""The whole device against a real server: what it saw arrives once, and nothing that breaks stops it."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from community_flow.domain import passes
from community_flow.domain.sealing import open_sealed, public_bytes, text
from sensors.agent import Agent
from sensors.config import AgentConfig, CameraConfig, CheckpointConfig, Over, SensorConfig
from sensors.desk import Desk
from sensors.gate_line import Line
from sensors.scene import Scene
from sensors.seal import IngestKey
from sensors.uplink_http import BackOff
from tests.sensors.fakes_server import FakeServer, problem, serving
from tests.sensors.test_seal_qr import a_pass, qr_picture
from tests.services import PATIENCE_S, wait_until

DEVICE = "d_abcdefgh2345"
ROOT = Path(__file__).parents[2]
UPRIGHT = Line(0.5, 0, 0.5, 1)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(FakeServer()) as fake:
        yield fake


def config(server: FakeServer, folder: Path, *sensors: SensorConfig, **more: Any) -> AgentConfig:
    return AgentConfig(
        device=DEVICE, server=server.url, token="secret", outbox=folder / "outbox.sqlite", sensors=sensors, **more
    )


def quick() -> BackOff:
    return BackOff(first_s=0.05, most_s=0.2, rng=random.Random(1))


def ran(agent: Agent, until: Callable[[], bool] = lambda: False, most_s: float = 120) -> None:
    """Run to the agent's own end, or until something holds."""
    thread = threading.Thread(target=agent.run)
    thread.start()
    end_s = time.monotonic() + most_s
    while thread.is_alive() and not until() and time.monotonic() < end_s:
        time.sleep(0.05)
    agent.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    path = tmp_path_factory.mktemp("footage") / "scene.mp4"
    scene = Scene(5, "single", 25)
    scene.render(path)
    return path, [each.direction for each in scene.truth()]


def camera(source: Path | str, **more: Any) -> CameraConfig:
    over = (Over(UPRIGHT, "west", flip=more.pop("flip", False)),)
    return CameraConfig(source=str(source), over=over, detector="motion", **{"pace": "fast", **more})


def test_a_camera_counts_into_the_server_and_the_agent_ends_with_the_video(
    server: FakeServer, tmp_path: Path, footage: tuple[Path, list[str]]
) -> None:
    path, directions = footage
    begun_ms = time.time_ns() // 1_000_000
    ran(Agent(config(server, tmp_path, camera(path))))
    counts = server.reports("count")
    assert [each["direction"] for each in counts] == directions
    assert {each["gate"] for each in counts} == {"west"}
    assert all(begun_ms - 30_000 < each["at"] <= time.time_ns() // 1_000_000 for each in counts)
    last = server.reports("status")[-1]
    assert last["counters"]["in"] == directions.count("in")
    assert last["counters"]["out"] == directions.count("out")
    assert last["faults"] == []


def test_a_camera_hung_the_other_way_round_is_flipped(
    server: FakeServer, tmp_path: Path, footage: tuple[Path, list[str]]
) -> None:
    path, directions = footage
    ran(Agent(config(server, tmp_path, camera(path, flip=True))))
    other = {"in": "out", "out": "in"}
    assert [each["direction"] for each in server.reports("count")] == [other[each] for each in directions]


def test_a_server_that_is_away_gets_everything_once_when_it_is_back(
    server: FakeServer, tmp_path: Path, footage: tuple[Path, list[str]]
) -> None:
    path, directions = footage
    server.next_replies.extend([problem(503, "Busy", Retry_After="0")] * 5)
    server.next_replies.append(lambda parsed: (server.keep(parsed), (500, b"", {}))[1])  # kept, but the answer is lost
    ran(Agent(config(server, tmp_path, camera(path)), back_off=quick()))
    assert [each["direction"] for each in server.reports("count")] == directions


def test_what_cannot_be_sent_waits_for_the_next_start(
    server: FakeServer, tmp_path: Path, footage: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.agent.LAST_CALL_S", 0.3)
    path, directions = footage
    server.token = "another"
    ran(Agent(config(server, tmp_path, camera(path)), back_off=quick()))
    assert not server.kept
    server.token = "secret"
    ran(Agent(config(server, tmp_path), back_off=quick()))
    assert [each["direction"] for each in server.reports("count")] == directions
    assert len({each["boot"] for each in server.reports()}) == 2


def test_a_camera_that_is_not_there_is_told_and_tried_again(
    server: FakeServer, tmp_path: Path, footage: tuple[Path, list[str]]
) -> None:
    """A missing camera beside a good one: the fault is told, the other goes on, and the first is back when it can."""
    path, directions = footage
    late = tmp_path / "late.mp4"
    sensors = [camera(late, repeat=True), camera(path)]

    def came() -> bool:
        faults = [each["faults"] for each in server.reports("status")]
        if ["camera_lost"] in faults and not late.exists():
            late.write_bytes(path.read_bytes())
        return late.exists() and faults[-1] == [] and len(server.reports("count")) >= 2 * len(directions)

    ran(Agent(config(server, tmp_path, *sensors), back_off=quick()), came)
    assert came()


def test_a_model_that_cannot_be_used_is_told_and_motion_counts_meanwhile(
    server: FakeServer, tmp_path: Path, footage: tuple[Path, list[str]]
) -> None:
    path, directions = footage
    (tmp_path / "model.onnx").write_bytes(b"cut short")
    broken = dataclasses.replace(camera(path), detector="yolox", model=tmp_path / "model.onnx")
    ran(Agent(config(server, tmp_path, broken)))
    assert server.reports("status")[-1]["faults"] == ["model_bad"]
    assert [each["direction"] for each in server.reports("count")] == directions


def test_a_sensor_that_breaks_does_not_stop_the_others(
    server: FakeServer, tmp_path: Path, footage: tuple[Path, list[str]]
) -> None:
    class Broken:
        def run(self, desk: Desk, stop: threading.Event) -> None:
            raise ZeroDivisionError

    path, directions = footage
    ran(Agent(config(server, tmp_path, camera(path)), extra=[Broken()]))
    assert server.reports("status")[-1]["faults"] == ["source_bad"]
    assert len(server.reports("count")) == len(directions)


def test_a_disk_that_was_full_is_told_as_a_gap(server: FakeServer, tmp_path: Path) -> None:
    class Crowd:
        """Counts while the disk fills up, then has room again."""

        def run(self, desk: Desk, stop: threading.Event) -> None:
            store = agent.outbox._store
            pages = store.execute("PRAGMA page_count").fetchone()[0]
            store.execute(f"PRAGMA max_page_count = {pages}")
            kept = [desk.count("west", "in") for _ in range(300)]
            assert not all(kept)
            store.execute(f"PRAGMA max_page_count = {pages + 1000}")
            desk.count("west", "in")
            self.kept = sum(kept) + 1
            server.token = "secret"  # before the agent's last call, to which a refusal puts an end

    crowd = Crowd()
    server.token = "not yet"
    agent = Agent(config(server, tmp_path), extra=[crowd], back_off=quick())
    ran(agent)
    gaps, counts = server.reports("gap"), server.reports("count")
    assert len(counts) == crowd.kept
    assert gaps
    lost = sum(each["to"] - each["from"] + 1 for each in gaps)
    seqs = [each["seq"] for each in server.reports()]
    assert len(seqs) + lost == max(seqs)


def show(folder: Path, *texts: str | None) -> None:
    """A second of images for each text: that code before the camera, or nothing."""
    number = 0
    for text_ in texts:
        picture = qr_picture(text_) if text_ else qr_picture("nothing of ours")
        for _ in range(10):
            number += 1
            cv2.imwrite(str(folder / f"{number:05d}.png"), picture)


def test_a_checkpoint_reads_passes_once_each_and_seals_them(server: FakeServer, tmp_path: Path) -> None:
    card, phone = a_pass(passes.Type.CARD), a_pass(passes.Type.P256)
    (tmp_path / "images").mkdir()
    show(tmp_path / "images", card, None, phone, phone, None, card)
    key = ec.generate_private_key(ec.SECP256R1())
    lane = CheckpointConfig(source=str(tmp_path / "images"), gate="east", direction="in", cooldown_s=3, pace="fast")
    sealed_to = IngestKey.parse("1", text(public_bytes(key)))
    ran(Agent(config(server, tmp_path, lane, ingest_key=sealed_to)))
    scans = server.reports("scan")
    assert [each["method"] for each in scans] == ["card", "rotating", "card"]
    assert [open_sealed(each["sealed"], key)["pass"] for each in scans] == [card, phone, card]
    assert {(each["decision"], each["reason"], each["passed"]) for each in scans} == {("allow", "free_flow", True)}
    assert card not in (tmp_path / "outbox.sqlite").read_bytes().decode("latin-1")


def test_without_a_key_the_pass_itself_is_sent(server: FakeServer, tmp_path: Path) -> None:
    card = a_pass(passes.Type.CARD)
    (tmp_path / "images").mkdir()
    show(tmp_path / "images", card)
    lane = CheckpointConfig(source=str(tmp_path / "images"), gate="east", direction="out", passed=False, pace="fast")
    ran(Agent(config(server, tmp_path, lane)))
    (scan,) = server.reports("scan")
    assert (scan["pass"], scan["passed"], scan["direction"]) == (card, False, "out")


AGENT = """
device = "d_abcdefgh2345"
server = "{url}"
token = "secret"

[[sensor]]
kind = "camera"
source = "{video}"
gate = "west"
line = "0.5,0,0.5,1"
detector = "motion"
pace = "fast"
repeat = true
"""


def boots_counted(outbox: Path) -> int:
    """In how many starts something was counted that waits there."""
    if not outbox.exists():
        return 0
    with closing(sqlite3.connect(outbox, timeout=60)) as store:
        try:
            boots = store.execute("SELECT count(DISTINCT boot) FROM reports WHERE kind = 'count'")
            return int(boots.fetchone()[0])
        except sqlite3.OperationalError:  # its tables are just being made
            return 0


def test_kill_9_in_the_middle_loses_and_doubles_no_count(
    server: FakeServer, tmp_path: Path, footage: tuple[Path, list[str]]
) -> None:
    """Twice killed while the server is away; what the outbox holds then arrives, every number once."""
    (tmp_path / "agent.toml").write_text(AGENT.format(url=server.url, video=footage[0]))
    server.token = "not yet"
    for start in (1, 2):
        process = subprocess.Popen([sys.executable, "-m", "sensors", "agent", str(tmp_path / "agent.toml")], cwd=ROOT,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        wait_until(lambda: boots_counted(tmp_path / "outbox.sqlite") == start, "a count of this start")  # noqa: B023
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
    server.token = "secret"
    ran(Agent(config(server, tmp_path), back_off=quick()))
    assert len({each["boot"] for each in server.reports("status")}) == 3
    for boot in {each["boot"] for each in server.reports()}:
        seqs = sorted(each["seq"] for each in server.reports() if each["boot"] == boot)
        assert seqs == list(range(1, len(seqs) + 1))
    assert server.reports("count")


def test_an_agent_sums_by_itself_what_waits_too_long(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More reports than it may hold while the server is away; every body arrives in a sum or by itself."""
    monkeypatch.setattr("sensors.agent.MANY", 100)
    server.token = "not yet"

    class Crowd:
        def run(self, desk: Desk, stop: threading.Event) -> None:
            an_hour_ago_ms = time.time_ns() // 1_000_000 - 3_600_000
            for number in range(300):
                desk.count("west", "in", at_ms=an_hour_ago_ms + number * 1_000)
            stop.wait(PATIENCE_S)

    agent = Agent(config(server, tmp_path, heartbeat_s=30), extra=[Crowd()], back_off=quick())
    monkeypatch.setattr("sensors.agent.COMPACT_EVERY_S", 0.2)

    def summed() -> bool:
        if agent.outbox.tallies()["in"] == 300 and agent.outbox.size() < 100:
            server.token = "secret"
        return len(server.reports("count")) > 0 and agent.outbox.size() == 0

    ran(agent, summed)
    counts = server.reports("count")
    assert sum(each["n"] for each in counts) == 300
    assert len(counts) < 100
    assert server.reports("status")[-1]["counters"]["in"] == 300
