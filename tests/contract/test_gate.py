"""What a gate phone is given, on both stores: the list, its changes, the moment, and what a guard may ask."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from community_flow.adapters.sql.queries_gate import SqlGate, SqlGuards
from community_flow.adapters.sql.queries_passes import SqlPasses
from community_flow.adapters.sql.queries_people import SqlPeople
from community_flow.domain import gate_table
from community_flow.domain import passes as cf1
from community_flow.domain.errors import FlowError, Forbidden, Invalid, NotFound, TooMany
from community_flow.domain.gate_table import Record
from community_flow.domain.places import Household, Rule
from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role
from community_flow.domain.sealing import raw, text
from community_flow.ports.ingest import Trusted
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.gate import SHARED_MS, GateDesk
from community_flow.services.gate_records import GateRecords
from community_flow.services.guards import IDLE_MS, Guards
from community_flow.services.holds import Holds
from community_flow.services.registry import Change
from community_flow.services.rules import Attempt, Rules
from community_flow.wiring.core import Core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.ingest import ingest_parts
from tests.factories import an_account, small_community
from tests.fakes_tracing import FixedClock
from tests.registry_parts import MANAGER, STRANGER, parts_of


class Later:
    """The system's clock, some time ahead."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.ahead_ms = clock, 0

    def now_ms(self) -> int:
        return int(self.clock.now_ms()) + self.ahead_ms


class Site:
    """A gate phone at the east gate, and the office beside it."""

    def __init__(self, core: Core) -> None:
        small_community(core)
        self.core, self.parts, self.clock = core, parts_of(core), Later(core.clock)
        keys, people = CommunityKeys(core.keys), SqlPeople()
        records = GateRecords(core.registry, SqlPasses(), people, keys)
        ingest = ingest_parts(core)
        self.desk = GateDesk(
            core.db, core.registry, records, people, SqlGate(), keys, core.keys, ingest.keys, core.audit, self.clock
        )
        self.guards = Guards(core.db, SqlGuards(), core.accounts.store, core.audit, self.clock)
        enrolled = ingest.devices.enrol(MANAGER, "garden", "gate_phone", "east")
        trusted = ingest.trust.of_token(enrolled.token)
        assert trusted is not None
        self.trusted: Trusted = trusted

    def person(self, name: str, unit: str = "7-3-1102") -> str:
        return self.parts.people.add(MANAGER, "garden", Resident(name=name, unit=unit, phone="13800001234"))

    def handle(self, person: str) -> bytes:
        """A card's handle, as its QR code carries it."""
        self.parts.passes.issue_card(MANAGER, person)
        token = self.token(person)
        return token.handle

    def token(self, person: str) -> cf1.Token:
        with self.core.db.read() as tx:
            [held] = self.parts.passes.of_persons(tx, MANAGER, [person])
            token = cf1.decode(self.parts.passes.text(tx, held))
        assert isinstance(token, cf1.Token)
        return token

    def pass_id(self, person: str) -> str:
        with self.core.db.read() as tx:
            return self.parts.passes.of_persons(tx, MANAGER, [person])[0].pass_id


class Phone:
    """What a phone does with downloads."""

    def __init__(self, site: Site) -> None:
        self.site, self.header = site, gate_table.Header(
            community="", device="", epoch=0, salt="", version="", issued_ms=0, expires_ms=0, records="", removed=""
        )  # fmt: skip
        self.table: dict[bytes, bytes] = {}
        self.signer = raw(site.desk.signer())
        self.version: str | None = None

    def sync(self) -> int:
        """Take what is new; how many records came."""
        trusted = self.site.trusted
        download = self.site.desk.download(trusted, self.version)
        header = gate_table.check(
            download, self.signer, device=trusted.device, community=trusted.uid, version=self.version,
            newest_ms=self.header.issued_ms,
        )  # fmt: skip
        records, removed = [raw(each) for each in download.records], [raw(each) for each in download.removed]
        self.table = gate_table.applied(self.table if header.since else {}, records, removed)
        self.header, self.version = header, header.version
        return len(records)

    def record(self, handle: bytes) -> Record | None:
        community, salt = self.site.trusted.uid, raw(self.header.salt)
        sealed = self.table.get(gate_table.locate(handle, salt, community)[0])
        return gate_table.open_record(sealed, handle, salt, community, self.header.epoch) if sealed else None


@pytest.fixture
def site(core: Core) -> Site:
    return Site(core)


@pytest.fixture
def phone(site: Site) -> Phone:
    return Phone(site)


def test_a_handle_opens_the_record_of_its_holder(site: Site, phone: Phone) -> None:
    person = site.person("林晓梅")
    handle = site.handle(person)
    assert phone.sync() == 1
    record = phone.record(handle)
    assert record is not None
    assert (record.name, record.unit, record.status, record.types) == ("林*梅", "7-3-1102", "active", (0x21,))
    assert record.hold is False


def test_nothing_new_is_nothing_sent(site: Site, phone: Phone) -> None:
    site.handle(site.person("林晓梅"))
    phone.sync()
    site.clock.ahead_ms += 5
    assert phone.sync() == 0
    assert len(phone.table) == 1


@pytest.mark.parametrize("what", ["revoked", "copied", "hold", "moved", "household", "new"])
def test_a_change_comes_as_a_delta(site: Site, phone: Phone, what: str) -> None:
    person, other = site.person("林晓梅"), site.person("王芳", unit="1-1-101")
    handle, _ = site.handle(person), site.handle(other)
    phone.sync()
    if what in ("revoked", "copied"):
        site.parts.passes.revoke(MANAGER, site.pass_id(person), copied=what == "copied")
    elif what == "hold":
        Holds(site.parts.people).hold(MANAGER, person, "isolation")
    elif what == "moved":
        site.parts.people.move_out(MANAGER, person, site.core.clock.now_ms())
    elif what == "household":
        site.parts.people.move(MANAGER, person, "2-2-202", site.core.clock.now_ms())
    else:
        handle = site.handle(site.person("新来的"))
    assert phone.sync() >= 1
    assert phone.header.since is not None
    record = phone.record(handle)
    assert record is not None
    assert {
        "revoked": record.status == "revoked", "copied": record.status == "copied", "hold": record.hold,
        "moved": record.status == "revoked", "household": record.unit == "2-2-202", "new": record.name == "新*的",
    }[what]  # fmt: skip


def test_a_hold_that_ends_by_itself_comes_as_a_delta(site: Site, phone: Phone) -> None:
    person = site.person("林晓梅")
    handle = site.handle(person)
    Holds(site.parts.people).hold(MANAGER, person, "office", until_ms=site.core.clock.now_ms() + 60_000)
    phone.sync()
    record = phone.record(handle)
    assert record is not None
    assert record.hold
    site.clock.ahead_ms = 61_000
    phone.sync()
    record = phone.record(handle)
    assert record is not None
    assert not record.hold


def test_a_new_day_is_a_new_list_with_other_lids(site: Site, phone: Phone) -> None:
    handle = site.handle(site.person("林晓梅"))
    phone.sync()
    before = set(phone.table)
    site.clock.ahead_ms = gate_table.DAY_MS
    assert phone.sync() == 1
    assert phone.header.since is None
    assert not before & set(phone.table)
    assert phone.record(handle) is not None


@pytest.mark.parametrize("since", ["", "x", "1-2", "1-2-3-4", "99999-1-1", "-1-1-1", "1e9-1-1", "٣-1-1", "9" * 99])
def test_a_version_nobody_wrote_gets_the_whole_list(site: Site, since: str) -> None:
    site.handle(site.person("林晓梅"))
    download = site.desk.download(site.trusted, since)
    assert len(download.records) == 1


def test_a_neighbours_card_keys_are_in_the_list(site: Site, phone: Phone) -> None:
    small_community(site.core, "lake")
    phone.sync()
    communities = {key["community"] for key in phone.header.site["card_keys"]}
    assert len(communities) == 2
    assert phone.header.site["gate"] == "east"


def test_an_ic_card_is_decided_online_and_is_in_no_list(site: Site, phone: Phone) -> None:
    person = site.person("林晓梅")
    site.parts.passes.bind_tag(MANAGER, person, "04:a2:b3:c4")
    assert phone.sync() == 0
    record = site.desk.of_tag(site.trusted, "04A2B3C4")
    assert (record.name, record.status) == ("林*梅", "active")
    with pytest.raises(NotFound):
        site.desk.of_tag(site.trusted, "04A2B3C5")
    with pytest.raises(Invalid):
        site.desk.of_tag(site.trusted, "卡")


def on_duty(site: Site, pin: str = "4821", **account: Any) -> Any:
    guard = an_account(site.core, Role.GUARD, **account)
    operator = site.guards.set_pin(guard.scope, pin)
    return operator, site.guards.open(site.trusted, operator, pin)


def test_a_search_shows_five_masked_people_and_is_logged(site: Site) -> None:
    people = {site.person(f"张三{letter}", unit=f"3-1-{number}01") for number, letter in enumerate("甲乙丙丁戊己庚")}
    _, duty = on_duty(site)
    shift = site.guards.on_duty(site.trusted, duty.session)
    rows = site.desk.search(site.trusted, shift, "3-1")
    assert len(rows) == 5
    assert all(row.name.startswith("张*") for row in rows)
    with site.core.db.read() as tx:
        logged = site.core.audit.store.latest(tx, MANAGER, before=None, limit=100)
    assert len({row.person for row in logged if row.action == "gate.search"} & people) == 5


def test_a_choice_from_a_search_is_good_for_a_minute_on_that_device(site: Site) -> None:
    person = site.person("林晓梅")
    _, duty = on_duty(site)
    shift = site.guards.on_duty(site.trusted, duty.session)
    [row] = site.desk.search(site.trusted, shift, "林晓")
    assert site.desk.of_reference(site.trusted, shift, row.ref).name == "林*梅"
    with pytest.raises(NotFound):
        site.desk.of_reference(site.trusted, shift, "s_" + "A" * 24)
    site.clock.ahead_ms = 61_000
    with pytest.raises(NotFound):
        site.desk.of_reference(site.trusted, shift, row.ref)
    assert person


def test_a_shift_ends_after_five_minutes_without_use(site: Site) -> None:
    site.clock.clock = FixedClock(site.clock.now_ms())  # a shift is open for as long as the test says
    _, duty = on_duty(site)
    site.clock.ahead_ms = IDLE_MS - 1_000
    site.guards.on_duty(site.trusted, duty.session)  # use keeps it open
    site.clock.ahead_ms += IDLE_MS - 1_000
    site.guards.on_duty(site.trusted, duty.session)
    site.clock.ahead_ms += IDLE_MS + 1_000
    with pytest.raises(Forbidden):
        site.guards.on_duty(site.trusted, duty.session)


def test_only_guards_of_this_gate_go_on_duty(site: Site) -> None:
    accounts: tuple[dict[str, Any], ...] = ({"communities": ("lake",)}, {})
    for account in accounts:
        guard = an_account(site.core, Role.GUARD, **account)
        operator = site.guards.set_pin(guard.scope, "4821")
        if account:
            with pytest.raises(Forbidden):
                site.guards.open(site.trusted, operator, "4821")
        else:
            assert site.guards.open(site.trusted, operator, "4821").name == "Guard"


def test_guessing_a_pin_makes_one_wait(site: Site) -> None:
    operator, _ = on_duty(site)
    refused: list[type[FlowError]] = []
    for guess in range(8):
        with pytest.raises(FlowError) as error:
            site.guards.open(site.trusted, operator, f"{1000 + guess}")
        refused.append(error.type)
    assert refused[:5] == [Forbidden] * 5
    assert TooMany in refused[5:]


@pytest.mark.parametrize("pin", ["", "123", "123456789", "abcd", "1111", "1234", "4321", "４８２１"])
def test_a_weak_pin_is_refused(site: Site, pin: str) -> None:
    guard = an_account(site.core, Role.GUARD)
    with pytest.raises(Invalid):
        site.guards.set_pin(guard.scope, pin)


def test_a_number_stays_with_its_guard(site: Site) -> None:
    guard, other = an_account(site.core, Role.GUARD), an_account(site.core, Role.GUARD)
    first = site.guards.set_pin(guard.scope, "4821")
    assert site.guards.set_pin(other.scope, "4821") != first
    assert site.guards.set_pin(guard.scope, "9053") == first
    assert site.guards.operator_of(guard.account.account) == first


def scan(site: Site, seq: int, code: str, direction: str = "in") -> None:
    """This phone reports that somebody passed the east gate, and the fold has seen it."""
    report = {
        "boot": 7, "seq": seq, "at": site.core.clock.now_ms(), "kind": "scan", "gate": "east", "direction": direction,
        "pass": code, "method": "card", "decision": "allow", "reason": "ok", "passed": True,
    }  # fmt: skip
    body = json.dumps({"batch": f"b{seq}", "reports": [report]}).encode()
    answer = ingest_parts(site.core).ingest.accept(site.trusted, body)
    assert [result.outcome for result in answer.results] == ["accepted"]
    flow_parts(site.core).flow.drain("garden")
    site.clock.ahead_ms += SHARED_MS  # what phones share for a moment has aged


def test_the_moment_tells_who_is_inside_by_lid_and_how_many(site: Site, phone: Phone) -> None:
    person = site.person("林晓梅")
    handle, code = site.handle(person), cf1.encode(site.token(person))
    phone.sync()
    lid = text(gate_table.locate(handle, raw(phone.header.salt), site.trusted.uid)[0])
    assert site.desk.state(site.trusted).inside == ()
    scan(site, 0, code)
    state = site.desk.state(site.trusted)
    assert (state.inside, state.zones["compound"], state.full) == ((lid,), 1, False)
    scan(site, 1, code, "out")
    state = site.desk.state(site.trusted)
    assert (state.inside, state.zones.get("compound", 0)) == ((), 0)


def test_outings_count_for_households_that_have_a_quota(site: Site, phone: Phone) -> None:
    person = site.person("林晓梅")
    handle, code = site.handle(person), cf1.encode(site.token(person))
    with site.core.db.write() as tx:
        household = site.core.registry.one(tx, MANAGER, "person", person)[1].household
        data = Household(unit="7-3-1102", quota_per_day=1)
        site.core.registry.record(
            tx, [Change("garden", "household", household, site.core.clock.now_ms(), data)], "test"
        )
    phone.sync()
    record = phone.record(handle)
    assert record is not None
    assert record.quota == 1
    assert site.desk.state(site.trusted).used == {}
    scan(site, 0, code)
    scan(site, 1, code, "out")
    assert site.desk.state(site.trusted).used == {record.household: 1}


def test_of_households_that_the_community_limits_only_those_at_their_limit_are_told(site: Site, phone: Phone) -> None:
    person = site.person("林晓梅")
    handle, code = site.handle(person), cf1.encode(site.token(person))
    with site.core.db.write() as tx:
        site.core.registry.amend(
            tx, "garden", "community", "garden", site.core.clock.now_ms(),
            lambda state: msgspec.structs.replace(state, quota_per_day=2), "test",
        )  # fmt: skip
    phone.sync()
    record = phone.record(handle)
    assert record is not None
    assert (record.quota, phone.header.site["quota"]) == (None, 2)
    scan(site, 0, code, "out")
    assert site.desk.state(site.trusted).used == {}
    scan(site, 1, code)
    site.clock.ahead_ms += 60_000
    scan(site, 2, code, "out")
    assert site.desk.state(site.trusted).used == {record.household: 2}


def test_a_new_card_key_is_in_the_list_before_it_signs_and_old_cards_stay_good(site: Site, phone: Phone) -> None:
    person = site.person("林晓梅")
    site.handle(person)
    before = site.token(person)
    site.core.keys.rotate("card", after_ms=3_600_000)
    phone.sync()
    told = [cf1.CardKey(raw(key["community"]), key["id"], raw(key["key"])) for key in phone.header.site["card_keys"]]
    assert {key.id for key in told} == {1, 2}
    assert site.token(person).key_id == 1
    site.core.keys.rotate("card")
    after = site.token(person)
    assert after.key_id == 3
    assert cf1.prove_card(before, site.trusted.uid, told) is cf1.Proof.GOOD
    # A phone that was not told yet would call it forged; that is why a key is announced.
    assert cf1.prove_card(after, site.trusted.uid, told) is cf1.Proof.UNKNOWN_KEY
    phone.sync()
    told = [cf1.CardKey(raw(key["community"]), key["id"], raw(key["key"])) for key in phone.header.site["card_keys"]]
    assert cf1.prove_card(after, site.trusted.uid, told) is cf1.Proof.GOOD
    assert cf1.prove_card(before, site.trusted.uid, told) is cf1.Proof.GOOD


def test_rules_of_the_office_reach_the_phone_with_its_next_list(site: Site, phone: Phone) -> None:
    person = site.person("林晓梅")
    handle = site.handle(person)
    phone.sync()
    rules = Rules(
        site.core.db, site.core.registry, site.desk.records, site.parts.passes, site.core.audit, site.core.clock
    )
    rules.set_type(MANAGER, "garden", "resident", Rule(gates=("west",), windows=(("06:00", "22:00"),)))
    rules.set_gate(MANAGER, "garden", "east", {"windows": (("07:00", "21:00"),), "passback": "hard"})
    rules.set_quota(MANAGER, "garden", 2)
    rules.set_household(MANAGER, "garden", "7-3-1102", 1)
    # The rules come with the list's head; the one record is there because its household's number is its own.
    assert phone.sync() == 1
    told = phone.header.site
    assert phone.header.since is not None
    assert told["rules"] == {"resident": {"gates": ["west"], "windows": [["06:00", "22:00"]]}}
    assert (told["gates"]["east"]["windows"], told["gates"]["east"]["passback"]) == ([["07:00", "21:00"]], "hard")
    assert told["quota"] == 2
    record = phone.record(handle)
    assert record is not None
    assert record.quota == 1
    book = rules.book(MANAGER, "garden")
    assert [state.unit for _, state in book.households] == ["7-3-1102"]
    attempt = Attempt(gate="east", direction="in", at_ms=site.clock.now_ms() + 1, code=site.pass_id(person))
    assert rules.try_it(MANAGER, "garden", attempt).decision.reason == "wrong_gate"
    with pytest.raises(NotFound):
        rules.book(STRANGER, "garden")
    site.clock.ahead_ms += 1
    rules.set_household(MANAGER, "garden", "7-3-1102", None)
    assert phone.sync() == 1
    fresh = phone.record(handle)
    assert fresh is not None
    assert fresh.quota is None


def test_a_rotating_code_shown_at_one_phone_is_known_at_the_others(site: Site, phone: Phone) -> None:
    person, signer = site.person("林晓梅"), Ed25519PrivateKey.generate()
    with site.core.db.write() as tx:
        made = site.parts.passes.add_phone(tx, MANAGER, person, signer.public_key().public_bytes_raw())
    now_ms = site.core.clock.now_ms()
    code = cf1.rotating(signer, site.trusted.uid, handle=made.handle, at_ms=now_ms)
    phone.sync()
    lid = text(gate_table.locate(made.handle, raw(phone.header.salt), site.trusted.uid)[0])
    scan(site, 0, code)
    token_s, at_ms = site.desk.state(site.trusted).shown[lid]
    assert token_s == now_ms // 1000 - cf1.EPOCH_S
    assert now_ms <= at_ms <= site.core.clock.now_ms()
