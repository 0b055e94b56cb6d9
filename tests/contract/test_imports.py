"""Import of residents on SQLite and on PostgreSQL: preview, keep, send again, correct."""

from __future__ import annotations

import random
import time

import pytest

from community_flow.domain.errors import NotFound
from community_flow.ports.imports import Counts, Upload
from community_flow.ports.people import Wanted
from community_flow.wiring.core import Core
from tests.factories import small_community
from tests.registry_parts import MANAGER, STRANGER, Parts, parts_of

FILE = """姓名,电话,地址,备注
林晓梅,13800138000,1-1-101,
林海,,1-1-101,
王五,13900139000,7号楼3单元1102,轮椅
坏的,12,1-1-102,
,,,
"""


@pytest.fixture
def parts(core: Core) -> Parts:
    small_community(core)
    return parts_of(core)


def send(parts: Parts, text: str, size: int = 1000) -> Upload:
    upload = parts.imports.begin(MANAGER, "garden", "people.csv", text.encode())
    while upload.state != "done":
        upload = parts.imports.step(MANAGER, upload.id, size)
    return upload


def test_the_preview_tells_what_keeping_will_do_and_the_totals_add_up(parts: Parts) -> None:
    upload = parts.imports.begin(MANAGER, "garden", "people.csv", FILE.encode())
    preview = parts.imports.preview(MANAGER, upload.id)
    assert preview.counts == Counts(rows=5, added=3, faulty=1, blank=1)
    assert preview.missing_buildings == ["7"]
    assert parts.people.search(MANAGER, Wanted())[1] == 0
    assert send(parts, FILE).counts == preview.counts


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_sending_the_same_file_again_changes_nothing_however_it_is_cut(parts: Parts, core: Core, size: int) -> None:
    send(parts, FILE, size)
    with core.db.read() as tx:
        before = core.registry.store.newest(tx)
    again = send(parts, FILE, size)
    assert again.counts == Counts(rows=5, same=3, faulty=1, blank=1)
    assert parts.people.search(MANAGER, Wanted())[1] == 3
    with core.db.read() as tx:
        assert core.registry.store.newest(tx) == before


def test_a_newer_list_corrects_moves_and_leaves_alone_what_it_does_not_say(parts: Parts) -> None:
    send(parts, FILE)
    newer = "姓名,电话,地址,类型\n林晓梅,13800138001,1-1-101,\n林海,,1-1-101,护工\n王五,13900139000,1-1-103,\n"
    assert send(parts, newer).counts == Counts(rows=3, changed=2, moved=1)
    found = {line.found.row.name: line.found for line in parts.people.search(MANAGER, Wanted())[0] if line.found.row}
    assert found["林晓梅"].row is not None
    assert found["林晓梅"].row.phone == "13800138001"
    assert found["林海"].state.type == "carer"
    assert found["王五"].unit == "1-1-103"
    assert found["王五"].row is not None
    assert found["王五"].row.note == "轮椅"


def test_two_people_of_one_unit_may_share_a_telephone(parts: Parts) -> None:
    both = "姓名,电话,地址\n林晓梅,13800138000,1-1-101\n林小宝,13800138000,1-1-101\n"
    assert send(parts, both).counts.added == 2


def test_the_rows_with_faults_come_back_and_can_be_sent_corrected(parts: Parts) -> None:
    upload = send(parts, FILE)
    table, faults = parts.imports.faults(MANAGER, upload.id)
    assert [table.rows[fault.line - table.first_line][0] for fault in faults] == ["坏的"]
    # What was kept is not kept twice: the upload forgets the good rows.
    assert not any("林晓梅" in row for row in table.rows)
    corrected = "姓名,电话,地址,备注,需要更正\n坏的,13700137000,1-1-102,,改好了\n"
    assert send(parts, corrected).counts == Counts(rows=1, added=1)


def test_a_missing_building_is_made_inside_the_compound(parts: Parts) -> None:
    send(parts, FILE)
    zone = parts.places.one(MANAGER, "zone", "garden", "b7")
    assert (zone.kind, zone.parent, zone.names["zh"]) == ("building", "compound", "7号楼")
    household = parts.people.search(MANAGER, Wanted(text="王五"))[0][0].found.household
    assert household is not None
    assert household.building == "b7"


def test_an_upload_is_its_senders_own(parts: Parts) -> None:
    upload = parts.imports.begin(MANAGER, "garden", "people.csv", FILE.encode())
    with pytest.raises(NotFound):
        parts.imports.preview(STRANGER, upload.id)
    with pytest.raises(NotFound):
        parts.imports.begin(STRANGER, "garden", "people.csv", FILE.encode())


def test_ten_thousand_rows_in_one_go(parts: Parts) -> None:
    seed = 20261124
    rng = random.Random(seed)
    names = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
    rows = ["姓名,电话,地址"]
    for number in range(10_000):
        name = rng.choice(names) + rng.choice(names) + chr(0x4E00 + number)
        rows.append(f"{name},138{number:08d},{number % 30 + 1}号楼{number % 4 + 1}单元{number % 25 + 1:02d}01")
    began = time.monotonic()
    upload = send(parts, "\n".join(rows))
    took_s = time.monotonic() - began
    assert upload.counts.added + upload.counts.faulty == 10_000, f"seed {seed}"
    assert upload.counts.added >= 9_999
    print(f"10,000 rows in {took_s:.1f} s")


CARDS = """姓名,地址,IC卡号
林晓梅,1-1-101,04A2-1F33
林晓梅,1-1-101,04A21F34
王五,7-3-1102,0412345678
周六,7-3-1103,04a21f33
坏的,1-1-102,门卡7
"""


def test_an_import_binds_the_ic_cards_that_people_have_and_never_keeps_their_numbers(parts: Parts) -> None:
    done = send(parts, CARDS)
    assert (done.counts.added, done.counts.same, done.counts.faulty) == (2, 1, 2)
    assert [(fault.line, fault.field) for fault in done.faults] == [(5, "card"), (6, "card")]
    with parts.people.db.read() as tx:
        people = {each.row.name: each.person for each in parts.people.store.find(tx, MANAGER, Wanted()) if each.row}
        held = parts.passes.of_persons(tx, MANAGER, sorted(people.values()))
    assert sorted((each.state.person == people["林晓梅"], each.state.kind) for each in held) == [
        (False, "tag"), (True, "tag"), (True, "tag"),
    ]  # fmt: skip
    assert parts.passes.bind_tag(MANAGER, people["王五"], "0412345678") in {each.pass_id for each in held}
    again = send(parts, "\n".join(CARDS.splitlines()[:4]))
    assert (again.counts.same, again.faults) == (3, ())
    with parts.people.db.read() as tx:
        assert len(parts.passes.of_persons(tx, MANAGER, sorted(people.values()))) == 3


@pytest.mark.parametrize("size", [1, 200])
def test_an_ic_card_of_somebody_else_comes_back_to_be_corrected_and_the_person_is_kept(parts: Parts, size: int) -> None:
    send(parts, "姓名,地址,门禁卡号\n林晓梅,1-1-101,04A21F33\n")
    done = send(parts, "姓名,地址,门禁卡号\n赵七,1-1-103,04A21F33\n钱八,1-1-104,04A21F99\n", size)
    assert (done.counts.added, [fault.line for fault in done.faults]) == (2, [2])
    table, faults = parts.imports.faults(MANAGER, done.id)
    assert [table.rows[fault.line - table.first_line] for fault in faults] == [("赵七", "1-1-103", "04A21F33")]
