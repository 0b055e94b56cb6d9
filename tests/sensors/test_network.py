"""The detector's network, whoever runs it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sensors.detect_yolox import SIDE, YoloxDetector
from sensors.model import BadModel
from sensors.network import Run, by_opencv, by_openvino, network
from sensors.scene import Scene

ROOT = Path(__file__).parents[2]
INWARD, OUTWARD = [1, 3, SIDE, SIDE], [1, 3549, 85]

# OpenVINO is no part of what `make setup` installs (180 MB): where somebody has it, it is held to the same.
Load = Callable[[Path, list[int], list[int]], Run]
OTHERS: list[Load] = [by_opencv, *([by_openvino] if importlib.util.find_spec("openvino") else [])]


@pytest.mark.shared_data
@pytest.mark.parametrize("load", OTHERS)
def test_others_say_the_same_as_onnxruntime(
    shared_data: Path, load: Callable[[Path, list[int], list[int]], Run]
) -> None:
    model = shared_data / "models" / "yolox_nano.onnx"
    planes = np.random.default_rng(1).integers(0, 255, INWARD).astype(np.float32)
    one, other = network(model, INWARD, OUTWARD)(planes), load(model, INWARD, OUTWARD)(planes)
    people = one[..., 4] * one[..., 5]
    assert np.abs(people - other[..., 4] * other[..., 5]).max() < 1e-3
    assert np.abs(one - other)[people > 0.05].max(initial=0) < 1e-2


@pytest.mark.shared_data
def test_people_are_found_where_onnxruntime_is_missing(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('not installed')")
    code = (
        "import sys; from pathlib import Path; from sensors.detect_yolox import YoloxDetector;"
        "from sensors.scene import Scene; picture = Scene(1, 'single', 10).stage.picture(5.0);"
        "print(len(YoloxDetector(Path(sys.argv[1])).find(picture)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, shared_data / "models" / "yolox_nano.onnx"],
        cwd=ROOT, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "1"
    assert ("onnxruntime is missing" in done.stderr) == (len(OTHERS) == 1)


@pytest.mark.shared_data
@pytest.mark.parametrize("load", [network, *OTHERS])
def test_a_network_of_another_shape_is_refused(shared_data: Path, load: object) -> None:
    model = shared_data / "models" / "yolox_nano.onnx"
    with pytest.raises(BadModel, match=r"not YOLOX-nano 416x416.*fetch-model"):
        load(model, INWARD, [1, 3549, 6])  # type: ignore[operator]


@pytest.mark.parametrize("load", [network, *OTHERS])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, load: object) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no network at all" * 100)
    with pytest.raises(BadModel, match=r"cannot be loaded as a model.*fetch-model"):
        load(tmp_path / "model.onnx", INWARD, OUTWARD)  # type: ignore[operator]


@pytest.mark.shared_data
def test_a_detector_runs_on_one_thread(shared_data: Path) -> None:
    """Gates have small boxes with several cameras; a second thread would be taken from another camera."""
    detector = YoloxDetector(shared_data / "models" / "yolox_nano.onnx")
    picture = Scene(1, "single", 10).stage.picture(5.0)
    detector.find(picture)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for _ in range(10):
        detector.find(picture)
    assert time.process_time() - cpu_s < 1.2 * (time.perf_counter() - wall_s)
