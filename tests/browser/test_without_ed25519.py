"""A browser whose WebCrypto knows no Ed25519, as Chromium before 137: the gate decides by the kept library, offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from community_flow.settings import Settings
from tests.browser.gate_world import World, bound, chromium, decision, film, forged, soon, typed, world

pytestmark = pytest.mark.browser

OLDER = """(() => {
  const { importKey } = SubtleCrypto.prototype;
  globalThis.refusedEd25519 = 0;
  SubtleCrypto.prototype.importKey = function (format, key, algorithm, ...rest) {
    if ((algorithm.name ?? algorithm) !== "Ed25519") return importKey.call(this, format, key, algorithm, ...rest);
    globalThis.refusedEd25519 += 1;
    return Promise.reject(new DOMException("Unrecognized algorithm name", "NotSupportedError"));
  };
})()"""


@pytest.fixture
def flow_world(tmp_path: Path) -> Iterator[World]:
    with world(Settings(data_dir=tmp_path / "var"), tmp_path) as made:
        yield made


def test_cards_and_phones_are_told_from_forgeries_without_the_browsers_ed25519(
    chromium_path: str, tmp_path: Path, flow_world: World
) -> None:
    for name in ("林老机", "周老机"):
        flow_world.person(name)
    card, show = flow_world.card("林老机"), flow_world.phone_pass("周老机")
    with chromium(chromium_path, film(tmp_path / "blank.mjpeg", [(None, 0.5)])) as context:
        context.add_init_script(OLDER)
        # The list's own signature is Ed25519 too: without the library there would be none.
        page = bound(context, flow_world, flow_world.phone())
        soon(page, "navigator.serviceWorker.controller !== null || caches.has('gate')")
        context.set_offline(True)
        for code, wanted in ((card, "allow"), (show(0), "allow"), (forged(card), "stop")):
            typed(page, code)
            soon(page, f"document.querySelector('#result').dataset.decision === '{wanted}'")
        assert decision(page) == "stop"
        assert page.evaluate("refusedEd25519") == 1
        taken = page.evaluate("performance.getEntriesByType('resource').map((each) => new URL(each.name).pathname)")
        assert "/vendor/ed25519/index.js" in taken
