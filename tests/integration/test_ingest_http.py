"""`POST /v1/reports` against a real server process: what it takes, what it refuses, and that it stays up."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from community_flow.adapters.sql.tables_ingest import reports, tray
from community_flow.domain.scope import Role, Scope
from community_flow.settings import Settings
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import LiveServer, prepared, serving
from tests.factories import small_community
from tests.services import PATIENCE_S, wait_until

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))
JSON = "application/json"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def found(self) -> Any:
        return json.loads(self.body)


def answer_of(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


class Gate:
    """A device that speaks HTTP to a server process."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.core = server.core()
        self.parts = ingest_parts(self.core)
        made = self.parts.devices.enrol(MANAGER, "garden", "camera", "east")
        self.device, self.token = made.device, made.token
        self.port = urlsplit(server.url).port or 0

    def post(self, body: bytes | Iterator[bytes], **headers: str | None) -> Answer:
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": JSON}
        given |= {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        for name in (name.replace("_", "-") for name, value in headers.items() if value is None):
            given.pop(name, None)
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            connection.request("POST", "/v1/reports", body, given, encode_chunked=not isinstance(body, bytes))
            return answer_of(connection)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, body, headers)
            return answer_of(connection)

    def count(self, seq: int, **members: Any) -> wire.Count:
        now_ms = int(time.time() * 1000)
        given: dict[str, Any] = {"boot": 7, "seq": seq, "at": now_ms, "gate": "east", "direction": "in", "n": 1}
        return wire.Count(**(given | members))

    def body(self, *seqs: int) -> bytes:
        return wire.body("b", [self.count(seq).encode() for seq in seqs])

    def kept(self) -> int:
        with self.core.db.read() as tx:
            return int(tx.execute(select(func.count()).select_from(reports)).scalar_one())

    def trayed(self) -> list[str]:
        with self.core.db.read() as tx:
            return list(tx.execute(select(tray.c.reason).order_by(tray.c.id)).scalars())


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("http") / "var")
    core = prepared(settings)
    small_community(core)
    core.db.close()
    with serving(settings) as server:
        found = Gate(server)
        yield found
        found.core.db.close()


def is_problem(answer: Answer, status: int) -> str:
    """The remedy of a refusal in its proper form."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.found
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    return str(found["detail"])


def test_reports_are_kept_and_answered(gate: Gate) -> None:
    before = gate.kept()
    answer = gate.post(gate.body(1, 2, 3))
    assert answer.status == 200
    found = wire.answer_from(answer.body)
    assert (found.batch, [each.outcome for each in found.results]) == ("b", ["accepted"] * 3)
    assert found.through == (wire.Through(7, 3),)
    assert gate.kept() == before + 3


def test_answers_carry_the_security_headers(gate: Gate) -> None:
    for answer in (gate.post(gate.body(1)), gate.post(b"{")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


def test_gzip_and_chunks_are_understood(gate: Gate) -> None:
    assert gate.post(gzip.compress(gate.body(11)), Content_Encoding="gzip").status == 200
    half = gate.body(13)
    answer = gate.post(iter([half[:20], half[20:]]), Content_Length=None, Transfer_Encoding="chunked")
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("token", "status"),
    [(None, 401), ("Bearer ", 401), ("Basic abc", 401), ("Bearer cfd_unknown", 401), ("Bearer " + "x" * 5_000, 401)],
)
def test_strangers_are_refused(gate: Gate, token: str | None, status: int) -> None:
    assert "token" in is_problem(gate.post(gate.body(1), Authorization=token), status)


def test_a_revoked_token_is_refused_within_half_a_second_of_another_process(gate: Gate) -> None:
    made = gate.parts.devices.enrol(MANAGER, "garden", "camera", "west")
    header = f"Bearer {made.token}"
    assert gate.post(b'{"batch":"b","reports":[]}', Authorization=header).status == 200
    gate.parts.devices.revoke(MANAGER, made.device)
    time.sleep(0.5)
    is_problem(gate.post(b'{"batch":"b","reports":[]}', Authorization=header), 401)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"batch":"b"}', b'{"batch":"b","reports":[{"kind":"count"}]}',
        b'{"batch":"b","reports":[{"boot":NaN,"seq":1}]}', b'{"batch":"b","reports":[{"boot":1e999,"seq":1}]}',
        b'{"batch":"b","reports":[{"boot":' + b"9" * 5_000 + b',"seq":1}]}', b'{"batch":' + b"[" * 50_000,
    ],
    ids=["nothing", "cut off", "a list", "null", "not UTF-8", "no reports", "no triple", "NaN", "beyond doubles",
         "5,000 digits", "50,000 brackets"],
)  # fmt: skip
def test_what_is_no_body_is_refused_with_a_remedy(gate: Gate, body: bytes) -> None:
    before = gate.kept()
    is_problem(gate.post(body), 422)
    assert gate.kept() == before


def test_a_body_of_1001_reports_is_refused_whole(gate: Gate) -> None:
    before = gate.kept()
    assert "1000" in is_problem(gate.post(gate.body(*range(1_000, 2_001))), 413)
    assert gate.kept() == before
    assert gate.post(gate.body(*range(1_000, 2_000))).status == 200


def test_50_megabytes_are_refused_unread(gate: Gate) -> None:
    """The server answers before it was sent everything; the sender may find the line cut while it still writes."""
    with socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE_S) as line:
        head = f"POST /v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gate.token}\r\n"
        line.sendall(f"{head}Content-Type: {JSON}\r\nContent-Length: 52428800\r\n\r\n".encode())
        try:
            for _ in range(800):
                line.sendall(b"x" * 65_536)
        except OSError:
            pass
        try:
            answer = line.recv(65_536)
        except ConnectionResetError:  # as allowed while the body is still under way
            answer = b"HTTP/1.1 413"
    assert b" 413" in answer.split(b"\r\n", 1)[0]
    assert gate.post(gate.body(1)).status == 200


def test_50_megabytes_in_chunks_are_refused_while_reading(gate: Gate) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(800):
            yield b" " * 65_536

    try:
        answer = gate.post(endless(), Content_Length=None, Transfer_Encoding="chunked")
    except (BrokenPipeError, ConnectionResetError):
        answer = None
    assert answer is None or answer.status == 413
    assert gate.post(gate.body(1)).status == 200


def test_a_gzip_bomb_is_refused(gate: Gate) -> None:
    bomb = gzip.compress(b" " * 300_000_000, 9)
    assert len(bomb) < wire.MAX_BYTES
    is_problem(gate.post(bomb, Content_Encoding="gzip"), 413)
    is_problem(gate.post(gzip.compress(bomb), Content_Encoding="gzip"), 422)  # a bomb in a bomb is only strange JSON


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Encoding": "br"}, 415),
        ({"Content_Encoding": "gzip"}, 400),  # says gzip, is not
    ],
)
def test_other_media_are_refused(gate: Gate, headers: dict[str, str | None], status: int) -> None:
    is_problem(gate.post(gate.body(1), **headers), status)


def test_other_methods_are_refused_with_the_right_one(gate: Gate) -> None:
    answer = gate.ask("GET", "/v1/reports", Authorization=f"Bearer {gate.token}")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_what_cannot_be_used_is_kept_in_the_tray_and_answered(gate: Gate) -> None:
    before = gate.kept()
    foreign, past = gate.count(20, gate="clinic-door"), gate.count(21, at=5_000)
    future = gate.count(22, at=int(time.time() * 1000) + 3_600_000)
    strange = '{"boot":7,"seq":23,"at":1,"kind":"teleport"}'
    body = wire.body("b", [each.encode() for each in (foreign, past, future)] + [strange])
    found = wire.answer_from(gate.post(body).body)
    assert [each.reason for each in found.results] == ["foreign_gate", "past_retention", "held", "unknown_kind"]
    assert gate.kept() == before + 1
    assert gate.trayed()[-4:] == ["foreign_gate", "past_retention", "future", "unknown_kind"]


def test_a_device_that_floods_is_told_when_to_come_back(gate: Gate) -> None:
    made = gate.parts.devices.enrol(MANAGER, "garden", "camera", "east")
    header = f"Bearer {made.token}"
    body = b'{"batch":"b","reports":[]}' + b" " * 1_000_000  # dear: a megabyte of nothing

    def flood(_: int) -> Answer | None:
        try:
            return gate.post(body, Authorization=header)
        except OSError:  # refused before its megabyte was read: the answer may be lost with the line
            return None

    # Several at once, so that what is taken is as much as the server can, on a slow machine too.
    with ThreadPoolExecutor(8) as several:
        waves = (list(several.map(flood, range(8))) for _ in range(50))
        refused = next((each for wave in waves for each in wave if each and each.status != 200), None)
    assert refused is not None, "400 MB are let in"
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert gate.post(gate.body(1)).status == 200  # others are not held up


def test_claiming_a_code_gives_a_token_once(gate: Gate) -> None:
    code = gate.parts.devices.invite(MANAGER, "garden", "gate_phone", "east")

    def claim(text: str) -> Answer:
        return gate.ask("POST", "/v1/device/claim", json.dumps({"code": text}).encode(), **{"Content-Type": JSON})

    first = claim(code.code.lower().replace("-", " "))  # as people type it
    assert first.status == 200, first.body
    assert gate.post(b'{"batch":"b","reports":[]}', Authorization=f"Bearer {first.found['token']}").status == 200
    is_problem(claim(code.code), 409)
    is_problem(claim("ZZZZZ-ZZZZZ"), 404)
    assert any(claim("ZZZZZ-ZZZZZ").status == 429 for _ in range(200)), "whoever guesses codes is not slowed down"


def test_a_device_reads_its_own_configuration(gate: Gate) -> None:
    answer = gate.ask("GET", "/v1/device/config", Authorization=f"Bearer {gate.token}")
    assert (answer.status, answer.found["device"], list(answer.found["gates"])) == (200, gate.device, ["east"])
    assert answer.found["ingest"]["kid"] == "1"
    is_problem(gate.ask("GET", "/v1/device/config", Authorization="Bearer no"), 401)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("/healthz", b"true"), ("/readyz", b'"store":"ok"'), ("/metrics", b"flow_reports_total")],
)
def test_health_is_told(gate: Gate, path: str, wanted: bytes) -> None:
    """Asked again, because a store that did not answer within a second is called silent."""

    def told() -> bool:
        answer = gate.ask("GET", path)
        return (answer.status, wanted in answer.body) == (200, True)

    wait_until(told, f"{wanted!r} at {path}")


def test_figures_are_not_for_strangers_behind_a_proxy(gate: Gate) -> None:
    is_problem(gate.ask("GET", "/metrics", None, Accept=JSON, **{"X-Forwarded-For": "203.0.113.9"}), 403)
