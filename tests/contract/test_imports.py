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
    assert took_s < 60, f"{took_s:.1f} s"  # bar 20 s on an idle machine; tests share it
