"""Tokens and cards for the live demo; then everything over HTTP."""

from __future__ import annotations

import random
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from community_flow.adapters.sql.queries_gate import SqlGate
from community_flow.demo.places import FULL
from community_flow.demo.play import Card, Phone, Player, camera_agent
from community_flow.demo.tour import DEVICES as TOUR
from community_flow.demo.tour import SCOPE, ordinary
from community_flow.domain.errors import NotFound
from community_flow.wiring.core import Core
from community_flow.wiring.demo import demo_parts
from community_flow.wiring.ingest import ingest_parts

SCANNER, CAMERA = "West phone", "Market camera"
PEOPLE = 300


def play(core: Core, server: str, per_minute: float, seconds: float, say: Callable[[str], None]) -> None:
    """Until Ctrl-C or ``seconds``; ends the camera agent. Raises NotFound without a loaded demo."""
    rng = random.Random(7)
    tokens = _tokens(core)
    camera, token = tokens.pop(CAMERA)
    phones = {name: Phone(server, each[1], rng) for name, each in tokens.items()}
    player = Player(phones, SCANNER, _cards(core, rng), rng)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if seconds:
        threading.Timer(seconds, stop.set).start()
    with tempfile.TemporaryDirectory(prefix="flow-demo-") as folder:
        agent = camera_agent(Path(folder), server, camera, token, seed=7)
        say(f"Scans at the west gate, {per_minute:g} a minute; a camera agent (pid {agent.pid}) counts at the market.")
        try:
            player.run(per_minute, stop, say)
        finally:
            _end(agent)


def _tokens(core: Core) -> dict[str, tuple[str, str]]:
    """Fresh tokens of the demo's devices but the tour's own, by English name."""
    devices = ingest_parts(core).devices
    known = {each.names.get("en", ""): each.device for each in devices.list(SCOPE) if each.state != "revoked"}
    if not {SCANNER, CAMERA} <= set(known):
        raise NotFound("There is no demo here: run `demo load` in an empty FLOW_DATA_DIR.")
    found = {}
    for name, device in known.items():
        if name not in TOUR.values():
            enrolled = devices.rotate(SCOPE, device)
            found[name] = (enrolled.device, enrolled.token)
    return found


def _cards(core: Core, rng: random.Random) -> list[Card]:
    passes = demo_parts(core).registering.passes
    with core.db.read() as tx:
        held = ordinary([each for each in passes.all(tx, SCOPE) if each.state.kind == "card"])
        inside = SqlGate().inside(tx, SCOPE, "compound", core.clock.now_ms())
        chosen = rng.sample(held, min(PEOPLE, len(held)))
        return [Card(passes.text(tx, each), each.state.person in inside) for each in chosen if each.community == FULL]


def _end(agent: subprocess.Popen[bytes]) -> None:
    agent.terminate()
    try:
        agent.wait(20)
    except subprocess.TimeoutExpired:
        agent.kill()
        agent.wait()
