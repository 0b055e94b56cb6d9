"""A server whose own clock is wrong notices and says so; nothing is lost, mislabelled or deleted by it. Both stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from community_flow.adapters.clock import SteadyClock
from community_flow.adapters.sql.queries_clock import SqlClock
from community_flow.adapters.sql.tables_access import audit
from community_flow.adapters.sql.tables_ingest import device_status
from community_flow.domain.errors import Conflict
from community_flow.services.server_clock import PATIENCE_MS, ServerClock
from community_flow.wiring.clock import server_clock_of
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.retention import retention_of
from sensors import wire
from tests.contract.test_ingest import BOOT, Desk
from tests.factories import small_community
from tests.unit.test_server_clock import DAY, HOUR, MINUTE, NOW, Machine


class Site:
    """An installation on a machine whose clock a test sets; `started` starts the program anew."""

    def __init__(self, settings: object, machine: Machine) -> None:
        self.settings, self.machine = settings, machine
        self.cores: list[Core] = []

    def started(self) -> Core:
        core = build_core(self.settings, self.machine.clock())  # type: ignore[arg-type]
        self.cores.append(core)
        return core


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def site(core: Core, machine: Machine) -> Iterator[Site]:
    small_community(core)
    made = Site(core.settings, machine)
    yield made
    for each in made.cores:
        each.db.close()


def watch_of(core: Core) -> ServerClock:
    found = server_clock_of(core)
    assert found is not None
    found.synchronised = lambda: False  # whatever keeps the clock of the machine that runs this test
    return found


def noticed(core: Core) -> list[str]:
    with core.db.read() as tx:
        rows = tx.execute(select(audit.c.action).where(audit.c.action.like("clock.%")).order_by(audit.c.number))
        return [row.action for row in rows]


def restarted_with(site: Site, wall_ms: int) -> tuple[Core, ServerClock]:
    """The clock was right until now; then the machine was off and came up with ``wall_ms``."""
    watch_of(site.started()).check()
    site.machine.wall, site.machine.elapsed = wall_ms, 0
    core = site.started()
    watch = watch_of(core)
    watch.check()
    return core, watch


def test_a_clock_that_goes_on_is_believed(site: Site) -> None:
    core, watch = restarted_with(site, NOW + 3 * HOUR)
    assert (watch.trouble(), watch.knows_time(), core.clock.now_ms()) == (None, True, NOW + 3 * HOUR)
    assert noticed(core) == []


@pytest.mark.parametrize("wall_ms", [3_000, 946_684_800_000, NOW - 2 * HOUR])
def test_an_empty_battery_is_noticed_and_time_never_goes_back(site: Site, wall_ms: int) -> None:
    core, watch = restarted_with(site, wall_ms)
    assert watch.judgement.trouble == "behind"
    assert (core.clock.now_ms(), watch.knows_time()) == (NOW, False)
    site.machine.passes(3 * HOUR)  # waiting does not make it right
    watch.check()
    assert (watch.judgement.trouble, core.clock.now_ms()) == ("behind", NOW + 3 * HOUR)
    site.machine.wall = NOW + 5 * HOUR  # somebody sets it
    assert watch.check().trouble is None
    assert core.clock.now_ms() == NOW + 5 * HOUR
    assert noticed(core) == ["clock.wrong", "clock.right"]


def test_reports_of_a_time_without_time_are_kept_and_waiting(site: Site) -> None:
    core, _ = restarted_with(site, 3_000)
    desk = Desk(core)
    old, live = NOW - 30 * DAY, NOW + 5 * HOUR
    answer = desk.send(desk.count(1, at=old), desk.count(2, at=live), wire.Status(boot=BOOT, seq=3, at=live))
    assert [each.outcome for each in answer.results] == ["accepted"] * 3
    assert answer.server_ms == 0  # no device may learn a wrong offset
    assert [(row.seq, row.held, row.t_ms) for row in desk.rows()] == [(1, True, old), (2, True, live), (3, False, live)]
    assert [(row.seq, row.reason) for row in desk.tray()] == [(1, "server_clock"), (2, "server_clock")]
    assert desk.marks() == []


def test_a_command_beside_the_server_has_its_time(site: Site) -> None:
    core, watch = restarted_with(site, 3_000)
    site.machine.passes(2 * HOUR)
    watch.check()
    beside = site.started()  # makes a sign-in link, say
    watch_of(beside).check(keep=False)
    assert beside.clock.now_ms() == core.clock.now_ms() == NOW + 2 * HOUR


def test_the_first_device_that_shows_the_same_time_ends_the_doubt(site: Site) -> None:
    core, watch = restarted_with(site, NOW + 20 * DAY)
    assert (watch.judgement.trouble, core.clock.now_ms()) == ("ahead", NOW)
    desk = Desk(core)
    desk.send(wire.Status(boot=BOOT, seq=1, at=NOW + 20 * DAY + MINUTE))
    assert watch.check().trouble is None
    assert core.clock.now_ms() == NOW + 20 * DAY


def test_a_device_at_the_old_time_does_not_confirm_a_clock_a_year_ahead(site: Site) -> None:
    core, watch = restarted_with(site, NOW + 365 * DAY)
    desk = Desk(core)
    desk.send(wire.Status(boot=BOOT, seq=1, at=NOW + MINUTE), desk.count(2, at=NOW + MINUTE))
    assert watch.check().trouble == "ahead"
    assert desk.rows()[1].t_ms == NOW + MINUTE
    site.machine.wall = NOW + 2 * MINUTE
    assert watch.check().trouble is None


def test_a_jump_while_running_moves_nothing_until_it_is_confirmed(site: Site) -> None:
    core = site.started()
    watch = watch_of(core)
    watch.check()
    site.machine.passes(MINUTE)
    site.machine.wall += 365 * DAY
    assert watch.check().trouble == "jumped"
    assert (core.clock.now_ms(), watch.knows_time()) == (NOW + MINUTE, True)
    desk = Desk(core)
    assert desk.send(desk.count(1, at=NOW)).server_ms == NOW + MINUTE
    assert desk.rows()[0].held is False
    watch.accept(desk.manager)
    assert (watch.judgement.trouble, core.clock.now_ms()) == (None, site.machine.wall)
    assert noticed(core) == ["clock.wrong", "clock.accepted"]


def test_what_one_process_was_told_the_others_believe(site: Site) -> None:
    first, second = site.started(), site.started()
    for core in (first, second):
        watch_of(core).check()
    site.machine.wall -= 2 * HOUR
    assert [watch_of(core).check().trouble for core in (first, second)] == ["jumped", "jumped"]
    site.machine.passes(2 * HOUR + 30_000)  # until the wrong time has caught up with what was last written
    assert [watch_of(core).check().trouble for core in (first, second)] == ["jumped", "jumped"]
    watch_of(first).accept(Desk(first).manager)
    assert watch_of(second).check().trouble is None
    assert second.clock.now_ms() == site.machine.wall


def test_devices_that_all_differ_alike_are_said_after_three_minutes(site: Site) -> None:
    core = site.started()
    watch = watch_of(core)
    desks = [Desk(core), Desk(core, "camera", "west")]

    def speak(seq: int) -> None:
        for desk in desks:
            at = site.machine.wall + 2 * HOUR
            desk.send(wire.Status(boot=BOOT, seq=seq, at=at, skew_ms=2 * HOUR))

    speak(1)
    assert watch.check().trouble is None  # they may be measuring anew just now
    site.machine.passes(PATIENCE_MS)
    speak(2)
    assert watch.check().trouble == "disagrees"
    assert (watch.judgement.off_ms, watch.knows_time()) == (-2 * HOUR, True)
    with pytest.raises(Conflict):
        retention_of(core).run("garden")


def test_nothing_is_deleted_by_a_clock_that_jumped_a_year_ahead(site: Site) -> None:
    core = site.started()
    watch_of(core).check()
    desk = Desk(core)
    desk.send(desk.count(1, at=NOW))
    site.machine.wall += 365 * DAY
    with pytest.raises(Conflict, match="doubt"):
        retention_of(core).run("garden")
    site.machine.elapsed = 0
    restarted = site.started()  # `retention run` beside it, or after a restart
    watch_of(restarted)
    with pytest.raises(Conflict, match="doubt"):
        retention_of(restarted).run("garden")
    assert len(desk.rows()) == 1
    site.machine.wall = NOW + 20 * HOUR
    later = site.started()
    watch_of(later).check()
    assert retention_of(later).run("garden").reports == 0


def test_a_store_of_an_earlier_version_is_held_against_its_newest_receipt(site: Site) -> None:
    core = site.started()
    desk = Desk(core)
    with core.db.write() as tx:
        tx.execute(update(device_status).where(device_status.c.device == desk.device.device).values(last_ms=NOW))
        note = SqlClock().note(tx)
    assert note is not None
    assert note.believed_ms == NOW
    site.machine.wall = 5_000
    assert watch_of(site.started()).check().trouble == "behind"


def test_a_clock_that_a_caller_brought_is_not_watched(core: Core) -> None:
    class Still:
        def now_ms(self) -> int:
            return NOW

    assert server_clock_of(build_core(core.settings, Still())) is None
    assert isinstance(core.clock, SteadyClock)
