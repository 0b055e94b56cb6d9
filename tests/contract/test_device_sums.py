"""A device whose counters differ from what arrived of it is found, on both stores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from community_flow.adapters.sql.queries_live import SqlLive
from community_flow.domain.scope import Role, Scope
from community_flow.services.devices import DeviceState
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.ingest import IngestParts, ingest_parts
from sensors import wire
from tests.contract.test_devices import HandClock
from tests.factories import small_community

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))
START_MS = 1_795_420_800_000
MINUTE_MS = 60_000
BOOT = 77


class Box:
    """A counting device with honest counters, and ways to lose what it sends."""

    def __init__(self, core: Core, clock: HandClock) -> None:
        self.core, self.clock = core, clock
        self.parts: IngestParts = ingest_parts(core)
        self.enrolled = self.parts.devices.enrol(MANAGER, "garden", "camera", "east")
        self.boot, self.seq = BOOT, 0
        self.told = {"in": 0, "out": 0}

    def count(self, direction: Any = "in", n: int = 1) -> wire.Count:
        self.told[direction] += n
        return wire.Count(**self._next(), gate="east", direction=direction, n=n)

    def sum_of(self, counts: list[wire.Count]) -> wire.Count:
        """What stands for these; not counted again."""
        first, last = counts[0], counts[-1]
        span = wire.Span(boot=first.boot, from_=first.seq, to=last.seq)
        n = sum(each.n for each in counts)
        return wire.Count(
            **self._next(), gate="east", direction=first.direction, n=n, from_ms=first.at, replaces=span
        )  # fmt: skip

    def status(self) -> wire.Status:
        return wire.Status(**self._next(), counters=dict(self.told), queue=0, version="1", config=1, faults=[])

    def send(self, *reports: wire.Report) -> None:
        device = self.parts.ingest.admit(self.enrolled.token, 1)
        self.parts.ingest.accept(device, wire.body("b", [each.encode() for each in reports]))
        flow_parts(self.core).flow.drain("garden")

    def minutes(self, number: int) -> None:
        """So many statuses, a minute apart, each looked at."""
        for _ in range(number):
            self.clock.at_ms += MINUTE_MS
            self.send(self.status())
            self.parts.sums.step()

    @property
    def state(self) -> DeviceState:
        (found,) = self.parts.devices.list(MANAGER)
        return found

    def differs(self) -> dict[str, int]:
        status = self.state.status
        assert status is not None
        assert (self.state.state == "mismatch") == bool(status.differs)
        with self.core.db.read() as tx:
            (seen,) = SqlLive().devices(tx, MANAGER)
        assert seen.mismatch_ms == status.differs_ms
        return dict(status.differs)

    def _next(self) -> dict[str, Any]:
        self.seq += 1
        return {"boot": self.boot, "seq": self.seq, "at": self.clock.now_ms()}


@pytest.fixture
def box(core: Core) -> Iterator[Box]:
    small_community(core)
    clock = HandClock(START_MS)
    timed = build_core(core.settings, clock)
    yield Box(timed, clock)
    timed.db.close()


def test_a_device_of_which_all_arrives_is_well(box: Box) -> None:
    for _ in range(3):
        box.send(box.count("in", 3), box.count("out"), box.status())
        box.minutes(1)
    assert box.differs() == {}
    assert box.state.state == "ok"


def test_what_was_lost_is_found_and_told_with_its_sum_and_since_when(box: Box) -> None:
    box.send(box.count())
    box.minutes(2)
    good_ms = box.clock.now_ms()
    box.count("in", 4)  # never sent
    box.send(box.count("out"))
    box.minutes(1)
    assert box.differs() == {}, "one status may come before an aggregate that belongs before it"
    box.minutes(1)
    assert box.differs() == {"in": 4}
    status = box.state.status
    assert status is not None
    assert status.differs_ms == good_ms


def test_what_arrived_twice_under_two_numbers_is_found_too(box: Box) -> None:
    box.send(box.count())
    box.minutes(1)
    box.send(box.count())
    box.told["in"] -= 1  # the box believes that it sent one
    box.minutes(2)
    assert box.differs() == {"in": -1}


def test_it_is_well_again_when_the_missing_ones_come_after_all(box: Box) -> None:
    box.minutes(1)
    late = box.count("in", 4)
    box.minutes(3)
    assert box.differs() == {"in": 4}
    box.send(late)
    box.minutes(11)  # what is known to differ is not read with every status
    assert box.differs() == {}


def test_a_sum_and_the_counts_it_stands_for_are_one(box: Box) -> None:
    """Counts that were kept while their answer was lost come again as one aggregate."""
    box.minutes(1)
    counts = [box.count() for _ in range(5)]
    box.send(*counts[:2])
    box.minutes(1)
    box.send(box.sum_of(counts))
    box.minutes(3)
    assert box.differs() == {}
    box.count()  # and it still sees what is missing
    box.minutes(3)
    assert box.differs() == {"in": 1}


def test_a_start_before_this_one_is_made_whole_by_a_later_aggregate(box: Box) -> None:
    box.minutes(1)
    counts, told = [box.count() for _ in range(5)], dict(box.told)
    status = box.status()
    box.boot, box.seq, box.told = BOOT + 1, 0, {"in": 0, "out": 0}
    box.minutes(1)
    box.send(box.sum_of(counts), status)
    box.minutes(2)
    assert told["in"] == 5
    assert box.differs() == {}


def test_somebody_who_looked_begins_anew(box: Box) -> None:
    box.count("in", 2)
    box.minutes(3)
    assert box.differs() == {"in": 2}
    box.parts.devices.clear_mismatch(MANAGER, box.enrolled.device)
    assert box.differs() == {}
    box.minutes(12)
    assert box.differs() == {}
    box.count("out")
    box.minutes(3)
    assert box.differs() == {"out": 1}


def test_a_start_whose_first_reports_are_gone_begins_with_what_it_tells(box: Box) -> None:
    box.seq, box.told = 500, {"in": 80, "out": 70}
    box.send(box.count())
    box.clock.at_ms += 6 * 24 * 60 * MINUTE_MS + 1
    box.minutes(2)
    box.send(box.count())
    box.minutes(2)
    assert box.differs() == {}


def test_a_difference_outlives_the_reports_it_was_found_in(box: Box) -> None:
    box.minutes(1)
    box.count("in", 3)
    for _ in range(9):
        box.clock.at_ms += 24 * 60 * MINUTE_MS
        box.send(box.count("in"))
        box.minutes(1)
    assert box.differs() == {"in": 3}


def test_scans_and_readings_are_compared_as_well(box: Box) -> None:
    box.told = {"scans": 1, "readings": 1}
    scan = wire.Scan(
        **box._next(), gate="east", direction="in", method="tag", decision="allow", reason="free_flow", passed=True,
        tag="04A2B1C9",
    )  # fmt: skip
    subject = wire.Subject(bed="12")
    box.send(scan, wire.Reading(**box._next(), subject=subject, quantity="body-temperature", value=36.6, error=0.2))
    box.minutes(2)
    assert box.differs() == {}
    box.told["scans"] += 2
    box.minutes(2)
    assert box.differs() == {"scans": 2}


def test_the_first_counts_of_a_start_are_missed_too(box: Box) -> None:
    box.count("in", 2)
    box.minutes(2)
    assert box.differs() == {"in": 2}


def test_a_box_that_tells_no_sums_is_not_judged(box: Box) -> None:
    for _ in range(3):
        box.clock.at_ms += MINUTE_MS
        box.send(box.count(), wire.Status(**box._next(), counters={"rain": 3}))
        box.parts.sums.step()
    assert box.differs() == {}
