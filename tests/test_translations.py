"""Both languages say everything, and say it with the same placeholders."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "web" / "translations" / "zh"
PLACEHOLDER = re.compile(r"%\((\w+)\)")


@cache
def used() -> dict[str, str]:
    """Every string that a page may show, and where it stands; refusals of services are shown too."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "web" / "templates").rglob("*.html")):
        _extract(found, path, "jinja2.ext:babel_extract", {"gettext": None, "_": None, "ngettext": (1, 2)})
    for path in sorted((ROOT / "community_flow").rglob("*.py")):
        keywords = dict.fromkeys(("gettext", "_", "lazy_gettext", "N_")) | {"ngettext": (1, 2)}
        refusals = dict.fromkeys(("Invalid", "NotFound", "Forbidden", "Conflict", "TooMany"))
        _extract(found, path, "python", {**keywords, **refusals, "Problem": (3, 4)})
    return found


def _extract(found: dict[str, str], path: Path, method: str, keywords: dict[str, object]) -> None:
    options = {"silent": "false"} if method.startswith("jinja2") else {}
    for line, message, _, _ in extract_from_file(method, str(path), keywords=keywords, options=options):  # type: ignore[arg-type]
        for text in message if isinstance(message, tuple) else (message,):
            if text and re.search(r"[A-Za-z]{2}", text):
                found.setdefault(text, f"{path.relative_to(ROOT)}:{line}")


@cache
def chinese() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale="zh"):
                ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
                texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
                found.update({each: texts[0] or "" for each in ids if each})
    return found


def test_every_string_has_chinese() -> None:
    missing = {text: place for text, place in used().items() if not chinese().get(text)}
    listing = "\n".join(f"{place}: {text!r}" for text, place in sorted(missing.items(), key=lambda item: item[1]))
    assert not missing, f"{len(missing)} strings without Chinese:\n{listing}"


def test_chinese_is_chinese() -> None:
    """A string copied over in English is no translation; names of formats and symbols may stay."""
    latin = {text for text, zh in chinese().items() if zh == text and len(text.split()) > 2}
    assert not latin


def test_placeholders_are_the_same() -> None:
    differ = {
        text: zh for text, zh in chinese().items() if set(PLACEHOLDER.findall(text)) != set(PLACEHOLDER.findall(zh))
    }
    assert not differ


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.po")), ids=lambda path: path.name)
def test_catalogues_are_well_formed(path: Path) -> None:
    text = path.read_text()
    assert "Content-Type: text/plain; charset=UTF-8" in text, "a catalogue names its encoding in its header"
    assert "#, fuzzy" not in text, "a guess is not a translation"
