"""Counting: errors per class of scene beside a peer's, on real tracks and the real clip; processor time and memory.

`--quick` is under a minute, `--json` prints one object. What was seen is told in every name:
`by yolox, pictures` and `by motion, pictures` are the whole pipeline on rendered pictures; `drawn boxes` is tracker and
line alone on boxes with misses, jitter and boxes of nobody, drawn from the scene's truth by seed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sensors.boxes import Boxes
from sensors.counter import count, make_detector
from sensors.frames import Picture, VideoFile, open_source
from sensors.gate_line import Crossing, Line
from sensors.scene import Scene
from sensors.scene_kinds import KINDS
from tests.bench._noisy import noisy
from tests.bench._recorded import Recorded, crossings, recorded
from tests.sensors.scoring import wrong
from tests.sensors.streets import net_errors

SHARED = Path(os.environ.get("FLOW_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
MODEL = SHARED / "models" / "yolox_nano.onnx"
CLIP = SHARED / "video" / "one-by-one-person-detection.mp4"
CLIP_LINE = Line(0.72, 0, 0.72, 1)
ROOT = Path(__file__).parents[2]
PEER = ROOT / ".venv-bench" / "bin" / "python"
BUSY = tuple(kind for kind in KINDS if kind != "empty")
QUICK = ("single", "pair", "stand", "overhead")
STANDING_S = 12.0
"""When somebody who stands on the line crossed it is a matter of taste; that he did, and which way, is not."""


@dataclass(frozen=True)
class Figure:
    """One line of the report; ``holds`` is None where neither bar nor peer was set."""

    value: float
    unit: str
    bar: float | None = None
    peer: float | None = None
    holds: bool | None = None


@dataclass(frozen=True)
class Told:
    """A crossing as the peer tells it."""

    t_s: float
    direction: str


@dataclass
class Score:
    """Errors over the scenes of a class: ours, and those of the peer's better setting."""

    of: int = 0
    ours: int = 0
    peer: int | None = None

    def figure(self, bar: float | None = None) -> Figure:
        ours, peer = self._share(self.ours), None if self.peer is None else self._share(self.peer)
        bars = [each for each in (bar, peer) if each is not None]
        return Figure(ours, "%", bar, peer, all(ours <= each for each in bars) if bars else None)

    def _share(self, errors: int) -> float:
        return round(100 * errors / max(self.of, 1), 2)

    def add(self, other: Score) -> None:
        self.of, self.ours = self.of + other.of, self.ours + other.ours
        self.peer = None if other.peer is None else (self.peer or 0) + other.peer


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


def scored(kind: str, seeds: Sequence[int], seconds: float, fps: float, see: Callable[[Scene], Recorded]) -> Score:
    """Errors over scenes of one kind; ours and the peer's are asked about the very same boxes."""
    scenes = [Scene(seed, kind, seconds) for seed in seeds]
    seen = [see(scene) for scene in scenes]
    within_s = STANDING_S if kind == "stand" else 2.0
    ours = sum(
        wrong(scene.truth(), crossings(sight, scene.line), within_s) for scene, sight in zip(scenes, seen, strict=True)
    )
    lines = [scene.line for scene in scenes]
    settings = [
        sum(wrong(scene.truth(), each, within_s) for scene, each in zip(scenes, told, strict=True))
        for told in peers(seen, lines, fps)
    ]
    return Score(sum(len(scene.truth()) for scene in scenes), ours, min(settings, default=None))


def peers(seen: Sequence[Recorded], lines: Sequence[Line], fps: float) -> list[list[list[Told]]]:
    """What `supervision` makes of the same boxes: by setting, by scene; empty where it is not installed."""
    if not PEER.exists():
        return []
    asked = [_record(sight, line, fps) for sight, line in zip(seen, lines, strict=True)]
    done = subprocess.run(
        [PEER, Path(__file__).with_name("_peer_supervision.py")],
        input=json.dumps(asked), capture_output=True, text=True, check=True,
    )  # fmt: skip
    by_scene = json.loads(done.stdout)
    return [[[Told(*each) for each in scene[at]] for scene in by_scene] for at in range(2)]


def _record(sight: Recorded, line: Line, fps: float) -> dict[str, object]:
    """A record as the peer reads it; pictures at which nobody looked are left out, for it as for us."""
    return {
        "line": [line.x1 * sight.width, line.y1 * sight.height, line.x2 * sight.width, line.y2 * sight.height],
        "fps": fps,
        "sights": [
            [t_s, [[*map(float, corners), float(score)] for corners, score in zip(*_parts(boxes), strict=True)]]
            for t_s, boxes in sight.sights
            if boxes is not None
        ],
    }


def _parts(boxes: Boxes) -> tuple[list[list[float]], list[float]]:
    return boxes.corners.tolist(), boxes.scores.tolist()


def on_boxes(seeds: Sequence[int], seconds: float, fps: float) -> Iterator[tuple[str, Score]]:
    for kind in BUSY:
        yield kind, scored(kind, seeds, seconds, fps, lambda scene: noisy(scene, scene.seed, fps))


def on_pictures(kinds: Sequence[str], seeds: Sequence[int], seconds: float, fps: float) -> Iterator[tuple[str, Score]]:
    """YOLOX where there is a model; motion from straight above, where no drawn head convinces YOLOX."""
    for kind in kinds:
        detector = "motion" if KINDS[kind].steep or not MODEL.exists() else "yolox"
        see = _looker(detector, fps)
        yield f"{kind} by {detector}", scored(kind, seeds, seconds, fps, see)


def _looker(detector: str, fps: float) -> Callable[[Scene], Recorded]:
    return lambda scene: recorded(scene, make_detector(detector, MODEL), scene.line, fps)


def classes(found: Iterator[tuple[str, Score]], name: str) -> dict[str, Figure]:
    """A figure for each class against the peer, and one for all of them against the bar."""
    figures: dict[str, Figure] = {}
    total = Score()
    for kind, score in found:
        total.add(score)
        figures[f"{kind}, {name}, errors of {score.of}"] = score.figure()
    figures[f"all classes, {name}, errors of {total.of}"] = total.figure(2.0)
    return figures


def rates(seeds: Sequence[int], seconds: float) -> dict[str, Figure]:
    """Error against the frame rate over all classes."""
    found: dict[str, Figure] = {}
    for fps in (2.5, 5.0, 10.0, 15.0, 30.0):
        total = Score()
        for _, score in on_boxes(seeds, seconds, fps):
            total.add(score)
        found[f"{fps:g} fps, all classes, drawn boxes, errors of {total.of}"] = total.figure()
    return found


def streets() -> dict[str, Figure]:
    """Ground-truth tracks of two streets over many lines."""
    found = {}
    for name in ("TUD-Campus", "TUD-Stadtmitte"):
        path = SHARED / "tracks" / f"{name}.gt.txt"
        if path.exists():
            errors, checked = net_errors(path, lines=200)
            found[f"{name}, true tracks over 200 lines, errors of {checked}"] = at_most(errors, "", 0)
    return found


def clip(most_frames: int | None) -> dict[str, Figure]:
    """The real clip: what it counts, and what counting costs beside the detector alone."""
    detector = Timed("yolox")
    begun_s = time.process_time()
    tally = count(open_source(str(CLIP)), detector, CLIP_LINE, most_frames=most_frames)
    spent_s = time.process_time() - begun_s
    found = {
        "clip, processor time a picture": Figure(round(tally.cpu_ms_per_frame, 2), "ms"),
        "clip, whole process against the detector alone": at_most(spent_s / detector.spent_s, "x", 1.25),
        "cameras a core at 10 fps": Figure(
            round(100 / tally.cpu_ms_per_frame, 1), "", 4, None, tally.cpu_ms_per_frame <= 25
        ),
    }
    if most_frames is None:
        found["clip, errors of 6"] = at_most(_off(tally.crossings), "", 0)
    return found


def _off(found: Sequence[Crossing]) -> int:
    """In 0, out 6 is the truth."""
    ins = sum(each.direction == "in" for each in found)
    return ins + abs(len(found) - ins - 6)


def emptiness(seconds: float) -> dict[str, Figure]:
    """Whole process on a video of nobody against one of people, reading and decoding included."""
    kind = "yolox" if MODEL.exists() else "motion"
    spent = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("empty", "meet"):
            scene = Scene(1, name, seconds)
            scene.render(path := Path(folder) / f"{name}.mp4")
            spent[name] = count(VideoFile(path), make_detector(kind, MODEL), scene.line).cpu_ms_per_frame
    return {"empty scene against a busy one": at_most(100 * spent["empty"] / spent["meet"], "%", 15)}


MEMORY = """
import sys
from pathlib import Path
from sensors.counter import Counter, make_detector
from sensors.frames import VideoFile
from sensors.gate_line import Line
def used_mb():
    return int(next(row for row in open("/proc/self/status") if row.startswith("VmRSS")).split()[1]) / 1024
kept, told = [], [used_mb()]
for _ in range(3):
    counter = Counter(make_detector("yolox", Path(sys.argv[1])), [Line(0.5, 0, 0.5, 1)])
    source = VideoFile(Path(sys.argv[2])).frames(10)
    kept.append((counter, source))
    for _ in range(20):
        counter.look(next(source))
    told.append(used_mb())
print(told[1], (told[3] - told[1]) / 2)
"""


def memory() -> dict[str, Figure]:
    """Resident memory of a process with one camera, and what each further camera adds."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, MODEL, CLIP], cwd=ROOT, capture_output=True, text=True, check=True
    )
    first, further = (float(part) for part in done.stdout.split())
    return {
        "memory of the first camera with Python, OpenCV and onnxruntime": Figure(round(first), "MB"),
        "memory of each further camera": Figure(round(further), "MB"),
    }


def measure(quick: bool) -> dict[str, Figure]:
    seeds = (11,) if quick else (11, 12, 13, 14)
    found = classes(on_boxes(seeds, 40.0 if quick else 120.0, 10.0), "drawn boxes")
    found |= classes(on_pictures(QUICK if quick else BUSY, seeds, 22.0 if quick else 60.0, 10.0), "pictures")
    found |= {} if quick else rates(seeds[:2], 60.0)
    found |= {**streets(), **emptiness(20.0 if quick else 60.0)}
    if CLIP.exists() and MODEL.exists():
        found |= {**clip(300 if quick else None), **memory()}
    print(f"Seeds {', '.join(map(str, seeds))}.", file=sys.stderr)
    return found


def table(found: dict[str, Figure]) -> Iterator[str]:
    for name, figure in found.items():
        peer = "" if figure.peer is None else f"  peer {figure.peer:g}"
        bar = "" if figure.bar is None else f"  bar {figure.bar:g}"
        holds = "" if figure.holds is None else ("  holds" if figure.holds else "  MISSED")
        shown = f"{figure.value:9.2f}" if math.isfinite(figure.value) else f"{figure.value:9}"
        yield f"{name:72s} {shown} {figure.unit:3s}{bar}{peer}{holds}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    found = measure(given.quick)
    if given.json:
        print(json.dumps({name: asdict(figure) for name, figure in found.items()}))
        return
    print("\n".join(table(found)))
    if not CLIP.exists():
        print(f"The real clip is not at {CLIP}: set FLOW_SHARED_DATA to measure it.")
    if not PEER.exists():
        print("Nothing was compared with supervision: .ci/setup bench installs it into .venv-bench.")


if __name__ == "__main__":
    main()
