"""The managers' page of admission rules: by pass type, by gate, by community, and what a gate would say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from msgspec import Meta
from werkzeug.wrappers import Response

from community_flow.domain.admission import EVERYTHING
from community_flow.domain.hours import hours as hours_said
from community_flow.domain.places import OUTSIDE, PassType, Rule, Windows
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.forms import choose_community, moment_ms, or_back
from community_flow.entrypoints.languages import language_now
from community_flow.entrypoints.opening_hours import windows
from community_flow.entrypoints.people import TYPES
from community_flow.entrypoints.places import PASSBACKS, PASSINGS
from community_flow.entrypoints.problems import wants_json
from community_flow.ports import Clock
from community_flow.services.people import OFFICE
from community_flow.services.places import Places
from community_flow.services.rules import Attempt, Book, Rules, Tried

TONES = {"allow": "green", "check": "orange", "stop": "red"}
ANSWERS = {
    "allow": lazy_gettext("Let in"),
    "check": lazy_gettext("The guard is asked to check"),
    "stop": lazy_gettext("Stopped"),
}

Text = Annotated[str, Meta(max_length=200)]
Quota = Annotated[int, Meta(ge=0, le=99)] | None


class TypeForm(msgspec.Struct, frozen=True, kw_only=True):
    """``every``: every gate, whatever stands in ``gates``. Hours like 08:00-12:00, 13:00-18:00; empty means always."""

    every: bool = False
    gates: tuple[Text, ...] = ()
    hours: Text = ""
    csrf_token: str = ""


class GateForm(msgspec.Struct, frozen=True, kw_only=True):
    hours: Text = ""
    passback: Literal["off", "soft", "hard"] = "soft"
    challenge: bool = False
    dedup_window_s: Annotated[int, Meta(ge=0, le=600)] = 30
    csrf_token: str = ""


class QuotaForm(msgspec.Struct, frozen=True, kw_only=True):
    quota: Quota = None
    csrf_token: str = ""


class HouseholdForm(msgspec.Struct, frozen=True, kw_only=True):
    unit: Text
    quota: Quota = None
    csrf_token: str = ""


class TryForm(msgspec.Struct, frozen=True, kw_only=True):
    """``at``: local time like 2026-11-24T14:30; empty means now. Without a ``code``, any pass of ``type``."""

    gate: Text = ""
    direction: Literal["in", "out"] = "in"
    at: Text = ""
    code: Text = ""
    type: PassType = "resident"
    inside: bool = False
    full: bool = False
    offline: bool = False
    used: Annotated[int, Meta(ge=0, le=999)] | None = None
    csrf_token: str = ""


def blueprint(rules: Rules, places: Places, clock: Clock) -> Blueprint:
    bp = Blueprint("rules", __name__)
    _pages(bp, rules, places, clock)
    _types_and_gates(bp, rules)
    _outings(bp, rules)
    return bp


def _pages(bp: Blueprint, rules: Rules, places: Places, clock: Clock) -> None:
    @bp.get("/rules")
    @roles(*OFFICE)
    def page() -> str:
        return _shown(rules, places, request.args.get("community"))

    @bp.get("/v1/rules")
    @roles(*OFFICE)
    def listed() -> Response:
        """Rules of each community in scope: by pass type, by gate, and households with a number of their own."""
        scope = current_scope().narrowed(request.args.get("community"))
        found = sorted(each for _, each, _ in places.all(scope, "community"))
        return items([_public(each, rules.book(scope, each)) for each in found], None)

    @bp.post("/v1/rules/<community>/try")
    @bp.post("/rules/<community>/try")
    @roles(*OFFICE)
    @or_back
    def try_it(community: str) -> Response | str:
        """Say what a gate would answer to a pass at a moment; trying somebody's pass is a look, and logged."""
        form = parse(TryForm, request)
        book = rules.book(current_scope(), community)
        at_ms = moment_ms(form.at, book.community.timezone) or clock.now_ms()
        attempt = Attempt(
            gate=form.gate, direction=form.direction, at_ms=at_ms, code=form.code, type=form.type, inside=form.inside,
            full=form.full, used=form.used, online=not form.offline,
        )  # fmt: skip
        tried = rules.try_it(current_scope(), community, attempt)
        if wants_json():
            return json_response(_answer(tried))
        return _shown(rules, places, community, tried, form)


def _types_and_gates(bp: Blueprint, rules: Rules) -> None:
    @bp.post("/v1/rules/<community>/types/<kind>")
    @bp.post("/rules/<community>/types/<kind>")
    @roles(*OFFICE)
    @or_back
    def set_type(community: str, kind: str) -> Response:
        """Say at which gates and hours passes of a type are good that say nothing themselves."""
        form = parse(TypeForm, request)
        rule = Rule(gates=None if form.every else form.gates, windows=windows(form.hours))
        rules.set_type(current_scope(), community, kind, rule)
        return _done(community)

    @bp.post("/v1/rules/<community>/gates/<gate>")
    @bp.post("/rules/<community>/gates/<gate>")
    @roles(*OFFICE)
    @or_back
    def set_gate(community: str, gate: str) -> Response:
        """Say when a gate lets people in, and what it does with somebody who is inside already."""
        form = parse(GateForm, request)
        fields = {
            "windows": windows(form.hours), "passback": form.passback, "challenge": form.challenge,
            "dedup_window_s": form.dedup_window_s
        }  # fmt: skip
        rules.set_gate(current_scope(), community, gate, fields)
        return _done(community)


def _outings(bp: Blueprint, rules: Rules) -> None:
    @bp.post("/v1/rules/<community>/quota")
    @bp.post("/rules/<community>/quota")
    @roles(*OFFICE)
    @or_back
    def set_quota(community: str) -> Response:
        """Limit how often a day each household goes out; null for as often as it likes."""
        rules.set_quota(current_scope(), community, parse(QuotaForm, request).quota)
        return _done(community)

    @bp.post("/v1/rules/<community>/households")
    @bp.post("/rules/<community>/households")
    @roles(*OFFICE)
    @or_back
    def set_household(community: str) -> Response:
        """Give one household a number of outings of its own; null for the community's."""
        form = parse(HouseholdForm, request)
        rules.set_household(current_scope(), community, form.unit, form.quota)
        return _done(community)


def _done(community: str) -> Response:
    if wants_json():
        return json_response({"community": community})
    flash(gettext("Kept. Gates that are online go by it within seconds."))
    return redirect(url_for("rules.page", community=community), 303)


def _shown(
    rules: Rules, places: Places, asked: str | None, tried: Tried | None = None,
    form: TryForm | None = None,
) -> str:  # fmt: skip
    communities, chosen = choose_community(places, current_scope(), asked)
    book = rules.book(current_scope(), chosen) if chosen else None
    if book:
        g.timezone = book.community.timezone
    return render_template(
        "rules/page.html", communities=communities, chosen=chosen, book=book, types=TYPES, passbacks=PASSBACKS,
        passings=PASSINGS, outside=OUTSIDE, everything=EVERYTHING, tried=tried, form=form or TryForm(), answers=ANSWERS,
        tones=TONES, hours=hours,
    )  # fmt: skip


def hours(windows: Windows) -> str:
    """As the page's reader says them, and as the field takes them back."""
    return hours_said(windows, "en" if language_now() == "en" else "zh")


def _public(community: str, book: Book) -> dict[str, Any]:
    types = {kind: book.types.get(kind, EVERYTHING) for kind in TYPES}
    return {
        "community": community, "quota_per_day": book.community.quota_per_day,
        "types": {kind: {"gates": rule.gates, "windows": rule.windows} for kind, rule in types.items()},
        "gates": {
            gate: {"windows": state.windows, "passback": state.passback, "challenge": state.challenge,
                   "dedup_window_s": state.dedup_window_s}
            for gate, state in book.gates.items()
        },
        "households": [{"unit": state.unit, "quota_per_day": state.quota_per_day} for _, state in book.households],
    }  # fmt: skip


def _answer(tried: Tried) -> dict[str, Any]:
    said = tried.decision
    return {"decision": said.decision, "reason": said.reason, "zh": said.zh, "en": said.en, "pass": tried.pass_id}
