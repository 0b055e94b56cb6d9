"""What a guard on duty may do beyond letting people through, on both stores: names, guests, roll calls, emergencies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from community_flow.adapters.cards_pdf import qr_modules
from community_flow.adapters.sql.queries_gate import SqlEmergencies, SqlGate
from community_flow.adapters.sql.queries_gate_shared import SqlGuestAsks, SqlRolls
from community_flow.adapters.sql.queries_people import SqlPeople
from community_flow.domain import gate_table
from community_flow.domain import passes as cf1
from community_flow.domain.errors import Conflict, Forbidden, Invalid, NotFound
from community_flow.domain.gate_table import TableError
from community_flow.domain.scope import Role
from community_flow.ports.gate import Emergency, Shift, Tick
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.emergencies import Emergencies
from community_flow.services.gate_guests import GateGuests
from community_flow.services.guards import Guards
from community_flow.services.guest_asks import GuestAsks
from community_flow.services.my_pass import PREFIX, Asked
from community_flow.services.roll_calls import RollCalls
from community_flow.services.table_keys import TableKeys
from community_flow.wiring.core import Core
from community_flow.wiring.registry import my_pass_of, registry_parts
from tests.contract.test_gate import Later, Phone, Site
from tests.factories import an_account
from tests.fakes_tracing import FixedClock
from tests.registry_parts import MANAGER


@pytest.fixture
def site(core: Core) -> Site:
    return Site(core)


@pytest.fixture
def shift(site: Site) -> Shift:
    account = an_account(site.core, Role.GUARD)
    guards: Guards = site.guards
    operator = guards.set_pin(account.scope, "4821")
    return guards.on_duty(site.trusted, guards.open(site.trusted, operator, "4821").session)


def logged(site: Site, action: str) -> list[Any]:
    with site.core.db.read() as tx:
        return [
            row for row in site.core.audit.store.latest(tx, MANAGER, before=None, limit=200) if row.action == action
        ]


def calls(site: Site, inside: set[str]) -> RollCalls:
    class Reader(SqlGate):
        """Who is inside is another test's matter."""

        def inside(self, tx: Any, scope: Any, zone: str, now_ms: int) -> frozenset[str]:
            return frozenset(inside) if zone == "compound" else frozenset()

        def zone_counts(self, tx: Any, scope: Any, now_ms: int) -> dict[str, int]:
            return {"compound": len(inside) + 2}

    core = site.core
    keys = CommunityKeys(core.keys)
    return RollCalls(core.db, core.registry, Reader(), SqlPeople(), keys, core.audit, site.clock, SqlRolls())


def test_a_full_name_is_in_the_log_of_the_person_whose_it_is(site: Site, shift: Shift) -> None:
    person = site.person("欧阳晓梅")
    site.handle(person)
    with site.core.db.read() as tx:
        [held] = site.parts.passes.of_persons(tx, MANAGER, [person])
        code = site.parts.passes.text(tx, held)
    assert site.desk.full_name(site.trusted, shift, code) == "欧阳晓梅"
    assert [(row.person, row.account) for row in logged(site, "gate.name")] == [(person, shift.account)]
    with pytest.raises(Invalid):
        site.desk.full_name(site.trusted, shift, "https://example.org")
    assert len(logged(site, "gate.name")) == 1


def test_a_roll_call_names_everybody_inside_and_each_of_them_can_read_that(site: Site, shift: Shift) -> None:
    inside = {site.person("王一", "10-1-101"), site.person("李二", "2-1-101")}
    outside = site.person("赵三", "3-1-101")
    found = calls(site, inside).call(site.trusted, shift, "compound", "fire")
    assert [(each.name, each.unit) for each in found.people] == [("李二", "2-1-101"), ("王一", "10-1-101")]
    assert found.unnamed == 2
    assert len({each.key for each in found.people}) == 2
    rows = logged(site, "gate.rollcall")
    assert {row.person for row in rows} == {None, *inside}
    assert outside not in {row.person for row in rows}
    assert {row.purpose for row in rows} == {"evacuation"}


def test_a_roll_call_needs_a_reason_and_an_own_zone(site: Site, shift: Shift) -> None:
    with pytest.raises(Invalid):
        calls(site, set()).call(site.trusted, shift, "compound", "curious")
    with pytest.raises(NotFound):
        calls(site, set()).call(site.trusted, shift, "somewhere-else", "fire")
    assert logged(site, "gate.rollcall") == []


def test_a_guest_gets_a_pass_that_is_in_the_next_list_and_ends_by_itself(site: Site, shift: Shift) -> None:
    phone = Phone(site)
    phone.sync()
    guests = GateGuests(registry_parts(site.core).visitors, qr_modules)
    slip = guests.register(site.trusted, shift, "7-3-1102", 240, "phone")
    assert phone.sync() == 1
    token = cf1.decode(slip.pass_)
    assert isinstance(token, cf1.Token)
    record = phone.record(token.handle)
    assert record is not None
    assert (record.type, record.unit, record.until_ms) == ("visitor", "7-3-1102", slip.until_ms)
    assert len(slip.qr) == len(slip.qr[0]) == 37
    for wrong in (("7-3-1102", 240, "nobody"), ("7-3-1102", 10_000, "phone"), ("", 60, "phone")):
        with pytest.raises(Invalid):
            guests.register(site.trusted, shift, *wrong)
    assert {row.account for row in logged(site, "person.add")} >= {shift.account}


def emergencies(site: Site) -> Emergencies:
    core = site.core
    return Emergencies(core.db, SqlEmergencies(), core.audit, site.clock, site.desk.forget_state)


def test_an_emergency_is_named_heard_by_the_whole_gate_counted_and_ended_once(site: Site) -> None:
    desk, begun_ms = emergencies(site), site.clock.now_ms()
    told = Emergency(
        id="e" * 20, community="garden", gate="east", device=site.trusted.device, begun_ms=begun_ms, begun_by="g1"
    )
    assert site.desk.state(site.trusted).emergency is None
    desk.tell(site.trusted, told)
    desk.tell(site.trusted, told)
    known = site.desk.state(site.trusted).emergency
    assert known is not None
    assert (known.id, known.begun_by, known.begun_ms) == (told.id, "g1", begun_ms)
    desk.tell(site.trusted, replace(told, ended_ms=begun_ms + 60_000, ended_by="g2", counted=31))
    # A phone that comes late neither reopens it nor counts less.
    desk.tell(site.trusted, replace(told, counted=4))
    desk.tell(site.trusted, replace(told, ended_ms=begun_ms + 90_000, ended_by="g3", counted=12))
    assert site.desk.state(site.trusted).emergency is None
    assert [row.detail["operator"] for row in logged(site, "gate.emergency")] == ["g1"]
    [end] = logged(site, "gate.emergency.end")
    assert (end.detail["operator"], end.detail["counted"]) == ("g2", 31)
    with pytest.raises(NotFound):
        desk.tell(site.trusted, replace(told, gate="west"))


def test_a_phone_follows_the_key_of_its_lists_from_hand_to_hand(site: Site) -> None:
    keys = TableKeys(site.core.keys)
    pinned = keys.public()
    assert gate_table.follow(pinned, keys.succession()) == pinned
    site.core.keys.rotate("delta")
    site.core.keys.rotate("delta")
    assert gate_table.follow(pinned, keys.succession()) == keys.public() != pinned
    forged = [{**step, "key": step["by"]} for step in keys.succession()]
    with pytest.raises(TableError):
        gate_table.follow(pinned, forged)
    stranger = "A" * 43
    assert gate_table.follow(stranger, keys.succession()) == stranger


def tick(site: Site, key: str, found: bool, after_ms: int, operator: str = "g1") -> Tick:
    return Tick(key=key, found=found, at_ms=site.clock.now_ms() + after_ms, operator=operator)


def test_ticks_of_a_roll_call_hold_by_when_they_were_made_not_by_when_they_came(site: Site) -> None:
    site.clock.clock = FixedClock(site.clock.now_ms())  # or a slow commit would turn their order
    roll, a, b = calls(site, set()), "a" * 12, "b" * 12
    roll.tick(site.trusted, "compound", [tick(site, a, True, -1000), tick(site, b, True, -500)])
    late = [tick(site, a, False, -2000, "g2"), tick(site, b, False, -100, "g2")]
    known = roll.tick(site.trusted, "compound", late)
    assert [(each.key, each.found, each.operator) for each in known] == [(a, True, "g1"), (b, False, "g2")]
    assert roll.tick(site.trusted, "compound", late) == known == roll.ticks(site.trusted, "compound")
    assert roll.ticks(site.trusted, "b1") == []
    with pytest.raises(NotFound):
        roll.tick(site.trusted, "somewhere-else", late)


def test_ticks_from_a_clock_far_ahead_hold_against_nobody_and_a_day_later_all_are_forgotten(site: Site) -> None:
    roll = calls(site, set())
    roll.tick(site.trusted, "compound", [tick(site, "a" * 12, True, 3_600_000), tick(site, "b" * 12, True, 0)])
    assert [each.key for each in roll.ticks(site.trusted, "compound")] == ["b" * 12]
    site.clock.ahead_ms += 13 * 3_600_000
    assert roll.tick(site.trusted, "compound", [tick(site, "c" * 12, True, 0)])[0].key == "c" * 12
    with site.core.db.read() as tx:
        assert [each.key for each in SqlRolls().since(tx, "garden", "compound", 0)] == ["c" * 12]


class Host:
    """A resident's phone, which signs what it asks."""

    def __init__(self, site: Site, asks: GuestAsks, name: str, unit: str) -> None:
        self.signer, self.mine = Ed25519PrivateKey.generate(), asks.mine
        self.person = site.person(name, unit)
        with site.core.db.write() as tx:
            key = self.signer.public_key().public_bytes_raw()
            self.pass_id = site.parts.passes.add_phone(tx, MANAGER, self.person, key).pass_id
            self.uid = site.core.registry.uid(tx, "garden")

    def asked(self, action: str) -> Asked:
        nonce = self.mine.nonce()
        return Asked("garden", self.pass_id, nonce, self.signer.sign(PREFIX + self.uid + nonce + action.encode()))


def guest_asks(site: Site) -> GuestAsks:
    return GuestAsks(my_pass_of(site.core), SqlGuestAsks(), site.core.audit)


def test_a_household_says_yes_on_one_of_its_phones_and_only_the_first_answer_holds(site: Site, shift: Shift) -> None:
    asks = guest_asks(site)
    host, partner, stranger = (Host(site, asks, name, unit) for name, unit in (
        ("方一", "7-3-1102"), ("方二", "7-3-1102"), ("别家", "7-3-1103"),
    ))  # fmt: skip
    made, phones = asks.ask(site.trusted, shift, " 7-3-1102", 2)
    assert phones == 2
    assert asks.answered(site.trusted, made) is None
    [pending] = asks.pending(partner.asked("guests"))
    assert (pending.ask.id, pending.ask.party, pending.gate["en"]) == (made, 2, "East gate")
    assert asks.pending(stranger.asked("guests")) == []
    with pytest.raises(NotFound):
        asks.answer(stranger.asked(f"guest {made} yes"), made, "yes")
    with pytest.raises(Forbidden):  # a no that was signed is no yes
        asks.answer(host.asked(f"guest {made} no"), made, "yes")
    with pytest.raises(Invalid):
        asks.agreed(site.trusted, made, "7-3-1102")
    asks.answer(host.asked(f"guest {made} yes"), made, "yes")
    with pytest.raises(Conflict):
        asks.answer(partner.asked(f"guest {made} no"), made, "no")
    assert asks.answered(site.trusted, made) == "yes"
    asks.agreed(site.trusted, made, "7-3-1102")
    with pytest.raises(Invalid):
        asks.agreed(site.trusted, made, "7-3-1103")
    assert asks.pending(partner.asked("guests")) == []
    assert [(row.person, row.detail["answer"]) for row in logged(site, "me.guest")] == [(host.person, "yes")]


def test_a_question_to_a_host_is_over_after_three_minutes_and_is_its_own_phones(site: Site, shift: Shift) -> None:
    asks = guest_asks(site)
    host = Host(site, asks, "方一", "7-3-1102")
    made, _ = asks.ask(site.trusted, shift, "7-3-1102", 1)
    with pytest.raises(NotFound):
        asks.answered(replace(site.trusted, device="d_other"), made)
    asks.clock = Later(site.core.clock)
    asks.clock.ahead_ms = 181_000
    assert asks.pending(host.asked("guests")) == []
    with pytest.raises(Conflict):
        asks.answer(host.asked(f"guest {made} yes"), made, "yes")
    for wrong in (("9-9-9999", 1), ("7-3-1102", 0)):
        with pytest.raises(Invalid):
            asks.ask(site.trusted, shift, *wrong)
    site.parts.passes.revoke(MANAGER, host.pass_id)
    assert asks.ask(site.trusted, shift, "7-3-1102", 1)[1] == 0
    with pytest.raises(Forbidden):
        asks.pending(host.asked("guests"))
