"""`mqtt setup` makes files with which a real Mosquitto serves, and an agent comes through with TLS."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from community_flow.adapters.sql.tables_ingest import reports
from community_flow.settings import Settings
from sensors import mqtt_line
from sensors.uplink_http import NoAnswer
from sensors.uplink_mqtt import MqttUplink
from sensors.wire import Answer, Count, body
from tests.conftest import REQUIRED, prepared, serving
from tests.factories import small_community
from tests.services import MOSQUITTO, PATIENCE_S, free_port, listens, open_to_broker, wait_until

AGENT = """
device = "{device}"
token = "{token}"
mqtt = "{mqtt}"
ca_file = "{ca_file}"
"""
ROOT = Path(__file__).parents[2]


def command(settings: Settings, *words: str) -> str:
    environment = {**os.environ, "FLOW_DATA_DIR": str(settings.data_dir)}
    if settings.mqtt_url:
        environment["FLOW_MQTT_URL"] = settings.mqtt_url
    done = subprocess.run(
        [sys.executable, "-m", "community_flow", *words], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def broker_of(config: Path, port: int) -> Iterator[None]:
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, "mosquitto")
        assert process.poll() is None
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    if not Path(MOSQUITTO).exists():
        if REQUIRED:
            raise AssertionError("Mosquitto is not installed: apt-get install mosquitto")
        pytest.skip("Mosquitto is not installed: apt-get install mosquitto")
    core = prepared(sqlite_settings)
    small_community(core)
    core.db.close()
    return sqlite_settings


def handed_over(way: MqttUplink, report: str) -> Answer:
    """The server's answer. Who was enrolled while the broker was slow is told to it a minute later."""
    answers: list[Answer] = []

    def answered() -> bool:
        found = way.send(body("b", [report]))
        if isinstance(found, Answer):
            answers.append(found)
        return bool(answers)

    wait_until(answered, "an answer")
    return answers[0]


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_from_setup_to_a_report_over_tls(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_line, "CONNECT_S", PATIENCE_S)
    port, backend_port = free_port(), free_port()
    folder = tmp_path / "broker"
    words = ("mqtt", "setup", "--out", str(folder), "--host", "localhost", "--port", str(port))
    told = command(settings, *words, "--backend-port", str(backend_port))
    open_to_broker(folder)
    url = re.search(r"FLOW_MQTT_URL=(\S+)", told)
    assert url is not None
    with_broker = replace(settings, mqtt_url=url[1])
    with broker_of(folder / "mosquitto.conf", port), serving(with_broker):
        enrolled = command(with_broker, "device", "enrol", "--community", "garden", "--gate", "east", "--kind",
                           "camera", "--json")  # fmt: skip
        made = json.loads(enrolled.splitlines()[-1])
        assert made["mqtt"] == f"mqtts://localhost:{port}"
        report = Count(boot=7, seq=1, at=time.time_ns() // 1_000_000, gate="east", direction="in", n=1).encode()
        way = MqttUplink(made["mqtt"], made["device"], made["token"], folder / "ca.pem", answer_s=PATIENCE_S)
        with closing(way):
            answer = handed_over(way, report)
        assert [each.outcome for each in answer.results] == ["accepted"]
        (tmp_path / "agent.toml").write_text(AGENT.format(**made, ca_file=folder / "ca.pem"))
        agent = [sys.executable, "-m", "sensors", "agent", str(tmp_path / "agent.toml")]
        done = subprocess.run(agent, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        stranger = MqttUplink(made["mqtt"], made["device"], made["token"], None, answer_s=5)
        with pytest.raises(NoAnswer, match="certificate"):  # it does not know the authority
            stranger.send(body("b", [report]))
        assert command(with_broker, "mqtt", "agree").startswith("0 accounts made, 0 ended")
    core = prepared(settings)
    with closing(core.db), core.db.read() as tx:
        kinds = tx.execute(select(reports.c.kind).where(reports.c.device == made["device"])).scalars().all()
    # An agent without a sensor says how it is, and ends.
    assert sorted(kinds) == ["count", "status"]


def test_setup_has_no_default_secret_and_keeps_the_accounts_when_repeated(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    first = command(settings, "mqtt", "setup", "--out", str(folder), "--host", "flow.example")
    accounts = (folder / "dynamic-security.json").read_text()
    again = command(settings, "mqtt", "setup", "--out", str(folder), "--host", "flow.example")
    other = command(settings, "mqtt", "setup", "--out", str(tmp_path / "other"), "--host", "flow.example", "--at", "/b")
    assert "plugin_opt_config_file /b/dynamic-security.json" in (tmp_path / "other" / "mosquitto.conf").read_text()
    assert (folder / "dynamic-security.json").read_text() == accounts
    assert "FLOW_MQTT_URL" not in again
    passwords = [re.findall(r"community-flow:([^@]+)@", told) for told in (first, other)]
    assert [len(each) for each in passwords] == [1, 1]
    assert passwords[0] != passwords[1]
    assert passwords[0][0] not in accounts
    assert "?devices=mqtts://flow.example:8883" in first
    for name in ("dynamic-security.json", "server.key"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
