"""Requests of residents about their data: the office's page beside the inbox, and a resident's own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from msgspec import Meta
from werkzeug.wrappers import Response

from community_flow.domain.scope import Role
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.forms import choose_community, or_back
from community_flow.entrypoints.my_pass import public_request
from community_flow.entrypoints.problems import wants_json
from community_flow.ports.requests import Kind
from community_flow.services.people import OFFICE
from community_flow.services.places import Places
from community_flow.services.requests import SETTLED, Named, Requests

KINDS = {
    "correction": lazy_gettext("Correct something"),
    "deletion": lazy_gettext("Delete what is kept"),
    "objection": lazy_gettext("Object to a use"),
    "copy": lazy_gettext("A copy of everything"),
}
STATES = {
    "open": (lazy_gettext("not answered yet"), "orange"),
    "done": (lazy_gettext("done"), "green"),
    "refused": (lazy_gettext("refused"), "quiet"),
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    community: Annotated[str, Meta(max_length=100)] | None = None
    state: Literal["open", "settled"] = "open"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    state: Literal["done", "refused"]
    answer: Annotated[str, Meta(max_length=1000)] = ""
    csrf_token: str = ""


class Own(msgspec.Struct, frozen=True, kw_only=True):
    kind: Kind
    text: Annotated[str, Meta(max_length=1000)] = ""
    csrf_token: str = ""


def blueprint(requests: Requests, places: Places) -> Blueprint:
    bp = Blueprint("requests", __name__)
    _office(bp, requests, places)

    @bp.post("/me/request")
    @roles(Role.RESIDENT)
    @or_back
    def send() -> Response:
        """Ask for something about one's own data."""
        form = parse(Own, request)
        requests.send_own(current_scope(), form.kind, form.text)
        flash(gettext("The office has your request; its answer will stand here."))
        return redirect(url_for("privacy.me"), 303)

    return bp


def _office(bp: Blueprint, requests: Requests, places: Places) -> None:
    @bp.get("/requests")
    @roles(*OFFICE)
    def page() -> str:
        asked = parse(Wanted, request)
        communities, chosen = choose_community(places, current_scope(), asked.community)
        found = requests.rows(current_scope().narrowed(chosen or ""), _states(asked))
        return render_template(
            "requests/page.html", communities=communities, chosen=chosen, rows=found, asked=asked, kinds=KINDS,
            states=STATES,
        )  # fmt: skip

    @bp.get("/v1/requests")
    @roles(*OFFICE)
    def listed() -> Response:
        """What residents ask about their data."""
        asked = parse(Wanted, request)
        found = requests.rows(current_scope().narrowed(asked.community), _states(asked))
        return items([_public(each) for each in found], None)

    @bp.post("/v1/requests/<asked>/answer")
    @bp.post("/requests/<asked>/answer")
    @roles(*OFFICE)
    @or_back
    def answer(asked: str) -> Response:
        """Say what was done, or why it is not."""
        form = parse(Answer, request)
        settled = requests.settle(current_scope(), asked, form.state, form.answer)
        if wants_json():
            return json_response(public_request(settled))
        flash(gettext("The resident reads this answer on their phone."))
        return redirect(url_for("requests.page", community=settled.community), 303)


def _states(asked: Wanted) -> Any:
    return ("open",) if asked.state == "open" else SETTLED


def _public(each: Named) -> dict[str, Any]:
    found = each.request
    return public_request(found) | {"community": found.community, "person": found.person, "name": each.name}
