"""When commits take long, pages wait before gates do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.shedding import LONGEST_WAIT_S
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.services import wait_until

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))


def test_reads_are_refused_while_reports_wait_and_the_reports_are_kept(
    app: Flask, flow: Core, client_as: Callable[..., FlaskClient]
) -> None:
    client, parts = client_as("manager"), ingest_parts(flow)
    token = parts.devices.enrol(MANAGER, "garden", "camera", "east").token
    asked = "/v1/occupancy?community=garden"
    assert client.get(asked).status_code == 200
    answers: list[Any] = []

    def report(seq: int) -> None:
        at = flow.clock.now_ms()
        body = wire.body("b", [wire.Count(boot=7, seq=seq, at=at, gate="east", direction="in", n=1).encode()])
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answers.append(app.test_client().post("/v1/reports", data=body, headers=headers))

    threads = [threading.Thread(target=report, args=(seq,)) for seq in (1, 2, 3)]
    with flow.db.write():  # somebody else has the store: nothing can be committed
        for each in threads:
            each.start()
        wait_until(lambda: parts.commits.waiting_s() > LONGEST_WAIT_S, "a queue")
        refused = client.get(asked)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        assert refused.get_json()["type"].endswith("#busy")
        assert client.get("/anomalies").status_code == 503
        assert client.get("/healthz").status_code == 200
        with client.get("/static/app.css") as style:
            assert style.status_code == 200
    for each in threads:
        each.join(60)
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert client.get(asked).status_code == 200
    assert "flow_reads_shed_total 2.0" in client.get("/metrics").get_data(as_text=True)
