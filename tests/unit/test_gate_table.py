"""A photo of a code opens one record; the table alone opens none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from community_flow.domain import gate_table
from community_flow.domain.gate_table import Record
from community_flow.domain.sealing import raw
from tests.vectors import make_gate_table as made

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "gate_table.json").read_text())


def test_the_vector_file_is_what_its_script_writes() -> None:
    assert json.loads(json.dumps(made.body())) == VECTORS


@pytest.mark.parametrize("case", VECTORS["records"])
def test_the_handle_opens_its_record(case: dict[str, Any]) -> None:
    opened = gate_table.open_record(
        raw(case["sealed"]), bytes.fromhex(case["handle"]), made.SALT, made.COMMUNITY, made.EPOCH
    )
    assert opened == msgspec.convert(case["record"], Record)


@pytest.mark.parametrize("case", VECTORS["broken"], ids=lambda case: str(case["why"]))
def test_a_record_of_another_pass_day_or_community_does_not_open(case: dict[str, Any]) -> None:
    with pytest.raises(gate_table.TableError):
        gate_table.open_record(
            raw(case["sealed"]), bytes.fromhex(case["handle"]), made.SALT, made.COMMUNITY, made.EPOCH
        )


@pytest.mark.parametrize("case", VECTORS["downloads"], ids=lambda case: str(case["why"]))
def test_a_device_takes_only_what_is_signed_for_it(case: dict[str, Any]) -> None:
    good = {"a whole table", "a whole table for one who has another", "a delta that follows"}
    assert case["good"] is (case["why"] in good)


def test_a_record_is_424_bytes_whatever_it_says() -> None:
    assert {len(raw(case["sealed"])) for case in VECTORS["records"]} == {424}


def test_a_rule_that_is_too_long_loses_gates_and_never_gains_any() -> None:
    kept = msgspec.convert(VECTORS["records"][4]["record"], Record).gates
    assert kept
    assert kept == made.RECORDS[4].gates[: len(kept)]  # type: ignore[index]


def test_nothing_readable_stands_in_a_sealed_record() -> None:
    for number, record in enumerate(made.RECORDS):
        sealed = made.sealed(number)
        assert made.handle(number) not in sealed
        assert record.name.encode() not in sealed
        assert b"types" not in sealed


def test_lids_of_two_days_have_nothing_in_common() -> None:
    tomorrow = gate_table.epoch_salt(made.SECRET, made.EPOCH + 1)
    assert (
        gate_table.locate(made.handle(0), made.SALT, made.COMMUNITY)[0]
        != (gate_table.locate(made.handle(0), tomorrow, made.COMMUNITY)[0])
    )


def test_the_digest_of_records_is_over_their_bytes_in_order() -> None:
    download = VECTORS["downloads"][0]["download"]
    together = b"".join(raw(each) for each in download["records"])
    assert raw(json.loads(download["header"])["records"]) == hashlib.sha256(together).digest()


def test_a_delta_adds_replaces_and_removes() -> None:
    table = {b"a" * 12: b"a" * 424, b"b" * 12: b"b" * 424}
    newer = b"a" * 12 + b"n" * 412
    assert gate_table.applied(table, [newer], [b"b" * 12]) == {b"a" * 12: newer}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("林晓梅", "林*梅"),
        ("王芳", "王*"),
        ("林", "林*"),
        ("欧阳晓华", "欧**华"),
        ("古丽娜尔·艾合买提", "古***提"),
        ("John Smith", "J*** S***"),
        ("Ng", "N*"),
        ("", "*"),
    ],
)
def test_a_name_is_masked(name: str, shown: str) -> None:
    assert gate_table.mask(name) == shown
