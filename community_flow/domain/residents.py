"""What may be kept of a person (a closed list) and how each value is read. No identity-card numbers, ever."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, get_args

import msgspec

from community_flow.domain.errors import Invalid
from community_flow.domain.passes import normal_tag
from community_flow.domain.places import PassType

Field = Literal["name", "phone", "address", "building", "entrance", "room", "type", "note", "card"]
FIELDS: tuple[Field, ...] = get_args(Field)
"""Everything an import may bring; `address` is one column, or the three after it."""


class Resident(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said of a person: the closed list of fields."""

    name: str
    phone: str = ""
    unit: str = ""
    type: PassType = "resident"
    note: str = ""


NAME_LENGTH, NOTE_LENGTH = 60, 200

IDENTITY_VALUE = "This looks like an identity-card number, which is not kept here: delete it."
IDENTITY_FIELD = "Identity-card numbers are not kept here: delete the column %(column)s and send the file again."
ROUNDED = (
    "The spreadsheet rounded this number (%(text)s), so digits may be lost: format the column as text and enter the "
    "number again."
)
NAME_MISSING = "The name is missing: fill it in."
NAME_BAD = "A name has letters or characters and at most 60 of them."
PHONE_BAD = "The telephone number %(text)s cannot be right: give 7 to 15 digits, or leave it empty."
MOBILE_BAD = "The mobile number %(text)s does not have 11 digits: look it up again, or leave it empty."
TYPE_BAD = "The type %(text)s is not known: resident, frequent, visitor, carer, worker."
NOTE_BAD = "A note has 200 characters at most: shorten it."

CARD_BAD = "The card number %(text)s cannot be right: give 4 to 32 digits or letters, or leave it empty."
IDENTITY_MARK = "******************"

_ROUNDED = re.compile(r"[+-]?[0-9](?:\.[0-9]+)?E\+?[0-9]{1,3}", re.IGNORECASE)
_FLOAT = re.compile(r"[0-9]{5,}\.[0-9]+")
_IDENTITY_18 = re.compile(r"(?<![0-9])[1-9][0-9]{16}[0-9X](?![0-9])", re.IGNORECASE)
_IDENTITY_15 = re.compile(
    r"(?<![0-9])[1-9][0-9]{5}[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}(?![0-9])"
)
_IDENTITY_COLUMN = re.compile(
    r"身份证|身分證|证件号|證件號|公民身份|identity.?(card|no|number)|^id.?(card|no|number)", re.IGNORECASE
)
_DOTS = re.compile(r"\s*[·•‧・･．∙⋅]\s*")

TYPES: dict[str, PassType] = {
    **dict.fromkeys(("居民", "住户", "业主", "租客", "租户", "常住", "resident", "owner", "tenant"), "resident"),
    **dict.fromkeys(("常来", "常访", "亲属", "frequent"), "frequent"),
    **dict.fromkeys(("访客", "来访", "visitor", "guest"), "visitor"),
    **dict.fromkeys(("护工", "保姆", "照护", "家政", "护理", "carer"), "carer"),
    **dict.fromkeys(("工作人员", "物业", "员工", "保安", "保洁", "worker", "staff"), "worker"),
}


def clean_card(text: str) -> str:
    """The number of an IC card as a reader types it; raises Invalid."""
    if not text.strip():
        return ""
    try:
        return normal_tag(unicodedata.normalize("NFKC", text))
    except ValueError:
        raise Invalid(CARD_BAD, field="card", text=text) from None


def clean_name(text: str) -> str:
    """A name as it is kept: one kind of middle dot, one space between words; raises Invalid."""
    name = unicodedata.normalize("NFC", text).strip()
    name = re.sub(r"\s+", " ", _DOTS.sub("·", name))
    if not name:
        raise Invalid(NAME_MISSING, field="name")
    refuse_identity_number(name, "name")
    if len(name) > NAME_LENGTH or not any(unicodedata.category(letter).startswith(("L", "Co")) for letter in name):
        raise Invalid(NAME_BAD, field="name")
    if any(unicodedata.category(letter).startswith("C") for letter in name):
        raise Invalid(NAME_BAD, field="name")
    # 张 三: offices space two-character names out; Latin names keep their spaces.
    return name if name.isascii() or re.search(r"[A-Za-z]", name) else name.replace(" ", "")


def clean_phone(text: str) -> str | None:
    """Digits of a telephone number, with + for other countries; None for an empty one; raises Invalid."""
    plain = unicodedata.normalize("NFKC", text).strip()
    refuse_rounded(plain, "phone")
    digits = re.sub(r"[\s().-]", "", plain)
    if not digits:
        return None
    digits = re.sub(r"^(?:\+|00)?86(?=1[3-9][0-9]{9}$)", "", digits)
    refuse_identity_number(digits, "phone")
    if not re.fullmatch(r"\+?[0-9]{7,15}", digits):
        raise Invalid(PHONE_BAD, field="phone", text=plain[:40])
    if re.fullmatch(r"1[3-9][0-9]{3}0{6}", digits):
        # 1.3801E+10 that was saved as a number again: no subscriber has six zeros at the end.
        raise Invalid(ROUNDED, field="phone", text=plain[:40])
    if re.fullmatch(r"1[3-9][0-9]{8}|1[3-9][0-9]{10,}", digits):
        raise Invalid(MOBILE_BAD, field="phone", text=plain[:40])
    return digits


def clean_note(text: str) -> str | None:
    """A note, or None; raises Invalid."""
    note = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()
    if len(note) > NOTE_LENGTH:
        raise Invalid(NOTE_BAD, field="note")
    refuse_identity_number(note, "note")
    return note or None


def clean_type(text: str) -> PassType:
    """A kind of person in either language; an empty one is a resident; raises Invalid."""
    word = unicodedata.normalize("NFKC", text).strip().lower()
    if not word:
        return "resident"
    if word not in TYPES:
        raise Invalid(TYPE_BAD, field="type", text=text[:40])
    return TYPES[word]


def refuse_rounded(text: str, field: str) -> None:
    """Raises Invalid for 1.38E+10 and 13800138000.0: a spreadsheet has had its way with it."""
    if _ROUNDED.fullmatch(text) or _FLOAT.fullmatch(text):
        raise Invalid(ROUNDED, field=field, text=text[:40])


def refuse_identity_number(text: str, field: str) -> None:
    """Raises Invalid for what looks like a Chinese identity-card number (18 characters, of old 15), spaced or not."""
    tight = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text))
    if any(_plausible(found.group()) for found in _IDENTITY_18.finditer(tight)) or _IDENTITY_15.search(tight):
        raise Invalid(IDENTITY_VALUE, field=field)
    if IDENTITY_MARK in tight:
        raise Invalid(IDENTITY_VALUE, field=field)


def without_identity_number(text: str) -> str:
    """The text, or a mark in the place of what looks like an identity-card number: not even an upload keeps one."""
    try:
        refuse_identity_number(text, "")
    except Invalid:
        return IDENTITY_MARK
    return text


def refuse_identity_column(column: str) -> None:
    """Raises Invalid for a column whose heading says what it holds."""
    if _IDENTITY_COLUMN.search(unicodedata.normalize("NFKC", column)):
        raise Invalid(IDENTITY_FIELD, field="file", column=column[:40])


def _plausible(number: str) -> bool:
    """The middle of an identity number is a date of birth."""
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    return 1850 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31
