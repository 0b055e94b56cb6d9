"""Drawing for rendered scenes: a ground, and figures of people on it. Knows nothing of lines, tracks or truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Picture = Any

SKINS = ((120, 160, 205), (95, 135, 190), (70, 100, 150), (140, 180, 225))
HAIRS = ((20, 20, 25), (35, 40, 60), (60, 70, 90), (150, 150, 150))
CLOTHES = (
    (40, 40, 45), (120, 60, 30), (60, 60, 150), (70, 110, 60), (150, 150, 155),
    (60, 30, 90), (30, 90, 150), (110, 110, 40), (90, 40, 40), (200, 200, 205),
)  # fmt: skip
TROUSERS = ((60, 45, 35), (35, 35, 35), (100, 80, 60), (80, 90, 100))
SHIFT = 4
"""Sub-pixel bits: a figure that jumps from pixel to pixel moves unlike a person."""

ONE = 1 << SHIFT


@dataclass(frozen=True)
class Look:
    """How a figure looks; drawn once per walker from the scene's seed."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    coat: tuple[int, int, int]
    trousers: tuple[int, int, int]
    stout: float


@dataclass(frozen=True)
class Pose:
    """Where a figure's feet are in pixels, how tall it is, where it faces (-1 left, 1 right), and its step's phase."""

    x: float
    y: float
    height: float
    facing: int
    phase: float
    walking: bool


def some_look(rng: np.random.Generator) -> Look:
    pick = [rng.integers(len(choices)) for choices in (SKINS, HAIRS, CLOTHES, TROUSERS)]
    return Look(SKINS[pick[0]], HAIRS[pick[1]], CLOTHES[pick[2]], TROUSERS[pick[3]], float(rng.uniform(0.9, 1.2)))


def ground(rng: np.random.Generator, width: int, height: int, steep: bool) -> Picture:
    """An empty way: paving, and a wall behind it unless the view is steep."""
    import cv2

    paving = rng.normal(0, 10, (height // 4 + 1, width // 4 + 1)).astype(np.float32)
    texture = cv2.resize(paving, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = (85, 105) if steep else (145, 175)
    shade = np.linspace(low, high, height, dtype=np.float32)[:, None] + texture
    picture = np.stack([shade * 0.97, shade, shade * 1.02], axis=2)
    joints = picture[:: max(8, height // 12)]
    joints *= 0.88
    if not steep:
        wall = int(height * 0.3)
        bricks = 120 + texture[:wall, :, None] * 0.5
        picture[:wall] = bricks * np.array([0.75, 0.9, 1.1], np.float32)
        picture[wall : wall + 3] = 70
    return np.clip(picture, 0, 255).astype(np.uint8)


def shadow(picture: Picture, pose: Pose, length: float) -> None:
    """A cast shadow on the ground, half dark."""
    import cv2

    layer = picture.copy()
    across = pose.height * length
    centre = (int((pose.x + across / 2) * ONE), int((pose.y - 0.01 * pose.height) * ONE))
    axes = (int(across / 2 * ONE), int(0.05 * pose.height * ONE))
    cv2.ellipse(layer, centre, axes, 0, 0, 360, (60, 55, 50), -1, cv2.LINE_AA, SHIFT)
    cv2.addWeighted(layer, 0.5, picture, 0.5, 0, picture)


def person(picture: Picture, pose: Pose, look: Look) -> None:
    """An upright figure seen from the side: legs, coat, arms, head, in that order."""
    swing = math.sin(pose.phase) * (0.17 if pose.walking else 0.05)
    hip, shoulder = 0.5, 0.82
    _limb(picture, pose, (0, hip), (-swing * 0.5 - 0.01, 0.26), (-swing, 0.02), 0.10, _darker(look.trousers))
    _limb(
        picture,
        pose,
        (-0.05, shoulder - 0.03),
        (swing * 0.5 - 0.12, 0.62),
        (swing * 0.9 - 0.09, 0.47),
        0.055,
        _darker(look.coat),
    )
    _limb(picture, pose, (0, hip), (swing * 0.5 + 0.03, 0.26), (swing, 0.02), 0.105, look.trousers)
    _blob(picture, pose, (swing + 0.03, 0.02), (0.06, 0.02), _darker(look.hair))
    _blob(picture, pose, (-swing + 0.03, 0.02), (0.06, 0.02), _darker(look.hair))
    _torso(picture, pose, look, hip, shoulder)
    _limb(
        picture,
        pose,
        (0.05, shoulder - 0.03),
        (-swing * 0.5 + 0.1, 0.62),
        (-swing * 0.9 + 0.11, 0.47),
        0.06,
        _darker(look.coat, 0.9),
    )
    _blob(picture, pose, (-swing * 0.9 + 0.11, 0.455), (0.026, 0.028), look.skin)
    _blob(picture, pose, (0.0, 0.86), (0.03, 0.04), look.skin)
    _blob(picture, pose, (0.01, 0.925), (0.06, 0.072), look.skin)
    _blob(picture, pose, (-0.012, 0.95), (0.063, 0.058), look.hair)


def rider(picture: Picture, pose: Pose, look: Look) -> None:
    """Somebody sitting on an electric bicycle, knees forward, hands on the bar."""
    cycle(picture, pose)
    _limb(picture, pose, (-0.12, 0.36), (0.06, 0.36), 0.09, (45, 45, 50))
    seated = Pose(pose.x, pose.y - 0.04 * pose.height, pose.height, pose.facing, pose.phase, walking=False)
    pedal = 0.05 * math.sin(pose.phase)
    _limb(picture, seated, (-0.06, 0.42), (0.15, 0.42 - pedal), (0.08, 0.14 - pedal), 0.1, _darker(look.trousers))
    _limb(picture, seated, (-0.06, 0.44), (0.17, 0.41 + pedal), (0.11, 0.14 + pedal), 0.11, look.trousers)
    _blob(picture, seated, (0.14, 0.11 + pedal), (0.065, 0.03), _darker(look.hair))
    _limb(picture, seated, (-0.06, 0.46), (0.0, 0.75), 0.2 * look.stout, look.coat)
    _limb(picture, seated, (0.02, 0.78), (0.11, 0.62), (0.26, 0.6), 0.065, _darker(look.coat, 0.85))
    _blob(picture, seated, (0.27, 0.6), (0.025, 0.025), look.skin)
    _blob(picture, seated, (0.03, 0.86), (0.03, 0.05), look.skin)
    _blob(picture, seated, (0.05, 0.925), (0.06, 0.072), look.skin)
    _blob(picture, seated, (0.03, 0.95), (0.063, 0.058), look.hair)


def cycle(picture: Picture, pose: Pose, ahead: float = 0.0) -> None:
    """A bicycle round ``pose``, ``ahead`` heights before it."""
    import cv2

    wheel = int(0.15 * pose.height * ONE)
    for offset in (-0.28, 0.28):
        at = _at(pose, ahead + offset, 0.15)
        cv2.circle(picture, at, wheel, (50, 50, 50), max(1, int(pose.height * 0.018)), cv2.LINE_AA, SHIFT)
    frame = [_at(pose, ahead + x, y) for x, y in ((-0.28, 0.15), (0.0, 0.2), (0.22, 0.45), (0.28, 0.15))]
    cv2.polylines(
        picture, [np.array(frame)], False, (40, 40, 160), max(2, int(pose.height * 0.025)), cv2.LINE_AA, SHIFT
    )


def from_above(picture: Picture, pose: Pose, look: Look) -> None:
    """Head and shoulders as a camera over the door sees them; ``height`` is the shoulders' width times two."""
    import cv2

    swing = math.sin(pose.phase) * 0.08 * pose.height if pose.walking else 0.0
    centre = (int(pose.x * ONE), int(pose.y * ONE))
    shoes = int(0.07 * pose.height * ONE)
    for sign in (-1, 1):
        foot = (int((pose.x + sign * swing) * ONE), int((pose.y + sign * 0.1 * pose.height) * ONE))
        cv2.circle(picture, foot, shoes, _darker(look.trousers), -1, cv2.LINE_AA, SHIFT)
    axes = (int(0.15 * pose.height * look.stout * ONE), int(0.27 * pose.height * look.stout * ONE))
    cv2.ellipse(picture, centre, axes, 0, 0, 360, look.coat, -1, cv2.LINE_AA, SHIFT)
    cv2.circle(picture, centre, int(0.11 * pose.height * ONE), look.hair, -1, cv2.LINE_AA, SHIFT)


def _torso(picture: Picture, pose: Pose, look: Look, hip: float, shoulder: float) -> None:
    import cv2

    half = 0.115 * look.stout
    outline = ((-half, hip - 0.08), (-half * 1.05, shoulder - 0.06), (-0.03, shoulder + 0.03), (0.04, shoulder + 0.03),
               (half * 1.1, shoulder - 0.07), (half, hip - 0.08))  # fmt: skip
    cv2.fillPoly(picture, [np.array([_at(pose, x, y) for x, y in outline])], look.coat, cv2.LINE_AA, SHIFT)
    light = (
        (half * 0.3, hip - 0.06),
        (half * 0.3, shoulder - 0.02),
        (half * 0.9, shoulder - 0.08),
        (half * 0.9, hip - 0.06),
    )
    cv2.fillPoly(picture, [np.array([_at(pose, x, y) for x, y in light])], _darker(look.coat, 1.15), cv2.LINE_AA, SHIFT)


def _limb(picture: Picture, pose: Pose, *points_and_rest: Any) -> None:
    import cv2

    *points, thick, colour = points_and_rest
    path = np.array([_at(pose, x, y) for x, y in points])
    cv2.polylines(picture, [path], False, colour, max(1, round(thick * pose.height)), cv2.LINE_AA, SHIFT)


def _blob(picture: Picture, pose: Pose, at: tuple[float, float], half: tuple[float, float], colour: Any) -> None:
    import cv2

    axes = (max(1, int(half[0] * pose.height * ONE)), max(1, int(half[1] * pose.height * ONE)))
    cv2.ellipse(picture, _at(pose, *at), axes, 0, 0, 360, colour, -1, cv2.LINE_AA, SHIFT)


def _at(pose: Pose, x: float, y: float) -> tuple[int, int]:
    """A point of the body, in heights ahead of and above the feet, as OpenCV's sub-pixel integers."""
    return int((pose.x + pose.facing * x * pose.height) * ONE), int((pose.y - y * pose.height) * ONE)


def _darker(colour: tuple[int, int, int], share: float = 0.75) -> tuple[int, int, int]:
    blue, green, red = (min(255, int(part * share)) for part in colour)
    return blue, green, red
