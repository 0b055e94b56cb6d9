"""What the server itself does with requests as hostile people, bad lines and browsers send them."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from community_flow.adapters.sql.tables_ingest import reports
from community_flow.domain.scope import Role, Scope
from community_flow.settings import Settings
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.bench._blast import post
from tests.conftest import ROOT, LiveServer, prepared, serving
from tests.factories import small_community
from tests.services import free_port, wait_until

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("serving") / "var")
    core = prepared(settings)
    small_community(core)
    core.db.close()
    with serving(settings) as found:
        yield found


@pytest.fixture(scope="module")
def token(server: LiveServer) -> str:
    core = server.core()
    made = ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "east")
    core.db.close()
    return made.token


def line_to(server: LiveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=60)


def said(server: LiveServer, request: bytes, answers: int = 1) -> list[bytes]:
    """The answers to what is written onto one connection."""
    with closing(line_to(server)) as line:
        line.sendall(request)
        found = b""
        while found.count(b"HTTP/1.1 ") < answers or not _whole(found):
            part = line.recv(65_536)
            if not part:
                break
            found += part
    return [b"HTTP/1.1 " + each for each in found.split(b"HTTP/1.1 ")[1:]]


def _whole(found: bytes) -> bool:
    head, ended, body = found.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    return bool(ended) and len(body) >= int(length.partition(b":")[2])


def report(seq: int) -> bytes:
    counted = wire.Count(boot=9, seq=seq, at=int(time.time() * 1000), gate="east", direction="in", n=1)
    return wire.body(f"b{seq}", [counted.encode()])


def kept(server: LiveServer, seq: int) -> int:
    core = server.core()
    with core.db.read() as tx:
        found = tx.scalar(select(func.count()).select_from(reports).where(reports.c.boot == 9, reports.c.seq == seq))
    core.db.close()
    return int(found or 0)


def test_bytes_that_no_address_has_are_no_fault_of_ours(server: LiveServer) -> None:
    for target in (
        b"/login?next=\xe5\x8d\x97",
        b"/login?%ff\xff",
        b"/%E5%8D%97/%00",
        b"/\xe5\x8d\x97",
        b"//",
        b"/login?" + b"a" * 9_000,
    ):
        (answer,) = said(server, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert int(answer.split(b" ")[1]) < 500, target


def test_what_is_no_http_is_refused(server: LiveServer) -> None:
    for text in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/reports HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    ):
        (answer,) = said(server, text)
        assert b" 400 " in answer.partition(b"\r\n")[0]


def test_two_lengths_smuggle_nothing(server: LiveServer, token: str) -> None:
    """A proxy and we might read the end of such a request in two places."""
    for lengths in (
        b"Content-Length: 4\r\nContent-Length: 40\r\n",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    ):
        head = b"POST /v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token.encode() + b"\r\n" + lengths
        answers = said(server, head + b"\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 400 " in answers[0].partition(b"\r\n")[0]
        assert len(answers) == 1


def test_requests_that_follow_each_other_unasked_are_answered_in_order(server: LiveServer, token: str) -> None:
    sent = b"".join(post(wire.PATH, report(seq), token) for seq in (1, 2, 3))
    answers = said(server, sent, answers=3)
    assert [json.loads(each.partition(b"\r\n\r\n")[2])["batch"] for each in answers] == ["b1", "b2", "b3"]


def test_short_and_long_requests_on_one_line_are_answered_in_order(server: LiveServer, token: str) -> None:
    page = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = b"".join((post(wire.PATH, report(11), token), page, post(wire.PATH, report(12), token), page))
    heads = [each.partition(b"\r\n\r\n") for each in said(server, sent, answers=4)]
    assert [b'"batch"' in body for _, _, body in heads] == [True, False, True, False]


def test_a_short_body_in_pieces_is_one_body(server: LiveServer, token: str) -> None:
    request = post(wire.PATH, report(13), token)
    with closing(line_to(server)) as line:
        for place in range(0, len(request), 40):
            line.sendall(request[place : place + 40])
            time.sleep(0.01)
        assert b'"accepted"' in line.recv(65_536)


@pytest.mark.parametrize(
    ("version", "odd"),
    [(b"1.1", b"Connection: close\r\n"), (b"1.0", b""), (b"1.1", b"Expect: 100-continue\r\nConnection: close\r\n")],
)
def test_a_line_that_is_to_end_ends_after_the_answer(
    server: LiveServer, token: str, version: bytes, odd: bytes
) -> None:
    seq = 20 + len(odd) + len(version)
    request = post(wire.PATH, report(seq), token).replace(b"HTTP/1.1\r\n", b"HTTP/" + version + b"\r\n" + odd, 1)
    with closing(line_to(server)) as line:
        line.sendall(request)
        heard = b""
        while part := line.recv(65_536):
            heard += part
    assert heard.startswith(b"HTTP/1.1 100 Continue\r\n\r\n") == (b"Expect" in odd)
    assert b"connection: close\r\n" in heard.lower()
    assert b'"accepted"' in heard


def test_a_short_and_a_long_body_are_answered_with_the_same_headers(server: LiveServer, token: str) -> None:
    short = post(wire.PATH, report(14), token)
    long = post(wire.PATH, b" " * 5_000 + report(15), token)
    answers = [each.partition(b"\r\n\r\n")[0] for sent in (short, long) for each in said(server, sent)]
    kinds = [{line.partition(b":")[0].lower() for line in head.split(b"\r\n")} for head in answers]
    assert kinds[0] == kinds[1]
    assert b"date" in kinds[0]


def test_who_leaves_before_the_answer_harms_nobody(server: LiveServer, token: str) -> None:
    for seq in range(30, 60):
        with closing(line_to(server)) as line:
            line.sendall(post(wire.PATH, report(seq), token))
    (answer,) = said(server, post(wire.PATH, report(60), token))
    assert b'"accepted"' in answer
    wait_until(lambda: all(kept(server, seq) == 1 for seq in (30, 59)), "what was sent is kept", 20)


def test_of_a_body_that_breaks_off_nothing_is_kept(server: LiveServer, token: str) -> None:
    with closing(line_to(server)) as line:
        line.sendall(post(wire.PATH, report(4), token)[:-5])
    (answer,) = said(server, post(wire.PATH, report(5), token))  # by when the other was given up
    assert b'"accepted"' in answer
    assert (kept(server, 4), kept(server, 5)) == (0, 1)


def test_whoever_dawdles_keeps_nobody_waiting(server: LiveServer, token: str) -> None:
    lines = [line_to(server) for _ in range(300)]
    try:
        for place, line in enumerate(lines):
            request = post(wire.PATH, report(1_000 + place), token)
            line.sendall(request[:40] if place % 2 else request[:-1])
        (answer,) = said(server, post(wire.PATH, report(6), token))
        assert b'"accepted"' in answer
        (answer,) = said(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in answer.partition(b"\r\n")[0]
    finally:
        for line in lines:
            line.close()


def test_a_body_in_pieces_reaches_a_page_too(server: LiveServer) -> None:
    """A proxy may send on what a browser sent whole in chunks without a length."""
    body = b"6\r\nlogin=\r\n9\r\nsomebody1\r\n0\r\n\r\n"
    request = (
        b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + body
    )
    (answer,) = said(server, request)
    assert int(answer.split(b" ")[1]) < 500


def test_with_tls_it_answers_by_its_own_certificate(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "var"
    command = [sys.executable, "-m", "community_flow", "serve", "--tls", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env={"FLOW_DATA_DIR": str(folder), "PATH": "/usr/bin:/bin"}) as process:
        try:
            authority = folder / "tls" / "ca.pem"
            wait_until(lambda: _answers(port, authority), "an answer over TLS", 60)
        finally:
            process.terminate()
        assert process.wait(60) == 0


def _answers(port: int, authority: Path) -> bool:
    try:
        trusted = ssl.create_default_context(cafile=str(authority))
        with urllib.request.urlopen(f"https://localhost:{port}/healthz", context=trusted, timeout=5) as answer:
            return answer.status == 200 and "max-age" in answer.headers.get("Strict-Transport-Security", "")
    except OSError:
        return False
