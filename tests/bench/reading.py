"""How many of a rendered hard set of passes are read: the edge's reader, the browser's reader, and jsQR.

The set is drawn by tests/reading_set.py, where its strengths are stated. The browser's reader and jsQR run in node on
the same pictures: the same WebAssembly and the same engine as Chromium, without its camera.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sensors.qr import method_of, quick_reader, reader
from tests.bench._figures import Figure, options, shown
from tests.reading_set import HEIGHT, KINDS, SEED, WIDTH, Picture, Shot, shots

READERS = Path(__file__).with_name("_readers.mjs")
EACH, EACH_QUICK = 100, 12
EDGE_SHARE, AHEAD_POINTS = 95.0, 5.0
Found = Sequence[str | None]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--each", type=int, help="pictures of each kind")
    asked = parser.parse_args()
    each = asked.each or (EACH_QUICK if asked.quick else EACH)
    if not asked.json:
        print(f"{each} pictures of each kind, seed {asked.seed}")
    print(shown(measured(list(shots(each, asked.seed))), asked.json))


def measured(taken: Sequence[Shot]) -> dict[str, Figure]:
    edge, plain = on_the_edge(taken), in_one_look(taken)
    browser, jsqr = in_javascript(taken)
    figures = {
        f"{kind}: {name}": Figure(share(taken, found, kind), "%", None, "")
        for kind in KINDS
        for name, found in (("edge", edge), ("browser", browser), ("jsQR", jsqr))
    }
    ahead = share(taken, browser) - share(taken, jsqr)
    return {
        **figures,
        "all: edge": Figure(share(taken, edge), "%", EDGE_SHARE, f"one look: {share(taken, plain):.1f} %"),
        "all: browser": Figure(share(taken, browser), "%", None, f"jsQR {share(taken, jsqr):.1f} %"),
        "browser ahead of jsQR": Figure(ahead, "points", AHEAD_POINTS, "jsQR"),
        "wrong reads, edge and browser": Figure(wrong(taken, edge) + wrong(taken, browser), "reads", 0, "", most=True),
        "a clean picture, against one look": Figure(slowness(), "times", None, "zxing-cpp"),
    }


def on_the_edge(taken: Sequence[Shot]) -> Found:
    """What a checkpoint reports of each picture."""
    read = reader()
    return [_one(read(shot.picture)) for shot in taken]


def in_one_look(taken: Sequence[Shot]) -> Found:
    """What the decoder finds without preparing a picture."""
    read = quick_reader()
    return [_one(read(shot.picture)) for shot in taken]


def _one(texts: Sequence[str]) -> str | None:
    return next((text for text in texts if method_of(text)), None)


def in_javascript(taken: Sequence[Shot]) -> tuple[Found, Found]:
    """What the gate app's reader and jsQR find."""
    grey = b"".join(shot.picture.tobytes() for shot in taken)
    ran = subprocess.run(["node", str(READERS), str(WIDTH), str(HEIGHT)], input=grey, capture_output=True, check=True)
    found = json.loads(ran.stdout)
    # The gate refuses what is no pass without a word; jsQR's readings are given the same grace.
    ours, theirs = ([text if text and method_of(text) else None for text in found[name]] for name in ("zxing", "jsqr"))
    return ours, theirs


def share(taken: Sequence[Shot], found: Found, kind: str | None = None) -> float:
    """Per cent of the pictures of a kind, or of all, that read as what they show."""
    mine = [(shot, text) for shot, text in zip(taken, found, strict=True) if kind in (None, shot.kind)]
    return 100 * sum(text == shot.text for shot, text in mine) / len(mine)


def wrong(taken: Sequence[Shot], found: Found) -> int:
    """Readings of a pass that nobody showed."""
    told = Counter(text is not None and text != shot.text for shot, text in zip(taken, found, strict=True))
    return told[True]


def slowness() -> float:
    """CPU time of the reader on a picture that reads at once, over that of one look at it."""
    picture = next(shots(1, SEED, ("glare",))).picture
    whole, quick = (min(_cpu_s(read, picture) for _ in range(5)) for read in (reader(), quick_reader()))
    return whole / quick


def _cpu_s(read: object, picture: Picture) -> float:
    assert callable(read)
    before = time.process_time()
    for _ in range(20):
        read(picture)
    return time.process_time() - before


if __name__ == "__main__":
    main()
