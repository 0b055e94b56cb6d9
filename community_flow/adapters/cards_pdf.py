"""Printed cards: A4 sheets of ten with cutting marks, or one CR80 card a page, with embedded Chinese fonts.

Fonts come from Debian (fonts-wqy-zenhei, then fonts-hanazono for rare characters). Only the letters used are embedded.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from community_flow.domain.errors import Invalid
from community_flow.domain.short_codes import shown
from community_flow.ports.cards import CardFace, Paper

MM = 72 / 25.4
CARD_W, CARD_H = 85.6 * MM, 53.98 * MM
A4_W, A4_H = 210 * MM, 297 * MM
COLUMNS, ROWS = 2, 5
MARK = 3 * MM
QR_SIDE = 43 * MM
QUIET = 4
"""Modules of white around a QR code; scanners need them."""

PAD = 4.5 * MM
LARGEST, SMALLEST = 17.0, 8.5

FONTS = (
    ("WenQuanYi", Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"), "fonts-wqy-zenhei"),
    ("HanaMinA", Path("/usr/share/fonts/truetype/hanazono/HanaMinA.ttf"), "fonts-hanazono"),
    ("HanaMinB", Path("/usr/share/fonts/truetype/hanazono/HanaMinB.ttf"), "fonts-hanazono"),
)
LABELS = {
    "zh": {"until": "有效期至", "found": "拾到请交居委会", "print": "第 %d 次印制"},
    "en": {"until": "Valid until", "found": "Found it? Community office", "print": "Print %d"},
}

NO_FONT = "The font %(font)s is missing: install the Debian package %(package)s and try again."
NO_GLYPH = (
    "No font here can draw the character %(letter)s (U+%(code)s) in the name of %(name)s: install fonts-hanazono, or "
    "correct the name."
)

Run = tuple[str, str]
"""(font name, letters)"""


def print_cards(faces: Sequence[CardFace], paper: Paper) -> bytes:
    """The PDF of some cards; raises Invalid for a letter without a glyph or a missing font."""
    from reportlab.pdfgen.canvas import Canvas

    if not faces:
        raise Invalid("There is no card to print: issue cards first.")
    for face in faces:
        _runs(face.name, face)
    out = io.BytesIO()
    size = (A4_W, A4_H) if paper == "a4" else (CARD_W, CARD_H)
    canvas = Canvas(out, pagesize=size, pageCompression=1, invariant=1)
    canvas.setTitle("Community Flow")
    if paper == "a4":
        _sheets(canvas, faces)
    else:
        _singles(canvas, faces)
    canvas.save()
    return out.getvalue()


def _sheets(canvas: Any, faces: Sequence[CardFace]) -> None:
    per_page = COLUMNS * ROWS
    for first in range(0, len(faces), per_page):
        for face, (x, y) in zip(faces[first : first + per_page], places(), strict=False):
            _card(canvas, face, x, y)
        cutting_marks(canvas)
        canvas.showPage()


def _singles(canvas: Any, faces: Sequence[CardFace]) -> None:
    for face in faces:
        _card(canvas, face, 0, 0)
        canvas.showPage()


def places() -> Iterator[tuple[float, float]]:
    """Lower left corners of the cards of a sheet, row by row from the top."""
    left, bottom = (A4_W - COLUMNS * CARD_W) / 2, (A4_H - ROWS * CARD_H) / 2
    for row in reversed(range(ROWS)):
        for column in range(COLUMNS):
            yield left + column * CARD_W, bottom + row * CARD_H


def cutting_marks(canvas: Any) -> None:
    left, bottom = (A4_W - COLUMNS * CARD_W) / 2, (A4_H - ROWS * CARD_H) / 2
    right, top = A4_W - left, A4_H - bottom
    canvas.setLineWidth(0.3)
    for column in range(COLUMNS + 1):
        x = left + column * CARD_W
        canvas.line(x, bottom - MARK, x, bottom - 1)
        canvas.line(x, top + 1, x, top + MARK)
    for row in range(ROWS + 1):
        y = bottom + row * CARD_H
        canvas.line(left - MARK, y, left - 1, y)
        canvas.line(right + 1, y, right + MARK, y)


def _card(canvas: Any, face: CardFace, x: float, y: float) -> None:
    labels = LABELS[face.language]
    _qr(canvas, face.text, x + 1.5 * MM, y + (CARD_H - QR_SIDE) / 2 + 2.2 * MM)
    _line(canvas, face, shown(face.short_code), x + 1.5 * MM + QR_SIDE / 2, y + 2.6 * MM, 11, centred=True)
    left, width = x + QR_SIDE + 2.5 * MM, CARD_W - QR_SIDE - PAD - 1 * MM
    fit(canvas, face, face.community, left, y + CARD_H - 9 * MM, width, 9.5)
    lowest = _name(canvas, face, left, y + CARD_H - 19 * MM, width)
    fit(canvas, face, face.building, left, min(lowest - 7 * MM, y + CARD_H - 27 * MM), width, 12)
    fit(canvas, face, f"{labels['until']} {face.until}", left, y + 10.2 * MM, width, 8.5)
    foot = labels["found"] if face.serial == 0 else f"{labels['found']} · {labels['print'] % (face.serial + 1)}"
    fit(canvas, face, foot, left, y + 5.6 * MM, width, 7.5)


def _name(canvas: Any, face: CardFace, x: float, y: float, width: float) -> float:
    """The name as large as it fits, on two lines when it is long; gives the baseline of the last line."""
    size = _size(face, face.name, width)
    if size >= SMALLEST + 3:
        _line(canvas, face, face.name, x, y, size)
        return y
    first, second = _halves(face.name)
    size = max(SMALLEST - 2, min(_size(face, first, width), _size(face, second, width), 13))
    _line(canvas, face, first, x, y + 1.5 * MM, size)
    _line(canvas, face, second, x, y + 1.5 * MM - size * 1.25, size)
    return y + 1.5 * MM - size * 1.25


def _halves(name: str) -> tuple[str, str]:
    """Cut a long name after the dot or space nearest to its middle, else in the middle."""
    cuts = [at + 1 for at, letter in enumerate(name[:-1]) if letter in "· "] or [len(name) // 2]
    at = min(cuts, key=lambda cut: abs(cut - len(name) / 2))
    return name[:at].strip(), name[at:].strip()


def fit(canvas: Any, face: CardFace, text: str, x: float, y: float, width: float, largest: float) -> None:
    _line(canvas, face, text, x, y, min(largest, _size(face, text, width)))


def _size(face: CardFace, text: str, width: float) -> float:
    """The largest size at which ``text`` is no wider than ``width``."""
    return max(4.0, min(LARGEST, width / max(_width(_runs(text, face), 1.0), 0.01)))


def _line(canvas: Any, face: CardFace, text: str, x: float, y: float, size: float, *, centred: bool = False) -> None:
    runs = _runs(text, face)
    if centred:
        x -= _width(runs, size) / 2
    for font, letters in runs:
        canvas.setFont(font, size)
        canvas.drawString(x, y, letters)
        x += _width([(font, letters)], size)


def _width(runs: Sequence[Run], size: float) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(sum(stringWidth(letters, font, size) for font, letters in runs))


def _runs(text: str, face: CardFace) -> list[Run]:
    """``text`` in pieces that one font can draw each; raises Invalid naming the letter that none can."""
    runs: list[Run] = []
    for letter in text:
        font = next((name for name, glyphs in _fonts() if ord(letter) in glyphs), None)
        if font is None:
            raise Invalid(NO_GLYPH, field="name", letter=letter, code=f"{ord(letter):04X}", name=face.name)
        if runs and runs[-1][0] == font:
            runs[-1] = (font, runs[-1][1] + letter)
        else:
            runs.append((font, letter))
    return runs


@lru_cache(maxsize=1)
def _fonts() -> tuple[tuple[str, frozenset[int]], ...]:
    """Registered fonts with the code points each can draw, best first. Read once: they are large."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    found = []
    for name, path, package in FONTS:
        if not path.exists():
            if name == FONTS[0][0]:
                raise Invalid(NO_FONT, font=path.name, package=package)
            continue  # without the rare characters cards can be printed; a name that needs them says so
        font = TTFont(name, str(path), subfontIndex=0)
        pdfmetrics.registerFont(font)
        found.append((name, frozenset(font.face.charToGlyph)))
    return tuple(found)


def _qr(canvas: Any, text: str, x: float, y: float) -> None:
    """Black on white, version 5-M in alphanumeric mode, which 120 characters fill exactly."""
    draw_modules(canvas, qr_modules(text), x, y, QR_SIDE)


def draw_modules(canvas: Any, matrix: Sequence[Sequence[bool]], x: float, y: float, side: float) -> None:
    """A QR code with its quiet zone, ``side`` wide."""
    module = side / (len(matrix) + 2 * QUIET)
    canvas.setFillGray(1)
    canvas.rect(x, y, side, side, stroke=0, fill=1)
    canvas.setFillGray(0)
    path = canvas.beginPath()
    for row, cells in enumerate(matrix):
        top = y + side - (QUIET + row) * module
        for first, length in _dark_runs(cells):
            path.rect(x + (QUIET + first) * module, top - module, length * module, module)
    canvas.drawPath(path, stroke=0, fill=1)


def _dark_runs(cells: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """(start, length) of neighbouring dark modules: one rectangle each leaves no hairlines between them."""
    first = None
    for at, dark in enumerate([*cells, False]):
        if dark and first is None:
            first = at
        elif not dark and first is not None:
            yield first, at - first
            first = None


def qr_modules(text: str) -> list[list[bool]]:
    """The modules of a card's QR code, without quiet zone."""
    from qrcode.constants import ERROR_CORRECT_M
    from qrcode.main import QRCode
    from qrcode.util import MODE_ALPHA_NUM, QRData

    code: Any = QRCode(version=5, error_correction=ERROR_CORRECT_M, border=0)
    mode: Any = MODE_ALPHA_NUM
    code.add_data(QRData(text.encode("ascii"), mode=mode), optimize=0)
    code.make(fit=False)
    return [[bool(cell) for cell in row] for row in code.get_matrix()]
