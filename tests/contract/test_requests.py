"""Requests of residents about their data, on SQLite and PostgreSQL: sent, read, answered once, erased."""

from __future__ import annotations

import pytest

from community_flow.domain.errors import Conflict, Forbidden, Invalid, NotFound
from community_flow.ports.requests import DataRequest, Kind
from community_flow.services.my_pass import Claimed, request_action
from community_flow.services.requests import MOST_OPEN
from community_flow.wiring.core import Core
from tests.contract.test_slips import Office, Phone
from tests.registry_parts import MANAGER, STRANGER


class Resident:
    def __init__(self, office: Office, name: str = "林晓梅") -> None:
        self.office, self.phone = office, Phone()
        self.person = office.resident(name)
        self.own: Claimed = office.mine.claim(office.slip(self.person), self.phone.public)

    def asks(self, kind: Kind, text: str = "", signed: str | None = None) -> DataRequest:
        mine = self.office.mine
        action = request_action(kind, text if signed is None else signed)
        return mine.request(self.phone.asks(mine, self.own, action), kind, text)

    def actions(self) -> set[str]:
        return {row.action for row in self.office.mine.look(self.phone.asks(self.office.mine, self.own)).looks}

    def sees(self) -> list[DataRequest]:
        return list(self.office.mine.look(self.phone.asks(self.office.mine, self.own)).requests)


@pytest.fixture
def office(core: Core) -> Office:
    return Office(core)


def test_a_request_reaches_the_office_and_its_answer_the_phone(office: Office) -> None:
    resident = Resident(office)
    sent = resident.asks("correction", " 我的电话变了 ")
    [waiting] = office.requests.rows(MANAGER)
    assert (waiting.name, waiting.request.text, waiting.request.kind) == ("林晓梅", "我的电话变了", "correction")
    assert office.requests.count_open(MANAGER) == 1
    office.requests.settle(MANAGER, sent.request, "done", "已更正")
    [seen] = resident.sees()
    assert (seen.state, seen.answer) == ("done", "已更正")
    assert office.requests.rows(MANAGER) == []
    assert [each.request.request for each in office.requests.rows(MANAGER, ("done", "refused"))] == [sent.request]
    assert {"request.send", "request.look", "request.done"} <= resident.actions()


def test_of_two_who_answer_one_does(office: Office) -> None:
    sent = Resident(office).asks("copy")
    office.requests.settle(MANAGER, sent.request, "refused", "请到服务台领取")
    with pytest.raises(Conflict, match="already"):
        office.requests.settle(MANAGER, sent.request, "done", "好的")


def test_another_community_reads_and_answers_nothing(office: Office) -> None:
    sent = Resident(office).asks("deletion")
    assert office.requests.rows(STRANGER) == []
    assert office.requests.count_open(STRANGER) == 0
    with pytest.raises(NotFound):
        office.requests.settle(STRANGER, sent.request, "done", "好的")


def test_what_was_signed_is_what_is_sent(office: Office) -> None:
    resident = Resident(office)
    with pytest.raises(Forbidden):
        resident.asks("deletion", "请全部删除", signed="请更正电话")
    with pytest.raises(Forbidden):
        office.mine.request(resident.phone.asks(office.mine, resident.own), "copy", "")
    assert office.requests.rows(MANAGER) == []


def test_words_are_needed_and_few_and_only_so_many_wait(office: Office) -> None:
    resident = Resident(office)
    kinds: tuple[Kind, ...] = ("correction", "objection")
    for kind in kinds:
        with pytest.raises(Invalid, match="in a few words"):
            resident.asks(kind, "  ")
    with pytest.raises(Invalid, match="shorter"):
        resident.asks("objection", "长" * 501)
    for _ in range(MOST_OPEN):
        sent = resident.asks("copy")
    with pytest.raises(Conflict, match="wait for those"):
        resident.asks("copy")
    for answer in ("  ", "长" * 501):
        with pytest.raises(Invalid):
            office.requests.settle(MANAGER, sent.request, "done", answer)
    office.requests.settle(MANAGER, sent.request, "done", "好的")
    resident.asks("copy")


def test_words_go_with_the_name(office: Office) -> None:
    other = Resident(office, "钱二")
    left = other.asks("objection", "不要统计我")
    office.parts.people.move_out(MANAGER, other.person, office.core.clock.now_ms())
    office.parts.people.erase(MANAGER, other.person)
    with office.core.db.read() as tx:
        found = office.requests.store.one(tx, MANAGER, left.request)
    assert found is not None
    assert (found.text, found.kind) == ("", "objection")
