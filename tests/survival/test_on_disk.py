"""A 2xx leaves only after fdatasync returned: shown by strace for every single answer."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from community_flow.settings import Settings
from sensors import wire
from tests.services import PATIENCE_S
from tests.survival.parts import PostgresPart, Web, running
from tests.survival.witness import proven, watched
from tests.survival.world import World, made

ANSWERS = [200, pytest.param(1_000, marks=pytest.mark.slow)]
THREADS = 4


def marked(world: World, port: int, place: int, count: int) -> None:
    """``count`` visitors whose report was answered. One that was refused, as after a long stall, is left and another
    comes: were it sent again, what the first try wrote could stand as proof of the second."""
    phone = next(each for each in world.devices if each.kind == "gate_phone")
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as line:
        seqs, end = itertools.count(), time.monotonic() + PATIENCE_S
        while count:
            status, found = posted(line, phone.token, place, next(seqs))
            if status == 200:
                count, end = count - 1, time.monotonic() + PATIENCE_S
                continue
            assert status == 503, found
            assert time.monotonic() < end, found
            time.sleep(0.2)


def posted(line: http.client.HTTPConnection, token: str, place: int, seq: int) -> tuple[int, bytes]:
    """A visitor whose note and batch carry the same mark; the note twice, because one may lie across the border of two
    pages of the log."""
    mark = f"mark-{place * 100_000 + seq:06d}"
    report = wire.Visitor(
        boot=place + 1, seq=seq, at=int(time.time() * 1000), gate="east", direction="in", class_="guest", passed=True,
        note=f"{mark} {mark}",
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    line.request("POST", wire.PATH, wire.body(mark, [report.encode()]), headers)
    response = line.getresponse()
    return response.status, response.read()


def load(world: World, port: int, answers: int) -> None:
    threads = [
        threading.Thread(target=marked, args=(world, port, place, answers // THREADS)) for place in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def shown(trace: Path, log_of_store: bytes, answers: int) -> None:
    answered, good = proven(trace, log_of_store)
    print(f"{len(good)} of {len(answered)} answers came after fdatasync; {trace.stat().st_size >> 20} MiB of strace")
    assert len(answered) == answers
    assert not answered - good


@pytest.mark.timeout(600)
@pytest.mark.parametrize("answers", ANSWERS)
def test_sqlite(sqlite_settings: Settings, tmp_path: Path, answers: int) -> None:
    world, web, trace = made(sqlite_settings, phones=1), Web(sqlite_settings), tmp_path / "trace"
    with running(web):
        with watched(web.pids, trace):
            load(world, web.port, answers)
        shown(trace, b"flow.sqlite-wal>", answers)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("answers", ANSWERS)
def test_postgresql(postgres: PostgresPart, tmp_path: Path, answers: int) -> None:
    """The same, where the log is written and synced by whichever of its processes comes first."""
    settings = Settings(data_dir=tmp_path / "var", database_url=postgres.url)
    world, web, trace = made(settings, phones=1), Web(settings), tmp_path / "trace"
    with running(web):
        with watched(lambda: [*web.pids(), *postgres.pids()], trace):
            load(world, web.port, answers)
        shown(trace, b"/pg_wal/", answers)
