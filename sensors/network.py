"""Running the detector's network: onnxruntime; where that is missing OpenVINO, or else OpenCV, with the same file."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensors.model import BadModel

Run = Callable[[Any], Any]
"""Planes (1, 3, side, side) in, rows (1, n, 85) out."""

_AGAIN = "run `python -m sensors fetch-model FILE_OR_MIRROR`."


def network(model: Path, inward: list[int], outward: list[int]) -> Run:
    """The network in ``model``, on one thread: two cost more processor time than they save. Raises BadModel."""
    try:
        import onnxruntime
    except ImportError:
        if importlib.util.find_spec("openvino") is not None:
            return by_openvino(model, inward, outward)
        logging.getLogger("sensors").warning(
            "onnxruntime is missing: OpenCV runs the network, for about half as much processor time again "
            "(`pip install 'community-flow-sensors[camera]'`)."
        )
        return by_opencv(model, inward, outward)
    return _by_onnxruntime(onnxruntime, model, inward, outward)


def _by_onnxruntime(onnxruntime: Any, model: Path, inward: list[int], outward: list[int]) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BadModel(f"{model} cannot be loaded as a model ({error}): {_AGAIN}") from error
    _agree(model, [session.get_inputs()[0].shape, session.get_outputs()[0].shape], [inward, outward])
    name = session.get_inputs()[0].name
    return lambda planes: session.run(None, {name: planes})[0]


def by_openvino(model: Path, inward: list[int], outward: list[int]) -> Run:
    import openvino  # type: ignore[import-not-found,unused-ignore]

    try:
        read = openvino.Core().read_model(str(model))
        shapes = [list(each.get_partial_shape().get_min_shape()) for each in (read.inputs[0], read.outputs[0])]
        _agree(model, shapes, [inward, outward])
        # Left to itself it may reckon in half precision, and then finds other boxes.
        limits = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        request = openvino.compile_model(read, "CPU", limits).create_infer_request()
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise BadModel(f"{model} cannot be loaded as a model ({why}): {_AGAIN}") from error
    return lambda planes: request.infer({0: planes})[0].copy()


def by_opencv(model: Path, inward: list[int], outward: list[int]) -> Run:
    import cv2
    import numpy as np

    def run(planes: Any) -> Any:
        net.setInput(planes)
        return net.forward()

    try:
        net = cv2.dnn.readNetFromONNX(str(model))
        found = run(np.zeros(inward, np.float32))
    except cv2.error as error:
        raise BadModel(f"{model} cannot be loaded as a model ({error.err}): {_AGAIN}") from error
    _agree(model, [inward, list(found.shape)], [inward, outward])
    return run


def _agree(model: Path, found: list[Any], expected: list[Any]) -> None:
    if found != expected:
        raise BadModel(f"{model} is not YOLOX-nano 416x416 (shapes {found}): {_AGAIN}")
