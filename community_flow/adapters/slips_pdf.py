"""Slips for phones, ten to an A4 sheet, cut along the same marks as cards and with the same fonts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from community_flow.adapters import cards_pdf as paper
from community_flow.domain.errors import Invalid
from community_flow.ports.cards import CardFace
from community_flow.ports.slips import SlipFace

QR_SIDE = 34 * paper.MM
LABELS = {
    "zh": {
        "title": "手机通行码领取单", "how": "用手机浏览器扫码打开，一次有效", "code": "或输入领取码",
        "until": "有效期至", "secret": "请勿转交他人",
    },
    "en": {
        "title": "Your pass on the phone", "how": "Scan with the phone; works once", "code": "Or type this code",
        "until": "Valid until", "secret": "Do not hand this on",
    },
}  # fmt: skip


def print_slips(faces: Sequence[SlipFace]) -> bytes:
    """The PDF of some slips; raises Invalid for a letter without a glyph or a missing font."""
    from reportlab.pdfgen.canvas import Canvas

    if not faces:
        raise Invalid("There is no card to print: issue cards first.")
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(paper.A4_W, paper.A4_H), pageCompression=1, invariant=1)
    canvas.setTitle("Community Flow")
    per_page = paper.COLUMNS * paper.ROWS
    for first in range(0, len(faces), per_page):
        for face, (x, y) in zip(faces[first : first + per_page], paper.places(), strict=False):
            _slip(canvas, face, x, y)
        paper.cutting_marks(canvas)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _slip(canvas: Any, face: SlipFace, x: float, y: float) -> None:
    labels, about = LABELS[face.language], _about(face)
    paper.draw_modules(canvas, _modules(face.address), x + 2 * paper.MM, y + 8 * paper.MM, QR_SIDE)
    left, width = x + QR_SIDE + 5 * paper.MM, paper.CARD_W - QR_SIDE - 9 * paper.MM
    top = y + paper.CARD_H
    for text, down_mm, size in (
        (face.community, 8, 9.5),
        (labels["title"], 13.5, 10.5),
        (face.name, 21, 15.0),
        (face.building, 26.5, 9.5),
        (labels["code"], 33, 8.0),
        (face.code, 39, 14.0),
        (f"{labels['until']} {face.until}", 45, 8.0),
        (labels["secret"], 49.5, 8.0),
    ):
        paper.fit(canvas, about, text, left, top - down_mm * paper.MM, width, size)
    paper.fit(canvas, about, labels["how"], x + 3 * paper.MM, y + 4.5 * paper.MM, QR_SIDE, 8.0)


def _about(face: SlipFace) -> CardFace:
    """Whose slip it is, for what a missing letter is told with."""
    return CardFace(
        person="", name=face.name, building=face.building, community=face.community, text="", short_code="",
        until=face.until, serial=0, language=face.language,
    )  # fmt: skip


def _modules(address: str) -> list[list[bool]]:
    from qrcode.constants import ERROR_CORRECT_M
    from qrcode.main import QRCode

    code: Any = QRCode(error_correction=ERROR_CORRECT_M, border=0)
    code.add_data(address)
    code.make(fit=True)
    return [[bool(cell) for cell in row] for row in code.get_matrix()]
