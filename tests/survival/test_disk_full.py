"""A full disk: nothing is promised that is not kept, everybody is told to wait, and with room it goes on by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from community_flow.settings import Settings
from sensors.agent import Agent
from sensors.config import AgentConfig
from sensors.desk import Desk
from sensors.device_clock import DeviceClock
from sensors.outbox import Outbox
from sensors.uplink_http import BackOff
from sensors.wire import Count, Gap, Report, decode
from tests.sensors.fakes_server import FakeServer, serving
from tests.services import PATIENCE_S, wait_until
from tests.survival.disks import SmallDisk, small_disk
from tests.survival.judge import judge
from tests.survival.parts import PostgresPart, Web, running
from tests.survival.senders import Load
from tests.survival.world import made


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(24) as disk:
        yield disk


def fills_up_and_recovers(settings: Settings, disk: SmallDisk, seed: int, postgres: PostgresPart | None = None) -> None:
    """Three times: load, full disk until everybody was refused, room again."""
    world, web = made(settings), Web(settings)
    with running(web), Load(world, web.port, seed) as load:
        for _ in range(3):
            load.wait_for(60)
            disk.fill()
            refused = load.heard.statuses[503]
            wait_until(lambda: load.heard.statuses[503] >= refused + 20, "a refusal of everybody", 60)  # noqa: B023
            disk.empty()
            if postgres is not None and postgres.ended():
                postgres.start()  # what systemd does: PostgreSQL ends itself when its own log has no room
        load.wait_for(60)
        load.finish()
        verdict = judge(settings, load.heard)
    print(f"{verdict}; answers {dict(load.heard.statuses)}, {load.heard.broken_lines} broken connections")
    assert (verdict.lost, verdict.doubled, verdict.differing) == (0, 0, [])
    assert set(load.heard.statuses) <= {200, 429, 503}
    assert load.heard.without_remedy == 0


def test_sqlite(disk: SmallDisk, seed: int) -> None:
    fills_up_and_recovers(Settings(data_dir=disk.folder / "var"), disk, seed)


def test_postgresql(tmp_path: Path, seed: int) -> None:
    """The whole cluster, its log too, on the small disk."""
    with small_disk(96) as disk:
        (disk.folder / "cluster").mkdir()
        small_log = ("-c", "min_wal_size=32MB", "-c", "max_wal_size=32MB", "-c", "shared_buffers=16MB")
        postgres = PostgresPart(disk.folder / "cluster", *small_log)
        with running(postgres):
            settings = Settings(data_dir=tmp_path / "var", database_url=postgres.url)
            fills_up_and_recovers(settings, disk, seed, postgres)


class Crowd:
    """Counts all the time; remembers how many the outbox took."""

    def __init__(self) -> None:
        self.kept = self.turned_away = 0

    def run(self, desk: Desk, stop: threading.Event) -> None:
        while not stop.is_set():
            kept = desk.count("west", "in")
            self.kept += kept
            self.turned_away += not kept
            stop.wait(0.002)


def test_the_outbox_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """What found no room is told as a gap, number for number; what was taken arrives once."""
    monkeypatch.setattr("sensors.agent.LAST_CALL_S", PATIENCE_S)
    with small_disk(12) as disk, serving(FakeServer(token="not yet")) as server:
        crowd = Crowd()
        config = AgentConfig(
            device="d_abcdefgh2345", server=server.url, token="secret", outbox=disk.folder / "outbox.sqlite", sensors=()
        )
        agent = Agent(config, extra=[crowd], back_off=BackOff(first_s=0.05, most_s=0.2))
        thread = threading.Thread(target=agent.run)
        thread.start()
        wait_until(lambda: crowd.kept >= 50, "counts")
        disk.fill()
        wait_until(lambda: crowd.turned_away >= 50, "a full outbox", 60)
        disk.empty()
        before = crowd.kept
        wait_until(lambda: crowd.kept >= before + 50, "counts again", 60)
        server.token = "secret"
        wait_until(lambda: len(server.reports("count")) >= before, "the arrival of what waited", 60)
        agent.stop()
        thread.join(2 * PATIENCE_S)
        assert not thread.is_alive()
    assert len(server.reports("count")) == crowd.kept
    gaps = server.reports("gap")
    lost = sum(each["to"] - each["from"] + 1 for each in gaps)
    seqs = sorted(each["seq"] for each in server.reports())
    assert lost >= crowd.turned_away
    assert {each["reason"] for each in gaps} == {"disk"}
    assert len(seqs) + lost == max(seqs)


def test_an_outbox_that_has_filled_its_disk_empties_when_the_server_is_back() -> None:
    """To forget what was answered takes room, too: it must not be lacking when it is the only way to get any."""
    with small_disk(4) as disk:
        outbox = Outbox(disk.folder / "outbox.sqlite", "d_abcdefgh2345", DeviceClock())

        def count(boot: int, seq: int, now: int, skew: int | None) -> Report:
            return Count(boot=boot, seq=seq, at=now, skew_ms=skew, gate="west", direction="in", n=1)

        kept = 0
        while outbox.add(count):
            kept += 1
        disk.fill()
        waiting = outbox.size()
        assert waiting == kept > 500
        while sent := outbox.oldest(1_000):
            outbox.delete([(each.boot, each.seq) for each in sent])
            waiting -= len(sent)
            assert outbox.size() == waiting
        assert outbox.add(count), "there is room again"
        outbox.close()


def test_counts_that_fill_the_disk_are_summed_to_make_room() -> None:
    """The server is away and the disk is full: sums take the place of what waits, and counting goes on."""
    with small_disk(4) as disk:
        outbox, clock = Outbox(disk.folder / "outbox.sqlite", "d_abcdefgh2345", DeviceClock()), DeviceClock()
        begun_ms, taken = clock.now() - 7_200_000, 0

        def count(boot: int, seq: int, now: int, skew: int | None) -> Report:
            at_ms = begun_ms + taken * 100
            return Count(boot=boot, seq=seq, at=at_ms, skew_ms=skew, gate="west", direction="in", n=1)

        while outbox.add(count):
            taken += 1
        disk.fill()
        assert not outbox.add(count)
        assert outbox.compact(clock.now()) > taken / 2
        more = sum(outbox.add(count) for _ in range(500))
        assert more == 500
        waiting = [decode(each.body).report for each in outbox.oldest(100_000)]
        assert sum(each.n for each in waiting if isinstance(each, Count)) == taken + more
        gaps = [each for each in waiting if isinstance(each, Gap)]
        assert sum((each.counters or {})["in"] for each in gaps) == 2
        outbox.close()
