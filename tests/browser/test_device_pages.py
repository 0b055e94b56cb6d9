"""A manager with a browser and a real box: claim it by its code, draw the line on its picture, go back a version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from community_flow.adapters.sql.tables_ingest import reports
from community_flow.domain.scope import Role
from sensors.scene import Scene
from tests.boxes import BoxProcess
from tests.browser.walk import check, settle, sign_in
from tests.conftest import LiveServer
from tests.factories import an_account
from tests.office import Office
from tests.services import wait_until

pytestmark = pytest.mark.browser


def test_a_box_is_claimed_drawn_on_and_set_back(live_server: LiveServer, browser_page: Any, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    Scene(5, "single", 14).render(clip)
    core = live_server.core()
    link = core.accounts.make_link(an_account(core, Role.MANAGER).account, "test")
    core.db.close()
    office, page = Office.of(live_server), browser_page
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    sign_in(page, live_server.url, link)
    with BoxProcess(tmp_path / "box", live_server.url) as box:
        device = _claim(page, live_server.url, box.code())
        _set_camera(page, office, device, clip)
        _draw(page, office, device, live_server)
        _set_back(page, office, device)
    for path in ("/devices", f"/devices/{device}"):
        page.goto(live_server.url + path)
        settle(page)
        check(page)
    page.goto(f"{live_server.url}/devices/{device}")
    page.locator("[data-open='replace-device']").click()
    check(page)
    assert errors == []


SEVERAL: dict[str, Any] = {
    "heartbeat_s": 1,
    "sensor": [
        {"kind": "camera", "source": "usb:0", "gate": "west", "line": "0.2,0.1,0.2,0.9"},
        {
            "kind": "camera", "source": "usb:1", "fps": 5,
            "line": [{"at": "0.7,0.1,0.7,0.9", "gate": "west", "flip": True}],
            "zone": [{"at": "0.3,0.3,0.6,0.3,0.6,0.6", "gate": "east"}],
        },
    ],
}  # fmt: skip


def test_every_line_and_zone_of_every_camera_is_drawn(live_server: LiveServer, browser_page: Any) -> None:
    core = live_server.core()
    link = core.accounts.make_link(an_account(core, Role.MANAGER).account, "several")
    core.db.close()
    office, page = Office.of(live_server), browser_page
    device = office.post("/v1/devices", {"community": "garden", "kind": "gateway"})["device"]
    office.post(f"/v1/devices/{device}/configs", {"document": SEVERAL, "after": 0})
    sign_in(page, live_server.url, link)
    page.goto(f"{live_server.url}/devices/{device}")
    page.locator("#draw-camera").select_option("1")
    page.locator("#draw-shapes button").nth(1).click()
    _press(page, 0.3, 0.5)  # a corner more between the last and the first
    _press(page, 0.7, 0.3)  # the line, which is thin until it is chosen
    page.locator("[data-point='0']").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.locator("#draw-line").click()
    assert page.locator("#draw-shapes button").count() == 3
    page.locator("#draw-remove").click()
    page.locator("#draw-more").click()
    page.locator("#draw-source").fill("usb:2")
    page.locator("#draw-gate").select_option("east")
    page.locator("#draw-zone").click()
    first, second, third = json.loads(page.locator("#f-document").input_value())["sensor"]
    assert first == SEVERAL["sensor"][0], "a camera that nobody touched stays as it is"
    assert second["line"] == [{"at": "0.75,0.1,0.7,0.9", "gate": "west", "flip": True}]
    assert [each["gate"] for each in second["zone"]] == ["east"]
    assert second["zone"][0]["at"].startswith("0.3,0.3,0.6,0.3,0.6,0.6,0.3,0.5")
    assert (second["fps"], third["source"], third["zone"][0]["gate"]) == (5, "usb:2", "east")
    check(page)
    page.locator("#told-form button[type=submit]").click()
    page.get_by_text("Version 2 is saved").wait_for()
    kept = office.get(f"/v1/devices/{device}/configs")["items"][0]["document"]["sensor"]
    assert kept == [first, second, third]


def _press(page: Any, x: float, y: float) -> None:
    box = page.locator("#draw-lines").bounding_box()
    page.locator("#draw-lines").click(position={"x": box["width"] * x, "y": box["height"] * y})


def _claim(page: Any, url: str, code: str) -> str:
    """What the QR code leads to: the dialog is open, the code is in it."""
    page.goto(f"{url}/devices?code={code}")
    dialog = page.locator("#add-device")
    dialog.wait_for()
    assert dialog.locator("[name=code]").input_value() == code
    dialog.locator("[name=kind]").select_option("camera")
    dialog.locator("[name=gate]").select_option("west")
    dialog.locator("[name=name]").fill("By the lift")
    dialog.locator("button.primary").click()
    page.wait_for_url("**/devices/d_*")
    assert "By the lift" in page.locator("h1").inner_text()
    return str(page.url).rsplit("/", 1)[1]


def _set_camera(page: Any, office: Office, device: str, clip: Path) -> None:
    """The box's camera is a video file that begins again at its end; only the address is typed, the rest as text."""
    page.locator("#told details summary").click()
    document = {"heartbeat_s": 1, "sensor": [{"kind": "camera", "source": "x", "detector": "motion", "repeat": True}]}
    page.locator("#f-document").fill(json.dumps(document))
    page.locator("#draw-source").fill(str(clip))
    page.locator("#told-form button[type=submit]").click()
    page.get_by_text("Version 2 is saved").wait_for()
    _became(office, device, 2, "running")


def _draw(page: Any, office: Office, device: str, server: LiveServer) -> None:
    page.reload()
    page.locator("#draw-ask").click()
    page.locator("#draw-picture[data-shown]").wait_for()
    colours = page.evaluate(
        "() => { const c = document.getElementById('draw-picture');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; return new Set(d).size; }"
    )
    assert colours > 20, "the canvas shows a picture, not one colour"
    box = page.locator("#draw-lines").bounding_box()
    page.locator("[data-point='0']").drag_to(
        page.locator("#draw-lines"), target_position={"x": box["width"] * 0.4, "y": box["height"] * 0.2}
    )
    page.locator("[data-point='1']").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    drawn = json.loads(page.locator("#f-document").input_value())["sensor"][0]["line"][0]
    x1, y1, x2, y2 = (float(each) for each in drawn["at"].split(","))
    assert (drawn["gate"], round(x1, 1), round(y1, 1), round(x2, 2), round(y2, 2)) == ("west", 0.4, 0.2, 0.47, 0.9)
    arrow = page.locator("line.draw-arrow")
    assert float(arrow.get_attribute("x2")) < float(arrow.get_attribute("x1")), "walking down, the right hand is left"
    page.locator("#draw-swap").click()
    assert float(arrow.get_attribute("x2")) > float(arrow.get_attribute("x1"))
    page.locator("#told-form button[type=submit]").click()
    page.get_by_text("Version 3 is saved").wait_for()
    _became(office, device, 3, "running")
    wait_until(lambda: _counted(server), "counts over the drawn line")


def _set_back(page: Any, office: Office, device: str) -> None:
    broken = {"sensor": [{"kind": "camera", "source": "gone.mp4", "gate": "west", "line": "0.5,0,0.5,1"}]}
    office.post(f"/v1/devices/{device}/configs", {"document": broken, "after": 3})
    _became(office, device, 4, "failed")
    page.reload()
    page.get_by_text("The newest version does not work").wait_for()
    page.locator("tr", has=page.locator("th", has_text="3")).get_by_role("button", name="Back to this").first.click()
    page.get_by_text("brings back version 3").first.wait_for()
    _became(office, device, 5, "running")


def _became(office: Office, device: str, version: int, outcome: str) -> None:
    def told() -> bool:
        found = office.get(f"/v1/devices/{device}/configs")["items"]
        return any((each["version"], each["outcome"]) == (version, outcome) for each in found)

    wait_until(told, f"version {version} {outcome}")


def _counted(server: LiveServer) -> bool:
    core = server.core()
    with core.db.read() as tx:
        found = tx.execute(select(reports.c.gate).where(reports.c.kind == "count")).scalars().all()
    core.db.close()
    return set(found) == {"west"}
