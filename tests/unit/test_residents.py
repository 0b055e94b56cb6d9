"""What is kept of a person and how it is read."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from community_flow.domain import residents
from community_flow.domain.errors import Invalid
from community_flow.services.initials import initials


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("林晓梅", "林晓梅"),
        (" 张 三 ", "张三"),  # spaced out to look even
        ("阿依古丽•买买提", "阿依古丽·买买提"),  # one middle dot of many
        ("阿依古丽 · 买买提", "阿依古丽·买买提"),
        ("John  Smith", "John Smith"),
        ("𬭎䶮", "𬭎䶮"),  # outside the basic plane
    ],
)
def test_names(written: str, kept: str) -> None:
    assert residents.clean_name(written) == kept


@pytest.mark.parametrize("bad", ["", "  ", "123", "??", "x" * 61, "a\x00b", "110101199003070000"])
def test_what_is_no_name(bad: str) -> None:
    with pytest.raises(Invalid):
        residents.clean_name(bad)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("13800138000", "13800138000"),
        ("138 0013 8000", "13800138000"),
        ("+86 138-0013-8000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("１３８００１３８０００", "13800138000"),
        ("021-5555 1234", "02155551234"),
        ("+44 20 7946 0958", "+442079460958"),
        ("", None),
    ],
)
def test_phones(written: str, kept: str | None) -> None:
    assert residents.clean_phone(written) == kept


@pytest.mark.parametrize("rounded", ["1.38E+10", "1.3800138E+10", "1E+10", "1.38e10", "13800138000.0"])
def test_a_rounded_number_is_refused_with_the_remedy(rounded: str) -> None:
    with pytest.raises(Invalid, match="format the column as text"):
        residents.clean_phone(rounded)


@pytest.mark.parametrize("bad", ["1380013800", "138001380001", "12", "abc", "13800138000/13900139000"])
def test_a_wrong_phone_is_refused(bad: str) -> None:
    with pytest.raises(Invalid):
        residents.clean_phone(bad)


@pytest.mark.parametrize(
    "identity",
    ["110101199003070013", "11010119900307001X", "11010119900307001x", "110101 19900307 0013", "110101900307001",
     "证号110101199003070013", "１１０１０１１９９００３０７００１３"],
)  # fmt: skip
def test_an_identity_number_is_refused_wherever_it_stands(identity: str) -> None:
    for clean in (residents.clean_name, residents.clean_phone, residents.clean_note):
        with pytest.raises(Invalid, match=r"identity-card|telephone|letters"):
            clean(identity)
    with pytest.raises(Invalid, match="identity-card"):
        residents.clean_note(f"证件 {identity} 备用")


@pytest.mark.parametrize("column", ["身份证号", "身份证", "证件号码", "ID number", "id_card", "identity card no"])
def test_a_column_of_identity_numbers_is_refused(column: str) -> None:
    with pytest.raises(Invalid, match="delete the column"):
        residents.refuse_identity_column(column)


def test_other_columns_and_numbers_are_not_taken_for_identity_numbers() -> None:
    for column in ("姓名", "编号", "id", "unit", "房号"):
        residents.refuse_identity_column(column)
    assert residents.clean_note("车牌沪A12345，门禁卡 0012345678") == "车牌沪A12345，门禁卡 0012345678"
    assert residents.clean_note("") is None


def test_types_in_both_languages() -> None:
    assert [residents.clean_type(word) for word in ("", "居民", "Visitor", "护工", "物业")] == [
        "resident", "resident", "visitor", "carer", "worker",
    ]  # fmt: skip
    with pytest.raises(Invalid, match="resident, frequent"):
        residents.clean_type("外星人")


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for clean in (residents.clean_name, residents.clean_phone, residents.clean_note, residents.clean_type):
        with suppress(Invalid):
            clean(text)


@pytest.mark.parametrize(
    ("name", "letters"),
    [("林晓梅", "lxm"), ("单雄信", "sxx"), ("曾国藩", "zgf"), ("尉迟恭", "ycg"), ("阿依古丽·买买提", "ayglmmt"),
     ("John Smith", "js"), ("欧阳娜", "oyn"), ("Émile Zola", "ez")],
)  # fmt: skip
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters
