"""The devices page, the operator's JSON of devices and tray, and the commands."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from community_flow.adapters.sql.queries_devices import SqlDevices
from community_flow.commands import main
from community_flow.domain import csv
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.device_words import FAULTS
from community_flow.entrypoints.devices import qr_svg
from community_flow.settings import Settings
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import IngestParts, ingest_parts
from sensors import faults, wire
from tests.factories import small_community

ClientAs = Callable[..., FlaskClient]


def test_a_manager_adds_a_phone_and_gets_a_code_that_works(client_as: ClientAs, flow: Core) -> None:
    manager = client_as("manager")
    page = manager.post("/devices", data={"community": "garden", "kind": "gate_phone", "gate": "east", "name": ""})
    assert page.status_code == 200, page.text
    code = re.search(r'id="claim-code">([A-Z0-9-]{11})<', page.text)
    assert code is not None
    assert "<svg viewBox" in page.text
    assert ingest_parts(flow).devices.claim(code.group(1)).community == "garden"


def test_the_page_says_who_is_connected_to_the_broker(client_as: ClientAs, flow: Core) -> None:
    manager = client_as("manager")
    made = manager.post("/v1/devices", json={"community": "garden", "kind": "camera", "gate": "west"}).get_json()
    parts, now_ms = ingest_parts(flow), flow.clock.now_ms()
    parts.ingest.accept(parts.ingest.admit(made["token"], 1), wire.body("b", []))
    for link, words, state in (
        ("online", "connected over MQTT", "ok"),
        ("offline", "connection to the broker", "down"),
    ):
        with flow.db.write() as tx:
            SqlDevices().link(tx, made["device"], link, now_ms + 60_000)
        assert words in manager.get("/devices").text
        (found,) = manager.get("/v1/devices").get_json()["items"]
        assert (found["link"], found["link_ms"], found["state"]) == (link, now_ms + 60_000, state)


def test_the_page_says_what_a_device_told_that_never_arrived(client_as: ClientAs, flow: Core) -> None:
    manager = client_as("manager")
    made = manager.post("/v1/devices", json={"community": "garden", "kind": "camera", "gate": "west"}).get_json()
    parts, now_ms = ingest_parts(flow), flow.clock.now_ms()
    told = [
        wire.Status(boot=5, seq=seq, at=now_ms - 300_000 + seq * 60_000, counters={"in": 7, "out": 0, "scans": 1})
        for seq in (2, 3)
    ]
    for each in told:
        parts.ingest.accept(parts.ingest.admit(made["token"], 1), wire.body("b", [each.encode()]))
        parts.sums.step()
    (found,) = manager.get("/v1/devices").get_json()["items"]
    assert (found["state"], found["differs"], found["differs_ms"]) == ("mismatch", {"in": 7, "scans": 1}, told[0].at)
    page = manager.get("/devices").text
    assert "told other sums than arrived" in page
    assert "counted in +7, scans +1" in page
    manager.post(f"/devices/{made['device']}/checked", follow_redirects=True)
    assert "told other sums than arrived" not in manager.get("/devices").text


def test_the_code_can_be_read_from_the_picture() -> None:
    import cv2
    import numpy as np
    import zxingcpp

    text = "http://127.0.0.1:8000/gate#claim=ABCDE-FGH23"
    svg = qr_svg(text)
    size = int(re.findall(r'viewBox="0 0 (\d+)', svg)[0])
    picture = np.full((size + 8, size + 8), 255, np.uint8)
    for x, y in re.findall(r"M(\d+) (\d+)h1", svg):
        picture[int(y) + 4, int(x) + 4] = 0
    large = cv2.resize(picture, None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST)
    assert [each.text for each in zxingcpp.read_barcodes(large)] == [text]


def test_the_page_says_how_each_device_is(client_as: ClientAs, flow: Core) -> None:
    manager = client_as("manager")
    assert "No devices yet" in manager.get("/devices").text
    made = manager.post("/v1/devices", json={"community": "garden", "kind": "camera", "gate": "west"}).get_json()
    assert "not set up yet" in manager.get("/devices").text
    parts = ingest_parts(flow)
    device = parts.ingest.admit(made["token"], 1)
    now_ms = flow.clock.now_ms()
    status = wire.Status(boot=3, seq=1, at=now_ms, skew_ms=400_000, queue=12, faults=["dark"], version="1.2.0")
    parts.ingest.accept(device, wire.body("b", [status.encode()]))
    page = manager.get("/devices").text
    assert "clock is wrong" in page
    assert "off by 7 min" in page
    assert ">12<" in page
    (listed,) = manager.get("/v1/devices?community=garden").get_json()["items"]
    assert (listed["state"], listed["queue"], listed["tallies"]["accepted"]) == ("skewed", 12, 1)


def test_the_page_has_words_for_every_fault_that_a_device_may_tell() -> None:
    assert set(FAULTS) == {*faults.MEANINGS, *faults.TRIALS}


def told_box(client: FlaskClient, parts: IngestParts) -> str:
    """A camera that was claimed by the code it showed."""
    shown = parts.requests.open("0.1.0")
    wanted = {"community": "garden", "kind": "camera", "gate": "west", "name": "West", "code": shown.code}
    answer = client.post("/devices", data=wanted)
    assert answer.status_code == 302, answer.text
    return str(answer.location.rsplit("/", 1)[1])


def test_a_code_that_was_misread_is_said_beside_its_field(client_as: ClientAs) -> None:
    wanted = {"community": "garden", "kind": "camera", "gate": "west", "code": "AAAAA-BBBBB"}
    answer = client_as("manager").post("/devices", data=wanted)
    assert answer.status_code == 404
    assert re.search(r'id="f-code"[^>]*value="AAAAA-BBBBB"[^>]*aria-invalid="true"', answer.text)
    assert "This code is not known" in answer.text
    assert "devices-code.js" in answer.text  # the dialog is open


def test_a_manager_works_on_a_devices_own_page(client_as: ClientAs, flow: Core) -> None:
    manager, parts = client_as("manager"), ingest_parts(flow)
    device = told_box(manager, parts)
    page = manager.get(f"/devices/{device}").text
    assert "Version 1 waits for the device" in page
    line = json.dumps({"sensor": [{"kind": "camera", "source": "usb:0", "gate": "west", "line": "0.5,0,0.5,1"}]})
    saved = manager.post(f"/devices/{device}/settings", data={"document": line, "after": "1"})
    assert saved.status_code == 302
    for wrong, words in (("{", "not JSON"), ("[]", "not JSON"), (line.replace("0.5,1", "7,1"), "could not run this")):
        refused = manager.post(f"/devices/{device}/settings", data={"document": wrong, "after": "2"})
        assert (refused.status_code, words in refused.text) == (422, True), refused.text
    stale = manager.post(f"/devices/{device}/settings", data={"document": line, "after": "1"})
    assert stale.status_code == 409
    assert manager.post(f"/devices/{device}/back", data={"version": "1"}).status_code == 302
    assert "brings back version 1" in manager.get(f"/devices/{device}").text
    assert manager.post(f"/devices/{device}/silence", data={"minutes": "45"}).status_code == 302
    assert manager.get(f"/v1/devices/{device}").get_json()["silence_ms"] == 45 * 60_000
    assert manager.post(f"/devices/{device}/silence", data={"minutes": ""}).status_code == 302
    assert manager.get(f"/v1/devices/{device}").get_json()["silence_ms"] == 15 * 60_000
    assert manager.post(f"/devices/{device}/rotation").status_code == 302
    code = manager.post(f"/devices/{device}/replace", data={"code": ""})
    assert 'id="claim-code"' in code.text
    assert "may not speak any more" in manager.get(f"/devices/{device}").text


def test_a_device_that_contradicts_itself_says_so_on_its_page_until_somebody_looked(
    client_as: ClientAs, flow: Core
) -> None:
    manager, parts = client_as("manager"), ingest_parts(flow)
    made = manager.post("/v1/devices", json={"community": "garden", "kind": "camera", "gate": "west"}).get_json()
    at = flow.clock.now_ms()
    counts = [wire.Count(boot=3, seq=1, at=at, gate="west", n=n, direction="in").encode() for n in (1, 2)]
    parts.ingest.accept(parts.ingest.admit(made["token"], 1), wire.body("b", counts))
    assert "One number came with two contents" in manager.get(f"/devices/{made['device']}").text
    manager.post(f"/devices/{made['device']}/checked")
    assert "One number came with two contents" not in manager.get(f"/devices/{made['device']}").text


PATHS = (
    ("GET", "/devices/{}"), ("POST", "/devices/{}/settings"), ("POST", "/devices/{}/back"),
    ("POST", "/devices/{}/silence"), ("POST", "/devices/{}/rotation"), ("POST", "/devices/{}/replace"),
    ("GET", "/v1/devices/{}"), ("GET", "/v1/devices/{}/configs"), ("POST", "/v1/devices/{}/configs"),
    ("POST", "/v1/devices/{}/configs/back"), ("POST", "/v1/devices/{}/silence"), ("POST", "/v1/devices/{}/rotation"),
    ("POST", "/v1/devices/{}/replace"), ("POST", "/v1/devices/{}/picture"), ("GET", "/v1/devices/{}/picture/w"),
)  # fmt: skip


@pytest.mark.parametrize("role", ["guard", "steward", "official"])
def test_only_the_office_opens_a_device(client_as: ClientAs, flow: Core, role: str) -> None:
    device = told_box(client_as("manager"), ingest_parts(flow))
    asked = client_as(role)
    for method, path in (*PATHS, ("POST", "/v1/devices/claims")):
        answer = asked.open(path.format(device), method=method, json={} if method == "POST" else None)
        assert answer.status_code == 403, f"{method} {path} is open to a {role}"


def test_another_communitys_manager_finds_no_device(client_as: ClientAs, flow: Core) -> None:
    device = told_box(client_as("manager"), ingest_parts(flow))
    small_community(flow, "elsewhere", area="far")
    stranger = client_as("manager", communities=("elsewhere",))
    body = {"document": {}, "after": 1, "version": 1, "minutes": 9, "sensor": 0}
    for method, path in PATHS:
        form = {**body, "document": "{}"} if path == "/devices/{}/settings" else body
        answer = stranger.open(path.format(device), method=method, json=form if method == "POST" else None)
        assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"
    assert stranger.get("/v1/devices").get_json()["items"] == []


def test_an_administrator_sees_no_picture(client_as: ClientAs, flow: Core) -> None:
    device = told_box(client_as("manager"), ingest_parts(flow))
    assert client_as("admin").post(f"/v1/devices/{device}/picture", json={}).status_code == 403


def test_a_picture_goes_from_the_device_to_the_page(client_as: ClientAs, flow: Core, app: Flask) -> None:
    manager, parts, box = client_as("manager"), ingest_parts(flow), app.test_client()
    device = told_box(manager, parts)
    token = parts.devices.rotate(Scope("m", Role.MANAGER, frozenset({"garden"})), device).token
    head = {"Authorization": f"Bearer {token}"}
    tag = box.get("/v1/device/settings", headers=head).headers["ETag"]
    assert box.get("/v1/device/settings", headers={**head, "If-None-Match": tag}).status_code == 304
    wish = manager.post(f"/v1/devices/{device}/picture", json={"sensor": 0}).get_json()["wish"]
    told = box.get("/v1/device/settings", headers={**head, "If-None-Match": tag})
    assert told.get_json()["picture"] == {"wish": wish, "sensor": 0}
    look = f"/v1/devices/{device}/picture/{wish}"
    assert manager.get(look).status_code == 202
    put = f"/v1/device/picture/{wish}"
    jpeg = b"\xff\xd8\xff\xe0 a still \xff\xd9"
    for wrong, kind in ((jpeg, "text/plain"), (b"x" * 99, "image/jpeg"), (b"", "image/jpeg")):
        assert box.post(put, data=wrong, headers=head, content_type=kind).status_code == 422
    assert box.post(put, data=jpeg, content_type="image/jpeg").status_code == 401
    assert box.post(put, data=jpeg, headers=head, content_type="image/jpeg").status_code == 200
    seen = manager.get(look)
    assert (seen.data, seen.content_type, seen.headers["Cache-Control"]) == (jpeg, "image/jpeg", "no-store")
    assert client_as("manager").get(look).status_code == 404  # a colleague did not ask for it


def test_codes_are_tried_and_asked_for_so_often_and_no_more(client_as: ClientAs, app: Flask) -> None:
    wrong = {"community": "garden", "kind": "camera", "gate": "west", "code": "AAAAA-AAAAA"}
    manager, box = client_as("manager"), app.test_client()
    tried = [manager.post("/v1/devices/claims", json=wrong) for _ in range(150)]
    assert {each.status_code for each in tried} == {404, 429}
    assert int(tried[-1].headers["Retry-After"]) >= 1
    asked = [box.post("/v1/device/requests", json={"version": "1", "address": "http://x"}) for _ in range(150)]
    assert {each.status_code for each in asked} == {201, 429}


def test_revoking_on_the_page_ends_the_token(client_as: ClientAs, flow: Core) -> None:
    manager = client_as("manager")
    made = manager.post("/v1/devices", json={"community": "garden", "kind": "camera", "gate": "west"}).get_json()
    assert manager.post(f"/devices/{made['device']}/revoke").status_code == 302
    assert ingest_parts(flow).trust.of_token(made["token"]) is None
    assert "revoked" in manager.get("/devices").text


@pytest.mark.parametrize("role", ["guard", "steward", "official"])
def test_only_the_office_changes_devices(client_as: ClientAs, role: str) -> None:
    asked = client_as(role)
    wanted = {"community": "garden", "kind": "camera", "gate": "west"}
    assert asked.post("/v1/devices", json=wanted).status_code == 403
    assert asked.get("/devices").status_code == (403 if role == "official" else 200)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"community": "elsewhere", "kind": "camera", "gate": "west"}, 404),
        ({"community": "garden", "kind": "camera", "gate": "moon"}, 404),
        ({"community": "garden", "kind": "camera"}, 422),
        ({"community": "garden", "kind": "toaster", "gate": "west"}, 422),
        ({"community": ["garden"], "kind": "camera"}, 422),
        ([], 422),
    ],
)
def test_what_cannot_be_enrolled_is_refused(client_as: ClientAs, wanted: object, status: int) -> None:
    answer = client_as("manager").post("/v1/devices", json=wanted)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_the_tray_over_json(client_as: ClientAs, flow: Core) -> None:
    manager, parts = client_as("manager"), ingest_parts(flow)
    made = manager.post("/v1/devices", json={"community": "garden", "kind": "camera", "gate": "west"}).get_json()
    device = parts.ingest.admit(made["token"], 1)
    at = flow.clock.now_ms()
    foreign = [wire.Count(boot=3, seq=seq, at=at, gate="east", direction="in", n=1).encode() for seq in range(1, 6)]
    parts.ingest.accept(device, wire.body("b", foreign))
    first = manager.get("/v1/tray?limit=3").get_json()
    assert [row["seq"] for row in first["items"]] == [1, 2, 3]
    assert "body" not in first["items"][0]
    second = manager.get(f"/v1/tray?limit=3&cursor={first['next']}").get_json()
    assert ([row["seq"] for row in second["items"]], second["next"]) == ([4, 5], None)
    ids = [row["id"] for row in first["items"]]
    retried = manager.post("/v1/tray/retry", json={"ids": ids}).get_json()["items"]
    assert {(each["state"], each["reason"]) for each in retried} == {("open", "foreign_gate")}
    assert manager.post("/v1/tray/dismiss", json={"ids": ids, "reason": "wrong cable"}).get_json() == {"dismissed": 3}
    assert len(manager.get("/v1/tray").get_json()["items"]) == 2
    assert len(manager.get("/v1/tray?state=all").get_json()["items"]) == 5
    lines = manager.get("/v1/tray/export").text.splitlines()
    assert [json.loads(line)["seq"] for line in lines[:-1]] == [1, 2, 3, 4, 5]
    whole = "".join(f"{line}\n" for line in lines[:-1]).encode()
    assert json.loads(lines[-1]) == {"rows": 5, "sha256": hashlib.sha256(whole).hexdigest()}
    table = manager.get("/v1/tray/export.csv").data
    assert csv.intact(table)
    assert b'\r\n"#rows","5"' in table
    assert client_as("guard").get("/v1/tray").status_code == 403


@pytest.mark.parametrize("cursor", ["x", "!!", "WyJ4Il0", "e30"])
def test_a_made_up_cursor_is_refused(client_as: ClientAs, cursor: str) -> None:
    assert client_as("manager").get(f"/v1/tray?cursor={cursor}").status_code == 422


def test_the_commands(app: object, sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_DATA_DIR", str(sqlite_settings.data_dir))
    run = CliRunner().invoke
    made = run(main, ["device", "enrol", "--community", "garden", "--gate", "east", "--kind", "camera", "--json"])
    found = json.loads(made.output)
    assert set(found) == {"device", "token"}
    assert json.loads(run(main, ["device", "list", "--json"]).output)["state"] == "never"
    assert json.loads(run(main, ["device", "rotate", found["device"], "--json"]).output)["token"] != found["token"]
    assert re.fullmatch(r"[A-Z0-9]{5}-[A-Z0-9]{5}\n", run(main, ["device", "code", found["device"]]).output)
    assert run(main, ["device", "revoke", found["device"]]).exit_code == 0
    assert "revoked" in run(main, ["device", "list"]).output
    wrong = run(main, ["device", "enrol", "--community", "garden", "--gate", "moon", "--kind", "camera"])
    assert (wrong.exit_code, "choose one from the list" in wrong.output) == (1, True)
