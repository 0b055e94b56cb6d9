"""Figures of several processes: whichever answers, the answer counts what all of them did."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from community_flow.adapters import figures as figures_module
from community_flow.adapters import processes
from community_flow.adapters.figures import FIGURES as MOST
from community_flow.adapters.figures import Figures
from community_flow.adapters.prometheus import MOST_SERIES, PrometheusMeter
from community_flow.ports.health import Reading
from tests.services import PATIENCE_S, wait_until

COUNTING = """
import sys, time
from pathlib import Path
from community_flow.adapters.prometheus import PrometheusMeter
meter = PrometheusMeter()
meter.add("reports_total", 2, outcome="accepted")   # before it shares anything
meter.share(Path(sys.argv[1]), "web")
meter.add("reports_total", 3, outcome="accepted")
meter.observe("commit_seconds", 0.003)
meter.put("commits_waiting", 4)
print("counted", flush=True)
time.sleep(60)
"""


def value(meter: PrometheusMeter, series: str) -> float:
    lines = [line for line in meter.text().decode().splitlines() if line.startswith(series + " ")]
    assert len(lines) == 1, (series, lines)
    return float(lines[0].rpartition(" ")[2])


def counting(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", COUNTING, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    assert process.stdout is not None
    process.stdout.close()


def test_each_process_reads_what_the_others_count_even_after_kill_9(tmp_path: Path) -> None:
    mine = PrometheusMeter()
    mine.share(tmp_path, "web")
    mine.add("reports_total", 1, outcome="accepted")
    other = counting(tmp_path)
    try:
        assert value(mine, 'flow_reports_total{outcome="accepted"}') == 6
        assert value(mine, 'flow_commit_seconds_bucket{le="0.005"}') == 1
        assert value(mine, 'flow_commit_seconds_bucket{le="0.0025"}') == 0
        assert value(mine, "flow_commits_waiting") == 4
        assert [name for name, _ in mine.figures.processes()] == ["web-0", "web-1"]
        assert dict(mine.figures.processes())["web-1"] == other.pid
    finally:
        end(other)
    assert value(mine, 'flow_reports_total{outcome="accepted"}') == 6
    assert value(mine, "flow_commits_waiting") == 0, "a process that is dead has nothing waiting"
    third = counting(tmp_path)  # takes over the file of the one that was killed, and counts on
    try:
        assert value(mine, 'flow_reports_total{outcome="accepted"}') == 11
        assert sorted(path.name for path in tmp_path.glob("*")) == ["web-0.figures", "web-1.figures"]
    finally:
        end(third)


def test_threads_lose_no_count() -> None:
    meter = PrometheusMeter()

    def count() -> None:
        for _ in range(2_000):
            meter.add("reports_total", outcome="accepted")
            meter.observe("commit_group_reports", 3)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert value(meter, 'flow_reports_total{outcome="accepted"}') == 16_000
    assert value(meter, "flow_commit_group_reports_count") == 16_000
    assert value(meter, "flow_commit_group_reports_sum") == 48_000


def test_a_figure_does_not_grow_with_what_strangers_send() -> None:
    meter = PrometheusMeter()
    for number in range(2 * MOST_SERIES):
        meter.add("http_requests_total", method="GET", route=f"/{number}", status="200")
    lines = [line for line in meter.text().decode().splitlines() if line.startswith("flow_http_requests_total{")]
    assert len(lines) == MOST_SERIES + 1
    assert value(meter, 'flow_http_requests_total{method="other",route="other",status="other"}') == MOST_SERIES


def test_names_that_find_no_room_are_counted_together(tmp_path: Path) -> None:
    figures = Figures()
    figures.share(tmp_path, "web")
    for number in range(MOST + 50):
        figures.add(f"n{number}", 1)
    again = Figures()
    again.share(tmp_path, "other")
    kept = [each for each in again.read() if each.name.startswith("n")]
    assert len(kept) == MOST
    assert sum(each.value for each in kept) == MOST + 50


def test_an_undeclared_figure_and_a_wrong_label_are_errors() -> None:
    meter = PrometheusMeter()
    with pytest.raises(KeyError):
        meter.add("no_such_thing_total")
    with pytest.raises(KeyError):
        meter.add("reports_total", cause="accepted")


def test_a_full_disk_ends_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(figures_module, "_prepare", full)
    meter = PrometheusMeter()
    meter.share(tmp_path, "web")
    meter.add("reports_total", outcome="accepted")
    assert value(meter, 'flow_reports_total{outcome="accepted"}') == 1


def test_the_file_is_written_out_in_full(tmp_path: Path) -> None:
    """A hole in it would end the process with SIGBUS on a full disk."""
    Figures().share(tmp_path, "web")
    found = (tmp_path / "web-0.figures").stat()
    assert found.st_blocks * 512 >= found.st_size


def test_processor_time_of_living_processes() -> None:
    found = {each.name: each for each in processes.readings([("web-0", os.getpid()), ("gone", 2**22 + 5)])}
    assert {each.labels["process"] for each in found.values()} == {"web-0"}
    assert 0 < found["process_cpu_seconds_total"].value < 10_000
    assert abs(found["process_start_time_seconds"].value - time.time()) < 24 * 3600
    assert found["process_resident_memory_bytes"].value > 2**20
    assert found["process_threads"].value >= 1
    assert found["process_open_fds"].value >= 3


def test_looked_up_figures_come_with_their_labels() -> None:
    text = PrometheusMeter().text([Reading("tray_open", 3, {"reason": "malformed"}), Reading("store_up", 1)]).decode()
    assert 'flow_tray_open{reason="malformed"} 3.0' in text
    assert "# TYPE flow_store_up gauge" in text
    assert "# TYPE flow_reports_total counter" in text


@pytest.mark.slow
def test_counting_is_cheap() -> None:
    """In processor time of this thread: under two microseconds each, by the best of several rounds."""
    meter = PrometheusMeter()

    def cost_us(count: int, call: object) -> float:
        begun = time.thread_time()
        for _ in range(count):
            call()  # type: ignore[operator]
        return (time.thread_time() - begun) / count * 1e6

    for call in (lambda: meter.add("reports_total", outcome="accepted"), lambda: meter.observe("commit_seconds", 0.01)):
        assert min(cost_us(20_000, call) for _ in range(5)) < 2.0


def test_a_process_that_starts_while_another_reads_finds_a_file(tmp_path: Path) -> None:
    reader = PrometheusMeter()
    reader.share(tmp_path, "web")
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            reader.text()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        starting = [counting(tmp_path) for _ in range(3)]
        wait_until(lambda: value(reader, 'flow_reports_total{outcome="accepted"}') == 15, "all counts")
        for each in starting:
            end(each)
    finally:
        stop.set()
        thread.join()
