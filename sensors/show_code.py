"""A claim code for people: as text with a QR code for a terminal or a journal, and as a picture file. Standard library
only: the server gives the QR code's rows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

BORDER = 4
SCALE = 8
HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}


def as_text(rows: Sequence[str], code: str, link: str) -> str:
    """Light on dark, as terminals are: what is drawn is the light part, its border included."""
    light = _light(rows)
    light += [[True] * len(light[0])] * (len(light) % 2)
    lines = [
        "".join(HALVES[above, below] for above, below in zip(light[at], light[at + 1], strict=True))
        for at in range(0, len(light), 2)
    ]
    return "\n".join(
        [*lines, "", f"This device belongs to nobody yet. Its code is  {code}", f"Enter it on the page Devices: {link}"]
    )


def write_picture(path: Path, rows: Sequence[str]) -> None:
    """As PNG, or as SVG when the name ends so."""
    light = _light(rows)
    path.write_bytes(_svg(light) if path.suffix.lower() == ".svg" else _png(light))


def _light(rows: Sequence[str]) -> list[list[bool]]:
    if not rows:
        return [[True]]
    empty = [[True] * (len(rows[0]) + 2 * BORDER)] * BORDER
    side = [True] * BORDER
    return [*empty, *([*side, *(each != "1" for each in row), *side] for row in rows), *empty]


def _png(light: list[list[bool]]) -> bytes:
    lines = [b"\0" + b"".join((b"\xff" if each else b"\0") * SCALE for each in row) for row in light]
    wide, high = len(light[0]) * SCALE, len(light) * SCALE
    pixels = zlib.compress(b"".join(line * SCALE for line in lines))
    head = struct.pack(">IIBBBBB", wide, high, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def _svg(light: list[list[bool]]) -> bytes:
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(light) for x, each in enumerate(row) if not each)
    size = len(light)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}"><rect width="{size}" height="{size}" '
        f'fill="#fff"/><path d="{path}"/></svg>'
    ).encode()
