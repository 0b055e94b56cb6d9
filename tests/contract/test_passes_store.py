"""Passes on SQLite and on PostgreSQL: issue, revoke, reissue, hand over, bind."""

from __future__ import annotations

import pytest

from community_flow.adapters.sql.queries_passes import SqlPasses
from community_flow.domain import passes as cf1
from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.passes import Proof
from community_flow.domain.scope import Role, Scope
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.passes import CardWanted, Passes
from community_flow.wiring.core import Core
from tests.factories import a_person, small_community

DAY_MS = 86_400_000
MANAGER = Scope("a_manager", Role.MANAGER, frozenset({"garden"}))
STRANGER = Scope("a_other", Role.MANAGER, frozenset({"elsewhere"}))


@pytest.fixture
def passes(core: Core) -> Passes:
    small_community(core)
    return Passes(core.db, core.registry, SqlPasses(), CommunityKeys(core.keys), core.audit, core.clock)


def test_a_card_proves_under_the_communitys_key_and_names_its_holder(passes: Passes, core: Core) -> None:
    person = a_person(core)
    before = cf1.day_of(core.clock.now_ms(), 480)
    issued = passes.issue_card(MANAGER, person)
    with core.db.read() as tx:
        held = passes.held(tx, MANAGER, issued.pass_id)
        text, uid = passes.text(tx, held), core.registry.uid(tx, "garden")
    token = cf1.decode(text)
    assert isinstance(token, cf1.Token)
    assert len(text) == 120
    assert token.handle == issued.handle
    assert cf1.prove_card(token, uid, passes.keys.card_keys(uid)) is Proof.GOOD
    assert cf1.pass_id(passes.keys.pass_ref(uid, token.handle)) == issued.pass_id
    assert held.state.person == person
    # Inclusive last day: the card's day and the journal's end speak of the same midnight.
    days = (before, cf1.day_of(core.clock.now_ms(), 480))  # a midnight may have passed
    assert token.expiry_day in [day + cf1.CARD_DAYS for day in days]


def test_the_handle_stands_nowhere_in_clear(passes: Passes, core: Core) -> None:
    issued = passes.issue_card(MANAGER, a_person(core))
    with core.db.read() as tx:
        row = passes.store.of_ids(tx, MANAGER, [issued.pass_id])[issued.pass_id]
    assert row.sealed_handle is not None
    assert issued.handle not in row.sealed_handle
    assert issued.handle not in row.ref


def test_many_cards_in_one_go_have_codes_of_their_own(passes: Passes, core: Core) -> None:
    people = [a_person(core, unit=f"1-1-{n}") for n in range(40)]
    with core.db.write() as tx:
        issued = passes.issue_cards(tx, "garden", [CardWanted(person=person) for person in people], MANAGER)
    assert len({each.short_code for each in issued}) == 40
    with core.db.read() as tx:
        assert len(passes.of_persons(tx, MANAGER, people)) == 40
        found = passes.store.by_short_code(tx, MANAGER, issued[7].short_code)
        assert found is not None
        assert found.pass_id == issued[7].pass_id


def test_a_short_code_that_is_taken_is_drawn_again(core: Core) -> None:
    small_community(core)
    draws = iter([b"\0" * 8, b"handle-1", b"\0" * 8, b"\0" * 7 + b"\1", b"handle-2"])
    keys = CommunityKeys(core.keys)
    passes = Passes(core.db, core.registry, SqlPasses(), keys, core.audit, core.clock, lambda _: next(draws))
    first, second = a_person(core), a_person(core, unit="1-1-102")
    assert passes.issue_card(MANAGER, first).short_code != passes.issue_card(MANAGER, second).short_code


def test_a_revoked_pass_stays_revoked_from_that_moment(passes: Passes, core: Core) -> None:
    issued = passes.issue_card(MANAGER, a_person(core))
    before_ms = core.clock.now_ms()
    passes.revoke(MANAGER, issued.pass_id, copied=True)
    with core.db.read() as tx:
        journal = core.registry.journal(tx, "garden")
    assert journal.at("pass", issued.pass_id, before_ms - 1).status == "active"
    assert journal.at("pass", issued.pass_id, core.clock.now_ms()).status == "copied"


def test_a_reissue_raises_the_serial_and_a_card_only_can_be_reissued(passes: Passes, core: Core) -> None:
    person = a_person(core)
    issued = passes.issue_card(MANAGER, person)
    held = passes.reissue(MANAGER, issued.pass_id)
    assert held.state.serial == 1
    with core.db.read() as tx:
        token = cf1.decode(passes.text(tx, held))
    assert isinstance(token, cf1.Token)
    assert token.serial == 1
    tag = passes.bind_tag(MANAGER, person, "04:A2:5F:11")
    with pytest.raises(Invalid, match="Only printed cards"):
        passes.reissue(MANAGER, tag)


def test_a_hand_over_dated_in_the_past_reaches_over_later_rows(passes: Passes, core: Core) -> None:
    first, second = a_person(core), a_person(core, unit="1-1-102")
    issued = passes.issue_card(MANAGER, first)
    passes.reissue(MANAGER, issued.pass_id)  # a row later than the date of the hand-over
    now_ms = core.clock.now_ms()
    passes.hand_over(MANAGER, issued.pass_id, second, now_ms - 5 * DAY_MS)
    with core.db.read() as tx:
        journal = core.registry.journal(tx, "garden")
        assert [each.pass_id for each in passes.of_persons(tx, MANAGER, [second])] == [issued.pass_id]
        assert passes.of_persons(tx, MANAGER, [first]) == []
    assert journal.at("pass", issued.pass_id, now_ms).person == second
    assert journal.at("pass", issued.pass_id, now_ms).serial == 1


def test_an_ic_card_is_one_persons_until_it_is_revoked(passes: Passes, core: Core) -> None:
    first, second = a_person(core), a_person(core, unit="1-1-102")
    tag = passes.bind_tag(MANAGER, first, "04a25f11")
    with pytest.raises(Conflict, match="belongs to somebody"):
        passes.bind_tag(MANAGER, second, "04:A2:5F:11")
    passes.revoke(MANAGER, tag)
    assert passes.bind_tag(MANAGER, second, "04A25F11") == tag
    with core.db.read() as tx:
        assert passes.held(tx, MANAGER, tag).state.person == second
    with pytest.raises(Invalid, match="4 to 32"):
        passes.bind_tag(MANAGER, second, "卡")


def test_foreign_passes_and_people_are_not_found(passes: Passes, core: Core) -> None:
    person = a_person(core)
    issued = passes.issue_card(MANAGER, person)
    for act in (
        lambda: passes.issue_card(STRANGER, person),
        lambda: passes.revoke(STRANGER, issued.pass_id),
        lambda: passes.reissue(STRANGER, issued.pass_id),
        lambda: passes.bind_tag(STRANGER, person, "04A25F11"),
        lambda: passes.hand_over(STRANGER, issued.pass_id, person, 0),
    ):
        with pytest.raises(NotFound):
            act()


def test_every_change_is_in_the_log_with_the_person(passes: Passes, core: Core) -> None:
    person = a_person(core)
    issued = passes.issue_card(MANAGER, person)
    passes.revoke(MANAGER, issued.pass_id)
    rows = core.audit.latest(MANAGER, before=None, limit=10, person=person)
    assert {row.action for row in rows} == {"pass.issue", "pass.revoke"}
    assert core.audit.verify().broken_at is None
