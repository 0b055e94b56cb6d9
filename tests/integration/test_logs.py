"""What a running server writes into its log while people, passes, devices and mistakes go through it: nobody's name."""

from __future__ import annotations

import base64
import http.client
import io
import json
import logging
import re
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from community_flow.domain.scope import Role
from community_flow.settings import Settings
from community_flow.wiring import logs
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import prepared, serving
from tests.factories import an_account, small_community
from tests.integration.test_kill import MANAGER
from tests.services import PATIENCE_S

NAME, PHONE, TAG, UNIT = "林晓梅", "13800138000", "04A2B3C4D5E680", "7-3-1102"
PASSWORD, WRONG_TOKEN, ADDRESS = "korrekt-pferd-9", "cfd_planted-token-xyz", "203.0.113.77"
PLANTED = (NAME, PHONE, TAG, UNIT, PASSWORD, WRONG_TOKEN, ADDRESS)


def forms(text: str) -> set[str]:
    """A text in the shapes in which it could come into a log."""
    raw = text.encode()
    return {
        text, quote(text), base64.b64encode(raw).decode().rstrip("="), raw.hex(), repr(raw)[2:-1],
        json.dumps(text)[1:-1], text.lower(), text.encode("gb18030").hex(),
    }  # fmt: skip


class Visitor:
    """Whoever asks; everything that is planted goes with every request."""

    def __init__(self, url: str, **headers: str) -> None:
        self.port = urlsplit(url).port or 0
        self.headers = {
            "X-Forwarded-For": ADDRESS, "X-Request-Id": PHONE, "Cookie": f"flow={TAG}",
            "User-Agent": quote(NAME), "Referer": f"http://somewhere/{PHONE}", **headers,
        }  # fmt: skip

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as line:
            line.request(method, path, body, given)
            answer = line.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def everything(url: str, tokens: dict[str, str], device: str) -> list[tuple[int, dict[str, str], bytes]]:
    """Every kind of path, with something planted in every place that a request has."""
    query = urlencode({"q": PHONE, "name": NAME, "tag": TAG, "cursor": PASSWORD, "community": "garden"})
    found = []
    pages = ("people", "visitors", "anomalies", "cases", "statistics", "devices", "users", "audit", "me", "setup", "")
    for role in ("none", *tokens):
        visitor = Visitor(url, **({} if role == "none" else {"Authorization": f"Bearer {tokens[role]}"}))
        for page in pages:
            found.append(visitor.ask("GET", f"/{page}?{query}"))
            found.append(visitor.ask("GET", f"/v1/{page}?{query}"))
        found.append(visitor.ask("GET", f"/people/{quote(NAME)}"))
        found.append(visitor.ask("GET", f"/login/link/{PASSWORD}"))
        form = urlencode({"login": NAME, "password": PASSWORD}).encode()
        found.append(visitor.ask("POST", "/login", form, Content_Type="application/x-www-form-urlencoded"))
        person = json.dumps({"community": "garden", "name": NAME, "phone": PHONE, "unit": UNIT}).encode()
        paths = ("/v1/people", "/v1/passes", "/v1/device/claim", "/v1/communities")
        found += [visitor.ask("POST", path, person, Content_Type="application/json") for path in paths]
    speaker = Visitor(url, Authorization=f"Bearer {device}", Content_Type="application/json")
    claimed = (
        f'{{"boot":1,"seq":1,"at":1,"kind":"scan","gate":"east","direction":"in","method":"manual","tag":"{TAG}",'
        f'"claimed":{{"unit":"{UNIT}","name":"{NAME}"}},"decision":"allow","reason":"ok","passed":true}}'
    )
    bodies = (wire.body("b", [claimed]), wire.body(NAME, ["{}"]), f'{{"batch":"{PHONE}'.encode(), NAME.encode())
    found += [speaker.ask("POST", "/v1/reports", body) for body in bodies]
    found.append(Visitor(url, Authorization=f"Bearer {WRONG_TOKEN}").ask("POST", "/v1/reports", claimed.encode()))
    return found


@pytest.fixture(params=["json", "text"])
def told(request: pytest.FixtureRequest, sqlite_settings: Settings) -> Iterator[tuple[str, Any]]:
    """A server with its form of log, and its roles' tokens."""
    core = prepared(sqlite_settings)
    with closing(core.db):
        small_community(core)
        roles = (Role.MANAGER, Role.ADMIN, Role.OFFICIAL)
        tokens = {str(role): core.accounts.make_token(an_account(core, role).account, "test", "test") for role in roles}
        device = ingest_parts(core).devices.enrol(MANAGER, "garden", "gate_phone", "east").token
    server = serving(sqlite_settings, FLOW_LOG=request.param)
    with server as live:
        yield request.param, (server, live, tokens, device)


def test_the_log_names_nobody_even_when_everything_breaks(told: tuple[str, Any]) -> None:
    form, (server, live, tokens, device) = told
    statuses = [status for status, _, _ in everything(live.url, tokens, device)]
    assert 200 in statuses
    with closing(sqlite3.connect(live.settings.data_dir / "flow.sqlite")) as store:
        for table in ("people", "registry_current", "tokens", "reports", "device_boots", "passages"):
            store.execute(f"ALTER TABLE {table} RENAME TO gone_{table}")  # so that every path breaks somewhere inside
    answers = everything(live.url, tokens, device)
    broken = [headers for status, headers, _ in answers if status == 500]
    assert len(broken) > 10
    text = server.log()
    shown = text[text.index("127.0.0.1:") + 20 :]
    for planted in PLANTED:
        for shape in forms(planted):
            assert shape not in shown, f"{planted} is in the log as {shape}"
    for secret in (*tokens.values(), device):
        assert secret not in shown
    assert "OperationalError" in shown, "an error is there by its type and place"
    assert re.search(r"community_flow\.\w+[.\w]*:\d+ \w+", shown)
    assert "no such table" not in shown, "an error's own words are not"
    if form == "json":
        check_lines(text, broken)


def check_lines(text: str, broken: list[dict[str, str]]) -> None:
    lines = [line for line in text.splitlines() if line.startswith("{")]
    found = [json.loads(line) for line in lines]
    assert not [line for line in text.splitlines() if "Traceback" in line]
    failed = [each for each in found if each["event"] in ("request failed", "ingest failed")]
    assert {each["request"] for each in failed} >= {headers["x-request-id"] for headers in broken}
    assert all(each["level"] == "error" and each["timestamp"].endswith("Z") and each["at"] for each in failed)
    assert any(each.get("route") == "/people/<person>" or "<" in each.get("route", "") for each in failed)


def test_a_proxys_id_is_kept_when_it_can_be_nothing_else(live_server: Any) -> None:
    given = "0123456789abcdef0123"
    assert Visitor(live_server.url, **{"X-Request-Id": given}).ask("GET", "/healthz")[1]["x-request-id"] == given
    for name in (PHONE, quote(NAME), "a" * 100):
        own = Visitor(live_server.url, **{"X-Request-Id": name}).ask("GET", "/healthz")[1]["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", own)


@pytest.fixture
def levels() -> Iterator[list[str]]:
    """This process logs JSON; which levels were counted."""
    counted: list[str] = []
    hooks = sys.excepthook, threading.excepthook
    logs.configure("json", counted.append)
    yield counted
    logs.configure(None)
    sys.excepthook, threading.excepthook = hooks


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines, in which nothing that was planted may be."""
    text = capsys.readouterr().err
    assert NAME not in text
    assert PHONE not in text
    return [json.loads(line) for line in text.splitlines()]


def test_lines_of_libraries_go_the_same_way_and_say_less(levels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("some.library").warning("could not read %s: %s", NAME, PHONE)
    logging.getLogger("another.library").error(f"Application callable raised an exception\nValueError: {PHONE}")
    logging.getLogger("some.library").info("not worth a line")
    found = [each["event"] for each in logged(capsys)]
    assert found == ["could not read %s", "Application callable raised an exception"]
    assert levels == ["warning", "error"]


def test_a_thread_that_dies_says_where_and_not_what(levels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def dying() -> None:
        try:
            raise KeyError(NAME)
        except KeyError as error:
            raise ValueError(PHONE) from error

    logs.catch_uncaught()
    thread = threading.Thread(target=dying)
    thread.start()
    thread.join()
    (found,) = logged(capsys)
    assert found["event"] == "a thread ended"
    assert found["error"] == ["ValueError", "KeyError"]
    assert found["at"][-1].endswith("dying")
    assert levels == ["critical"]


def test_an_error_of_the_store_does_not_quote_the_row(
    levels: list[str], settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """PostgreSQL says which value was there already."""
    core = prepared(settings)
    row = f"INSERT INTO communities VALUES ('{PHONE}', '0123456789abcdef', 1)"
    with closing(core.db):
        with core.db.write() as tx:
            tx.exec_driver_sql(row)
        try:
            with core.db.write() as tx:
                tx.exec_driver_sql(row)
        except IntegrityError:
            structlog.get_logger().exception("failed")
    (found,) = logged(capsys)
    assert found["error"][0] == "sqlalchemy.exc.IntegrityError"


def test_a_terminal_gets_text_and_a_pipe_gets_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, first in ((True, "2"), (False, "{")):
        out = io.StringIO()
        monkeypatch.setattr(out, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setattr(sys, "stderr", out)
        logs.configure(None)
        structlog.get_logger().warning("something", part="redis")
        assert out.getvalue()[0] == first
        assert "redis" in out.getvalue()
    monkeypatch.undo()
    logs.configure(None)


def test_a_wrong_form_is_refused(sqlite_settings: Settings) -> None:
    from tests.operations import command

    done = command(sqlite_settings, "init", FLOW_LOG="xml")
    assert done.exit_code == 1
    assert "FLOW_LOG is 'xml'" in done.output
