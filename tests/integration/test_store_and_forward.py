"""A day without the server, over a way that loses answers: every body is in the gate ledger once, raw or summed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from community_flow.adapters.sql.tables_flow import ledger
from community_flow.adapters.sql.tables_ingest import reports, tray
from community_flow.domain.scope import Role, Scope
from community_flow.services.devices import DeviceState
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.ingest import ingest_parts
from sensors.agent import OLD_MS
from sensors.desk import Desk
from sensors.device_clock import DeviceClock
from sensors.outbox import Outbox
from sensors.uplink_http import NoAnswer, Sender
from sensors.wire import Answer, Count, Refusal, answer_from, body
from tests.contract.test_devices import HandClock
from tests.factories import small_community

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))
DAY_MS, MINUTE_MS = 86_400_000, 60_000
START_MS = 1_795_420_800_000


class Backend:
    """The product's own ingest and fold over its store, as an uplink that forgets to answer now and then."""

    def __init__(self, core: Core, clock: HandClock, rng: random.Random) -> None:
        self.core, self.clock, self.rng = core, clock, rng
        self.parts = ingest_parts(core)
        self.enrolled = self.parts.devices.enrol(MANAGER, "garden", "camera", "west")
        self.device = self.parts.trust.of_token(self.enrolled.token)
        self.losing = 0.0
        self.lost = 0

    def send(self, body: bytes) -> Answer | Refusal:
        assert self.device is not None
        receipt = self.parts.ingest.accept(self.device, body)
        if self.rng.random() < self.losing:
            self.lost += 1
            raise NoAnswer("the answer was lost")
        return answer_from(msgspec.json.encode(receipt))

    def close(self) -> None:
        pass

    def in_ledger(self) -> Counter[str]:
        flow_parts(self.core).flow.drain("garden")
        with self.core.db.read() as tx:
            rows = tx.execute(select(ledger.c.direction, func.sum(ledger.c.n)).group_by(ledger.c.direction))
            return Counter({direction: int(bodies) for direction, bodies in rows})

    def state(self) -> DeviceState:
        self.parts.sums.step()
        (found,) = self.parts.devices.list(MANAGER)
        return found


@dataclass
class Box:
    """A counting device on a hand clock; ``seen`` is what truly went by."""

    backend: Backend
    folder: Path
    seen: Counter[str] = field(default_factory=Counter)
    ahead_ms: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        time = self.backend.clock
        self.clock = DeviceClock(lambda: time.at_ms + self.ahead_ms, lambda: time.at_ms)
        self.outbox = Outbox(self.folder / "outbox.sqlite", self.backend.enrolled.device, self.clock)
        self.desk = Desk(self.outbox, self.clock)
        self.sender = Sender(self.outbox, self.backend, self.clock)

    def watch(self, bodies: int, for_ms: int) -> None:
        """So many people spread over a time, a status now and then."""
        for number in range(bodies):
            self.backend.clock.at_ms += for_ms // bodies
            direction = "in" if self.backend.rng.random() < 0.6 else "out"
            assert self.desk.count("west", direction)  # type: ignore[arg-type]
            self.seen[direction] += 1
            if number % 100 == 99:
                self.desk.status()

    def drain(self) -> None:
        for _ in range(1_000):
            if self.sender.step() < 0:
                return
        raise AssertionError(f"not drained: {self.sender.trouble}")

    def minutes(self, number: int) -> DeviceState:
        for _ in range(number):
            self.backend.clock.at_ms += MINUTE_MS
            self.desk.status()
            self.drain()
            found = self.backend.state()
        return found


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    found = random.SystemRandom().randrange(2**32)
    print(f"seed {found}")
    return found


@pytest.fixture
def box(core: Core, tmp_path: Path, seed: int) -> Iterator[Box]:
    small_community(core)
    clock = HandClock(START_MS)
    timed = build_core(core.settings, clock)
    found = Box(Backend(timed, clock, random.Random(seed)), tmp_path)
    yield found
    found.outbox.close()
    timed.db.close()


def a_day_offline(box: Box, bodies: int) -> int:
    """Raw counts arrive without an answer, wait for over a day, are summed and go again; how many reports it spared."""
    box.backend.losing = 1.0
    box.watch(bodies // 4, DAY_MS // 8)
    for _ in range(bodies // 4 // 1000 + 2):
        box.sender.step()  # always the same first batch: kept each time, never answered
    box.watch(bodies // 2, DAY_MS)
    assert box.clock.now() - (box.outbox.oldest_ms() or 0) > OLD_MS
    spared = box.outbox.compact(box.clock.now() - MINUTE_MS)
    box.outbox.close()
    box.start()  # and the box was restarted in the middle
    box.watch(bodies - bodies // 4 - bodies // 2, DAY_MS // 8)
    box.sender.step()
    spared += box.outbox.compact(box.clock.now() - MINUTE_MS)
    box.backend.losing = 0.3
    box.drain()
    return spared


def all_is_there_once(box: Box, state: str = "ok") -> None:
    assert box.backend.in_ledger() == box.seen
    found = box.minutes(3)
    assert (found.state, dict(found.status.differs) if found.status else None) == (state, {})
    assert box.backend.in_ledger() == box.seen
    with box.backend.core.db.read() as tx:
        assert not list(tx.execute(select(tray.c.reason)))
    # Folding everything anew gives the same.
    flow = flow_parts(box.backend.core).flow
    with box.backend.core.db.write() as tx:
        flow.rebuild(tx, "garden")
    assert box.backend.in_ledger() == box.seen


def test_a_day_offline_is_in_the_ledger_once(box: Box) -> None:
    assert a_day_offline(box, 1_600) > 100
    assert box.backend.lost > 2
    all_is_there_once(box)


def test_raw_counts_that_come_after_their_sum_are_not_added(box: Box) -> None:
    """A body that was under way when the box summed it, and is delivered a day late."""
    box.watch(60, 3 * MINUTE_MS)
    late = [each.body for each in box.outbox.oldest(60)]
    assert box.outbox.compact(box.clock.now() + 1) > 40
    box.drain()
    assert box.backend.in_ledger() == box.seen
    box.backend.send(f'{{"batch":"late","reports":[{",".join(late)}]}}'.encode())
    all_is_there_once(box)


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000])
def test_a_clock_that_jumps_by_an_hour_moves_no_count(box: Box, jump_ms: int) -> None:
    box.minutes(1)
    box.backend.losing, begun_ms = 1.0, box.backend.clock.at_ms
    box.watch(40, 2 * MINUTE_MS)
    box.ahead_ms += jump_ms
    box.watch(40, 2 * MINUTE_MS)
    box.outbox.compact(box.clock.now() + 2 * 3_600_000)
    box.backend.losing = 0.0
    box.drain()
    all_is_there_once(box, "skewed")
    with box.backend.core.db.read() as tx:
        first, last = tx.execute(select(func.min(ledger.c.at_ms), func.max(ledger.c.at_ms))).one()
    assert begun_ms <= first
    assert last <= begun_ms + 4 * MINUTE_MS


def test_a_box_that_lost_its_outbox_is_found(box: Box) -> None:
    """Counted, told in the sums, and then deleted by somebody before it was sent."""
    box.watch(50, 10 * MINUTE_MS)
    box.drain()
    assert box.minutes(2).state == "ok"
    box.watch(7, MINUTE_MS)
    lost = box.outbox.oldest(3)
    box.outbox.delete([(each.boot, each.seq) for each in lost])
    state = box.minutes(3)
    assert state.state == "mismatch"
    assert state.status is not None
    assert sum(state.status.differs.values()) == 3
    with box.backend.core.db.read() as tx:
        arrived = tx.execute(select(func.count()).where(reports.c.kind == "count")).scalar_one()
    assert arrived == 54


def test_a_late_count_beside_a_chain_of_sums_leaves_them_as_they_are(box: Box) -> None:
    """The second sum ends within reach of the first one's window, and the late count only within that of the first."""
    begun_ms = box.backend.clock.at_ms - 600_000

    def send(seq: int, second: int, n: int, from_second: int | None = None) -> None:
        from_ms = None if from_second is None else begun_ms + from_second * 1_000
        at = begun_ms + second * 1_000
        count = Count(boot=9, seq=seq, at=at, gate="west", direction="in", n=n, from_ms=from_ms)
        box.backend.send(body("b", [count.encode()]))

    send(2, 50, 3, from_second=0)
    send(3, 58, 2, from_second=55)
    assert box.backend.in_ledger() == {"in": 5}
    send(1, 5, 1)
    assert box.backend.in_ledger() == {"in": 6}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_day_and_a_hundred_thousand_reports_offline(box: Box) -> None:
    assert a_day_offline(box, 100_000) > 50_000
    all_is_there_once(box)
