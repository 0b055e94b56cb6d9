"""Counting: errors per class of scene, on the real clip and on real tracks; processor time. `--json`, `--quick`."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sensors.boxes import Boxes
from sensors.counter import count, make_detector
from sensors.frames import Picture, open_source
from sensors.gate_line import Line
from sensors.scene import Scene
from sensors.scene_kinds import KINDS
from tests.sensors.scoring import wrong

SHARED = Path(os.environ.get("FLOW_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
MODEL = SHARED / "models" / "yolox_nano.onnx"
CLIP = SHARED / "video" / "one-by-one-person-detection.mp4"
CLIP_LINE = Line(0.72, 0, 0.72, 1)
STEEP = tuple(kind for kind, plan in KINDS.items() if plan.steep)
STANDING_S = 12.0
"""When somebody who stands on the line crossed it is a matter of taste; that he did, and which way, is not."""


@dataclass(frozen=True)
class Figure:
    """One line of the report; ``holds`` is None where no bar was set."""

    value: float
    unit: str
    bar: float | None = None
    peer: float | None = None
    holds: bool | None = None


@dataclass(frozen=True)
class Scored:
    crossings: int
    errors: int
    cpu_ms: float


class Timed:
    """A detector whose own processor time is known."""

    def __init__(self, kind: str) -> None:
        self._inner = make_detector(kind, MODEL)
        self.spent_s = 0.0

    def find(self, picture: Picture) -> Boxes:
        begun_s = time.process_time()
        found = self._inner.find(picture)
        self.spent_s += time.process_time() - begun_s
        return found


def at_most(value: float, unit: str, bar: float) -> Figure:
    return Figure(round(value, 3), unit, bar, None, value <= bar)


def scored(kind: str, detector: str, seeds: Sequence[int], seconds: float, fps: float = 10.0) -> Scored:
    """Errors over scenes of one kind; the seeds are printed so that each can be looked at."""
    crossings = errors = 0
    spent = []
    for seed in seeds:
        scene = Scene(seed, kind, seconds)
        found = count(scene, make_detector(detector, MODEL), scene.line, fps)
        within_s = STANDING_S if kind == "stand" else 2.0
        crossings += len(scene.truth())
        errors += wrong(scene.truth(), found.crossings, within_s)
        spent.append(found.cpu_ms_per_frame)
    return Scored(crossings, errors, sum(spent) / len(spent))


def scenes(seeds: Sequence[int], seconds: float) -> dict[str, Figure]:
    """Per class: YOLOX where there is a model, motion from straight above, where no drawn head convinces YOLOX."""
    found: dict[str, Figure] = {}
    total = wrong_in_all = 0
    for kind in (kind for kind in KINDS if kind != "empty"):
        detector = "motion" if kind in STEEP or not MODEL.exists() else "yolox"
        result = scored(kind, detector, seeds, seconds)
        total, wrong_in_all = total + result.crossings, wrong_in_all + result.errors
        found[f"{kind}, {detector}, errors of {result.crossings}"] = at_most(
            100 * result.errors / max(result.crossings, 1), "%", 2.0
        )
    found[f"all classes, errors of {total}"] = at_most(100 * wrong_in_all / max(total, 1), "%", 2.0)
    return found


def rates(seeds: Sequence[int], seconds: float) -> dict[str, Figure]:
    """Error against the frame rate, one person at a time."""
    detector = "yolox" if MODEL.exists() else "motion"
    found = {fps: scored("single", detector, seeds, seconds, fps) for fps in (10.0, 5.0, 2.5)}
    return {
        f"single at {fps:g} fps, {detector}, errors of {each.crossings}": Figure(
            round(100 * each.errors / max(each.crossings, 1), 2), "%"
        )
        for fps, each in found.items()
    }


def clip(most_frames: int | None) -> dict[str, Figure]:
    """The real clip: what it counts, and what counting costs beside the detector alone."""
    detector = Timed("yolox")
    source = open_source(str(CLIP))
    begun_s = time.process_time()
    tally = count(source, detector, CLIP_LINE, most_frames=most_frames)
    spent_s = time.process_time() - begun_s
    found = {
        "clip, processor time a picture": Figure(round(tally.cpu_ms_per_frame, 2), "ms"),
        "clip, whole process against the detector alone": at_most(spent_s / detector.spent_s, "x", 1.25),
        "cameras a core at 10 fps": Figure(
            round(100 / tally.cpu_ms_per_frame, 1), "", 4, None, tally.cpu_ms_per_frame <= 25
        ),
    }
    if most_frames is None:
        errors = tally.total("in") + abs(tally.total("out") - 6)
        found["clip, errors of 6"] = at_most(errors, "", 0)
    return found


def emptiness(seconds: float) -> dict[str, Figure]:
    """Detector time of an empty scene against a busy one (drawing the scene is not counted)."""
    kind = "yolox" if MODEL.exists() else "motion"
    spent = {}
    for name in ("empty", "single"):
        detector = Timed(kind)
        scene = Scene(1, name, seconds)
        count(scene, detector, scene.line)
        spent[name] = detector.spent_s
    return {"empty scene against a busy one, detector": at_most(100 * spent["empty"] / spent["single"], "%", 15)}


def measure(quick: bool) -> dict[str, Figure]:
    seeds, seconds = ((1,), 22.0) if quick else (tuple(range(1, 5)), 90.0)
    found = {**scenes(seeds, seconds), **rates(seeds, seconds), **emptiness(seconds)}
    if CLIP.exists() and MODEL.exists():
        found |= clip(300 if quick else None)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    found = measure(given.quick)
    if given.json:
        print(json.dumps({name: asdict(figure) for name, figure in found.items()}))
        return
    for name, figure in found.items():
        bar = "" if figure.bar is None else f"  (bar {figure.bar:g}: {'holds' if figure.holds else 'MISSED'})"
        print(f"{name:58s} {figure.value:8.2f} {figure.unit}{bar}")
    if not CLIP.exists():
        print(f"The real clip is not at {CLIP}: set FLOW_SHARED_DATA to measure it.")


if __name__ == "__main__":
    main()
