"""Orders, cases and contacts on both stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from community_flow.domain.errors import Conflict, Forbidden, Invalid, NotFound
from community_flow.domain.scope import Role
from community_flow.ports.accounts import Account
from community_flow.services.accounts import SignedIn
from community_flow.services.orders import NewOrder
from community_flow.services.tracing import CaseView, NewCase
from community_flow.wiring.core import Core
from community_flow.wiring.tracing import TracingParts, tracing_parts
from tests.factories import an_account, small_community
from tests.fakes_tracing import DAY_MS, HE, HOUR_MS, LIN, MA, MINUTE_MS, NOON_MS, WANG, ZHOU, FixedClock, met


@pytest.fixture
def parts(core: Core) -> TracingParts:
    core.clock = core.audit.clock = core.accounts.clock = core.registry.clock = FixedClock()
    met(core)
    return tracing_parts(core)


@pytest.fixture
def official(core: Core, parts: TracingParts) -> SignedIn:
    return an_account(core, Role.OFFICIAL)


def an_order(**changes: Any) -> NewOrder:
    wanted = NewOrder(
        number="2026-11/44", basis="传染病防治法 第39条", area="district", from_ms=NOON_MS - DAY_MS,
        until_ms=NOON_MS + 20 * DAY_MS,
    )  # fmt: skip
    return replace(wanted, **changes)


def a_case(**changes: Any) -> NewCase:
    wanted = NewCase(
        community="garden", purpose="measles, laboratory report 17", person=LIN, from_ms=NOON_MS - DAY_MS,
        to_ms=NOON_MS + HOUR_MS * 12,
    )  # fmt: skip
    return replace(wanted, **changes)


def looked(parts: TracingParts, who: SignedIn, **changes: Any) -> CaseView:
    parts.orders.record(who.scope, who.account, an_order())
    case = parts.tracing.open_case(who.scope, who.account, a_case(**changes))
    return parts.tracing.look(who.scope, who.account, case.case_id)


def persons(parts: TracingParts, view: CaseView) -> dict[str, Any]:
    """Contact lines by person, opened for the test alone."""
    with parts.tracing.db.read() as tx:
        everybody = [LIN, WANG, ZHOU, MA, HE]
        names = parts.tracing.pseudonyms.all(tx, "garden", view.case.case_id, everybody)
    by_name = {line.pseudonym: line for line in view.contacts}
    return {person: by_name[name] for person, name in names.items() if name in by_name}


def places(view: CaseView, line: Any) -> set[str]:
    return {view.places[each.zone].kind for each in line.contact.exposures}


def actions(core: Core, person: str) -> list[str]:
    with core.db.read() as tx:
        rows = core.audit.store.rows(tx, 0, 1000)
    return [row.action for row in rows if row.person == person]


def test_without_an_order_nothing_opens(parts: TracingParts, official: SignedIn) -> None:
    with pytest.raises(Forbidden, match="needs an order"):
        parts.tracing.open_case(official.scope, official.account, a_case())


def test_contacts_are_ranked_with_what_is_certain_apart_from_what_is_possible(
    parts: TracingParts, official: SignedIn
) -> None:
    view = looked(parts, official)
    found = persons(parts, view)
    assert set(found) == {WANG, ZHOU, MA, HE}
    assert (found[ZHOU].contact.certainty, found[ZHOU].contact.certain_ms) == ("seen", 40 * MINUTE_MS)
    assert (found[MA].contact.certainty, found[MA].contact.certain_ms) == ("likely", 0)
    assert found[MA].contact.possible_ms == 60 * MINUTE_MS
    assert places(view, found[WANG]) == {"household"}
    assert places(view, found[HE]) == {"queue"}
    assert view.contacts[0].pseudonym == found[WANG].pseudonym
    assert [line.rank for line in view.contacts] == [1, 2, 3, 4]
    assert (view.certain_total, view.compound_total) == (1, 4)


def test_kinds_that_are_off_are_not_searched(parts: TracingParts, official: SignedIn) -> None:
    view = looked(parts, official, kinds=("room",))
    assert set(persons(parts, view)) == {ZHOU, MA}
    compound = parts.tracing.open_case(official.scope, official.account, a_case(kinds=("compound",)))
    wide = parts.tracing.look(official.scope, official.account, compound.case_id)
    assert set(persons(parts, wide)) == {WANG, ZHOU, MA, HE}


def test_a_minimum_overlap_leaves_short_meetings_out(parts: TracingParts, official: SignedIn) -> None:
    assert set(persons(parts, looked(parts, official, kinds=("room",), least_min=50))) == {MA}


def test_the_window_cuts_visits(parts: TracingParts, official: SignedIn) -> None:
    view = looked(parts, official, kinds=("room",), to_ms=NOON_MS + 30 * MINUTE_MS, least_min=5)
    assert persons(parts, view)[ZHOU].contact.certain_ms == 10 * MINUTE_MS


def test_every_look_is_in_the_log_of_each_person_it_showed(core: Core, parts: TracingParts, official: SignedIn) -> None:
    view = looked(parts, official)
    assert actions(core, LIN) == ["case.open", "case.look"]
    assert actions(core, ZHOU) == ["case.look"]
    parts.tracing.look(official.scope, official.account, view.case.case_id, top=1)
    assert (actions(core, WANG), actions(core, ZHOU)) == (["case.look"] * 2, ["case.look"])
    assert core.audit.verify().broken_at is None


def test_the_index_person_is_found_by_exact_name_and_unit_only(parts: TracingParts, official: SignedIn) -> None:
    parts.orders.record(official.scope, official.account, an_order())
    case = parts.tracing.open_case(official.scope, official.account, a_case(person=None, name="林晓梅", unit="1-1-101"))
    assert case.index_person == LIN
    for name, unit in (("林晓梅", "1-1-102"), ("林", "1-1-101"), ("林晓%", "1-1-101")):
        with pytest.raises(Invalid, match="Nobody of that name"):
            parts.tracing.open_case(official.scope, official.account, a_case(person=None, name=name, unit=unit))


def test_identities_open_when_a_second_official_agrees_and_the_community_is_told(
    core: Core, parts: TracingParts, official: SignedIn
) -> None:
    view = looked(parts, official)
    case_id, zhou = view.case.case_id, persons(parts, view)[ZHOU].pseudonym
    assert all(line.identity is None for line in view.contacts)
    asked = parts.tracing.ask(official.scope, official.account, case_id, [zhou], "to call them")
    with pytest.raises(Forbidden, match="second official"):
        parts.tracing.answer(official.scope, official.account, case_id, asked.opening_id, True)
    second = an_account(core, Role.OFFICIAL)
    parts.tracing.answer(second.scope, second.account, case_id, asked.opening_id, True)
    again = parts.tracing.look(official.scope, official.account, case_id)
    known = {line.pseudonym: line.identity for line in again.contacts if line.identity}
    assert list(known) == [zhou]
    assert (known[zhou].name, known[zhou].unit) == ("周敏", "1-1-102")
    told = parts.orders.told(an_account(core, Role.MANAGER).scope)
    assert sorted(notice.kind for notice in told) == ["identities.opened", "order.recorded"]
    assert actions(core, ZHOU) == ["case.look", "case.ask", "case.opened", "case.look"]
    with pytest.raises(Conflict):
        parts.tracing.answer(second.scope, second.account, case_id, asked.opening_id, False)


def test_an_official_of_another_authority_finds_no_case(core: Core, parts: TracingParts, official: SignedIn) -> None:
    case_id = looked(parts, official).case.case_id
    stranger = an_account(core, Role.OFFICIAL, authority="Other bureau")
    with pytest.raises(NotFound):
        parts.tracing.look(stranger.scope, stranger.account, case_id)
    assert parts.tracing.known(stranger.scope, stranger.account) == []


def test_an_official_of_another_area_finds_no_case_and_covers_no_community(
    core: Core, parts: TracingParts, official: SignedIn
) -> None:
    case_id = looked(parts, official).case.case_id
    small_community(core, "lake", "harbour")
    stranger = an_account(core, Role.OFFICIAL, areas=("harbour",))
    with pytest.raises(NotFound):
        parts.tracing.look(stranger.scope, stranger.account, case_id)
    with pytest.raises(NotFound):
        parts.tracing.open_case(stranger.scope, stranger.account, a_case())
    with pytest.raises(Invalid, match="area"):
        parts.orders.record(stranger.scope, stranger.account, an_order(number="7"))


def test_a_case_closes_with_its_order(core: Core, parts: TracingParts, official: SignedIn) -> None:
    case_id = looked(parts, official).case.case_id
    order = parts.orders.known(official.scope)[0]
    parts.orders.end(official.scope, official.account, order.order_id)
    assert parts.orders.numbers_in_force(official.scope) == []
    with pytest.raises(Forbidden, match="Tracing is locked"):
        parts.tracing.look(official.scope, official.account, case_id)


def test_an_order_runs_out(core: Core, parts: TracingParts, official: SignedIn) -> None:
    case_id = looked(parts, official).case.case_id
    core.clock.ms = NOON_MS + 20 * DAY_MS  # type: ignore[attr-defined]
    with pytest.raises(Forbidden):
        parts.tracing.look(official.scope, official.account, case_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"until_ms": NOON_MS + 30 * DAY_MS},  # longer than 30 days
        {"until_ms": NOON_MS - 2 * DAY_MS},  # ends before it begins
        {"from_ms": NOON_MS - 20 * DAY_MS, "until_ms": NOON_MS},  # over already
        {"number": " "},
        {"basis": "-"},
        {"area": "nowhere"},
    ],
)
def test_an_order_that_cannot_be_is_refused(parts: TracingParts, official: SignedIn, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        parts.orders.record(official.scope, official.account, an_order(**changes))


def test_an_order_is_recorded_once_and_only_by_its_authority(
    core: Core, parts: TracingParts, official: SignedIn
) -> None:
    parts.orders.record(official.scope, official.account, an_order())
    with pytest.raises(Conflict):
        parts.orders.record(official.scope, official.account, an_order())
    manager = an_account(core, Role.MANAGER)
    with pytest.raises(Forbidden):
        parts.orders.record(manager.scope, manager.account, an_order(number="8"))


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "?"},
        {"to_ms": NOON_MS - 2 * DAY_MS},
        {"from_ms": NOON_MS - 40 * DAY_MS},
        {"least_min": 0},
        {"queue_s": 301},
        {"kinds": ("cellar",)},
        {"kinds": ()},
        {"person": None},
    ],
)
def test_a_case_that_cannot_be_is_refused(parts: TracingParts, official: SignedIn, changes: dict[str, Any]) -> None:
    parts.orders.record(official.scope, official.account, an_order())
    with pytest.raises(Invalid):
        parts.tracing.open_case(official.scope, official.account, a_case(**changes))


def test_decisions_replace_each_other_and_a_stranger_is_no_contact(parts: TracingParts, official: SignedIn) -> None:
    view = looked(parts, official)
    pseudonym = view.contacts[0].pseudonym
    for status in ("contact", "cleared"):
        parts.tracing.decide(official.scope, official.account, view.case.case_id, pseudonym, status, None)
    again = parts.tracing.look(official.scope, official.account, view.case.case_id)
    assert [line.status for line in again.contacts] == ["cleared", "candidate", "candidate", "candidate"]
    with pytest.raises(NotFound):
        parts.tracing.decide(official.scope, official.account, view.case.case_id, "P-AAAA-AAAA", "contact", None)


def test_cases_are_numbered_within_their_community(parts: TracingParts, official: SignedIn) -> None:
    parts.orders.record(official.scope, official.account, an_order())
    numbers = [parts.tracing.open_case(official.scope, official.account, a_case()).number for _ in range(3)]
    assert numbers == ["2026-001", "2026-002", "2026-003"]


def test_pseudonyms_differ_by_case(parts: TracingParts, official: SignedIn) -> None:
    first = looked(parts, official)
    other = parts.tracing.open_case(official.scope, official.account, a_case())
    second = parts.tracing.look(official.scope, official.account, other.case_id)
    assert not {line.pseudonym for line in first.contacts} & {line.pseudonym for line in second.contacts}


def test_an_account_without_authority_has_no_cases(core: Core, parts: TracingParts, official: SignedIn) -> None:
    case_id = looked(parts, official).case.case_id
    bare: Account = replace(official.account, authority=None)
    with pytest.raises(NotFound):
        parts.tracing.look(official.scope, bare, case_id)
