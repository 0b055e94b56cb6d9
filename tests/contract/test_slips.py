"""Slips on SQLite and on PostgreSQL: used once, replaced by a newer one, never good for long or for somebody else."""

from __future__ import annotations

import contextlib
import re
import threading

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from community_flow.adapters.cards_pdf import print_cards
from community_flow.adapters.memory_traffic import MemoryOnce
from community_flow.adapters.sql.queries_keepers import SqlKeepers
from community_flow.adapters.sql.queries_kept import SqlKept
from community_flow.adapters.sql.queries_requests import SqlRequests
from community_flow.adapters.sql.queries_slips import SqlSlips
from community_flow.domain import passes as cf1
from community_flow.domain.errors import Forbidden, Invalid, NotFound
from community_flow.domain.residents import Resident
from community_flow.ports.slips import SlipFace
from community_flow.services.cards import Cards
from community_flow.services.keepers import Keepers
from community_flow.services.kept import Kept
from community_flow.services.my_pass import PREFIX, Asked, Claimed, MyPass
from community_flow.services.requests import Requests
from community_flow.services.slips import SLIP_MS, Slips
from community_flow.wiring.core import Core
from tests.factories import small_community
from tests.registry_parts import MANAGER, STRANGER, parts_of


class Office:
    """The desk that prints slips and the server that phones ask; printed slips are read off ``faces``."""

    def __init__(self, core: Core) -> None:
        small_community(core)
        self.core, self.parts = core, parts_of(core)
        self.faces: list[SlipFace] = []
        self.slips = Slips(Cards(self.parts.people, print_cards), SqlSlips(), self._print)
        kept = Kept(core.db, core.registry, SqlKept())
        self.keepers = Keepers(self.parts.people, SqlKeepers())
        self.requests = Requests(self.parts.people, SqlRequests())
        self.mine = MyPass(self.parts.passes, SqlSlips(), kept, core.audit, MemoryOnce(), self.keepers, self.requests)

    def _print(self, faces: object) -> bytes:
        self.faces = list(faces)  # type: ignore[call-overload]
        return b"%PDF"

    def resident(self, name: str = "林晓梅", unit: str = "1-1-101") -> str:
        return self.parts.people.add(MANAGER, "garden", Resident(name=name, unit=unit))

    def slip(self, person: str) -> str:
        self.slips.print(MANAGER, "garden", "https://flow.example/me/pass", persons=[person])
        return self.faces[0].code


@pytest.fixture
def office(core: Core) -> Office:
    return Office(core)


class Phone:
    def __init__(self, curve: bool = False) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1()) if curve else Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes(
            Encoding.X962 if curve else Encoding.Raw,
            PublicFormat.UncompressedPoint if curve else PublicFormat.Raw,
        )

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(message)
        return cf1.raw_p256(self.key.sign(message, ec.ECDSA(hashes.SHA256())))

    def asks(self, mine: MyPass, claimed: Claimed, action: bytes = b"look") -> Asked:
        nonce = mine.nonce()
        signature = self.sign(PREFIX + claimed.uid + nonce + action)
        return Asked(claimed.community, claimed.pass_id, nonce, signature)


@pytest.mark.parametrize("curve", [False, True], ids=["Ed25519", "P-256"])
def test_a_slip_makes_a_phone_the_pass_of_its_person_once(office: Office, curve: bool) -> None:
    person, phone = office.resident(), Phone(curve)
    code = office.slip(person)
    claimed = office.mine.claim(code.lower().replace("-", " "), phone.public)
    assert claimed.name == "林晓梅"
    with office.core.db.read() as tx:
        held = office.parts.passes.held(tx, MANAGER, claimed.pass_id)
    assert (held.state.person, held.state.kind, held.row.public_key) == (person, "phone", phone.public)
    with pytest.raises(NotFound, match="ask the desk"):
        office.mine.claim(code, Phone().public)


def test_the_code_is_on_paper_only_and_behind_the_address(office: Office) -> None:
    code = office.slip(office.resident())
    assert re.fullmatch(r"[A-Z2-9]{5}-[A-Z2-9]{5}", code)
    assert office.faces[0].address == f"https://flow.example/me/pass#{code}"
    with office.core.db.read() as tx:
        kept = tx.exec_driver_sql("SELECT * FROM pass_slips").all()
    assert code not in repr(kept)
    assert code.replace("-", "") not in repr(kept)


def test_a_newer_slip_stops_an_unused_older_one(office: Office) -> None:
    person = office.resident()
    older, newer = office.slip(person), office.slip(person)
    with pytest.raises(NotFound):
        office.mine.claim(older, Phone().public)
    office.mine.claim(newer, Phone().public)


def test_a_slip_is_good_for_two_weeks(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    code, now_ms = office.slip(office.resident()), office.core.clock.now_ms()
    monkeypatch.setattr(office.core.clock, "now_ms", lambda: now_ms + SLIP_MS + 1)
    with pytest.raises(NotFound):
        office.mine.claim(code, Phone().public)


def test_a_refused_key_leaves_the_slip_good(office: Office) -> None:
    code = office.slip(office.resident())
    with pytest.raises(Invalid):
        office.mine.claim(code, b"short")
    office.mine.claim(code, Phone().public)


def test_of_two_phones_with_one_slip_one_gets_it(office: Office) -> None:
    code, won = office.slip(office.resident()), []

    def claim() -> None:
        with contextlib.suppress(NotFound):
            won.append(office.mine.claim(code, Phone().public))

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(won) == 1


def test_a_new_phone_stops_the_lost_one(office: Office) -> None:
    person, lost, new = office.resident(), Phone(), Phone()
    before = office.mine.claim(office.slip(person), lost.public)
    after = office.mine.claim(office.slip(person), new.public)
    assert office.mine.look(lost.asks(office.mine, before)).status == "revoked"
    assert office.mine.look(lost.asks(office.mine, before)).about is None
    assert office.mine.look(new.asks(office.mine, after)).status == "active"


def test_the_owner_sees_their_own_and_nobody_elses(office: Office) -> None:
    phone = Phone()
    office.resident("钱二", "1-1-102")
    claimed = office.mine.claim(office.slip(office.resident()), phone.public)
    found = office.mine.look(phone.asks(office.mine, claimed))
    assert found.about is not None
    assert found.about.record is not None
    assert found.about.record.name == "林晓梅"
    assert "pass.slip" in {row.action for row in found.looks}


def test_what_another_signed_or_was_signed_before_is_refused(office: Office) -> None:
    phone, thief = Phone(), Phone()
    claimed = office.mine.claim(office.slip(office.resident()), phone.public)
    asked = phone.asks(office.mine, claimed)
    office.mine.look(asked)
    wrong = {
        "the same question again": asked,
        "another phone's key": thief.asks(office.mine, claimed),
        "a signature for another action": phone.asks(office.mine, claimed, b"end"),
        "a number of one's own": Asked(claimed.community, claimed.pass_id, b"n" * 16, b"s" * 64),
        "a pass that is none": Asked(claimed.community, "ps_00", office.mine.nonce(), b"s" * 64),
        "another community": Asked("lake", claimed.pass_id, office.mine.nonce(), asked.signature),
    }
    for why, question in wrong.items():
        with pytest.raises(Forbidden):
            pytest.fail(f"{why}: {office.mine.look(question)}")


def test_the_owner_can_stop_their_pass(office: Office) -> None:
    phone = Phone()
    claimed = office.mine.claim(office.slip(office.resident()), phone.public)
    office.mine.end(phone.asks(office.mine, claimed, b"end"))
    assert office.mine.look(phone.asks(office.mine, claimed)).status == "revoked"


def test_slips_are_printed_by_the_own_community_only(office: Office) -> None:
    person = office.resident()
    with pytest.raises(NotFound):
        office.slips.print(STRANGER, "garden", "https://flow.example/me/pass", persons=[person])
