"""The sensor of twenty lines in docs/sensors.md, as it is printed there, against a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from community_flow.domain.scope import Role, Scope
from community_flow.settings import Settings
from community_flow.wiring.ingest import ingest_parts
from tests.conftest import prepared
from tests.factories import small_community
from tests.integration.test_agent_to_backend import seen, serving
from tests.sensors.test_own_sensor import AGENT, ROOT, example
from tests.services import free_port


def test_the_printed_sensor_counts_into_a_real_server(sqlite_settings: Settings, tmp_path: Path) -> None:
    core = prepared(sqlite_settings)
    small_community(core)
    manager = Scope("m", Role.MANAGER, frozenset({"garden"}))
    enrolled = ingest_parts(core).devices.enrol(manager, "garden", "beam", "west")
    core.db.close()
    port = free_port()
    config = AGENT.format(url=f"http://127.0.0.1:{port}").replace("d_abcdefgh2345", enrolled.device)
    (tmp_path / "agent.toml").write_text(config.replace("secret", enrolled.token))
    (tmp_path / "mine.py").write_text(example("python"))
    with serving(sqlite_settings, port):
        subprocess.run(
            [sys.executable, "mine.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, input="in\nout\nnoise\nin\n",
            text=True, check=True, timeout=60,
        )  # fmt: skip
    assert [(each.direction, each.n, each.gate) for each in seen(sqlite_settings)] == [
        ("in", 1, "west"), ("out", 1, "west"), ("in", 1, "west"),
    ]  # fmt: skip
