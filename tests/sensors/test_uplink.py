"""Reports reach the server exactly once, whatever the way there does."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensors.device_clock import DeviceClock
from sensors.outbox import Outbox
from sensors.uplink_http import BackOff, BadAddress, HttpUplink, NoAnswer, Sender
from sensors.wire import MAX_BYTES, MAX_REPORTS, Count, Scan, body
from tests.sensors.fakes_server import FakeServer, problem, serving

DEVICE = "d_abcdefgh2345"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(FakeServer()) as fake:
        yield fake


@pytest.fixture
def clock() -> DeviceClock:
    return DeviceClock()


@pytest.fixture
def outbox(tmp_path: Path, clock: DeviceClock) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.sqlite", DEVICE, clock)
    yield box
    box.close()


@pytest.fixture
def sender(server: FakeServer, outbox: Outbox, clock: DeviceClock) -> Iterator[Sender]:
    uplink = HttpUplink(server.url, "secret")
    yield Sender(outbox, uplink, clock, BackOff(rng=random.Random(1)))
    uplink.close()


def a_count(boot: int, seq: int, now: int, skew: int | None) -> Count:
    return Count(boot=boot, seq=seq, at=now, skew_ms=skew, gate="east", direction="in", n=1)


def a_long_scan(boot: int, seq: int, now: int, skew: int | None) -> Scan:
    return Scan(
        boot=boot, seq=seq, at=now, gate="east", direction="in", method="manual", decision="check", reason="unknown",
        passed=False, tag="04A2", note="界" * 490,
    )  # fmt: skip


def add(outbox: Outbox, count: int, make: Any = a_count) -> None:
    for _ in range(count):
        assert outbox.add(make)


def drain(sender: Sender, most: int = 50) -> None:
    for _ in range(most):
        if sender.step() < 0:
            return
    raise AssertionError(f"not drained: {sender.trouble}")


def test_everything_arrives_and_the_outbox_is_empty(server: FakeServer, outbox: Outbox, sender: Sender) -> None:
    add(outbox, 5)
    drain(sender)
    assert len(server.kept) == 5
    assert outbox.size() == 0


def test_a_batch_keeps_to_a_thousand_reports(server: FakeServer, outbox: Outbox, sender: Sender) -> None:
    add(outbox, MAX_REPORTS + 1)
    drain(sender)
    assert [len(each["reports"]) for each in server.bodies] == [MAX_REPORTS, 1]


def test_a_batch_keeps_to_a_mebibyte(server: FakeServer, outbox: Outbox, sender: Sender) -> None:
    add(outbox, 950, a_long_scan)
    drain(sender)
    assert max(server.sizes) <= MAX_BYTES
    assert len(server.sizes) == 2
    assert len(server.kept) == 950


def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(
    server: FakeServer, outbox: Outbox, sender: Sender
) -> None:
    """The server kept it, the answer was lost: the same reports come again and are duplicates, not conflicts."""
    add(outbox, 3)

    def keep_and_fail(parsed: dict[str, Any]) -> Any:
        server.keep(parsed)
        return 500, b"<html>oops", {}

    server.next_replies.append(keep_and_fail)
    assert sender.step() > 0
    assert outbox.size() == 3
    drain(sender)
    assert server.bodies[0]["reports"] == server.bodies[1]["reports"]
    assert len(server.kept) == 3
    assert outbox.size() == 0


@pytest.mark.parametrize(
    "reply",
    [
        (200, b"", {}),  # nothing
        (200, b"<html>welcome to the hotel's network", {}),  # a captive portal
        (200, b'{"batch": "x", "server_ms": 1, "through": [], "results": []}', {}),  # names no report
        (200, b'{"batch": "x", "server_ms": 1, "through": [], "results": [{"boot": 1, "seq": 1, "outcome": "x"}]}', {}),
        (302, b"", {"Location": "http://127.0.0.1:9/"}),  # elsewhere
        (200, b'{"results": 3}', {}),  # not an answer
    ],
)  # fmt: skip
def test_what_is_no_proper_answer_deletes_nothing(
    server: FakeServer, outbox: Outbox, sender: Sender, reply: Any
) -> None:
    add(outbox, 2)
    server.next_replies.append(reply)
    assert sender.step() > 0
    assert outbox.size() == 2
    assert sender.trouble
    drain(sender)
    assert len(server.kept) == 2


def test_only_what_was_answered_is_deleted(server: FakeServer, outbox: Outbox, sender: Sender) -> None:
    add(outbox, 4)
    server.next_replies.append(lambda parsed: server.keep({**parsed, "reports": parsed["reports"][1:3]}))
    sender.step()
    assert [each.seq for each in outbox.oldest(10)] == [1, 4]


def test_retry_after_is_kept_to(server: FakeServer, outbox: Outbox, sender: Sender) -> None:
    add(outbox, 1)
    server.next_replies.append(problem(429, "Too many", Retry_After="40"))
    assert 40 <= sender.step() <= 48


def test_a_refused_token_keeps_everything(server: FakeServer, outbox: Outbox, clock: DeviceClock) -> None:
    uplink = HttpUplink(server.url, "wrong")
    sender = Sender(outbox, uplink, clock)
    add(outbox, 2)
    assert sender.step() > 0
    assert sender.status == 401
    assert outbox.size() == 2
    uplink.close()


def test_one_unreadable_report_is_set_aside_and_the_rest_arrives(
    server: FakeServer, outbox: Outbox, sender: Sender
) -> None:
    add(outbox, 9)

    def refuse_fifth(parsed: dict[str, Any]) -> Any:
        server.next_replies.append(refuse_fifth)
        return problem(422, "Unreadable") if any(each["seq"] == 5 for each in parsed["reports"]) else None

    server.next_replies.append(refuse_fifth)
    drain(sender)
    assert sorted(seq for _, seq in server.kept) == [1, 2, 3, 4, 6, 7, 8, 9]
    aside = outbox._store.execute("SELECT seq, why FROM refused").fetchall()
    assert [(seq, why[:3]) for seq, why in aside] == [(5, "422")]
    assert sender.refused == 1


def test_the_clocks_offset_is_measured_and_frozen_into_later_reports(
    server: FakeServer, outbox: Outbox, sender: Sender
) -> None:
    server.ahead_ms = 7_000
    for _ in range(20):  # an exchange that took long measures nothing well
        begun_s = time.monotonic()
        add(outbox, 1)
        drain(sender)
        if time.monotonic() - begun_s < 0.7:
            break
    add(outbox, 1)
    drain(sender)
    first, *_, second = server.reports("count")
    assert "skew_ms" not in first
    assert second["skew_ms"] == pytest.approx(-7_000, abs=400)


def test_a_server_that_is_not_there_is_told_and_waited_for(outbox: Outbox, clock: DeviceClock) -> None:
    with serving(FakeServer()) as gone:
        address = gone.url
    sender = Sender(outbox, HttpUplink(address, "secret"), clock, BackOff(rng=random.Random(1)))
    add(outbox, 1)
    waits = [sender.step() for _ in range(4)]
    assert all(wait > 0 for wait in waits)
    assert "does not answer" in sender.trouble
    with pytest.raises(NoAnswer):
        HttpUplink(address, "secret").send(body("x", []))


def test_waits_double_are_jittered_and_end_at_two_minutes() -> None:
    """A hundred boxes that fail together: their waits lie anywhere below the bound, which doubles."""
    boxes = [BackOff(first_s=1, most_s=120, rng=random.Random(seed)) for seed in range(100)]
    for number in range(12):
        bound = min(120, 2**number)
        waits = sorted(each.failed() for each in boxes)
        assert 0 <= waits[0] < bound / 10
        assert bound * 9 / 10 < waits[-1] <= bound
        assert bound * 0.35 < waits[50] < bound * 0.65
    back_off = boxes[0]
    back_off.succeeded()
    assert back_off.failed() <= 1


@pytest.mark.parametrize("address", ["", "flow.example", "ftp://flow.example", "http://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadAddress, match="give one like"):
        HttpUplink(address, "secret")


def test_a_clock_that_is_set_takes_its_offset_along() -> None:
    wall, steady = [1_000_000], [0]
    clock = DeviceClock(lambda: wall[0], lambda: steady[0])
    clock.measure(999_900, 1_000_100, 1_000_500)
    assert clock.skew_ms == -500
    for jump in (3_600_000, -3_600_000):
        before = clock.now() - (clock.skew_ms or 0)
        wall[0] += jump + 10
        steady[0] += 10
        assert clock.now() - (clock.skew_ms or 0) == before + 10
    assert clock.jumps == 2
    assert clock.jumped_lately()
    wall[0], steady[0] = wall[0] + 3_600_000, steady[0] + 3_600_000
    assert not clock.jumped_lately()


def test_an_offset_from_a_slow_exchange_or_within_noise_is_not_taken() -> None:
    clock = DeviceClock(lambda: 0, lambda: 0)
    clock.measure(0, 5_000, 100)
    assert clock.skew_ms is None
    clock.measure(0, 100, 1_050)
    clock.measure(0, 100, 1_150)
    assert clock.skew_ms == -1_000


def test_a_server_that_does_not_know_the_time_teaches_none() -> None:
    clock = DeviceClock(lambda: 0, lambda: 0)
    clock.measure(0, 100, 1_050)
    clock.measure(0, 100, 0)
    assert clock.skew_ms == -1_000
