"""The gate app in headless Chromium: from a code to its result and on to the server, what it weighs, how soon it reads.

    python -m tests.bench.gate [--json] [--quick]

A card's text goes the way of a reader's: parsed, verified, looked up in the sealed list, decided, shown. "Result to
server" is from the result on the screen until the answer that lets the phone delete the report. The throttled profile
is Lighthouse's for a phone: 1.6 Mbit/s down, 150 ms of round trip (a line before the server, so that workers wait
too), a processor four times slower.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from community_flow.settings import Settings
from tests.bench._figures import Figure, options, shown
from tests.bench._slow_line import slow_line
from tests.browser.gate_world import World, bound, chromium, film, qr_picture, soon, world

CHROMIUM = "/usr/bin/chromium"
SLOW_4G = (1.6e6, 0.75e6, 0.150)
SLOWER = 4
DECODER = ("/vendor/", "/gate/decoder.js", "/scanner/decoder.js", "/scanner/reading.js")

ONE = """async (code) => {
  const { desk, queue } = window.gate;
  const [before] = desk.entries;
  await desk.read({ pass: code });
  const shown = performance.now();
  const entry = desk.entries[0];
  if (entry === before) throw new Error("not taken");
  if (entry.decision.decision !== "allow") throw new Error(entry.decision.reason);
  while (queue.size) await new Promise((resolve) => setTimeout(resolve, 2));
  return [entry.shown_ms, performance.now() - shown];
}"""
WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter((each) => !each.name.includes("/v1/")).map((each) => [new URL(each.name).pathname, each.encodedBodySize])"""
SENT = """async (path) => {
  await (await fetch(path, { cache: "reload" })).arrayBuffer();
  return performance.getEntriesByName(new URL(path, location.href).href).at(-1).encodedBodySize;
}"""
MARKED = ("gate-ready", "gate-scans", "gate-reads-well")
MARKS = """() => Object.fromEntries(performance.getEntriesByType("mark").map((each) => [each.name, each.startTime]))"""
FORGET = """async () => {
  for (const each of await navigator.serviceWorker.getRegistrations()) await each.unregister();
  for (const name of await caches.keys()) await caches.delete(name);
}"""
DECODES = """async (bytes) => {
  const { decode } = await import("/scanner/decoding.js");
  const blob = new Blob([new Uint8Array(bytes)], { type: "image/png" });
  const took = [];
  for (let turn = 0; turn < 20; turn += 1) {
    const bitmap = await createImageBitmap(blob);
    const started = performance.now();
    if (!(await decode(bitmap))) throw new Error("not read");
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
    files += ["/vendor/jsqr/jsQR.js"]
    files += [f"/vendor/zxing-wasm/{name}" for name in ("es/reader/index.js", "es/share.js", "zxing_reader.wasm")]
    return own, sum(page.evaluate(SENT, name) for name in files)


def start(page: Any, url: str) -> dict[str, float]:
    """Milliseconds from the navigation to an app that decides, and to one that has read a frame of its camera."""
    page.goto(url, wait_until="commit")
    soon(page, "performance.getEntriesByType('mark').length >= 3", 90)
    marks: dict[str, float] = page.evaluate(MARKS)
    return marks


def from_nothing(line: Any, page: Any, url: str) -> dict[str, float]:
    """As on the first visit, but with a phone that is bound already: no service worker, nothing kept."""
    page.evaluate(FORGET)
    line.send("Network.clearBrowserCache")
    return start(page, url)


def starts(context: Any, made: World, turns: int) -> dict[str, Figure]:
    """Installed (its service worker has the files, as after the first visit) and from nothing; both on a slow line."""
    port = slow_line(int(made.server.url.rpartition(":")[2]), *SLOW_4G)
    afar = replace(made, server=replace(made.server, url=f"https://127.0.0.1:{port}"))
    page = bound(context, afar, made.phone())
    soon(page, "navigator.serviceWorker.controller !== null")
    line, url = context.new_cdp_session(page), afar.server.url + "/gate"
    line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    kept = [start(page, url) for _ in range(turns)]
    bare = [from_nothing(line, page, url) for _ in range(turns)]
    own, decoder = weight(page)
    soon(page, "navigator.serviceWorker.controller !== null")
    installed, first = middle(kept), middle(bare)
    return {
        "app over the wire, gzip, without the decoder": Figure(own / 1024, "KiB", 60, "on the first visit", most=True),
        "decoder over the wire": Figure(decoder / 1024, "KiB", None, "as it comes"),
        "installed: ready for a scan": Figure(installed[1], "s", 2, f"median of {turns}; 4x slower", most=True),
        "first visit: ready for a reader or by hand": Figure(first[0], "s", 2, "slow 4G, 4x slower", most=True),
        "first visit: ready for the camera": Figure(first[1], "s", 2, "slow 4G, by the small decoder", most=True),
        "first visit: the large decoder is here": Figure(first[2], "s", None, "slow 4G"),
    }


def middle(marks: list[dict[str, float]]) -> tuple[float, float, float]:
    """(decides, has looked at its first frame, has the decoder that stays) in seconds."""
    decides, scans, well = (statistics.median(each[name] for each in marks) / 1000 for name in MARKED)
    return decides, scans, well


@contextmanager
def parts(folder: Path, *arguments: str) -> Iterator[tuple[World, Any]]:
    camera, settings = film(folder / "blank.mjpeg", [(None, 0.5)]), Settings(data_dir=folder / "var")
    with world(settings, folder, *arguments) as made:
        trusted = [trust(made.server.url)] if "--tls" in arguments else []
        with chromium(CHROMIUM, camera, more=trusted) as context:
            yield made, context


def trust(url: str) -> str:
    """Takes this server's key as after `/trust`: a browser that is told to overlook errors keeps nothing."""
    pem = ssl.get_server_certificate(("127.0.0.1", int(url.rpartition(":")[2])))
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    packed = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"--ignore-certificate-errors-spki-list={base64.b64encode(hashlib.sha256(packed).digest()).decode()}"


def main() -> None:
    given = options(__doc__).parse_args()
    count = 20 if given.quick else 100
    found: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as name, parts(Path(name)) as (made, context):
        page = bound(context, made, made.phone())
        names = [f"量{number}" for number in range(count)]
        for each in names:
            made.person(each)
        codes = [made.card(each) for each in names]
        version = page.evaluate("window.gate.list.version")
        soon(page, f"window.gate.list.version !== '{version}' && window.gate.list.count >= {count}", 30)
        found |= scans(page, codes) | reading(page, codes[0], Path(name))
    # As phones meet it: by https, where a browser asks for all files at once.
    with tempfile.TemporaryDirectory() as name, parts(Path(name), "--tls") as (made, context):
        found |= starts(context, made, 2 if given.quick else 5)
    print(shown(found, given.json))


if __name__ == "__main__":
    main()
