"""A browser whose WebCrypto knows no Ed25519, as Chromium before 137: the gate decides by the kept library, offline."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.gate_world import World, bound, chromium, decision, film, forged, soon, typed

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


def test_cards_and_phones_are_told_from_forgeries_without_the_browsers_ed25519(
    chromium_path: str, tmp_path: Path, gate_world: World
) -> None:
    for name in ("林老机", "周老机"):
        gate_world.person(name)
    card, show = gate_world.card("林老机"), gate_world.phone_pass("周老机")
    with chromium(chromium_path, film(tmp_path / "blank.mjpeg", [(None, 0.5)])) as context:
        context.add_init_script(OLDER)
        # The list's own signature is Ed25519 too: without the library there would be none.
        page = bound(context, gate_world, gate_world.phone())
        soon(page, "navigator.serviceWorker.controller !== null")
        context.set_offline(True)
        for code, wanted in ((card, "allow"), (show(0), "allow"), (forged(card), "stop")):
            typed(page, code)
            soon(page, f"document.querySelector('#result').dataset.decision === '{wanted}'")
        assert decision(page) == "stop"
        assert page.evaluate("refusedEd25519") == 1
        taken = page.evaluate("performance.getEntriesByType('resource').map((each) => new URL(each.name).pathname)")
        assert "/vendor/ed25519/index.js" in taken
