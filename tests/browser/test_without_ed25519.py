"""A browser whose WebCrypto knows no Ed25519, as Chromium before 137: the gate decides by the kept library, offline."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.gate_world import World, bound, decision, forged, kept, offline, soon, typed

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


def test_cards_and_phones_are_told_from_forgeries_without_the_browsers_ed25519(gate_world: World, gate: Any) -> None:
    for name in ("林老机", "周老机"):
        gate_world.person(name)
    card, show = gate_world.card("林老机"), gate_world.phone_pass("周老机")
    gate.add_init_script(OLDER)
    # The list's own signature is Ed25519 too: without the library there would be none.
    page = bound(gate, gate_world, gate_world.phone())
    kept(page)
    offline(page)
    for code, wanted in ((card, "allow"), (show(0), "allow"), (forged(card), "stop")):
        seen = page.evaluate("window.gate.desk.entries.length")
        typed(page, code)
        soon(page, f"window.gate.desk.entries.length > {seen}")
        assert page.evaluate("window.gate.desk.entries[0].decision.decision") == wanted
    assert decision(page) == "stop"
    assert page.evaluate("refusedEd25519") == 1
    taken = page.evaluate("performance.getEntriesByType('resource').map((each) => new URL(each.name).pathname)")
    assert "/vendor/ed25519/index.js" in taken
