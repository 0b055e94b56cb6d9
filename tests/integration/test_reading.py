"""A share of the hard set of pictures: the edge and the browser read it, jsQR does not, and nobody reads it wrong."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from sensors import qr
from tests.bench.reading import in_javascript, in_one_look, on_the_edge, share, wrong
from tests.reading_set import KINDS, SEED, Picture, Shot, shots

EACH = 8


@pytest.fixture(scope="module")
def taken() -> list[Shot]:
    print(f"reading set: {EACH} pictures of each of {', '.join(KINDS)}, seed {SEED}")
    return list(shots(EACH))


def test_the_edge_reads_nearly_all_and_nothing_wrong(taken: list[Shot]) -> None:
    found = on_the_edge(taken)
    missed = [shot.kind for shot, text in zip(taken, found, strict=True) if text != shot.text]
    assert share(taken, found) >= 95, missed
    assert wrong(taken, found) == 0
    assert share(taken, in_one_look(taken)) < share(taken, found), "the set has become too easy to tell readers apart"


@pytest.mark.skipif(shutil.which("node") is None, reason="apt-get install nodejs")
def test_the_browser_reads_more_than_jsqr_and_nothing_wrong(taken: list[Shot]) -> None:
    browser, jsqr = in_javascript(taken)
    assert share(taken, browser) >= share(taken, jsqr) + 5
    assert share(taken, browser) >= 85
    assert wrong(taken, browser) == 0


def test_a_few_letters_that_nobody_printed_do_not_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    shot = next(shots(1, kinds=("glare",)))
    answers = iter([["2"], [shot.text]])
    monkeypatch.setattr(qr, "quick_reader", lambda: lambda picture: next(answers))
    assert qr.reader()(shot.picture) == [shot.text]


def test_an_empty_lane_is_looked_at_harder_only_each_third_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[tuple[int, ...]] = []

    def look(picture: Picture) -> list[str]:
        looks.append(picture.shape)
        return []

    monkeypatch.setattr(qr, "quick_reader", lambda: look)
    read, empty = qr.watching_reader(), np.zeros((48, 64, 3), np.uint8)
    for _ in range(6):
        assert read(empty) == []
    assert len(looks) == 6 + 2 * 3
