"""`python -m sensors count | agent | fetch-model`."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensors import model
from sensors.config import BadConfig, load
from sensors.gate_line import BadLine, Line
from sensors.gate_zone import Zone

if TYPE_CHECKING:
    from sensors.counter import Tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 2 with one line of remedy when it could not."""
    given = _parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
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


def _joined(arguments: Sequence[str]) -> list[str]:
    """``--line -0.1,…`` as one word: else the parser takes the number for an option and says nothing of the picture."""
    words: list[str] = []
    for word in arguments:
        if words and words[-1] in ("--line", "--zone") and word[:1] == "-" and word[1:2] in set("0123456789.,"):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sensors", description="Community Flow at the gate.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    count = commands.add_parser("count", help="count people over a line in a video, a folder of images or a camera")
    count.add_argument("video")
    count.add_argument("--line", action="append", type=_shape(Line), dest="shapes", metavar="x1,y1,x2,y2",
                       help="fractions of the picture; may be given several times")  # fmt: skip
    count.add_argument("--zone", action="append", type=_shape(Zone), dest="shapes", metavar="x1,y1,x2,y2,x3,y3…",
                       help="corners of a part of the picture; in is into it; may be given several times")  # fmt: skip
    count.add_argument("--detector", choices=("yolox", "motion"), help="yolox when there is a model, else motion")
    count.add_argument("--model", type=Path, help="YOLOX-nano as ONNX (see fetch-model)")
    count.add_argument("--fps", type=_rate, default=10.0, help="pictures looked at in a second (10)")
    count.add_argument("--frames", type=_frames, help="stop after so many pictures")
    count.add_argument("--preview", type=Path, metavar="FILE.mp4", help="also write an annotated video")
    count.add_argument("--json", action="store_true")
    count.set_defaults(run=_count)
    agent = commands.add_parser("agent", help="watch a gate and report to the server")
    agent.add_argument("config", type=Path, help="its file, or a folder: then the box is claimed and told by a server")
    agent.add_argument("--server", default="", help="of a box that is not claimed yet: https://flow.example")
    agent.add_argument("--ca-file", type=Path, help="certificate authority of that server")
    agent.add_argument("--code", default="", help="a code from the page Devices, instead of showing one")
    agent.add_argument("--mqtt", default="", help="of a box that reaches only a broker: mqtts://flow.example:8883")
    agent.add_argument("--device", default="", help="its id, as `device enrol` printed it")
    agent.add_argument("--token-file", type=Path, help="a file with its token; may be deleted after the first start")
    agent.add_argument("--qr-file", type=Path, help="also write the code as a picture, .png or .svg")
    agent.add_argument("--trial-s", type=float, default=30.0, help="so long a new configuration has to come up (30)")
    agent.add_argument("--poll-s", type=float, default=None, help="how often to ask the server (5)")
    agent.set_defaults(run=_agent)
    fetch = commands.add_parser("fetch-model", help="put the detector's model in place; its SHA-256 is pinned")
    fetch.add_argument("source", help="a file, or the http(s) address of a mirror")
    fetch.add_argument("--to", type=Path, default=None, help=f"default {model.default_path()}")
    fetch.set_defaults(run=_fetch)
    return parser


def _count(given: argparse.Namespace) -> None:
    from sensors.counter import count, make_detector
    from sensors.frames import open_source

    if not given.shapes:
        raise BadLine("There is nothing to count over: give --line x1,y1,x2,y2 (fractions of the picture) or --zone.")
    source = open_source(given.video)
    detector = make_detector(given.detector or _detector_kind(given.model), given.model)
    if given.preview:
        from sensors.preview import Preview

        with Preview(given.preview, given.shapes, given.fps) as preview:
            tally = count(source, detector, given.shapes, given.fps, given.frames, preview.add)
    else:
        tally = count(source, detector, given.shapes, given.fps, given.frames)
    print(json.dumps(_found(tally, given.shapes)) if given.json else _told(tally, given.shapes))


def _detector_kind(named: Path | None) -> str:
    if named is not None or model.default_path().exists():
        return "yolox"
    logging.getLogger("sensors").warning(
        "There is no model at %s, so people are counted by motion, which merges people who walk together: "
        "run `python -m sensors fetch-model FILE_OR_MIRROR`, or give --model.",
        model.default_path(),
    )
    return "motion"


def _found(tally: Tally, shapes: Sequence[Line | Zone]) -> dict[str, Any]:
    """What a program reads. With several lines, events carry their number and each line has its own totals."""
    several = len(shapes) > 1
    events = [
        {"t_s": round(each.t_s, 3), "direction": each.direction, "confidence": round(each.confidence, 3)}
        | ({"turned": True} if each.turned else {})
        | ({"line": over} if several else {})
        for each, over in zip(tally.crossings, tally.shapes, strict=True)
    ]
    lines = [
        {"at": str(shape), "in": tally.total("in", at), "out": tally.total("out", at)}
        for at, shape in enumerate(shapes)
    ]
    return {
        "in": tally.total("in"),
        "out": tally.total("out"),
        "events": events,
        "frames": tally.frames,
        "cpu_ms_per_frame": round(tally.cpu_ms_per_frame, 2),
    } | ({"lines": lines} if several else {})


def _told(tally: Tally, shapes: Sequence[Line | Zone]) -> str:
    turned = sum(each.turned for each in tally.crossings)
    turns = f"  ({turned} came back soon after)" if turned else ""
    rows = [f"{shape}: in {tally.total('in', at)}  out {tally.total('out', at)}" for at, shape in enumerate(shapes)]
    cost = f"{tally.frames} pictures, {tally.cpu_ms_per_frame:.2f} ms of processor each"
    return "\n".join(
        [f"in {tally.total('in')}  out {tally.total('out')}{turns}", *(rows if len(rows) > 1 else ()), cost]
    )


def _agent(given: argparse.Namespace) -> None:
    from sensors.agent import Agent
    from sensors.box import Box

    if given.config.is_dir() or ((given.server or given.mqtt) and not given.config.exists()):
        box = Box(
            given.config, given.server, ca_file=given.ca_file, qr_file=given.qr_file, trial_s=given.trial_s,
            poll_s=given.poll_s, enrolled=_enrolled(given),
        )  # fmt: skip
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: box.stop())
        box.run(given.code)
        return
    agent = Agent(load(given.config))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()


def _enrolled(given: argparse.Namespace) -> dict[str, str] | None:
    """Who a box is that nobody can claim; a start that finds no token file any more goes on with what the box has."""
    if not given.mqtt:
        return None
    if not given.device or given.token_file is None:
        raise BadConfig("Nobody can claim a box over a broker: enrol it, then give --device and --token-file too.")
    token = given.token_file.read_text(encoding="utf-8").strip() if given.token_file.exists() else ""
    return {"device": given.device, "token": token, "mqtt": given.mqtt} if token else None


def _fetch(given: argparse.Namespace) -> None:
    print(f"{model.fetch(given.source, given.to or model.default_path())} is in place.")


def _shape(kind: type[Line | Zone]) -> Callable[[str], Line | Zone]:
    def parse(text: str) -> Line | Zone:
        try:
            return kind.parse(text)
        except BadLine as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


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
