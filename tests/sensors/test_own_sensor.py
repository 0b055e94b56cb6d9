"""The example of docs/sensors.md runs as it is printed there, and the page knows every key and fault."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from sensors import faults
from sensors.config import CameraConfig, CheckpointConfig, load
from sensors.config_gateway import GatewayConfig, Meaning
from sensors.config_lines import BeamConfig, FireConfig, LinePattern, OutputConfig, ThermometerConfig, WedgeConfig
from tests.sensors.fakes_server import FakeServer, serving

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sensors.md").read_text(encoding="utf-8")
AGENT = 'device = "d_abcdefgh2345"\nserver = "{url}"\ntoken = "secret"\n'


KINDS: tuple[Any, ...] = (
    CameraConfig, CheckpointConfig, BeamConfig, LinePattern, ThermometerConfig, WedgeConfig, OutputConfig, FireConfig,
    GatewayConfig, Meaning,
)  # fmt: skip


def example(language: str, number: int = 0) -> str:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found[number]


def test_the_sensor_of_twenty_lines_counts(tmp_path: Path) -> None:
    code = example("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    (tmp_path / "mine.py").write_text(code)
    with serving(FakeServer()) as server:
        (tmp_path / "agent.toml").write_text(AGENT.format(url=server.url))
        subprocess.run(
            [sys.executable, "mine.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, input="in\nout\nnoise\nin\n",
            text=True, check=True, timeout=60,
        )  # fmt: skip
    assert [each["direction"] for each in server.reports("count")] == ["in", "out", "in"]


def test_the_page_lists_every_key_and_every_fault() -> None:
    keys = {field.name for kind in KINDS for field in dataclasses.fields(kind)}
    names = keys - {"over", "patterns", "maps"} | {"line", "zone", "at", "flip"} | set(faults.MEANINGS)
    assert not [name for name in sorted(names) if f"`{name}`" not in PAGE]


def test_the_printed_configuration_is_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("cfd_secret")
    (tmp_path / "agent.toml").write_text(example("toml"))
    assert len(load(tmp_path / "agent.toml").sensors) == 2


def test_every_printed_example_can_be_loaded(tmp_path: Path) -> None:
    """Those of one sensor or output stand alone, below a device."""
    parts = re.findall(r"```toml\n(\[.*?)```", PAGE, re.DOTALL)
    assert len(parts) >= 6
    kinds: set[str] = set()
    for part in parts:
        (tmp_path / "agent.toml").write_text(AGENT.format(url="http://x") + part)
        found = load(tmp_path / "agent.toml")
        kinds |= {type(each).__name__ for each in (*found.sensors, *found.outputs, found.fire)}
    assert kinds >= {each.__name__ for each in KINDS} - {"CheckpointConfig", "LinePattern", "Meaning"}
