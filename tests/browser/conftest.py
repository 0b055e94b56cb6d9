"""What every browser test of the gate begins with: an installation for the file, and a browser for the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from community_flow.settings import Settings
from tests.browser.gate_world import World, chromium, film, world


@pytest.fixture(scope="module")
def gate_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("gate")
    with world(Settings(data_dir=folder / "var"), folder) as made:
        yield made


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """What a camera sees that sees nobody."""
    return film(tmp_path / "blank.mjpeg", [(None, 0.5)])


@pytest.fixture
def gate(chromium_path: str, blank: Path) -> Iterator[Any]:
    """A browser whose camera sees nobody."""
    with chromium(chromium_path, blank) as context:
        yield context
