"""Whose phone shows whose pass: bound and ended on the person's page."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext
from msgspec import Meta
from werkzeug.wrappers import Response

from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.forms import choose_community, moment_ms, or_back
from community_flow.entrypoints.languages import LAST_MS
from community_flow.entrypoints.problems import wants_json
from community_flow.ports.keepers import Relation
from community_flow.services.keepers import DAY_MS, Keepers, Kept
from community_flow.services.people import OFFICE, People
from community_flow.services.places import Places

Text = Annotated[str, Meta(max_length=100)]


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """``until``: the last local day; programs give ``until_ms``."""

    keeper: Text
    relation: Relation = "household"
    sees: bool = False
    until: Text = ""
    until_ms: Annotated[int, Meta(ge=0, le=LAST_MS)] | None = None
    csrf_token: str = ""


def blueprint(keepers: Keepers, people: People, places: Places) -> Blueprint:
    bp = Blueprint("keepers", __name__)

    @bp.get("/v1/people/<person>/keepers")
    @roles(*OFFICE)
    def listed(person: str) -> Response:
        """Who keeps this person's pass on their phone, and whose passes this person keeps."""
        return items([_public(each) for each in keepers.about(current_scope(), person)], None)

    @bp.post("/v1/people/<person>/keepers")
    @bp.post("/people/<person>/keepers")
    @roles(*OFFICE)
    @or_back
    def bind(person: str) -> Response:
        """Let somebody's phone show this person's pass until a day."""
        form = parse(Binding, request)
        until_ms = form.until_ms if form.until_ms is not None else _last_day_ms(people, places, person, form.until)
        made = keepers.bind(current_scope(), person, form.keeper.strip(), form.relation, until_ms, sees=form.sees)
        if wants_json():
            return json_response({"keeping": made}, 201)
        flash(gettext("Their phone shows this pass as soon as it is online."))
        return redirect(url_for("people.one", person=person), 303)

    @bp.post("/v1/keepers/<keeping>/end")
    @bp.post("/people/keepers/<keeping>/end")
    @roles(*OFFICE)
    @or_back
    def end(keeping: str) -> Response:
        """Stop a pass on a keeper's phone at once."""
        found = keepers.end(current_scope(), keeping)
        if wants_json():
            return json_response({"keeping": keeping})
        flash(gettext("Gates stop this pass on that phone from now on."))
        return redirect(url_for("people.one", person=found.person), 303)

    return bp


def _last_day_ms(people: People, places: Places, person: str, until: str) -> int | None:
    """The end of a local day."""
    with people.db.read() as tx:
        community = people.found(tx, current_scope(), person).community
    timezone = choose_community(places, current_scope(), community)[0][community].timezone
    start_ms = moment_ms(until, timezone)
    return None if start_ms is None else start_ms + DAY_MS


def _public(each: Kept) -> dict[str, Any]:
    keeping = each.keeping
    return {
        "keeping": keeping.keeping, "person": keeping.person, "keeper": keeping.keeper, "relation": keeping.relation,
        "sees": keeping.sees, "from_ms": keeping.from_ms, "until_ms": keeping.until_ms, "ended_ms": keeping.ended_ms,
        "holds": each.holds,
    }  # fmt: skip
