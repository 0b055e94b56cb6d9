"""A real server, a person with a printed card, a gate phone in real Chromium, and what its camera sees."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from community_flow.adapters.cards_pdf import print_cards, qr_modules
from community_flow.domain import passes as cf1
from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role, Scope
from community_flow.services.cards import Cards
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.devices import Enrolled
from community_flow.services.guards import Guards
from community_flow.settings import Settings
from community_flow.wiring.core import Core
from tests.conftest import LiveServer, prepared, serving
from tests.factories import an_account, small_community
from tests.processes import family, send
from tests.registry_parts import Parts, parts_of
from tests.services import PATIENCE_S, patient, wait_until

MANAGER = Scope("a_manager", Role.MANAGER, frozenset({"garden"}))
FRAME = (1280, 720)
REQUESTS = "**/v1/**"
"""What the gate app asks the server."""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip

DUMP = """async () => {
  const out = [];
  const text = (value) => {
    if (value instanceof Uint8Array) return String.fromCharCode(...value);
    if (value instanceof CryptoKey) return `CryptoKey extractable=${value.extractable}`;
    if (value && typeof value === "object") return Object.entries(value).map(([k, v]) => k + "=" + text(v)).join(";");
    return String(value);
  };
  const done = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result); });
  for (const { name } of await indexedDB.databases()) {
    const db = await done(indexedDB.open(name));
    for (const store of db.objectStoreNames) {
      const tx = db.transaction(store).objectStore(store);
      const [keys, values] = await Promise.all([done(tx.getAllKeys()), done(tx.getAll())]);
      keys.forEach((key, place) => out.push(`${store} ${text(key)} ${text(values[place])}`));
    }
    db.close();
  }
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) out.push(`cache ${request.url}`);
  }
  const kept = Object.entries({ ...localStorage, ...sessionStorage }).map((pair) => pair.join("="));
  return [...out, ...kept, document.cookie];
}"""
"""Everything a used phone keeps, one entry a line."""


SCAN_ALL = """async (codes) => {
  const { desk, list } = window.gate;
  const decided = (code) => desk.decideCode(code, list, desk.gateNow(), desk.inside, desk.asking.challenges);
  for (const code of codes) await desk.show(await decided(code));
}"""
"""As many scans as there are codes, without the half second that each result is shown at least."""


@dataclass
class World:
    """The installation, opened a second time beside the server, and the server."""

    core: Core
    server: LiveServer
    parts: Parts
    folder: Path
    manager: str = ""
    people: dict[str, str] = field(default_factory=dict)

    def person(self, name: str, unit: str = "7-3-1102", **given: Any) -> str:
        self.people[name] = self.parts.people.add(MANAGER, "garden", Resident(name=name, unit=unit, **given))
        return self.people[name]

    def card(self, name: str) -> str:
        """The text of a card of somebody; issued when they have none."""
        person = self.people[name]
        with self.core.db.read() as tx:
            held = self.parts.passes.of_persons(tx, MANAGER, [person])
        if not held:
            self.parts.passes.issue_card(MANAGER, person)
            return self.card(name)
        with self.core.db.read() as tx:
            return self.parts.passes.text(tx, held[0])

    def pass_id(self, name: str) -> str:
        with self.core.db.read() as tx:
            return self.parts.passes.of_persons(tx, MANAGER, [self.people[name]])[0].pass_id

    def phone_pass(self, name: str) -> Callable[[int], str]:
        """A phone with a pass: gives the code it shows so many milliseconds from now."""
        signer = Ed25519PrivateKey.generate()
        with self.core.db.write() as tx:
            issued = self.parts.passes.add_phone(tx, MANAGER, self.people[name], signer.public_key().public_bytes_raw())
            uid = self.core.registry.uid(tx, "garden")

        def show(ahead_ms: int) -> str:
            at_ms = self.core.clock.now_ms() + ahead_ms
            return cf1.rotating(signer, uid, handle=issued.handle, at_ms=at_ms)

        return show

    def scan_elsewhere(self, code: str, gate: str) -> None:
        """Somebody passes another gate with a code."""
        report = {
            "boot": 7, "seq": 0, "at": self.core.clock.now_ms(), "kind": "scan", "gate": gate, "direction": "in",
            "pass": code, "method": "rotating", "decision": "allow", "reason": "ok", "passed": True,
        }  # fmt: skip
        body = json.dumps({"batch": "elsewhere", "reports": [report]}).encode()
        headers = {"Authorization": f"Bearer {self.phone(gate).token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.server.url + "/v1/reports", body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            assert json.load(answer)["results"][0]["outcome"] == "accepted"

    def neighbours_card(self) -> str:
        """A genuine card of another community of this installation."""
        small_community(self.core, "lake")
        with self.core.db.read() as tx:
            uid = self.core.registry.uid(tx, "lake")
        key_id, signer = CommunityKeys(self.core.keys).card_signer(uid)
        return cf1.card(signer, uid, key_id=key_id, handle=b"neighbor", expiry_day=900, serial=0)

    def sign_in_link(self) -> str:
        """The secret of a link that signs a new guard in."""
        return self.core.accounts.make_link(an_account(self.core, Role.GUARD).account, "test")

    def printed(self, name: str) -> Image.Image:
        """The card's PDF page as a printer would make it."""
        pdf = self.folder / "card.pdf"
        pdf.write_bytes(
            Cards(self.parts.people, print_cards).print(MANAGER, "garden", persons=[self.people[name]], paper="cr80")
        )
        subprocess.run(["pdftoppm", "-r", "300", "-png", "-singlefile", str(pdf), str(pdf.with_suffix(""))], check=True)
        return Image.open(pdf.with_suffix(".png")).convert("RGB")

    def phone(self, gate: str = "east") -> Enrolled:
        from community_flow.wiring.ingest import ingest_parts

        return ingest_parts(self.core).devices.enrol(MANAGER, "garden", "gate_phone", gate)

    def guard(self, pin: str = "4821") -> str:
        """A guard's number, with that PIN."""
        from community_flow.adapters.sql.queries_gate import SqlGuards

        account = an_account(self.core, Role.GUARD)
        guards = Guards(self.core.db, SqlGuards(), self.core.accounts.store, self.core.audit, self.core.clock)
        return guards.set_pin(account.scope, pin)

    def get(self, path: str) -> list[dict[str, Any]]:
        """A list of the operator JSON."""
        request = urllib.request.Request(self.server.url + path, headers={"Authorization": f"Bearer {self.manager}"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            items: list[dict[str, Any]] = json.load(answer)["items"]
        return items

    def until(self, path: str, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Poll a list until it is as expected; fails with what was there."""
        end = time.monotonic() + PATIENCE_S
        while not enough(items := self.get(path)):
            assert time.monotonic() < end, f"{path} after {PATIENCE_S} s: {items}"
            time.sleep(0.1)
        return items


@contextmanager
def world(settings: Settings, folder: Path, *arguments: str) -> Iterator[World]:
    core = prepared(settings)
    small_community(core)
    manager = an_account(core, Role.MANAGER)
    secret = core.accounts.make_token(manager.account, "test", "test")
    with serving(settings, *arguments) as server:
        yield World(core, server, parts_of(core), folder, secret)
    core.db.close()


def forged(text: str) -> str:
    """The same card with another signature."""
    token = cf1.decode(text)
    assert isinstance(token, cf1.Token)
    signature = bytes([token.signature[0] ^ 1]) + token.signature[1:]
    return cf1.encode(
        cf1.Token(token.type, token.handle, signature, None, token.key_id, token.expiry_day, token.serial)
    )


def qr_picture(text: str, module: int = 8) -> Image.Image:
    rows = qr_modules(text)
    side = len(rows) + 8
    picture = Image.new("RGB", (side, side), "white")
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                picture.putpixel((x + 4, y + 4), (0, 0, 0))
    return picture.resize((side * module, side * module), Image.Resampling.NEAREST)


def film(path: Path, shots: Sequence[tuple[Image.Image | None, float]], fps: int = 30) -> Path:
    """A camera film: each picture held before a table top for so many seconds. Chromium plays it in a loop. A film that
    runs already goes on as it was until the camera is opened again."""
    whole = path.with_suffix(".part")
    with whole.open("wb") as file:
        for picture, seconds in shots:
            frame = Image.new("RGB", FRAME, (92, 98, 104))
            if picture is not None:
                fitted = picture.copy()
                fitted.thumbnail((int(FRAME[0] * 0.8), int(FRAME[1] * 0.8)))
                frame.paste(fitted, ((FRAME[0] - fitted.width) // 2, (FRAME[1] - fitted.height) // 2))
            body = io.BytesIO()
            frame.save(body, "JPEG", quality=90)
            for _ in range(max(1, int(seconds * fps))):
                file.write(body.getvalue())
    return whole.rename(path)


@contextmanager
def chromium(
    executable_path: str, camera: Path | None = None, profile: Path | None = None, more: Sequence[str] = ()
) -> Iterator[Any]:
    """A browser context (kept in ``profile``) whose camera plays a film, or else a test pattern."""
    from playwright.sync_api import sync_playwright

    flags = [*FLAGS, *more, *([f"--use-file-for-fake-video-capture={camera}"] if camera else [])]
    with sync_playwright() as playwright:
        if profile is not None:
            context = playwright.chromium.launch_persistent_context(
                str(profile), executable_path=executable_path, args=flags, **PHONE
            )  # fmt: skip
            yield patient(context)
            context.close()
            return
        browser = playwright.chromium.launch(executable_path=executable_path, args=flags)
        yield another(browser)
        browser.close()


PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "locale": "en-GB", "timezone_id": "Asia/Shanghai",
}  # fmt: skip


def another(browser: Any, **given: Any) -> Any:
    """One more phone in the same browser: it shares nothing with the others."""
    return patient(browser.new_context(**PHONE | given))


def kill_browser(profile: Path) -> None:
    """End the browser of a profile as a flat battery would: no warning, no clean-up, nobody who holds its files."""
    mine = f"--user-data-dir={profile}".encode()
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if mine in _command(folder)]
    pids = sorted({each for pid in pids for each in family(pid)})
    send(pids, signal.SIGKILL)
    wait_until(lambda: not any(family(pid) for pid in pids), "the end of the browser")


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""  # it has just ended


def bound(context: Any, world: World, device: Enrolled, path: str = "/gate") -> Any:
    """A page of the gate app that is claimed for ``device`` and has its list."""
    page = context.pages[0] if context.pages else context.new_page()
    page.on("pageerror", lambda error: (_ for _ in ()).throw(AssertionError(str(error))))
    page.goto(world.server.url + path)
    page.wait_for_selector("#setup:not([hidden])")
    given = {"device": device.device, "token": device.token, "community": device.community}
    page.evaluate(
        """async (device) => {
          const { Store } = await import("/scanner/store.js");
          const store = await Store.open();
          await store.keepSecret("device", device);
          store.db.close();
        }""",
        given,
    )
    page.reload()
    listed(page)
    return page


STAYS = """() => {
  const { result } = window.gate.desk;
  const show = result.show.bind(result);
  result.show = (entry) => (show(entry), clearTimeout(result.timer));
  clearTimeout(result.timer);
}"""


def listed(page: Any) -> None:
    """Wait until the app runs and has a list. From now on an ALLOW stays until :func:`gone`: it goes by itself after
    2.4 s, and a loaded machine may need longer to look at it."""
    soon(page, "document.body.dataset.view === 'ready' && Boolean(window.gate?.list.head)")
    page.evaluate(STAYS)


def gone(page: Any) -> None:
    """The ALLOW that is shown has been seen."""
    assert page.get_attribute("#result", "data-decision") == "allow"
    page.evaluate("window.gate.desk.result.clear()")


def kept(page: Any, script: str = "/gate/sw.js") -> None:
    """Wait until this page's service worker answers for it and has all that it is to keep: now the network may go."""
    soon(page, "Boolean(navigator.serviceWorker.controller)")
    soon(
        page,
        """(async () => {
          const told = await (await fetch("SCRIPT")).text();
          const wanted = ["FILES", "LATER"].flatMap((name) => JSON.parse(told.match(`const ${name} = (.*);`)[1]));
          const name = ["NAME", "VERSION"].map((each) => JSON.parse(told.match(`const ${each} = (.*);`)[1])).join("-");
          const keys = await (await caches.open(name)).keys();
          const there = new Set(keys.map(({ url }) => new URL(url).pathname));
          return wanted.every((path) => there.has(path));
        })()""".replace("SCRIPT", script),
    )


def offline(page: Any) -> None:
    """Take the network from the page's phone, and wait until the gate knows; `online` gives it back. A document that is
    just being loaded may send before Chromium takes the network from it too, so what it sends is stopped as well."""
    page.context.route(REQUESTS, _lost)
    page.context.set_offline(True)
    soon(page, "window.gate.link.online === false")


def online(context: Any) -> None:
    context.unroute(REQUESTS)
    context.set_offline(False)


def _lost(route: Any) -> None:
    route.abort("internetdisconnected")


def soon(page: Any, expression: str, seconds: float = PATIENCE_S) -> Any:
    """Wait until an expression is true in the page. Playwright's own waiting needs eval, which the page forbids."""
    end = time.monotonic() + seconds
    while not (found := page.evaluate(expression)):
        assert time.monotonic() < end, f"not within {seconds} s: {expression}"
        page.wait_for_timeout(50)
    return found


def newer_list(page: Any, change: Callable[[], object]) -> None:
    """Do something that changes the list, and wait until the gate has it: one that was on its way before is another."""
    change()
    since_ms = time.time_ns() // 1_000_000
    soon(page, f"window.gate.list.issuedMs > {since_ms}")


def typed(page: Any, text: str) -> None:
    """A keyboard reader under a Chinese input method: key positions are right, characters are not."""
    page.evaluate(
        """(text) => {
          const codes = { " ": "Space", "-": "Minus", ".": "Period", "/": "Slash", "$": "Digit4", "%": "Digit5",
            "*": "Digit8", "+": "Equal", ":": "Semicolon" };
          const press = (code, shiftKey) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
            { code, shiftKey, key: "Process", isComposing: true, bubbles: true, cancelable: true }));
          for (const letter of text) {
            const code = codes[letter] ?? (/[0-9]/.test(letter) ? `Digit${letter}` : `Key${letter.toUpperCase()}`);
            press(code, "$%*+:".includes(letter) || /[A-Z]/.test(letter));
          }
          press("Enter", false);
        }""",
        text,
    )


def decision(page: Any) -> str:
    page.wait_for_selector("#result:not([hidden])")
    found: str = page.get_attribute("#result", "data-decision")
    return found


def held(page: Any, selector: str) -> None:
    """Press a hold button until it has had enough: it says itself that it is held, by a class."""
    button = page.locator(selector).element_handle()
    button.hover()
    page.mouse.down()
    button.evaluate("(button) => { window.pressed = button; }")
    soon(page, "!window.pressed.classList.contains('holding')")
    page.mouse.up()


def on_duty(page: Any, operator: str, pin: str) -> None:
    page.fill("#sheet input >> nth=0", operator)
    page.fill("#sheet input >> nth=1", pin)
    page.click("#sheet .go")


def logged(world: World, action: str) -> list[Any]:
    with world.core.db.read() as tx:
        rows = world.core.audit.store.latest(tx, MANAGER, before=None, limit=200)
    return [row for row in rows if row.action == action]


def cards(world: World, prefix: str, count: int) -> list[str]:
    names = [f"{prefix}{number}" for number in range(count)]
    for name in names:
        world.person(name)
    return [world.card(name) for name in names]
