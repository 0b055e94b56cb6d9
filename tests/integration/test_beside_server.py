"""Commands that write while a server runs on the same SQLite file: they wait their turn, or refuse."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from community_flow.commands.server import hold_data_folder
from community_flow.settings import Settings
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import ROOT, prepared, serving
from tests.factories import small_community
from tests.integration.test_kill import MANAGER, accepted
from tests.operations import command, environment, equal_after_rebuild, filled
from tests.services import wait_until

TRIES = 3


@pytest.mark.parametrize("words", [("rebuild",), ("retention", "run")])
def test_one_long_transaction_is_refused_beside_a_server(sqlite_settings: Settings, words: tuple[str, ...]) -> None:
    filled(sqlite_settings).db.close()
    with hold_data_folder(sqlite_settings):
        done = command(sqlite_settings, *words)
        assert done.exit_code == 1
        assert "every gate would wait" in done.output
        assert "Stop it" in done.output
        assert command(sqlite_settings, "rebuild", "--check").exit_code == 0
    assert command(sqlite_settings, *words).exit_code == 0
    assert equal_after_rebuild(sqlite_settings)


@contextmanager
def reporting(port: int, token: str) -> Iterator[list[tuple[float, float]]]:
    """One report after the other; gives when each was begun and how long its answer took."""
    answers: list[tuple[float, float]] = []
    stop = threading.Event()

    def run() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as line:
            for seq in range(1, 1_000_000):
                begun = time.monotonic()
                report = wire.Count(boot=9, seq=seq, at=int(time.time() * 1000), gate="east", direction="in", n=1)
                accepted(line, token, [report.encode()])
                answers.append((begun, time.monotonic() - begun))
                if stop.wait(0.01):
                    return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join(90)


@pytest.mark.parametrize("people", [300, pytest.param(5_000, marks=pytest.mark.slow)])
def test_an_import_lets_reports_in_between(sqlite_settings: Settings, tmp_path: Path, people: int) -> None:
    """No answer waits for more than a part of the import: its transactions are short, and it pauses between them. Once
    more where one did: a machine that stood still does not do so each time, and an import that holds the store does."""
    core = prepared(sqlite_settings)
    with closing(core.db):
        small_community(core)
        made = ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "east")
    with serving(sqlite_settings) as server, reporting(urlsplit(server.url).port or 0, made.token) as answers:
        for turn in range(TRIES):
            begun, ended = imported(sqlite_settings, tmp_path, range(turn * people, (turn + 1) * people))
            during = waited(answers, begun, ended)
            assert len(during) > 20
            print(f"{people} people in {ended - begun:.1f} s; answers: median {during[len(during) // 2]:.3f} s, "
                  f"longest {during[-1]:.3f} s")  # fmt: skip
            if during[-1] < (ended - begun) / 2:
                break
    assert during[-1] < (ended - begun) / 2, f"an answer waited {during[-1]:.1f} s of {ended - begun:.1f} s, each time"
    assert equal_after_rebuild(sqlite_settings)


def imported(settings: Settings, folder: Path, numbers: range) -> tuple[float, float]:
    """When a command began and ended that keeps these people, none of whom is known."""
    sheet = folder / "people.csv"
    rows = (f"林{number},,{number // 40 + 1}-1-{number % 40 + 101}\n" for number in numbers)
    sheet.write_text("姓名,电话,地址\n" + "".join(rows))
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "community_flow", "people", "import", str(sheet), "--community", "garden"],
        env={**os.environ, **environment(settings)}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    ended = time.monotonic()
    assert done.returncode == 0, done.stderr
    assert f"{len(numbers)} new" in done.stdout
    return begun, ended


def waited(answers: list[tuple[float, float]], begun: float, ended: float) -> list[float]:
    """How long each answer waited that was asked for in between, the longest last."""
    wait_until(lambda: answers[-1][0] > ended, "the answers that were still to come")
    return sorted(took for at, took in answers if begun <= at <= ended)
