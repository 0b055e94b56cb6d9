"""Nothing that was written is lost, doubled or altered; what found no room is told."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from sensors.device_clock import DeviceClock
from sensors.outbox import Outbox, OutboxTrouble
from sensors.wire import Count, Gap, Report, decode
from tests.services import PATIENCE_S

DEVICE = "d_abcdefgh2345"
MINUTE = 60_000


class Hands:
    """A clock that is set by hand; wall and steady time in ms."""

    def __init__(self, wall: int = 1_800_000_000_000) -> None:
        self.wall, self.steady = wall, 5_000

    def clock(self) -> DeviceClock:
        return DeviceClock(lambda: self.wall, lambda: self.steady)

    def pass_ms(self, ms: int) -> None:
        self.wall, self.steady = self.wall + ms, self.steady + ms


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def outbox(tmp_path: Path, hands: Hands) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.sqlite", DEVICE, hands.clock())
    yield box
    box.close()


def count(outbox: Outbox, direction: str = "in", gate: str = "east") -> bool:
    return outbox.add(
        lambda boot, seq, now, skew: Count(
            boot=boot, seq=seq, at=now, skew_ms=skew, gate=gate, direction="in" if direction == "in" else "out", n=1
        )
    )


def kept(outbox: Outbox) -> list[Report]:
    return [decode(each.body).report for each in outbox.oldest(10_000)]


def test_reports_come_out_in_order_with_the_bytes_they_were_given(outbox: Outbox) -> None:
    for _ in range(3):
        assert count(outbox)
    first, again = outbox.oldest(10), outbox.oldest(10)
    assert [each.seq for each in first] == [1, 2, 3]
    assert first == again


def test_only_what_is_named_is_deleted(outbox: Outbox) -> None:
    for _ in range(3):
        count(outbox)
    outbox.delete([(outbox.boot, 2), (outbox.boot, 99)])
    assert [each.seq for each in outbox.oldest(10)] == [1, 3]


def test_every_start_has_a_boot_of_its_own_on_the_disk_and_older_reports_go_first(tmp_path: Path, hands: Hands) -> None:
    boots = []
    for _ in range(3):
        box = Outbox(tmp_path / "outbox.sqlite", DEVICE, hands.clock())
        boots.append(box.boot)
        count(box)
        hands.pass_ms(1_000)
        box.close()
    with sqlite3.connect(tmp_path / "outbox.sqlite") as store:
        found = [row[0] for row in store.execute("SELECT boot FROM boots ORDER BY begun_ms")]
    store.close()
    assert found == boots
    assert len(set(boots)) == 3
    assert all(1 <= boot < 2**53 for boot in boots)
    box = Outbox(tmp_path / "outbox.sqlite", DEVICE, hands.clock())
    assert [each.boot for each in box.oldest(10)] == boots
    box.close()


def test_the_store_is_safe_against_power_loss(outbox: Outbox) -> None:
    store = outbox._store
    assert store.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert store.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_full_disk_loses_counts_aloud_and_goes_on(outbox: Outbox) -> None:
    count(outbox)
    pages = outbox._store.execute("PRAGMA page_count").fetchone()[0]
    outbox._store.execute(f"PRAGMA max_page_count = {pages}")
    results = [count(outbox) for _ in range(400)]
    assert not results[-1]
    lost = results.count(False)
    assert outbox.lost == lost
    outbox._store.execute(f"PRAGMA max_page_count = {pages + 1000}")
    assert count(outbox)
    assert outbox.lost == 0
    reports = kept(outbox)
    gaps = [each for each in reports if isinstance(each, Gap)]
    told = sorted(seq for each in gaps for seq in range(each.from_, each.to + 1))
    present = sorted(each.seq for each in reports)
    assert len(told) >= lost
    # Every number ever given is either there or told as lost.
    assert sorted({*told, *present}) == list(range(1, max(present) + 1))
    assert not set(told) & set(present)
    # And what they would have said is told as sums, with the time of the first and the last.
    assert sum((each.counters or {}).get("in", 0) for each in gaps) == lost
    assert all(each.from_ms is not None and each.from_ms <= each.at for each in gaps)
    assert outbox.tallies()["in"] == len(results) + 2 - lost


def test_a_folder_that_is_not_there_is_named_with_the_remedy(tmp_path: Path, hands: Hands) -> None:
    with pytest.raises(OutboxTrouble, match="check that the folder may be written"):
        Outbox(tmp_path / "nowhere" / "outbox.sqlite", DEVICE, hands.clock())


def test_a_damaged_outbox_is_named_with_the_remedy(tmp_path: Path, hands: Hands) -> None:
    (tmp_path / "outbox.sqlite").write_bytes(b"not a database, " * 100)
    with pytest.raises(OutboxTrouble, match="moved away"):
        Outbox(tmp_path / "outbox.sqlite", DEVICE, hands.clock())


def test_old_counts_are_summed_by_minute_gate_and_direction(outbox: Outbox, hands: Hands) -> None:
    hands.pass_ms(-(hands.wall % MINUTE))
    for direction in ("in", "out", "in", "in", "out"):
        count(outbox, direction)
        hands.pass_ms(1_000)
    hands.pass_ms(MINUTE)
    count(outbox, "in")
    assert outbox.compact(hands.wall + 1) == 3
    sums = [each for each in kept(outbox) if isinstance(each, Count) and each.replaces]
    found = {(each.direction, each.n, each.replaces.from_, each.replaces.to) for each in sums if each.replaces}
    assert found == {("in", 3, 1, 4), ("out", 2, 2, 5)}
    assert all(each.from_ms is not None and each.at - each.from_ms <= MINUTE for each in sums)
    assert outbox.compact(hands.wall + 1) == 0  # a sum is not summed again


def test_counts_of_an_hour_ago_that_come_after_a_compaction_are_summed_by_the_next(
    outbox: Outbox, hands: Hands
) -> None:
    hands.pass_ms(-(hands.wall % MINUTE))
    count(outbox)
    hands.pass_ms(60 * MINUTE)
    outbox.compact(hands.wall)
    for _ in range(5):
        assert outbox.add(
            lambda boot, seq, now, skew: Count(
                boot=boot, seq=seq, at=now - 30 * MINUTE, skew_ms=skew, gate="east", direction="in", n=1
            )
        )
    assert outbox.compact(hands.wall) == 4
    assert outbox.size() == 2


def test_a_sum_never_spans_a_number_that_may_have_been_answered(outbox: Outbox, hands: Hands) -> None:
    hands.pass_ms(-(hands.wall % MINUTE))
    for _ in range(5):
        count(outbox)
    outbox.delete([(outbox.boot, 3)])
    outbox.compact(hands.wall + 1)
    spans = [
        (each.replaces.from_, each.replaces.to) for each in kept(outbox) if isinstance(each, Count) and each.replaces
    ]
    assert sorted(spans) == [(1, 2), (4, 5)]


def test_the_sum_of_all_counts_is_the_same_after_compaction(outbox: Outbox, hands: Hands) -> None:
    for number in range(200):
        count(outbox, "in" if number % 3 else "out", "east" if number % 2 else "west")
        hands.pass_ms(7_000)
    before = _totals(outbox)
    outbox.compact(hands.wall)
    assert _totals(outbox) == before
    assert outbox.size() < 200


def test_a_clock_that_is_set_in_the_middle_mixes_no_minutes(outbox: Outbox, hands: Hands) -> None:
    for jump in (0, 3_600_000, -3_600_000):
        hands.wall += jump
        for _ in range(40):
            count(outbox)
            hands.pass_ms(10_000)
    before = _totals(outbox)
    outbox.compact(hands.wall + 7_200_000)
    assert _totals(outbox) == before
    sums = [each for each in kept(outbox) if isinstance(each, Count) and each.replaces and each.from_ms is not None]
    assert len(sums) > 10
    assert all(each.from_ms is not None and each.at - each.from_ms < MINUTE for each in sums)
    spans = sorted((each.replaces.from_, each.replaces.to) for each in sums if each.replaces)
    assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_what_was_summed_once_is_not_read_again(outbox: Outbox, hands: Hands) -> None:
    for _ in range(2):
        for _ in range(60):
            count(outbox)
            hands.pass_ms(5_000)
        assert outbox.compact(hands.wall - MINUTE) >= 40
    assert sum(each.n for each in kept(outbox) if isinstance(each, Count)) == 120
    outbox._store.execute("UPDATE reports SET body = 'broken' WHERE at_ms < ?", (hands.wall - 4 * MINUTE,))
    count(outbox)
    outbox.compact(hands.wall - MINUTE)


def _totals(outbox: Outbox) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for each in kept(outbox):
        if isinstance(each, Count):
            found[each.gate, each.direction] = found.get((each.gate, each.direction), 0) + each.n
    return found


WRITER = """
import sys
from pathlib import Path
from sensors.device_clock import DeviceClock
from sensors.outbox import Outbox
from sensors.wire import Count
box = Outbox(Path(sys.argv[1]), "d_abcdefgh2345", DeviceClock())
while True:
    box.add(lambda boot, seq, now, skew: Count(boot=boot, seq=seq, at=now, gate="east", direction="in", n=1))
    newest = box.oldest(100_000)[-1]
    print(newest.boot, newest.seq, flush=True)
"""


def test_kill_9_loses_and_doubles_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    told: list[tuple[int, int]] = []
    for _ in range(2):
        told += _written_until_killed(path)
    box = Outbox(path, DEVICE, DeviceClock())
    found = [(each.boot, each.seq) for each in box.oldest(100_000)]
    box.close()
    assert len(found) == len(set(found))
    assert set(told) <= set(found)
    assert len(found) <= len(told) + 2  # at most the one being written at each kill


def _written_until_killed(path: Path) -> list[tuple[int, int]]:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ}
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    time.sleep(0.7)
    os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.readlines()
    process.wait(PATIENCE_S)
    process.stdout.close()
    # The last line may have been cut in the middle of a number.
    whole = [line.split() for line in lines if line.endswith("\n")]
    assert whole, "the writer wrote nothing"
    return [(int(boot), int(seq)) for boot, seq in whole]
