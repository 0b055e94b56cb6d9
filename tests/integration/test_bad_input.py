"""What a clumsy or hostile program sends: a clear refusal, never a broken answer, and nothing private in the log."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from community_flow.commands import main
from community_flow.entrypoints.languages import moment

Clients = Callable[..., FlaskClient]
LISTS = ("passages", "attempts", "visits", "conflicts", "anomalies", "tray", "people", "passes")
CURSORS: tuple[object, ...] = (
    [],
    ["a", "b"],
    [1],
    [1, 2],
    [2**70],
    [2**70, "x"],
    [None],
    [None, None],
    [True],
    [[1], 2],
    [1.5, "a"],
    {},
)


@pytest.mark.parametrize("parts", CURSORS, ids=str)
@pytest.mark.parametrize("rows", LISTS)
def test_a_foreign_cursor_is_refused(client_as: Clients, rows: str, parts: object) -> None:
    text = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
    answer = client_as("manager").get(f"/v1/{rows}?cursor={text}")
    assert answer.status_code in (200, 422), answer.text


@pytest.mark.parametrize("parts", [["00"], [1, "x"], ["zz", "x"]], ids=str)
def test_a_cursor_of_another_list_is_refused(client_as: Clients, parts: list[object]) -> None:
    text = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
    statuses = [client_as("manager").get(f"/v1/{rows}?cursor={text}").status_code for rows in LISTS[:4]]
    assert set(statuses) <= {200, 422}


@pytest.mark.parametrize("body", [b'{"code":' * 3000, b"[" * 5000])
def test_a_body_nested_too_deeply_is_refused(app: Flask, body: bytes) -> None:
    answer = app.test_client().post("/v1/device/claim", data=body, content_type="application/json")
    assert answer.status_code == 422, answer.text


def test_an_unknown_field_is_named(client_as: Clients) -> None:
    answer = client_as("admin").post("/v1/areas", json={"area": "one", "names": {"en": "One"}, "oops": 1})
    assert answer.status_code == 422
    assert "%(" not in answer.text
    assert "oops" in answer.text


def test_a_crash_writes_no_variables_to_the_log(app: Flask, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> str:
        phone = "13800138000"
        raise RuntimeError(str(len(phone)))

    broken.access = "public"  # type: ignore[attr-defined]
    app.add_url_rule("/broken", view_func=broken)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert app.test_client().get("/broken").status_code == 500
    written = "".join(capsys.readouterr())
    assert "request failed" in written
    assert "RuntimeError" in written
    assert "'13800138000'" not in written


@pytest.mark.parametrize("path", ["/v1/tray/retry", "/v1/tray/dismiss"])
def test_a_number_larger_than_the_store_holds_is_refused(client_as: Clients, path: str) -> None:
    answer = client_as("manager").post(path, json={"ids": [2**64], "reason": "x"})
    assert answer.status_code == 422, answer.text


def test_a_moment_outside_the_calendar_is_refused(client_as: Clients) -> None:
    manager = client_as("manager")
    wanted = {"community": "garden", "name": "Guest", "unit": "1-1-101", "from_ms": 2**52 - 1, "until_ms": 2**52}
    assert manager.post("/v1/visitors", json=wanted).status_code == 422
    assert manager.get("/visitors").status_code == 200


@pytest.mark.parametrize("ms", [-(2**62), 2**52, 2**62])
def test_a_moment_kept_earlier_never_breaks_a_page(app: Flask, ms: int) -> None:
    with app.test_request_context():
        assert moment(ms).startswith(("1970", "9999"))


@pytest.mark.parametrize(("name", "value"), [("FLOW_DATABASE_URL", "garbage"), ("FLOW_DATA_DIR", "/proc/none")])
def test_a_wrong_setting_is_one_sentence(name: str, value: str) -> None:
    answer = CliRunner().invoke(main, ["init"], env={name: value})
    assert answer.exit_code == 1
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert name in answer.output
