"""/healthz, /readyz, /metrics: what machines ask to know whether people are served."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from flask import Blueprint, Response, request

from community_flow.domain.errors import Forbidden
from community_flow.domain.scope import Role
from community_flow.entrypoints.access import maybe_account, public
from community_flow.entrypoints.answers import json_response
from community_flow.services.health import Probe


def blueprint(probe: Probe, figures: Callable[[], tuple[bytes, str]]) -> Blueprint:
    """``figures`` gives the text for Prometheus and its content type."""
    bp = Blueprint("health", __name__)

    @bp.get("/healthz")
    @public
    def alive() -> Response:
        """This process answers. Asks nothing else, so that a store that is away does not restart the server."""
        return json_response({"alive": True})

    @bp.get("/readyz")
    @public
    def ready() -> Response:
        """200 while people are served, worse or not; 503 when what is needed is away."""
        found = probe.look()
        return json_response(
            {"ready": found.ready, "state": found.state, "parts": found.parts}, 200 if found.ready else 503
        )

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
