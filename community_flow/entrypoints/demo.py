"""The tour on the first page. Registered with FLOW_DEMO=1 only, and answers only this very machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import msgspec
from flask import Blueprint, abort, redirect, request, url_for
from werkzeug.wrappers import Response

from community_flow.entrypoints.access import EVERYBODY, roles, sign_in_session
from community_flow.entrypoints.answers import json_response, parse
from community_flow.services.accounts import SignedIn

GUISES = ("guard", "steward", "manager", "official", "resident")


class PresentForm(msgspec.Struct, frozen=True, kw_only=True):
    what: Literal["resident", "again", "forged", "revoked", "courier"]
    shown: str | None = None


class Guide(Protocol):
    """The tour behind these routes (demo/tour.py)."""

    def tokens(self) -> Mapping[str, tuple[str, str]]: ...
    def present(self, what: Any, shown: str | None) -> Any: ...
    def sign_in(self, role: str) -> SignedIn: ...
    def case(self) -> tuple[SignedIn, str]: ...


def blueprint(guide: Guide, progress: Callable[[], Mapping[str, Any]], body_more: Callable[[], Any]) -> Blueprint:
    bp = Blueprint("demo", __name__, url_prefix="/demo")
    bp.before_request(_only_here)

    @bp.get("/status")
    @roles(*EVERYBODY)
    def status() -> Response:
        """How far the demo community is loaded."""
        return json_response(progress())

    @bp.post("/devices")
    @roles(*EVERYBODY)
    def devices() -> Response:
        """The tour's own device tokens: it reports as any device does."""
        return json_response({name: {"device": each[0], "token": each[1]} for name, each in guide.tokens().items()})

    @bp.post("/present")
    @roles(*EVERYBODY)
    def present() -> Response:
        """Hold up a card at the east gate."""
        form = parse(PresentForm, request)
        return json_response(msgspec.to_builtins(guide.present(form.what, form.shown)))

    @bp.get("/body")
    @roles(*EVERYBODY)
    def body() -> Response:
        """What the camera reports of a body without a pass."""
        return json_response(body_more())

    @bp.post("/as/<role>")
    @roles(*EVERYBODY)
    def become(role: str) -> Response:
        """Look through the eyes of somebody else."""
        if role not in GUISES:
            abort(404)
        sign_in_session(guide.sign_in(role))
        return redirect(url_for("privacy.me" if role == "resident" else "live.page"))

    @bp.post("/case")
    @roles(*EVERYBODY)
    def case() -> Response:
        """The planted cluster as the official sees it."""
        signed_in, case_id = guide.case()
        sign_in_session(signed_in)
        return redirect(f"/cases/{case_id}")

    return bp


def _only_here() -> None:
    """Whoever reaches these routes may be anybody: so nobody else in the network may."""
    try:
        near = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        near = False
    if not near:
        abort(404)
