"""When a camera's pictures are not to be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import pytest

from sensors.picture_health import PictureHealth
from sensors.scene import Scene, Stage
from sensors.scene_kinds import KINDS, Director
from tests.sensors.fakes_camera import shifted

RNG = np.random.default_rng(1)
NOISE = RNG.integers(0, 255, (90, 160, 3), np.uint8)


@pytest.mark.parametrize(
    ("picture", "live", "expected"),
    [
        (np.zeros((90, 160, 3), np.uint8), True, {"camera_dark", "camera_frozen"}),  # black, and always the same
        (np.full((90, 160, 3), 128, np.uint8), False, {"camera_dark"}),  # something lies on the lens
        (NOISE, True, {"camera_frozen"}),  # stuck
        (NOISE, False, set()),  # a file may stand still
        (np.zeros((1, 1, 3), np.uint8), False, {"camera_dark"}),  # one pixel is no view
    ],
)
def test_pictures_that_cannot_be_believed_are_told_after_ten_seconds(
    picture: np.ndarray, live: bool, expected: set[str]
) -> None:
    health = PictureHealth(live)
    found = [health.wrong(picture, float(t_s)) for t_s in range(15)]
    assert found[5] == frozenset()
    assert found[14] == expected


def test_a_fault_ends_with_the_first_good_picture() -> None:
    health = PictureHealth(live=True)
    told = [health.wrong(NOISE, float(t_s)) for t_s in range(15)]
    assert told[14] == {"camera_frozen"}
    assert health.wrong(np.roll(NOISE, 1, axis=2), 15.0) == frozenset()


def view(kind: str = "meet") -> Callable[[float], np.ndarray]:
    scene = Scene(3, kind, 120)
    return lambda t_s: scene.stage.picture(t_s, int(t_s * 10))


def told(health: PictureHealth, pictures: Iterable[np.ndarray], begin_s: int = 0) -> frozenset[str]:
    """What is said of one picture a second, at the last of them."""
    found: frozenset[str] = frozenset()
    for at, picture in enumerate(pictures):
        found = health.wrong(picture, float(begin_s + at))
    return found


@pytest.mark.parametrize("across", [0.06, -0.1, 0.3])
def test_a_camera_that_was_turned_is_told_until_it_is_turned_back(across: float) -> None:
    health, see = PictureHealth(live=True), view()
    assert told(health, (see(t_s) for t_s in range(30))) == frozenset()
    assert told(health, (shifted(see(t_s), across) for t_s in range(30, 50)), 30) == {"camera_moved"}
    assert told(health, (see(t_s) for t_s in range(50, 55)), 50) == frozenset()


def test_a_cloth_before_the_lens_is_told() -> None:
    health, see = PictureHealth(live=True), view()
    told(health, (see(t_s) for t_s in range(20)))
    covered = (cv2.GaussianBlur(see(t_s), (0, 0), 40) for t_s in range(20, 40))
    assert told(health, covered, 20) == {"camera_dark"}


@pytest.mark.parametrize("kind", ["drift", "shadow", "oblique pair", "overhead", "empty"])
def test_light_shadows_and_passers_by_are_no_fault(kind: str) -> None:
    health, see = PictureHealth(live=True), view(kind)
    assert not any(health.wrong(see(t_s), float(t_s)) for t_s in range(100))


def test_dusk_and_dawn_are_no_fault() -> None:
    """An hour from full light to a fifth of it and back."""
    health, see = PictureHealth(live=True), view("empty")
    for at in range(0, 3600, 20):
        light = 0.6 + 0.4 * np.cos(at / 3600 * 2 * np.pi)
        noisy = see(at / 10) * light + RNG.normal(0, 2, (360, 640, 1))
        assert health.wrong(np.clip(noisy, 0, 255).astype(np.uint8), float(at)) == frozenset(), at


def test_a_crowd_before_the_camera_is_no_turned_camera() -> None:
    stage = Stage(5, 640, 360)
    director = Director(np.random.default_rng(5), KINDS["single"].line)
    for number in range(60):
        stage.walkers.append(director.passer(number / 3, director.either()))
    health = PictureHealth(live=True)
    assert not any(health.wrong(stage.picture(t_s / 2, t_s), float(t_s)) for t_s in range(50))
