"""A box whose server has a broker: it reports over MQTT, is told over either, and its next token opens both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from community_flow.settings import Settings
from tests.boxes import BoxProcess
from tests.conftest import prepared, serving
from tests.factories import small_community
from tests.office import Office
from tests.services import wait_until

IDLE = {"heartbeat_s": 1, "sensor": []}


@pytest.mark.slow
def test_a_claimed_box_speaks_over_the_broker_also_with_its_next_token(
    sqlite_settings: Settings, mqtt_url: str, tmp_path: Path
) -> None:
    settings = replace(sqlite_settings, mqtt_url=mqtt_url)
    core = prepared(settings)
    small_community(core)
    core.db.close()
    with serving(settings) as server, BoxProcess(tmp_path / "box", server.url) as box:
        office = Office.of(server)
        wanted = {"community": "garden", "kind": "gateway", "code": box.code()}
        device = office.post("/v1/devices/claims", wanted)["device"]

        def heard() -> int:
            found = office.get(f"/v1/devices/{device}")
            return int(found["last_ms"] or 0) if found["link"] == "online" else 0

        office.post(f"/v1/devices/{device}/configs", {"document": IDLE, "after": 1})
        wait_until(lambda: heard() > 0, "a word over the broker", 60)
        before = json.loads((box.folder / "identity.json").read_text())
        assert before["mqtt"].startswith("mqtt://")
        office.post(f"/v1/devices/{device}/rotation")
        wait_until(lambda: json.loads((box.folder / "identity.json").read_text())["token"] != before["token"], "it", 30)
        last_ms = office.get(f"/v1/devices/{device}")["last_ms"]
        wait_until(lambda: heard() > last_ms, "a word with the new token", 60)
