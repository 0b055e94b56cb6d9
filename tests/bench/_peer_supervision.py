"""`supervision`'s ByteTrack and LineZone on recorded boxes. Runs in .venv-bench, which has that package and not ours.

Reads a list of {"line": [x1, y1, x2, y2] in pixels, "fps", "sights": [[t_s, [[l, t, r, b, score], …]], …]} from
standard input and writes, for each, two lists of [t_s, "in" or "out"]: by the four corners of a box, which is what the
package does unless told otherwise, and by its centre.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import supervision as sv  # type: ignore[import-not-found,unused-ignore]  # noqa: E402

ANCHORS = (None, (sv.Position.CENTER,))


def counted(record: dict[str, Any]) -> list[list[tuple[float, str]]]:
    """Crossings by each of ``ANCHORS``, timed by the picture that completes them."""
    x1, y1, x2, y2 = record["line"]
    start, end = sv.Point(x1, y1), sv.Point(x2, y2)
    zones = [sv.LineZone(start, end, **({} if each is None else {"triggering_anchors": each})) for each in ANCHORS]
    tracker = sv.ByteTrack(frame_rate=max(1, round(record["fps"])))
    found: list[list[tuple[float, str]]] = [[] for _ in zones]
    for t_s, rows in record["sights"]:
        tracked = tracker.update_with_detections(_detections(rows))
        for zone, told in zip(zones, found, strict=True):
            entered, left = zone.trigger(tracked)
            told.extend([(t_s, "out")] * int(entered.sum()) + [(t_s, "in")] * int(left.sum()))
    return found


def _detections(rows: list[list[float]]) -> Any:
    found = np.array(rows, np.float32).reshape(-1, 5)
    return sv.Detections(xyxy=found[:, :4], confidence=found[:, 4], class_id=np.zeros(len(found), int))


def _swapped() -> bool:
    """Whether the package's `in` is the other way round than `counted` takes it: a walker to the left is our `in`."""
    sights = [(t / 10, [[700 - 10 * t, 100, 760 - 10 * t, 300, 0.9]]) for t in range(70)]
    return [way for _, way in counted({"line": [400, 0, 400, 400], "fps": 10, "sights": sights})[1]] == ["out"]


def main() -> None:
    ways = {"in": "out", "out": "in"} if _swapped() else {"in": "in", "out": "out"}
    answer = [[[(t_s, ways[way]) for t_s, way in told] for told in counted(record)] for record in json.load(sys.stdin)]
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
