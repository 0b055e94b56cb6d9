"""/healthz, /readyz, /metrics: what machines ask to know whether people are served."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address

from flask import Blueprint, Response, request

from community_flow.domain.errors import Forbidden
from community_flow.domain.scope import Role
from community_flow.entrypoints.access import maybe_account, public
from community_flow.entrypoints.answers import json_response

Check = Callable[[], str | None]
"""None when all is well, else what is wrong."""


def blueprint(checks: Mapping[str, Check], figures: Callable[[], tuple[bytes, str]]) -> Blueprint:
    """``figures`` gives the text for Prometheus and its content type."""
    bp = Blueprint("health", __name__)

    @bp.get("/healthz")
    @public
    def alive() -> Response:
        return json_response({"alive": True})

    @bp.get("/readyz")
    @public
    def ready() -> Response:
        found = {name: check() for name, check in checks.items()}
        parts = {name: "ok" if trouble is None else trouble for name, trouble in found.items()}
        good = all(trouble is None for trouble in found.values())
        return json_response({"ready": good, "parts": parts}, 200 if good else 503)

    @bp.get("/metrics")
    @public
    def metrics() -> Response:
        account = maybe_account()
        if not _from_here() and (account is None or account.role is not Role.ADMIN):
            raise Forbidden("Ask from this machine, or send the personal token of an admin.")
        text, content_type = figures()
        return Response(text, content_type=content_type)

    return bp


def _from_here() -> bool:
    """True for a direct request from this machine; what came through a proxy is from elsewhere."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    return request.remote_addr is not None and ip_address(request.remote_addr).is_loopback
