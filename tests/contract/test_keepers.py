"""Passes of others on one's phone, by the office's word, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from community_flow.domain import passes as cf1
from community_flow.domain.errors import Conflict, Forbidden, Invalid, NotFound
from community_flow.ports.keepers import Relation
from community_flow.services.keepers import DAY_MS, KeptPass
from community_flow.services.my_pass import Claimed
from community_flow.wiring.core import Core
from tests.contract.test_slips import Office, Phone
from tests.factories import small_community
from tests.registry_parts import MANAGER, STRANGER


@dataclass
class Family:
    """A grandmother's phone, a child and a grandfather in her household, a carer next door with a phone of hers."""

    office: Office
    child: str
    elder: str
    mother: str
    carer: str
    phone: Phone
    carers_phone: Phone
    own: Claimed
    carers_own: Claimed

    def until_ms(self, days: int = 30) -> int:
        return self.office.core.clock.now_ms() + days * DAY_MS

    def bind(self, person: str, keeper: str | None = None, *, sees: bool = False, days: int = 30) -> str:
        relation: Relation = "carer" if keeper == self.carer else "household"
        return self.office.keepers.bind(
            MANAGER, person, keeper or self.mother, relation, self.until_ms(days), sees=sees
        )

    def shown(self, phone: Phone | None = None, own: Claimed | None = None) -> list[KeptPass]:
        mine = self.office.mine
        return mine.passes_kept((phone or self.phone).asks(mine, own or self.own, b"passes"))

    def status(self, kept: KeptPass) -> str:
        with self.office.core.db.read() as tx:
            return self.office.parts.passes.held(tx, MANAGER, kept.held.pass_id).state.status

    def of(self, kept: KeptPass) -> Claimed:
        """The kept pass as the phone knows it."""
        return replace(self.own, pass_id=kept.held.pass_id, handle=kept.handle, name=kept.name)


@pytest.fixture
def family(core: Core) -> Family:
    office = Office(core)
    mother, child, elder = (office.resident(name, "1-1-101") for name in ("王芳", "王小明", "王大山"))
    carer = office.resident("李护工", "2-1-201")
    phones = Phone(), Phone(curve=True)
    own = [
        office.mine.claim(office.slip(who), phone.public) for who, phone in zip((mother, carer), phones, strict=True)
    ]
    return Family(office, child, elder, mother, carer, *phones, *own)


def test_a_phone_shows_each_pass_that_the_office_gave_it_signed_by_its_own_key(family: Family) -> None:
    family.bind(family.child)
    family.bind(family.elder)
    shown = family.shown()
    assert {each.name for each in shown} == {"王小明", "王大山"}
    assert shown == family.shown(), "asking again makes no second pass"
    with family.office.core.db.read() as tx:
        uid = family.office.core.registry.uid(tx, "garden")
    for each in shown:
        assert isinstance(family.phone.key, Ed25519PrivateKey)
        text = cf1.rotating(family.phone.key, uid, handle=each.handle, at_ms=family.office.core.clock.now_ms())
        token = cf1.decode(text)
        assert isinstance(token, cf1.Token)
        types = frozenset({cf1.Type.ED25519})
        record = cf1.Credential(each.held.row.public_key or b"", types)
        assert cf1.prove_rotating(token, uid, record) is cf1.Proof.GOOD
        assert each.held.state.person in (family.child, family.elder)
        assert (each.held.state.keeper, each.held.state.until_ms) == (family.mother, each.keeping.until_ms)
    assert family.shown(family.carers_phone, family.carers_own) == []


def test_the_office_ends_it_at_once_and_the_keeper_can_give_it_back(family: Family) -> None:
    child, elder = family.bind(family.child), family.bind(family.elder)
    shown = {each.keeping.keeping: each for each in family.shown()}
    family.office.keepers.end(MANAGER, child)
    assert family.status(shown[child]) == "revoked"
    assert [each.keeping.keeping for each in family.shown()] == [elder]
    family.office.mine.end(family.phone.asks(family.office.mine, family.of(shown[elder]), b"end"))
    assert family.status(shown[elder]) == "revoked"
    assert family.shown() == []
    assert family.office.mine.look(family.phone.asks(family.office.mine, family.own)).status == "active"
    with pytest.raises(NotFound):
        family.office.keepers.end(MANAGER, elder)


def test_it_ends_by_itself(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    family.bind(family.child, days=3)
    [kept] = family.shown()
    later_ms = kept.keeping.until_ms
    monkeypatch.setattr(family.office.core.clock, "now_ms", lambda: later_ms)
    assert family.shown() == []
    assert kept.held.state.until_ms == later_ms, "gates refuse it from then on, online or not"


def test_with_a_lost_phone_go_the_passes_that_it_showed(family: Family) -> None:
    family.bind(family.child)
    [lost] = family.shown()
    family.office.parts.passes.revoke(MANAGER, family.own.pass_id)
    assert family.status(lost) == "revoked"
    new = Phone()
    own = family.office.mine.claim(family.office.slip(family.mother), new.public)
    [kept] = family.shown(new, own)
    assert kept.held.pass_id != lost.held.pass_id
    assert kept.held.row.public_key == new.public


def test_a_new_slip_moves_them_and_the_persons_own_phone_leaves_them(family: Family) -> None:
    family.bind(family.child)
    [first] = family.shown()
    family.office.mine.claim(family.office.slip(family.child), Phone().public)
    assert family.status(first) == "active", "the child's own phone stops nothing on the mother's"
    new = Phone()
    own = family.office.mine.claim(family.office.slip(family.mother), new.public)
    assert family.status(first) == "revoked"
    assert len(family.shown(new, own)) == 1


def test_a_pass_that_the_office_revoked_on_that_phone_does_not_come_back_by_itself(family: Family) -> None:
    family.bind(family.child)
    [kept] = family.shown()
    family.office.parts.passes.revoke(MANAGER, kept.held.pass_id)
    assert family.shown() == []
    family.bind(family.child)
    assert len(family.shown()) == 1


def test_what_is_kept_is_read_only_by_the_offices_word_and_each_look_is_logged(family: Family) -> None:
    mine = family.office.mine
    family.bind(family.elder, family.carer)
    [kept] = family.shown(family.carers_phone, family.carers_own)
    theirs = replace(family.carers_own, pass_id=kept.held.pass_id)
    with pytest.raises(Forbidden, match="to show"):
        mine.look(family.carers_phone.asks(mine, theirs))
    family.bind(family.elder, family.carer, sees=True)
    [kept] = family.shown(family.carers_phone, family.carers_own)
    theirs = replace(family.carers_own, pass_id=kept.held.pass_id)
    found = mine.look(family.carers_phone.asks(mine, theirs))
    assert found.about is not None
    assert found.about.record is not None
    assert found.about.record.name == "王大山"
    assert "keeper.look.carer" in {row.action for row in found.looks}
    own = mine.look(family.carers_phone.asks(mine, family.carers_own))
    assert own.about is not None
    assert own.about.record is not None
    assert own.about.record.name == "李护工"
    [holds] = [each for each in family.office.keepers.about(MANAGER, family.elder) if each.holds]
    assert (holds.keeper_name, holds.keeping.sees) == ("李护工", True)


def test_who_may_be_bound(family: Family) -> None:
    keepers, until_ms = family.office.keepers, family.until_ms()
    with pytest.raises(Conflict, match="choose carer"):
        keepers.bind(MANAGER, family.elder, family.carer, "household", until_ms)
    with pytest.raises(Invalid, match="print a slip"):
        keepers.bind(MANAGER, family.elder, family.elder, "carer", until_ms)
    for days in (-1, 0, 367):
        with pytest.raises(Invalid, match="within a year"):
            keepers.bind(MANAGER, family.elder, family.mother, "household", family.until_ms(days))
    with pytest.raises(Invalid):
        keepers.bind(MANAGER, family.elder, family.mother, "household", None)
    with pytest.raises(Invalid, match="nobody with this number"):
        keepers.bind(MANAGER, family.elder, "p_nobody", "carer", until_ms)
    with pytest.raises(NotFound):
        keepers.bind(STRANGER, family.elder, family.mother, "household", until_ms)
    made = family.bind(family.elder)
    with pytest.raises(NotFound):
        keepers.end(STRANGER, made)
    family.office.parts.people.move_out(MANAGER, family.mother, family.office.core.clock.now_ms())
    with pytest.raises(Conflict):
        keepers.bind(MANAGER, family.elder, family.mother, "carer", until_ms)


def test_somebody_who_moves_out_is_shown_on_no_phone(family: Family) -> None:
    family.bind(family.child)
    [kept] = family.shown()
    family.office.parts.people.move_out(MANAGER, family.child, family.office.core.clock.now_ms())
    assert family.status(kept) == "revoked"
    assert family.shown() == []
    small_community(family.office.core, "lake")
    asked = family.phone.asks(family.office.mine, family.own, b"passes")
    with pytest.raises(Forbidden):
        family.office.mine.passes_kept(replace(asked, community="lake"))
