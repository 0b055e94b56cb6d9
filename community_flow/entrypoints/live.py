"""The first page: people inside, flow, what needs a look, gates and sensors; asked for again twice a second."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
from flask import Blueprint, g, redirect, render_template, request, url_for
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from community_flow.domain.errors import NotFound
from community_flow.domain.places import Community
from community_flow.domain.scope import Role
from community_flow.entrypoints.access import EVERYBODY, STAFF, current_scope, roles
from community_flow.entrypoints.chosen import chosen_community
from community_flow.entrypoints.languages import language_now
from community_flow.ports import Clock
from community_flow.services.live import Live, LiveView, Series

TICK_MS = 15_000
"""Without any news the page is made anew this often: ages and late sensors change with time alone."""

DEVICE_KINDS = {
    "gate_phone": lazy_gettext("gate phone"),
    "camera": lazy_gettext("camera"),
    "checkpoint": lazy_gettext("code reader"),
    "beam": lazy_gettext("light beam"),
    "gateway": lazy_gettext("gateway"),
    "office": lazy_gettext("office"),
}


def blueprint(live: Live, version: Callable[[str], str], clock: Clock, demo: bool) -> Blueprint:
    bp = Blueprint("live", __name__)

    @bp.get("/")
    @roles(*EVERYBODY)
    def page() -> str | Response:
        if current_scope().role is Role.RESIDENT:
            return redirect(url_for("privacy.me"))
        communities = live.communities(current_scope())
        if not communities:
            return render_template("live/nothing.html")
        community = _chosen(communities)
        shown = _shown(live.view(current_scope(), community))
        return render_template("live/page.html", **shown, communities=communities, demo=demo)

    @bp.get("/live/now")
    @roles(*STAFF)
    def now() -> Response:
        community = _chosen(live.communities(current_scope()))
        tag = _tag(community, version(community), clock.now_ms())
        answer = Response(status=304)
        if not request.if_none_match.contains(tag):
            answer = Response(render_template("live/_now.html", **_shown(live.view(current_scope(), community))))
        answer.set_etag(tag)
        return answer

    return bp


def _chosen(communities: dict[str, Community]) -> str:
    """The community that the page is about; raises NotFound for a foreign one."""
    found = chosen_community(request.args.get("community"), communities)
    if found is None:
        raise NotFound("There is no community by that name here: choose it from the list.")
    return found


def _shown(view: LiveView) -> dict[str, Any]:
    g.timezone = view.data.timezone
    return {"view": view, "series": _columns(view.series), "device_kinds": DEVICE_KINDS}


def _columns(series: Series) -> str:
    """Columns as the chart takes them: seconds, entries, exits, inside. The slot that still runs has no flow yet:
    drawn, it would look as if everybody had stopped."""
    seconds = [slot_ms // 1000 for slot_ms in series.slots_ms]
    entries, exits = [*series.entries[:-1], None], [*series.exits[:-1], None]
    return msgspec.json.encode([seconds, entries, exits, series.inside]).decode()


def _tag(community: str, version: str, now_ms: int) -> str:
    scope = current_scope()
    parts = f"{community} {version} {now_ms // TICK_MS} {language_now()} {scope.account} {sorted(scope.gates or ())}"
    return sha256(parts.encode()).hexdigest()[:24]
