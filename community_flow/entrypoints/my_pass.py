"""My pass: the app on a resident's phone and what it asks for. The page itself knows nobody and works offline."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, request, send_from_directory
from msgspec import Meta
from werkzeug.exceptions import NotFound as NoSuchFile
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain.errors import Invalid, TooMany
from community_flow.domain.places import named
from community_flow.entrypoints import kept_offline
from community_flow.entrypoints.access import device, public
from community_flow.entrypoints.actions import action_name
from community_flow.entrypoints.answers import json_response, parse
from community_flow.entrypoints.scanner import SCANNER, VENDOR, decoder_script
from community_flow.entrypoints.shell import role_name
from community_flow.entrypoints.small_files import fresh, send_small
from community_flow.ports import Clock
from community_flow.ports.audit import AuditRow
from community_flow.ports.ingest import Limits
from community_flow.ports.requests import DataRequest
from community_flow.services.keepers import Kept, KeptPass
from community_flow.services.kept import About
from community_flow.services.my_pass import Asked, Mine, MyPass
from web import ROOT

MY_PASS = ROOT / "mypass"
SHARED = ("bytes.js", "dom.js", "number.js", "offline.js", "qr.js")
"""Of the gate app's folder: what both apps use."""

READER = ("camera.js", "cf1.js", "decoding.js", "reading.js", "signatures.js")
"""Of the same folder, for reading the number on a guard's screen: fetched after the rest, for who is offline later."""

Text = Annotated[str, Meta(max_length=200)]


class Claim(msgspec.Struct, frozen=True):
    code: Text
    public_key: Text


class Question(msgspec.Struct, frozen=True):
    community: Text
    pass_id: Annotated[str, Meta(max_length=100)] = msgspec.field(name="pass")
    nonce: Text = ""
    signature: Text = ""


class Request(Question, frozen=True, kw_only=True):
    kind: Literal["correction", "deletion", "objection", "copy"]
    text: Annotated[str, Meta(max_length=1000)] = ""


def blueprint(mine: MyPass, limits: Limits, clock: Clock) -> Blueprint:
    bp = Blueprint("my_pass", __name__)
    _app_routes(bp)
    _asking_routes(bp, mine, limits, clock)
    return bp


def _app_routes(bp: Blueprint) -> None:
    @bp.get("/me/pass")
    @public
    def page() -> BaseResponse:
        """Give the app: the same for everybody."""
        return fresh(send_small(MY_PASS, "me.html"))

    @bp.get("/me/sw.js")
    @public
    def worker() -> BaseResponse:
        """Give the service worker that keeps the app for days without network."""
        return kept_offline.worker("me", "/me/pass", _kept(), _later())

    @bp.get("/me/pass/decoder.js")
    @public
    def decoder() -> BaseResponse:
        """Give the decoder at an address for which the app's service worker answers without network."""
        return decoder_script()

    @bp.get("/me/manifest.webmanifest")
    @public
    def manifest() -> BaseResponse:
        """Describe the app for the home screen."""
        return fresh(send_from_directory(MY_PASS, "manifest.webmanifest", mimetype="application/manifest+json"))

    @bp.get("/mypass/<path:path>")
    @public
    def file(path: str) -> BaseResponse:
        """Give a file of the app."""
        if path not in _files():
            raise NoSuchFile
        return fresh(send_small(MY_PASS, path))


def _asking_routes(bp: Blueprint, mine: MyPass, limits: Limits, clock: Clock) -> None:
    # These carry no session and no cookie, so no other page can ask in somebody's name: a slip or the phone's key must.
    @bp.post("/v1/me/claim")
    @device
    def claim() -> BaseResponse:
        """Make a phone the pass of whom a slip was printed for."""
        # 31^10 codes, each good for two weeks: a few tries a second find none.
        wait_s = limits.wait_s(f"claim:{request.remote_addr}", 1, clock.now_ms())
        if wait_s > 0:
            raise TooMany("Too many codes were tried: wait a minute.", retry_s=max(1, round(wait_s)))
        wanted = parse(Claim, request)
        made = mine.claim(wanted.code, _bytes(wanted.public_key, "public_key"))
        return json_response({
            "community": made.community, "pass": made.pass_id, "handle": made.handle.hex(), "uid": made.uid.hex(),
            "place": made.place, "name": made.name, "server_ms": made.server_ms,
        }, 201)  # fmt: skip

    @bp.get("/v1/me/nonce")
    @device
    def nonce() -> BaseResponse:
        """Give a number to sign, and the time."""
        return json_response({"nonce": _text(mine.nonce()), "server_ms": clock.now_ms()})

    @bp.post("/v1/me/look")
    @device
    def look() -> BaseResponse:
        """What is kept about the owner of this phone, and who looked; signed with the phone's key."""
        return json_response(_public(mine.look(asked())))

    @bp.post("/v1/me/passes")
    @device
    def passes() -> BaseResponse:
        """The passes of others that this phone shows by the office's word; signed with the phone's key."""
        return json_response({"items": [_kept_pass(each) for each in mine.passes_kept(asked())]})

    @bp.post("/v1/me/request")
    @device
    def request_() -> BaseResponse:
        """Ask the office to correct, delete, stop or copy what is kept; signed with the phone's key."""
        given = parse(Request, request)
        return json_response(public_request(mine.request(_of(given), given.kind, given.text)), 201)

    @bp.post("/v1/me/end")
    @device
    def end() -> BaseResponse:
        """Stop the pass of this phone; signed with its key."""
        mine.end(asked())
        return json_response({"status": "revoked"})


def asked() -> Asked:
    """The question that a phone signed."""
    return _of(parse(Question, request))


def _of(given: Question) -> Asked:
    return Asked(given.community, given.pass_id, _bytes(given.nonce, "nonce"), _bytes(given.signature, "signature"))


def _public(found: Mine) -> dict[str, Any]:
    names = {each.keeping.keeping: each.keeper_name for each in found.keepers}
    return {
        "status": found.status, "about": _about(found.about), "looks": [_look(row, names) for row in found.looks],
        "keepers": [_keeper(each) for each in found.keepers],
        "requests": [public_request(each) for each in found.requests],
    }  # fmt: skip


def _keeper(each: Kept) -> dict[str, Any]:
    keeping = each.keeping
    return {
        "name": each.keeper_name, "relation": keeping.relation, "sees": keeping.sees, "until_ms": keeping.until_ms,
        "holds": each.holds,
    }  # fmt: skip


def _kept_pass(each: KeptPass) -> dict[str, Any]:
    keeping = each.keeping
    return {
        "pass": each.held.pass_id, "handle": each.handle.hex(), "name": each.name, "relation": keeping.relation,
        "sees": keeping.sees, "until_ms": keeping.until_ms,
    }  # fmt: skip


def public_request(each: DataRequest) -> dict[str, Any]:
    """A request as the one who sent it sees it."""
    return {
        "request": each.request, "kind": each.kind, "text": each.text, "sent_ms": each.sent_ms, "state": each.state,
        "answer": each.answer, "settled_ms": each.settled_ms,
    }  # fmt: skip


def _about(about: About | None) -> dict[str, Any] | None:
    if about is None:
        return None
    return {
        "record": asdict(about.record) if about.record else None,
        "passes": [asdict(each) for each in about.passes],
        "visits": [asdict(each) for each in about.visits],
        "span": asdict(about.span),
        "zones": {zone: {language: named(state.names, language) for language in ("zh", "en")}
                  for (_, zone), state in about.zones.items()},
    }  # fmt: skip


def _look(row: AuditRow, keepers: dict[str, str]) -> dict[str, Any]:
    by = keepers.get(row.subject or "") if row.action.startswith("keeper.look") else None
    return {
        "at_ms": row.at_ms, "by": by or (str(role_name(row.role)) if row.role else None),
        "what": str(action_name(row.action)), "purpose": row.purpose,
    }  # fmt: skip


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str, field: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error) as error:
        raise Invalid("This is no base64url text: reload the page and try again.", field=field) from error


@lru_cache(maxsize=1)
def _files() -> frozenset[str]:
    return frozenset(path.name for path in MY_PASS.iterdir() if path.suffix in {".js", ".css", ".svg"})


def _kept() -> dict[str, Path]:
    own = {f"/mypass/{name}": MY_PASS / name for name in sorted(_files())}
    page = {"/me/pass": MY_PASS / "me.html", "/me/manifest.webmanifest": MY_PASS / "manifest.webmanifest"}
    shared = {f"/scanner/{name}": SCANNER / name for name in SHARED}
    return page | own | shared | {"/vendor/lean-qr/index.js": ROOT / "vendor" / "lean-qr" / "index.js"}


def _later() -> dict[str, Path]:
    reader = {f"/scanner/{name}": SCANNER / name for name in READER} | {"/me/pass/decoder.js": SCANNER / "decoder.js"}
    return reader | {f"/vendor/{name}": ROOT / "vendor" / name for name in VENDOR}
