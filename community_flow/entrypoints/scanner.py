"""The gate app and what it asks for. The page itself knows nobody: it is the same for everyone, and works offline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from flask import Blueprint, request, send_from_directory
from flask_wtf.csrf import generate_csrf
from msgspec import Meta
from werkzeug.exceptions import NotFound as NoSuchFile
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain.errors import Invalid, TooMany
from community_flow.domain.scope import Scope
from community_flow.entrypoints import kept_offline
from community_flow.entrypoints.access import (
    current_scope,
    device,
    maybe_account,
    maybe_scope,
    public,
    roles,
)
from community_flow.entrypoints.answers import json_response, parse
from community_flow.entrypoints.devices import trusted_device
from community_flow.entrypoints.small_files import fresh, send_small
from community_flow.ports import Clock
from community_flow.ports.ingest import Limits
from community_flow.services.devices import Devices
from community_flow.services.gate import GateDesk
from community_flow.services.guards import AT_GATES, Guards
from community_flow.services.ingest import NO_TIME
from community_flow.services.rules import Attempt, Tried
from community_flow.services.trust import Trust
from web import ROOT

SCANNER = ROOT / "scanner"
VENDOR = (
    "zxing-wasm/es/reader/index.js", "zxing-wasm/es/share.js", "zxing-wasm/zxing_reader.wasm", "ed25519/index.js",
    "lean-qr/index.js",
)  # fmt: skip
AS_NEW_S = 10
"""The page and its decoder's worker start with the same files: asked for once, not once each."""

TAG_COST = 200
"""Of a device's 200 reports a second: a card number a second, ten saved up."""

Text = Annotated[str, Meta(max_length=100)]


class Bind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    community: Text
    gate: Text


class Looked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    community: Text
    gate: Text
    direction: Literal["in", "out"]
    code: Annotated[str, Meta(max_length=500, pattern="^CF1:")]


class Pin(msgspec.Struct, frozen=True):
    pin: Annotated[str, Meta(max_length=64)]


class Opening(msgspec.Struct, frozen=True):
    operator: Text
    pin: Annotated[str, Meta(max_length=64)]


class Session(msgspec.Struct, frozen=True):
    session: Text


class Search(msgspec.Struct, frozen=True):
    session: Text
    text: Text


class Decide(msgspec.Struct, frozen=True):
    tag: Text | None = None
    ref: Text | None = None
    session: Text | None = None


def blueprint(
    desk: GateDesk, guards: Guards, trust: Trust, devices: Devices, limits: Limits, clock: Clock,
    knows_time: Callable[[], bool], look: Callable[[Scope, str, Attempt], Tried],
) -> Blueprint:  # fmt: skip
    bp = Blueprint("scanner", __name__)
    _app_routes(bp)
    _staff_routes(bp, desk, guards, devices)
    _device_routes(bp, desk, trust, lambda: clock.now_ms() if knows_time() else NO_TIME)
    _shift_routes(bp, guards, trust)
    _look_route(bp, desk, clock, look)
    _asking_routes(bp, desk, guards, trust, limits, clock)
    return bp


def _app_routes(bp: Blueprint) -> None:
    @bp.get("/gate")
    @public
    def page() -> BaseResponse:
        """Give the gate app: the same for everybody, signed in or not."""
        return fresh(send_small(SCANNER, "gate.html"))

    @bp.get("/gate/sw.js")
    @public
    def worker() -> BaseResponse:
        """Give the service worker that keeps the app for reloads without network."""
        return kept_offline.worker("gate", "/gate", _kept())

    @bp.get("/gate/decoder.js")
    @public
    def decoder() -> BaseResponse:
        """Give the decoder at an address for which the app's service worker answers without network."""
        return decoder_script()

    @bp.get("/gate/manifest.webmanifest")
    @public
    def manifest() -> BaseResponse:
        """Describe the gate app for the home screen."""
        return fresh(send_from_directory(SCANNER, "manifest.webmanifest", mimetype="application/manifest+json"))

    @bp.get("/scanner/<path:path>")
    @public
    def file(path: str) -> BaseResponse:
        """Give a file of the gate app."""
        if path not in _files():
            raise NoSuchFile
        return fresh(send_small(SCANNER, path), AS_NEW_S)


def _staff_routes(bp: Blueprint, desk: GateDesk, guards: Guards, devices: Devices) -> None:
    @bp.get("/gate/session")
    @public
    def session() -> BaseResponse:
        """Who is signed in on this browser, and the gates at which they may bind it."""
        account, scope = maybe_account(), maybe_scope()
        if account is None or scope is None or account.role not in AT_GATES:
            return json_response({"signed_in": account is not None, "communities": []})
        return json_response({
            "signed_in": True, "name": account.name, "operator": guards.operator_of(account.account),
            "csrf": generate_csrf(), "communities": desk.gates_of(scope),
        })  # fmt: skip

    @bp.post("/gate/bind")
    @roles(*AT_GATES)
    def bind() -> BaseResponse:
        """Make this browser a gate phone at a gate in scope."""
        wanted = parse(Bind, request)
        desk.check_gate(current_scope(), wanted.community, wanted.gate)
        enrolled = devices.enrol(current_scope(), wanted.community, "gate_phone", wanted.gate)
        return json_response({**asdict(enrolled), "signer": desk.signer()}, 201)

    @bp.post("/gate/pin")
    @roles(*AT_GATES)
    def pin() -> BaseResponse:
        """Set one's own PIN; the answer is the number to type with it."""
        return json_response({"operator": guards.set_pin(current_scope(), parse(Pin, request).pin)})


def _look_route(bp: Blueprint, desk: GateDesk, clock: Clock, look: Callable[[Scope, str, Attempt], Tried]) -> None:
    @bp.post("/gate/look")
    @roles(*AT_GATES)
    def look_at() -> BaseResponse:
        """What this gate would say of a pass in a photo, where a browser without https can keep no list. Logged."""
        wanted = parse(Looked, request)
        desk.check_gate(current_scope(), wanted.community, wanted.gate)
        now_ms = clock.now_ms()
        attempt = Attempt(gate=wanted.gate, direction=wanted.direction, at_ms=now_ms, code=wanted.code)
        found = look(current_scope(), wanted.community, attempt)
        name = found.record.name if found.record else None
        return json_response({**msgspec.structs.asdict(found.decision), "name": name, "server_ms": now_ms})


def _device_routes(bp: Blueprint, desk: GateDesk, trust: Trust, server_ms: Callable[[], int]) -> None:
    @bp.get("/v1/device/passes")
    @device
    def passes() -> BaseResponse:
        """The sealed list of passes, or what changed since a version; signed for this device."""
        trusted = trusted_device(trust)
        download = desk.download(trusted, request.args.get("since"))
        signed = {"signer": desk.signer(), "succession": desk.table_keys.succession()}
        return json_response({**signed, **msgspec.structs.asdict(download)})

    @bp.get("/v1/device/state")
    @device
    def state() -> BaseResponse:
        """Counts by zone, who is inside at this gate, outings used."""
        found = desk.state(trusted_device(trust))
        # What is known may be some seconds old; the time by which a phone sets its clock may not.
        return json_response({**asdict(found), "server_ms": server_ms()})


def _shift_routes(bp: Blueprint, guards: Guards, trust: Trust) -> None:
    @bp.post("/v1/device/pin")
    @device
    def open_shift() -> BaseResponse:
        """Begin a shift: the session opens searches for five minutes of use."""
        trusted, given = trusted_device(trust), parse(Opening, request)
        return json_response(guards.open(trusted, given.operator, given.pin))

    @bp.post("/v1/device/pin/close")
    @device
    def close_shift() -> BaseResponse:
        """End a shift."""
        guards.close(trusted_device(trust), parse(Session, request).session)
        return json_response({})


def _asking_routes(bp: Blueprint, desk: GateDesk, guards: Guards, trust: Trust, limits: Limits, clock: Clock) -> None:
    @bp.post("/v1/device/search")
    @device
    def search() -> BaseResponse:
        """At most five masked people who fit; logged."""
        trusted, given = trusted_device(trust), parse(Search, request)
        return json_response({"items": desk.search(trusted, guards.on_duty(trusted, given.session), given.text)})

    @bp.post("/v1/device/decide")
    @device
    def decide() -> BaseResponse:
        """What the table would say of a pass that is in no table: an IC card, or somebody found by a search."""
        trusted, given = trusted_device(trust), parse(Decide, request)
        if given.tag is not None:
            # Numbers of four bytes can be guessed: one a second is enough for a gate and too slow for guessing.
            wait_s = limits.wait_s(f"tag:{trusted.device}", TAG_COST, clock.now_ms())
            if wait_s > 0:
                left = max(1, round(wait_s))
                raise TooMany("Card numbers are asked too fast: wait %(left)s seconds.", retry_s=left, left=left)
            return json_response({"record": desk.of_tag(trusted, given.tag)})
        if given.ref is None:
            raise Invalid("Give a tag or a ref.", field="tag")
        shift = guards.on_duty(trusted, given.session)
        return json_response({"record": desk.of_reference(trusted, shift, given.ref)})


def decoder_script() -> BaseResponse:
    """The decoder at an app's own address: a service worker answers for a Worker only there."""
    return fresh(send_small(SCANNER, "decoder.js"), AS_NEW_S)


@lru_cache(maxsize=1)
def _files() -> frozenset[str]:
    """What the scanner folder serves."""
    kinds = {".js", ".css", ".svg", ".png", ".json"}
    return frozenset(path.relative_to(SCANNER).as_posix() for path in SCANNER.rglob("*") if path.suffix in kinds)


def _kept() -> dict[str, Path]:
    own = {f"/scanner/{name}": SCANNER / name for name in sorted(_files())}
    page = {"/gate": SCANNER / "gate.html", "/gate/manifest.webmanifest": SCANNER / "manifest.webmanifest"}
    page["/gate/decoder.js"] = SCANNER / "decoder.js"
    return page | own | {f"/vendor/{name}": ROOT / "vendor" / name for name in VENDOR}
