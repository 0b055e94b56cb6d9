"""What is kept and for how long; what a resident can see about themselves; how phones trust this server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flask import Blueprint, abort, render_template, send_file
from werkzeug.wrappers import Response

from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.access import current_account, current_scope, public, roles, strangers_to
from community_flow.entrypoints.requests import KINDS, STATES
from community_flow.ports.requests import DataRequest
from community_flow.services.audit import Audit
from community_flow.services.kept import Kept
from community_flow.settings import Settings


def blueprint(
    settings: Settings, audit: Audit, kept: Kept, requests_of: Callable[[Scope], Sequence[DataRequest]]
) -> Blueprint:
    bp = Blueprint("privacy", __name__)
    authority: Path = settings.data_dir / "tls" / "ca.pem"

    @bp.get("/privacy")
    @public
    def page() -> str:
        return render_template("privacy/page.html", retention_days=settings.retention_days)

    @bp.get("/me")
    @roles(Role.RESIDENT)
    @strangers_to("/me/pass")
    def me() -> str:
        person = current_account().person
        looks = audit.latest(current_scope(), before=None, limit=100, person=person)
        about = kept.about(current_scope())
        return render_template(
            "privacy/me.html", looks=looks, about=about, retention_days=settings.retention_days,
            requests=requests_of(current_scope()), request_kinds=KINDS, request_states=STATES,
        )  # fmt: skip

    @bp.get("/trust")
    @public
    def trust() -> str:
        return render_template("privacy/trust.html", has_authority=authority.exists())

    @bp.get("/trust/ca.pem")
    @public
    def trust_file() -> Response:
        if not authority.exists():
            abort(404)
        return send_file(
            authority.resolve(), mimetype="application/x-x509-ca-cert", download_name="community-flow-ca.pem"
        )

    return bp
