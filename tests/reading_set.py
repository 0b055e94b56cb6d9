"""A hard set of pictures of passes, rendered: blurred, dim, tilted, small, under glare, and all of it at once.

The strengths are stated here and drawn evenly between their two ends; the same seed gives the same pictures. Lengths
are in modules of the code (a code is 37 modules wide) or in pixels of a picture of 640 x 480.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from community_flow.adapters.cards_pdf import qr_modules
from community_flow.domain import passes as cf1

WIDTH, HEIGHT = 640, 480
SEED = 20_261_127
Picture = np.ndarray[Any, np.dtype[np.uint8]]
Span = tuple[float, float]


@dataclass(frozen=True)
class Strength:
    """One kind of picture. ``module_px``: pixels a module; ``blur``: sigma of the lens in modules; ``drag``: length of
    a hand's movement in modules; ``contrast``: what is left of black to white, of 255; ``noise``: sigma of the sensor,
    of 255; ``tilt_deg``: the card turned out of the picture's plane; ``glare``: share of the code's area that a
    reflection whitens."""

    module_px: Span = (4.0, 6.0)
    blur: Span = (0.1, 0.25)
    drag: Span = (0.0, 0.0)
    contrast: Span = (150.0, 220.0)
    noise: Span = (1.0, 3.0)
    tilt_deg: Span = (0.0, 15.0)
    glare: Span = (0.0, 0.0)


KINDS = {
    "blur": Strength(blur=(0.35, 0.6), drag=(0.0, 0.5)),
    "dim": Strength(contrast=(18.0, 40.0), noise=(3.0, 5.0)),
    "tilt": Strength(tilt_deg=(35.0, 55.0)),
    "small": Strength(module_px=(1.7, 2.3), blur=(0.2, 0.4)),
    "glare": Strength(glare=(0.04, 0.09)),
    "mixed": Strength(
        module_px=(2.4, 3.4), blur=(0.25, 0.45), drag=(0.0, 0.4), contrast=(45.0, 90.0), noise=(2.0, 4.0),
        tilt_deg=(15.0, 35.0), glare=(0.0, 0.03),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """One picture and what its code says."""

    kind: str
    text: str
    picture: Picture


def shots(each: int, seed: int = SEED, kinds: tuple[str, ...] = tuple(KINDS)) -> Iterator[Shot]:
    """``each`` pictures of every kind; every one shows another pass."""
    random = np.random.default_rng(seed)
    signer = Ed25519PrivateKey.from_private_bytes(random.bytes(32))
    for kind in kinds:
        for _ in range(each):
            text = _pass(random, signer)
            yield Shot(kind, text, render(text, KINDS[kind], random))


def _pass(random: np.random.Generator, signer: Ed25519PrivateKey) -> str:
    handle = random.bytes(8)
    if random.random() < 0.5:
        return cf1.card(signer, b"c" * 16, key_id=1, handle=handle, expiry_day=900, serial=0)
    return cf1.rotating(signer, b"c" * 16, handle=handle, at_ms=1_795_420_800_000 + int(random.integers(10**9)))


def render(text: str, strength: Strength, random: np.random.Generator) -> Picture:
    """The picture a camera would take of this code at this strength."""

    def drawn(span: Span) -> float:
        return float(random.uniform(*span))

    module, contrast = drawn(strength.module_px), drawn(strength.contrast)
    code = _code(text)
    placed = _placed(module, code.shape[0], drawn(strength.tilt_deg), random)
    # Drawn large and made small: so does a lens, and so do edges fall between pixels.
    card = cv2.warpPerspective(
        code, placed @ np.diag([1 / 8, 1 / 8, 1.0]), (WIDTH * 2, HEIGHT * 2), flags=cv2.INTER_AREA, borderValue=-1.0
    )  # fmt: skip
    scene = np.where(card < 0, _table_top(random), card * 255)
    scene = _glared(scene, placed, drawn(strength.glare), module, random)
    scene = cv2.resize(scene, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    scene = cv2.GaussianBlur(scene, (0, 0), max(0.01, drawn(strength.blur) * module))
    scene = _dragged(scene, drawn(strength.drag) * module, random)
    dark = float(random.uniform(8, 30))
    seen = dark + scene / 255 * contrast + random.normal(0, drawn(strength.noise), scene.shape)
    return np.clip(seen, 0, 255).astype(np.uint8)


def _code(text: str) -> np.ndarray[Any, Any]:
    """Modules with their quiet zone, eight pixels each; white is 1."""
    cells = np.pad(1.0 - np.array(qr_modules(text), dtype=np.float32), 4, constant_values=1.0)
    return np.kron(cells, np.ones((8, 8), dtype=np.float32))


def _placed(module: float, side_px: int, tilt_deg: float, random: np.random.Generator) -> np.ndarray[Any, Any]:
    """From modules to pixels of the doubled picture: turned in its plane by up to 20 degrees, then out of it."""
    half = side_px / 16
    turn, axis = np.radians(random.uniform(-20, 20)), random.uniform(0, 2 * np.pi)
    distance = 6.0  # of the lens, in halves of the code: the far edge comes out shorter than the near one
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float64)
    along = np.array([np.cos(axis), np.sin(axis)])
    across = np.array([-along[1], along[0]])
    lean = np.radians(tilt_deg)
    flat = np.outer(corners @ along, along) + np.outer(corners @ across * np.cos(lean), across)
    flat *= (distance / (distance + corners @ across * np.sin(lean)))[:, None]
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shown = flat @ spin.T * half * module * 2
    spare = np.maximum(0, np.array([WIDTH, HEIGHT]) - np.abs(shown).max(axis=0))
    centre = np.array([WIDTH, HEIGHT]) + random.uniform(-1, 1, 2) * spare * 0.9
    source = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], dtype=np.float32) * half
    found: np.ndarray[Any, Any] = cv2.getPerspectiveTransform(source, (shown + centre).astype(np.float32))
    return found


def _table_top(random: np.random.Generator) -> np.ndarray[Any, Any]:
    """A surface that is not even: coarse patches of grey."""
    patches = random.uniform(60, 190, (8, 10)).astype(np.float32)
    spread: np.ndarray[Any, Any] = cv2.resize(patches, (WIDTH * 2, HEIGHT * 2), interpolation=cv2.INTER_CUBIC)
    return spread


def _glared(
    scene: np.ndarray[Any, Any], placed: np.ndarray[Any, Any], share: float, module: float, random: np.random.Generator
) -> np.ndarray[Any, Any]:
    """A reflection with soft edges over a share of the code, away from its three corners' marks as a hand would turn
    it: those cannot be done without by any reader."""
    if share <= 0:
        return scene
    at = placed @ np.array([*random.uniform(18.5, 30, 2), 1.0])
    x, y = at[:2] / at[2]
    area = share * (37 * module * 2) ** 2
    stretch = random.uniform(0.5, 2.0)
    ellipse = (np.sqrt(area / np.pi * stretch), np.sqrt(area / np.pi / stretch))
    mask = np.zeros(scene.shape, dtype=np.float32)
    cv2.ellipse(mask, ((x, y), (2 * ellipse[0], 2 * ellipse[1]), random.uniform(0, 180)), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), module)
    lit: np.ndarray[Any, Any] = scene + mask * (255 - scene)
    return lit


def _dragged(scene: np.ndarray[Any, Any], length_px: float, random: np.random.Generator) -> np.ndarray[Any, Any]:
    """Smeared along a line, by a hand that moves while the shutter is open."""
    if length_px < 1:
        return scene
    side = int(np.ceil(length_px)) | 1
    kernel = np.zeros((side + 2, side + 2), dtype=np.float32)
    middle, angle = (side + 1) / 2, random.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length_px / 2
    start, end = (np.round(np.array([middle, middle]) + sign * reach).astype(int) for sign in (-1, 1))
    cv2.line(kernel, tuple(int(v) for v in start), tuple(int(v) for v in end), 1.0, 1)
    return cv2.filter2D(scene, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
