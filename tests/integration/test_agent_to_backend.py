"""The real clip through a real agent process into a real server that is stopped in the middle: six out, each once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from community_flow.adapters.sql.tables_ingest import reports, tray
from community_flow.domain.scope import Role, Scope
from community_flow.settings import Settings
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.ingest import ingest_parts
from tests.conftest import prepared
from tests.factories import small_community
from tests.processes import send_group
from tests.services import PATIENCE_S, free_port, listens, wait_until

ROOT = Path(__file__).parents[2]
CLIP_ROWS = 6

CONFIG = """
device = "{device}"
server = "http://127.0.0.1:{port}"
token = "{token}"
heartbeat_s = 2

[[sensor]]
kind = "camera"
source = "{clip}"
gate = "west"
line = "0.72,0,0.72,1"
model = "{model}"
pace = "fast"
"""


@contextmanager
def serving(settings: Settings, port: int) -> Iterator[None]:
    """`serve` on a port of our choice, so that it can come back where it was."""
    process = subprocess.Popen(
        [sys.executable, "-m", "community_flow", "serve", "--port", str(port)],
        env={**os.environ, "FLOW_DATA_DIR": str(settings.data_dir.resolve())}, cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, "serve", 60)
        assert process.poll() is None
        yield
    finally:
        send_group(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            send_group(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)


def agent_process(folder: Path) -> subprocess.Popen[bytes]:
    log = (folder / "agent.log").open("wb")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "sensors", "agent", str(folder / "agent.toml")], cwd=ROOT, stderr=log
        )


def counted(core: Core) -> list[Any]:
    with core.db.read() as tx:
        found = select(reports.c.direction, reports.c.n, reports.c.gate, reports.c.boot, reports.c.seq)
        return list(tx.execute(found.where(reports.c.kind == "count").order_by(reports.c.boot, reports.c.seq)))


@pytest.mark.shared_data
def test_the_clip_arrives_as_six_out_once_though_the_server_was_away(
    shared_data: Path, sqlite_settings: Settings, tmp_path: Path
) -> None:
    core = prepared(sqlite_settings)
    small_community(core)
    manager = Scope("m", Role.MANAGER, frozenset({"garden"}))
    enrolled = ingest_parts(core).devices.enrol(manager, "garden", "camera", "west")
    core.db.close()
    port = free_port()
    text = CONFIG.format(
        device=enrolled.device, port=port, token=enrolled.token,
        clip=shared_data / "video" / "one-by-one-person-detection.mp4",
        model=shared_data / "models" / "yolox_nano.onnx",
    )  # fmt: skip
    (tmp_path / "agent.toml").write_text(text)
    with serving(sqlite_settings, port):
        agent = agent_process(tmp_path)
        wait_until(lambda: len(seen(sqlite_settings)) >= 2, "the first counts", 120)
    time.sleep(5)
    assert agent.poll() is None
    before = len(seen(sqlite_settings))
    with serving(sqlite_settings, port):
        assert agent.wait(180) == 0, (tmp_path / "agent.log").read_text()
    found = seen(sqlite_settings)
    assert before < CLIP_ROWS, "the server was stopped too late for this test to show anything"
    assert [(each.direction, each.n, each.gate) for each in found] == [("out", 1, "west")] * CLIP_ROWS
    assert len({(each.boot, each.seq) for each in found}) == CLIP_ROWS
    assert told(sqlite_settings)["out"] == CLIP_ROWS


def seen(settings: Settings) -> list[Any]:
    core = build_core(settings)
    try:
        return counted(core)
    finally:
        core.db.close()


def told(settings: Settings) -> dict[str, int]:
    """The counters of the device's last status; nothing of it may lie in the tray."""
    core = build_core(settings)
    try:
        with core.db.read() as tx:
            assert not list(tx.execute(select(tray)))
            status = select(reports.c.body).where(reports.c.kind == "status").order_by(reports.c.seq.desc()).limit(1)
            found: dict[str, int] = json.loads(tx.execute(status).scalar_one())["counters"]
            return found
    finally:
        core.db.close()
