"""Visitors whom the office expects: register, today's list, the pass to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from msgspec import Meta
from werkzeug.wrappers import Response

from community_flow.domain.errors import Invalid
from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.forms import choose_community, moment_ms, or_back
from community_flow.entrypoints.languages import LAST_MS
from community_flow.services.passes import Passes
from community_flow.services.people import OFFICE
from community_flow.services.places import Places
from community_flow.services.visitors import Visitor, Visitors

HOUR_MS = 3_600_000
DESK = (Role.STEWARD, *OFFICE)

STANDINGS = {
    "overstayed": (lazy_gettext("should have left"), "orange"),
    "inside": (lazy_gettext("inside"), "green"),
    "expected": (lazy_gettext("expected"), "blue"),
    "not_yet": (lazy_gettext("later"), "quiet"),
    "left": (lazy_gettext("left"), "quiet"),
    "expired": (lazy_gettext("did not come"), "quiet"),
}

Text = Annotated[str, Meta(max_length=200)]
Ms = Annotated[int, Meta(ge=0, le=LAST_MS)]


class NewVisitor(msgspec.Struct, frozen=True, kw_only=True):
    name: Text
    unit: Text
    community: Text | None = None
    phone: Text = ""
    note: Text = ""
    starts: Text = ""
    from_ms: Ms | None = None
    hours: Annotated[int, Meta(ge=1, le=720)] = 4
    until_ms: Ms | None = None
    csrf_token: str = ""


def blueprint(
    visitors: Visitors, places: Places, passes: Passes, qr_modules: Callable[[str], list[list[bool]]]
) -> Blueprint:
    bp = Blueprint("visitors", __name__)
    _pages(bp, visitors, places, passes, qr_modules)
    _json(bp, visitors, places)
    return bp


def _pages(
    bp: Blueprint, visitors: Visitors, places: Places, passes: Passes,
    qr_modules: Callable[[str], list[list[bool]]],
) -> None:  # fmt: skip
    @bp.get("/visitors")
    @roles(*DESK)
    def page() -> str:
        communities, chosen = choose_community(places, current_scope(), request.args.get("community"))
        lines = visitors.listed(current_scope(), chosen) if chosen else []
        counts = {standing: sum(each.standing == standing for each in lines) for standing in STANDINGS}
        return render_template(
            "visitors/list.html", communities=communities, chosen=chosen, lines=lines, standings=STANDINGS,
            counts=counts, may_open=current_scope().role in OFFICE,
        )  # fmt: skip

    @bp.post("/visitors")
    @roles(*DESK)
    @or_back
    def register() -> Response:
        pass_id = _register(visitors, places, parse(NewVisitor, request))
        flash(gettext("The visitor is expected. Show or send them this pass."))
        return redirect(url_for("visitors.one", pass_id=pass_id), 303)

    @bp.get("/visitors/<pass_id>")
    @roles(*DESK)
    def one(pass_id: str) -> str:
        with visitors.db.write() as tx:
            held = passes.held(tx, current_scope(), pass_id)
            if held.state.type != "visitor" or held.state.person is None:
                raise Invalid("This pass does not belong to a visitor: revoke it on the person's page.")
            found = visitors.people.found(tx, current_scope(), held.state.person)
            visitors.people.log(tx, current_scope(), "person.look", found, purpose="visitor pass")
            text = passes.text(tx, held) if held.state.status == "active" else None
        choose_community(places, current_scope(), held.community)
        modules = qr_modules(text) if text else None
        return render_template("visitors/pass.html", held=held, found=found, modules=modules)

    @bp.post("/visitors/<pass_id>/end")
    @roles(*DESK)
    @or_back
    def end(pass_id: str) -> Response:
        visitors.end(current_scope(), pass_id)
        flash(gettext("The visit has ended."))
        return redirect(url_for("visitors.page"), 303)


def _json(bp: Blueprint, visitors: Visitors, places: Places) -> None:
    @bp.get("/v1/visitors")
    @roles(*DESK)
    def listed() -> Response:
        communities, chosen = choose_community(places, current_scope(), request.args.get("community"))
        wanted = request.args.get("community")
        if wanted is not None and wanted not in communities:
            return items([], None)
        return items([_public(each) for each in (visitors.listed(current_scope(), chosen) if chosen else [])], None)

    @bp.post("/v1/visitors")
    @roles(*DESK)
    def add() -> Response:
        return json_response({"pass": _register(visitors, places, parse(NewVisitor, request))}, 201)


def _register(visitors: Visitors, places: Places, form: NewVisitor) -> str:
    communities, chosen = choose_community(places, current_scope(), form.community)
    community = form.community or chosen or ""
    timezone = communities[community].timezone if community in communities else "UTC"
    from_ms = form.from_ms if form.from_ms is not None else moment_ms(form.starts, timezone)
    from_ms = visitors.clock.now_ms() if from_ms is None else from_ms
    until_ms = from_ms + form.hours * HOUR_MS if form.until_ms is None else form.until_ms
    guest = Resident(name=form.name, phone=form.phone, unit=form.unit, type="visitor", note=form.note)
    return visitors.register(current_scope(), community, guest, from_ms, until_ms)


def _public(line: Visitor) -> dict[str, object]:
    return {
        "person": line.found.person, "pass": line.held.pass_id if line.held else None,
        "community": line.found.community, "name": line.name, "unit": line.found.unit, "from_ms": line.from_ms,
        "until_ms": line.until_ms, "entered_ms": line.stay.entered_ms if line.stay else None,
        "left_ms": line.stay.left_ms if line.stay else None, "state": line.standing,
    }  # fmt: skip
