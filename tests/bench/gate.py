"""The gate app in headless Chromium: from a code to its result and on to the server, what it weighs, how soon it reads.

    python -m tests.bench.gate [--json] [--quick]

A card's text goes the way of a reader's: parsed, verified, looked up in the sealed list, decided, shown. "Result to
server" is from the result on the screen until the answer that lets the phone delete the report. The throttled profile
is Lighthouse's for a phone: 1.6 Mbit/s down, 150 ms of round trip, a processor four times slower.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from community_flow.settings import Settings
from tests.bench._figures import Figure, options, shown
from tests.browser.gate_world import World, bound, chromium, film, qr_picture, soon, world

CHROMIUM = "/usr/bin/chromium"
SLOW_4G = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 0.75e6 / 8}
SLOWER = 4
DECODER = ("/vendor/", "/scanner/decoder.js", "/scanner/reading.js")

ONE = """async (code) => {
  const { desk, queue } = window.gate;
  const before = desk.entries.length;
  await desk.read({ pass: code });
  const shown = performance.now();
  const entry = desk.entries[0];
  if (desk.entries.length === before) throw new Error("not taken");
  if (entry.decision.decision !== "allow") throw new Error(entry.decision.reason);
  while (queue.size) await new Promise((resolve) => setTimeout(resolve, 2));
  return [entry.shown_ms, performance.now() - shown];
}"""
WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter((each) => !each.name.includes("/v1/")).map((each) => [new URL(each.name).pathname, each.encodedBodySize])"""
PACKED = """async (path) => {
  const body = await (await fetch(path, { cache: "reload" })).blob();
  const packed = new Response(body.stream().pipeThrough(new CompressionStream("gzip")));
  return (await packed.blob()).size;
}"""
MARKS = """() => Object.fromEntries(performance.getEntriesByType("mark").map((each) => [each.name, each.startTime]))"""
DECODES = """async (bytes) => {
  const { camera } = window.gate;
  const blob = new Blob([new Uint8Array(bytes)], { type: "image/png" });
  const took = [];
  for (let turn = 0; turn < 20; turn += 1) {
    const bitmap = await createImageBitmap(blob);
    const started = performance.now();
    if (!(await camera.decode(bitmap))) throw new Error("not read");
    took.push(performance.now() - started);
  }
  return took;
}"""


def scans(page: Any, codes: list[str]) -> dict[str, Figure]:
    found = [page.evaluate(ONE, code) for code in codes]
    result, server = ([each[place] for each in found] for place in (0, 1))
    return {
        "decode to result, median": Figure(statistics.median(result), "ms", 100, f"{len(codes)} cards", most=True),
        "decode to result, p95": Figure(statistics.quantiles(result, n=20)[-1], "ms", 100, "", most=True),
        "result to server, median": Figure(statistics.median(server), "ms", None, "the app sends every 400 ms"),
        "result to server, p95": Figure(statistics.quantiles(server, n=20)[-1], "ms", 2000, "", most=True),
    }


def reading(page: Any, code: str, folder: Path) -> dict[str, Figure]:
    picture = folder / "frame.png"
    qr_picture(code).save(picture)
    took = page.evaluate(DECODES, list(picture.read_bytes()))
    return {"frame to text, median": Figure(statistics.median(took), "ms", None, "one code, zxing-wasm in a worker")}


def weight(page: Any) -> tuple[int, int]:
    """(the app, its decoder) in bytes as they came; its worker fetches again what both use."""
    own = sum(size for name, size in dict(page.evaluate(WEIGHT)).items() if not name.startswith(DECODER))
    files = [f"/scanner/{name}" for name in ("decoder.js", "reading.js")]
    files += [f"/vendor/zxing-wasm/{name}" for name in ("es/reader/index.js", "es/share.js", "zxing_reader.wasm")]
    return own, sum(page.evaluate(PACKED, name) for name in files)


def start(context: Any, page: Any, url: str) -> dict[str, float]:
    """Milliseconds from the navigation to an app that decides, and to one that also reads its camera."""
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", SLOW_4G)
    line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(url, wait_until="commit")
    soon(page, "performance.getEntriesByType('mark').length >= 2", 90)
    marks: dict[str, float] = page.evaluate(MARKS)
    line.detach()
    return marks


def starts(context: Any, page: Any, url: str, turns: int) -> dict[str, Figure]:
    """Installed (its service worker has the files, as after the first visit) and from nothing."""
    soon(page, "navigator.serviceWorker.controller !== null", 30)
    kept = [start(context, page, url + "/gate") for _ in range(turns)]
    page.evaluate(
        "async () => { for (const each of await navigator.serviceWorker.getRegistrations()) await each.unregister();"
        " for (const name of await caches.keys()) await caches.delete(name); }"
    )
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.setCacheDisabled", {"cacheDisabled": True})
    bare = start(context, page, url + "/gate")
    own, decoder = weight(page)
    line.detach()
    middle = {name: statistics.median(each[name] for each in kept) / 1000 for name in ("gate-ready", "gate-reads")}
    return {
        "app over the wire, gzip, without the decoder": Figure(own / 1024, "KiB", 60, "on the first visit", most=True),
        "decoder over the wire": Figure(decoder / 1024, "KiB", None, "as it lies compressed"),
        "installed: ready for a scan": Figure(max(middle.values()), "s", 2, f"median of {turns}; 4x slower", most=True),
        "first visit: ready for a reader or by hand": Figure(bare["gate-ready"] / 1000, "s", 2, "slow 4G", most=True),
        "first visit: ready for the camera": Figure(bare["gate-reads"] / 1000, "s", None, "slow 4G, with the decoder"),
    }


@contextmanager
def parts(folder: Path) -> Iterator[tuple[World, Any, Any]]:
    camera = film(folder / "blank.mjpeg", [(None, 0.5)])
    with world(Settings(data_dir=folder / "var"), folder) as made, chromium(CHROMIUM, camera) as context:
        yield made, context, bound(context, made, made.phone())


def main() -> None:
    given = options(__doc__).parse_args()
    count = 20 if given.quick else 100
    found: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as name, parts(Path(name)) as (made, context, page):
        names = [f"量{number}" for number in range(count)]
        for each in names:
            made.person(each)
        codes = [made.card(each) for each in names]
        version = page.evaluate("window.gate.list.version")
        soon(page, f"window.gate.list.version !== '{version}' && window.gate.list.count >= {count}", 30)
        found |= scans(page, codes) | reading(page, codes[0], Path(name))
        found |= starts(context, page, made.server.url, 2 if given.quick else 5)
    print(shown(found, given.json))


if __name__ == "__main__":
    main()
