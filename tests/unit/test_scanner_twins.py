"""The gate's JavaScript gives the same answers as the server's Python, on the same vector files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[1] / "vectors" / "twins.mjs"
SUITES = {
    "passes": 200, "passes by the kept library": 90, "admission": 300, "replays": 20, "records": 6, "broken records": 9,
    "downloads": 18, "seals": 6, "wire numbers": 8, "wire": 26, "hostile wire": 50, "wire answers": 1, "packing": 1,
    "challenges": 4, "no numbers": 7, "answers": 22, "drawn numbers": 1, "successions": 18,
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> dict[str, tuple[int, list[str]]]:
    """What each suite of the runner found: how many cases, and those that failed."""
    # Set-up puts one beside Python where the machine has none.
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if node is None:
        pytest.skip(
            "node is not installed: apt-get install nodejs (18 or newer) to hold the gate's JavaScript to the vectors"
        )
    if not (RUNNER.parents[2] / "web" / "vendor" / "ed25519").exists():
        pytest.skip("web/vendor is empty: run `make setup`")
    done = subprocess.run([node, str(RUNNER)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, tuple[int, list[str]]] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("suite", SUITES)
def test_the_twin_agrees_with_every_vector(found: dict[str, tuple[int, list[str]]], suite: str) -> None:
    count, failures = found[suite]
    assert failures == []
    assert count >= SUITES[suite]
