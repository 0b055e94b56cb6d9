"""The gate's addresses: who may ask, what is refused and how."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from community_flow.domain.scope import Role
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import ingest_parts
from tests.conftest import ROOT
from tests.factories import small_community
from tests.registry_parts import MANAGER

ClientAs = Callable[..., FlaskClient]


@pytest.fixture
def token(flow: Core) -> dict[str, str]:
    """The header of a phone at the east gate."""
    enrolled = ingest_parts(flow).devices.enrol(MANAGER, "garden", "gate_phone", "east")
    return {"Authorization": f"Bearer {enrolled.token}"}


@pytest.mark.parametrize("path", ["/gate", "/gate/sw.js", "/gate/manifest.webmanifest"])
def test_the_app_opens_for_everybody_and_is_asked_for_again(app: Flask, path: str) -> None:
    with app.test_client().get(path) as answer:
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.data
        etag = answer.headers["ETag"]
    with app.test_client().get(path, headers={"If-None-Match": etag}) as again:
        assert again.status_code == 304


def test_the_app_comes_compressed_and_small_and_its_modules_are_asked_for_at_once(app: Flask) -> None:
    client, ask = app.test_client(), {"Accept-Encoding": "gzip"}
    page = client.get("/gate", headers=ask)
    html = gzip.decompress(page.data).decode()
    named = re.findall(r'"(/scanner/[a-z_]+\.(?:js|css))"', html)
    weight, wanted, decoder = len(page.data), set(), {"/scanner/decoder.js", "/scanner/reading.js"}
    for path in named:
        answer = client.get(path, headers=ask)
        assert answer.headers["Content-Encoding"] == "gzip"
        weight += 0 if path in decoder else len(answer.data)
        source = gzip.decompress(answer.data).decode()
        wanted |= {f"/scanner/{name}" for name in re.findall(r'^import [^"]* from "\./([a-z_]+\.js)"', source, re.M)}
    assert wanted <= set(named), "gate.html has no modulepreload for what a module imports"
    assert weight <= 60 * 1024
    with client.get("/scanner/app.js") as plain:
        assert "Content-Encoding" not in plain.headers


def test_the_decoder_comes_as_small_as_set_up_could_make_it_and_once(app: Flask) -> None:
    path, client = "/vendor/zxing-wasm/zxing_reader.wasm", app.test_client()
    packed = client.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "br"
    assert packed.content_type == "application/wasm"
    assert len(packed.data) < 0.85 * len(client.get(path, headers={"Accept-Encoding": "gzip"}).data)
    assert (
        client.get(path, headers={"If-None-Match": packed.headers["ETag"], "Accept-Encoding": "br"}).status_code == 304
    )


def test_every_word_that_a_module_of_the_app_says_is_there_once_in_both_languages() -> None:
    sources = {path.name: path.read_text() for path in (ROOT / "web" / "scanner").glob("*.js")}
    words = [
        re.match(r'  (\w+): \["(.+)", "(.+)"\],$', line)
        for name in ("text.js", "duty_text.js", "setup_text.js") for line in sources[name].splitlines()
    ]  # fmt: skip
    known = [found[1] for found in words if found]
    said = {key for source in sources.values() for key in re.findall(r'\bt\("(\w+)"', source)}
    assert len(said) > 100
    assert said <= set(known)
    assert len(known) == len(set(known))


@pytest.mark.parametrize("path", ["../app.py", "..%2fapp.py", "gate.html", "nothing.js", "package.json", ""])
def test_nothing_else_is_served(app: Flask, path: str) -> None:
    with app.test_client().get(f"/scanner/{path}") as answer:
        assert answer.status_code == 404


def test_only_the_scanner_may_compile_webassembly_and_nothing_is_inline(app: Flask) -> None:
    with app.test_client().get("/gate") as answer:
        policy = answer.headers["Content-Security-Policy"]
        page = answer.get_data(as_text=True)
    assert "'wasm-unsafe-eval'" in policy
    assert "unsafe-inline" not in policy
    assert " style=" not in page
    assert "<script>" not in page
    with app.test_client().get("/login") as other:
        assert "wasm" not in other.headers["Content-Security-Policy"]


def test_the_service_worker_keeps_only_the_app(app: Flask) -> None:
    with app.test_client().get("/gate/sw.js") as answer:
        text = answer.get_data(as_text=True)
        assert answer.headers["Service-Worker-Allowed"] == "/gate"
    files = json.loads(text.split("const FILES = ")[1].split(";\n")[0])
    assert "/gate" in files
    assert not [name for name in files if name.startswith("/v1")]
    for name in files:
        with app.test_client().get(name) as found:
            assert found.status_code == 200, name


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/device/passes"), ("GET", "/v1/device/state"), ("POST", "/v1/device/pin"),
        ("POST", "/v1/device/pin/close"), ("POST", "/v1/device/search"), ("POST", "/v1/device/decide"),
        ("POST", "/v1/device/name"), ("POST", "/v1/device/guest"), ("POST", "/v1/device/rollcall"),
        ("POST", "/v1/device/emergency"), ("POST", "/v1/device/rollcall/ticks"), ("POST", "/v1/device/guest/ask"),
        ("GET", "/v1/device/guest/ask/anything"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("header", [None, "Bearer cfd_nobody", "Basic eDp5", "Bearer ", "Bearer cfd_" + "x" * 5000])
def test_an_unknown_device_is_told_to_bind_again(app: Flask, method: str, path: str, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = app.test_client().open(path, method=method, headers=headers, json={} if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("path", [
    "/v1/device/pin", "/v1/device/pin/close", "/v1/device/search", "/v1/device/decide", "/v1/device/name",
    "/v1/device/guest", "/v1/device/rollcall", "/v1/device/emergency",
])  # fmt: skip
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"session": 1, "operator": [], "pin": {}}', b'{"tag": NaN}', b"\xff\xfe",
     b'{"session": "' + b"x" * 5000 + b'"}', b"[" * 20_000],
)  # fmt: skip
def test_a_body_that_cannot_be_used_is_refused_with_a_sentence(
    app: Flask, token: dict[str, str], path: str, body: bytes
) -> None:
    answer = app.test_client().post(path, data=body, headers=token, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json
    assert len(answer.json["title"]) > 10


def test_a_search_without_a_shift_is_refused(app: Flask, token: dict[str, str]) -> None:
    client = app.test_client()
    for body in ({"session": "", "text": "林"}, {"session": "\ud800", "text": "林晓"}):
        assert client.post("/v1/device/search", json=body, headers=token).status_code in (403, 422)
    assert client.post("/v1/device/decide", json={"ref": "s_" + "a" * 20}, headers=token).status_code == 403


def test_names_guests_and_roll_calls_need_a_shift(app: Flask, token: dict[str, str]) -> None:
    client, session = app.test_client(), {"session": "nobody"}
    for path, body in (
        ("name", {"code": "CF1:" + "A" * 116}), ("guest", {"unit": "7-3-1102", "minutes": 60, "confirmed": "phone"}),
        ("rollcall", {"zone": "compound", "reason": "fire"}),
    ):  # fmt: skip
        assert client.post(f"/v1/device/{path}", json=session | body, headers=token).status_code == 403


def test_a_phone_speaks_of_emergencies_at_its_own_gate_only(app: Flask, token: dict[str, str]) -> None:
    told = {"id": "a" * 32, "gate": "east", "begun_ms": 1, "begun_by": "g1"}
    client = app.test_client()
    assert client.post("/v1/device/emergency", json=told, headers=token).status_code == 200
    elsewhere = told | {"id": "b" * 32, "gate": "nowhere"}
    assert client.post("/v1/device/emergency", json=elsewhere, headers=token).status_code == 404
    assert client.post("/v1/device/emergency", json=told | {"begun_by": "林"}, headers=token).status_code == 422


def test_card_numbers_cannot_be_guessed_fast(app: Flask, token: dict[str, str]) -> None:
    client = app.test_client()
    codes = [client.post("/v1/device/decide", json={"tag": f"{n:08X}"}, headers=token).status_code for n in range(30)]
    assert set(codes) == {404, 429}


def test_a_list_is_never_kept_by_a_cache(app: Flask, token: dict[str, str]) -> None:
    answer = app.test_client().get("/v1/device/passes", headers=token)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_guard_binds_a_phone_to_an_own_gate_only(app: Flask, flow: Core, client_as: ClientAs) -> None:
    small_community(flow, "lake")
    guard = client_as(Role.GUARD)
    wanted = {"community": "garden", "gate": "east"}
    assert guard.post("/gate/bind", json=wanted).status_code == 201
    for foreign in ({"community": "lake", "gate": "east"}, {"community": "garden", "gate": "nowhere"}):
        assert guard.post("/gate/bind", json=foreign).status_code == 404
    assert client_as(Role.OFFICIAL).post("/gate/bind", json=wanted).status_code == 403
    assert app.test_client().post("/gate/bind", json=wanted).status_code in (400, 401)


def test_who_is_signed_in_is_told_only_to_themselves(app: Flask, client_as: ClientAs) -> None:
    nobody: Any = app.test_client().get("/gate/session").json
    assert nobody == {"signed_in": False, "communities": []}
    official: Any = client_as(Role.OFFICIAL).get("/gate/session").json
    assert official == {"signed_in": True, "communities": []}
    guard: Any = client_as(Role.GUARD).get("/gate/session").json
    assert [gate["gate"] for gate in guard["communities"][0]["gates"]] == ["clinic-door", "east", "west"]
