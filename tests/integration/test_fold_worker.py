"""A real server folds what devices send, soon, and a rebuild finds nothing to change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from functools import partial
from typing import Any

from community_flow.domain.scope import Role, Scope
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import ROOT, LiveServer
from tests.factories import a_person, an_account
from tests.services import wait_until

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))


def asked(url: str, token: str, body: bytes | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error


def kept(url: str, token: str, passages: int) -> bool:
    return len(asked(f"{url}/v1/passages?community=garden", token)["items"]) == passages


def test_a_scan_is_a_passage_and_a_visit_soon(live_server: LiveServer) -> None:
    core = live_server.core()
    with closing(core.db):
        person = a_person(core)
        office = ingest_parts(core).devices.enrol(MANAGER, "garden", "office", "east")
        steward = core.accounts.make_token(an_account(core, Role.STEWARD).account, "test", "test")
        for number, direction in enumerate(["in", "out", "in"]):
            at = int(time.time() * 1000)
            report = wire.Scan(
                boot=7, seq=number, at=at, gate="east", direction=direction, method="manual", decision="allow",  # type: ignore[arg-type]
                reason="ok", passed=True, person=person,
            )  # fmt: skip
            asked(f"{live_server.url}/v1/reports", office.token, wire.body(f"b{number}", [report.encode()]))
            wait_until(partial(kept, live_server.url, steward, number + 1), "a passage")
        visits = asked(f"{live_server.url}/v1/visits?zone=compound", steward)["items"]
        assert [visit["certainty"] for visit in visits] == ["seen", "possible"]
        inside = asked(f"{live_server.url}/v1/occupancy?zone=compound", steward)["items"]
        assert inside[0]["inside"] == 1
    checked = subprocess.run(
        [sys.executable, "-m", "community_flow", "rebuild", "--check"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "FLOW_DATA_DIR": str(live_server.settings.data_dir.resolve())}, timeout=120, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout.strip()) == (0, "garden: equal"), checked.stderr
