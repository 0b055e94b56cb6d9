"""Initials of names in pinyin, for the number pad and the search: 林晓梅 -> lxm."""

from __future__ import annotations

import re
import unicodedata

SURNAMES = {
    "单": "s", "仇": "q", "曾": "z", "解": "x", "尉迟": "yc", "万俟": "mq", "查": "z", "乐": "y", "盖": "g", "朴": "p",
    "翟": "z", "缪": "m", "覃": "q", "折": "s", "员": "y", "种": "c", "冼": "x", "区": "o", "宓": "m", "长孙": "zs",
    "贾": "j", "能": "n", "任": "r", "晟": "c", "重": "c", "召": "s", "纪": "j", "费": "f", "隗": "w", "牟": "m",
}  # fmt: skip
"""Family names that are read otherwise than the character usually is."""


def initials(name: str) -> str:
    """Small letters only; a character without a reading is left out."""
    from pypinyin import Style, lazy_pinyin

    words = name.split()
    if len(words) > 1 or name.isascii():
        return "".join(_letter(word) for word in words)[:24]
    surname = next((known for known in (name[:2], name[:1]) if known in SURNAMES), "")
    rest = lazy_pinyin(name[len(surname) :], style=Style.FIRST_LETTER, errors="ignore")
    return (SURNAMES.get(surname, "") + re.sub(r"[^a-z]", "", "".join(rest).lower()))[:24]


def _letter(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word).lower()
    return plain[:1] if plain[:1].isalpha() else ""
