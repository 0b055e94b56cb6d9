"""`python -m sensors count | agent | fetch-model`."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sensors import model
from sensors.config import load
from sensors.gate_line import BadLine, Line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 2 with one line of remedy when it could not."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        return int(given.run(given) or 0)
    except ImportError as error:
        print(f"{error}: `pip install 'community-flow-sensors[camera,qr,seal,mqtt]'`.", file=sys.stderr)
        return 2
    except (ValueError, RuntimeError) as error:
        # Our own errors name the remedy; a bug of ours would show as such a line too, so its kind is told.
        kind = "" if type(error).__module__.startswith("sensors.") else f"{type(error).__name__}: "
        print(f"{kind}{error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sensors", description="Community Flow at the gate.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    count = commands.add_parser("count", help="count people over a line in a video, a folder of images or a camera")
    count.add_argument("video")
    count.add_argument("--line", required=True, type=_line, metavar="x1,y1,x2,y2", help="fractions of the picture")
    count.add_argument("--detector", choices=("yolox", "motion"), help="yolox when there is a model, else motion")
    count.add_argument("--model", type=Path, help="YOLOX-nano as ONNX (see fetch-model)")
    count.add_argument("--fps", type=_rate, default=10.0, help="pictures looked at in a second (10)")
    count.add_argument("--frames", type=_frames, help="stop after so many pictures")
    count.add_argument("--preview", type=Path, metavar="FILE.mp4", help="also write an annotated video")
    count.add_argument("--json", action="store_true")
    count.set_defaults(run=_count)
    agent = commands.add_parser("agent", help="watch a gate and report to the server")
    agent.add_argument("config", type=Path)
    agent.set_defaults(run=_agent)
    fetch = commands.add_parser("fetch-model", help="put the detector's model in place; its SHA-256 is pinned")
    fetch.add_argument("source", help="a file, or the http(s) address of a mirror")
    fetch.add_argument("--to", type=Path, default=None, help=f"default {model.default_path()}")
    fetch.set_defaults(run=_fetch)
    return parser


def _count(given: argparse.Namespace) -> None:
    from sensors.counter import count, make_detector
    from sensors.frames import open_source

    source = open_source(given.video)
    kind = given.detector or ("yolox" if given.model or model.default_path().exists() else "motion")
    detector = make_detector(kind, given.model)
    if given.preview:
        from sensors.preview import Preview

        with Preview(given.preview, given.line, given.fps) as preview:
            tally = count(source, detector, given.line, given.fps, given.frames, preview.add)
    else:
        tally = count(source, detector, given.line, given.fps, given.frames)
    found = {
        "in": tally.total("in"),
        "out": tally.total("out"),
        "events": [
            {"t_s": round(each.t_s, 3), "direction": each.direction, "confidence": round(each.confidence, 3)}
            for each in tally.crossings
        ],
        "frames": tally.frames,
        "cpu_ms_per_frame": round(tally.cpu_ms_per_frame, 2),
    }
    print(json.dumps(found) if given.json else _told(found, sum(each.turned for each in tally.crossings)))


def _told(found: dict[str, object], turned: int) -> str:
    turns = f"  ({turned} came back soon after)" if turned else ""
    cost = f"{found['frames']} pictures, {found['cpu_ms_per_frame']} ms of processor each"
    return f"in {found['in']}  out {found['out']}{turns}\n{cost}"


def _agent(given: argparse.Namespace) -> None:
    from sensors.agent import Agent

    agent = Agent(load(given.config))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()


def _fetch(given: argparse.Namespace) -> None:
    print(f"{model.fetch(given.source, given.to or model.default_path())} is in place.")


def _line(text: str) -> Line:
    try:
        return Line.parse(text)
    except BadLine as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _rate(text: str) -> float:
    rate = float(text)
    if not 0.5 <= rate <= 60:
        raise argparse.ArgumentTypeError("give a number from 0.5 to 60")
    return rate


def _frames(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("give a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
