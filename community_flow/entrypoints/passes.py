"""Passes and cards: issue, bind, revoke, reissue, hand over, print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from msgspec import Meta
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain.scope import Scope
from community_flow.domain.short_codes import shown
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import cursor, items, json_response, parse, place
from community_flow.entrypoints.forms import choose_community, moment_ms, or_back
from community_flow.entrypoints.languages import LAST_MS
from community_flow.entrypoints.problems import wants_json
from community_flow.entrypoints.zip_stream import zipped
from community_flow.ports.cards import Paper
from community_flow.services.cards import AT_ONCE, Cards
from community_flow.services.passes import Held, Passes
from community_flow.services.people import OFFICE
from community_flow.services.places import Places
from community_flow.services.slips import Slips

KINDS = {"card": lazy_gettext("Card"), "phone": lazy_gettext("Phone pass"), "tag": lazy_gettext("IC card")}
STATUSES = {
    "active": (lazy_gettext("valid"), "green"),
    "revoked": (lazy_gettext("revoked"), "quiet"),
    "copied": (lazy_gettext("copied"), "red"),
}

Text = Annotated[str, Meta(max_length=100)]
Ms = Annotated[int, Meta(ge=0, le=LAST_MS)]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    community: Text | None = None
    person: Text | None = None
    status: Literal["active", "revoked", "copied"] | None = None
    cursor: Text | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class NewPass(msgspec.Struct, frozen=True, kw_only=True):
    person: Text
    kind: Literal["card", "tag"] = "card"
    tag: Text = ""
    until_ms: Ms | None = None
    csrf_token: str = ""


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    copied: bool = False
    csrf_token: str = ""


class HandOver(msgspec.Struct, frozen=True, kw_only=True):
    to: Text
    from_ms: Ms | None = None
    date: Text = ""
    csrf_token: str = ""


class Printing(msgspec.Struct, frozen=True, kw_only=True):
    community: Text | None = None
    building: Text | None = None
    person: Text | None = None
    paper: Paper = "a4"
    csrf_token: str = ""


def blueprint(passes: Passes, cards: Cards, slips: Slips, places: Places) -> Blueprint:
    bp = Blueprint("passes", __name__)
    bp.add_app_template_filter(shown, "short_code")
    _json(bp, passes)
    _changes(bp, passes, places)
    _printing(bp, cards, slips, places)
    return bp


def _json(bp: Blueprint, passes: Passes) -> None:
    @bp.get("/v1/passes")
    @roles(*OFFICE)
    def listed() -> BaseResponse:
        asked = parse(Listing, request)
        scope = current_scope().narrowed(asked.community)
        after = str((place(asked.cursor) or [""])[0])
        held = [each for each in _all(passes, scope, asked) if each.pass_id > after]
        shown_now = held[: asked.limit]
        following = cursor(shown_now[-1].pass_id) if len(held) > asked.limit else None
        return items([_public(each) for each in shown_now], following)

    @bp.post("/v1/passes")
    @bp.post("/people/passes")
    @roles(*OFFICE)
    @or_back
    def issue() -> BaseResponse:
        form = parse(NewPass, request)
        if form.kind == "tag":
            pass_id = passes.bind_tag(current_scope(), form.person, form.tag)
            return _done(form.person, {"pass": pass_id}, gettext("The IC card is bound."), 201)
        issued = passes.issue_card(current_scope(), form.person, form.until_ms)
        body = {"pass": issued.pass_id, "short_code": issued.short_code}
        return _done(form.person, body, gettext("A card was issued: print it now."), 201)


def _changes(bp: Blueprint, passes: Passes, places: Places) -> None:
    @bp.post("/v1/passes/<pass_id>/revoke")
    @bp.post("/people/passes/<pass_id>/revoke")
    @roles(*OFFICE)
    @or_back
    def revoke(pass_id: str) -> BaseResponse:
        form = parse(Revocation, request)
        person = _person_of(passes, pass_id)
        passes.revoke(current_scope(), pass_id, copied=form.copied)
        return _done(person, {"pass": pass_id}, gettext("The pass is revoked; gates learn of it with their next list."))

    @bp.post("/v1/passes/<pass_id>/reissue")
    @bp.post("/people/passes/<pass_id>/reissue")
    @roles(*OFFICE)
    @or_back
    def reissue(pass_id: str) -> BaseResponse:
        held = passes.reissue(current_scope(), pass_id)
        body = {"pass": pass_id, "serial": held.state.serial}
        return _done(held.state.person, body, gettext("Print the new card now: the old one is stopped."))

    @bp.post("/v1/passes/<pass_id>/hand-over")
    @bp.post("/people/passes/<pass_id>/hand-over")
    @roles(*OFFICE)
    @or_back
    def hand_over(pass_id: str) -> BaseResponse:
        form = parse(HandOver, request)
        with passes.db.read() as tx:
            community = passes.held(tx, current_scope(), pass_id).community
        from_ms = form.from_ms
        if from_ms is None and form.date:
            zone = choose_community(places, current_scope(), community)[0][community].timezone
            from_ms = moment_ms(form.date, zone)
        passes.hand_over(
            current_scope(), pass_id, form.to.strip(), passes.clock.now_ms() if from_ms is None else from_ms
        )
        return _done(form.to.strip(), {"pass": pass_id}, gettext("The pass belongs to this person from that date on."))


def _printing(bp: Blueprint, cards: Cards, slips: Slips, places: Places) -> None:
    @bp.get("/people/cards")
    @roles(*OFFICE)
    def page() -> str:
        communities, chosen = choose_community(places, current_scope(), request.args.get("community"))
        lines = cards.buildings(current_scope(), chosen) if chosen else []
        return render_template(
            "people/cards.html", communities=communities, chosen=chosen, lines=lines, at_once=AT_ONCE,
            expiring=cards.expiring(current_scope(), chosen) if chosen else 0,
            total=sum(line.people for line in lines), missing=sum(line.without_card for line in lines),
        )  # fmt: skip

    def printing() -> tuple[Printing, str]:
        """What is to be printed, and of which community."""
        form = parse(Printing, request)
        _, chosen = choose_community(places, current_scope(), form.community)
        return form, form.community or chosen or ""

    @bp.post("/people/cards.pdf")
    @roles(*OFFICE)
    @or_back
    def pdf() -> BaseResponse:
        (form, community), scope = printing(), current_scope()
        persons = [form.person] if form.person else []
        if not persons and form.building is None and cards.count(scope, community) > AT_ONCE:
            return _streamed(cards, scope, community, form.paper)
        made = cards.print(scope, community, building=form.building, persons=persons, paper=form.paper)
        return _file(made, f"cards-{community}{'-' + form.building if form.building else ''}.pdf", "application/pdf")

    @bp.post("/people/cards/expiring.pdf")
    @roles(*OFFICE)
    @or_back
    def expiring_pdf() -> BaseResponse:
        form, community = printing()
        made = cards.print_expiring(current_scope(), community, form.paper)
        return _file(made, f"cards-{community}-renewed.pdf", "application/pdf")

    @bp.post("/people/slips.pdf")
    @roles(*OFFICE)
    @or_back
    def slips_pdf() -> BaseResponse:
        form, community = printing()
        persons = [form.person] if form.person else []
        page = url_for("my_pass.page", _external=True)
        made = slips.print(current_scope(), community, page, building=form.building, persons=persons)
        return _file(made, f"slips-{community}{'-' + form.building if form.building else ''}.pdf", "application/pdf")


def _streamed(cards: Cards, scope: Scope, community: str, paper: Paper) -> BaseResponse:
    """A ZIP with one PDF for each building, sent while the next is made: the browser shows how it grows."""
    parts: Iterator[bytes] = zipped(cards.print_all(scope, community, paper))
    response = Response(parts, content_type="application/zip")
    response.headers["X-Files"] = str(len(cards.files(scope, community)))
    response.headers["Content-Disposition"] = f'attachment; filename="cards-{community}.zip"'
    return response


def _file(body: bytes, name: str, content_type: str) -> BaseResponse:
    response = Response(body, content_type=content_type)
    plain = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\' else "_" for letter in name
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{plain}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _all(passes: Passes, scope: Scope, asked: Listing) -> list[Held]:
    with passes.db.read() as tx:
        if asked.person is not None:
            passes.registry.one(tx, scope, "person", asked.person)
            held = passes.of_persons(tx, scope, [asked.person])
        else:
            held = passes.all(tx, scope)
    return sorted((each for each in held if asked.status in (None, each.state.status)), key=lambda each: each.pass_id)


def _person_of(passes: Passes, pass_id: str) -> str | None:
    with passes.db.read() as tx:
        return passes.held(tx, current_scope(), pass_id).state.person


def _public(held: Held) -> dict[str, Any]:
    state = held.state
    return {
        "pass": held.pass_id, "community": held.community, "person": state.person, "kind": state.kind,
        "type": state.type, "status": state.status, "serial": state.serial, "short_code": held.row.short_code,
        "from_ms": state.from_ms, "until_ms": state.until_ms, "issued_ms": held.row.issued_ms,
    }  # fmt: skip


def _done(person: str | None, body: dict[str, Any], said: str, status: int = 200) -> BaseResponse:
    if wants_json():
        return json_response(body, status)
    flash(said)
    return redirect(url_for("people.one", person=person) if person else url_for("people.page"), 303)
