"""Orders and cases: pages, files and JSON. What a rule decides is decided in services/orders and services/tracing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from werkzeug.wrappers import Response

from community_flow.domain.errors import FlowError, Invalid
from community_flow.domain.places import Community
from community_flow.domain.scope import Role
from community_flow.entrypoints.access import current_account, current_scope, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.case_chart import drawn
from community_flow.entrypoints.case_words import Words, case_json, contact_rows, order_json, stay_rows
from community_flow.entrypoints.files import csv_response
from community_flow.ports import Clock
from community_flow.ports.cases import Case, Order
from community_flow.services.contact_search import DEFAULT_KINDS
from community_flow.services.orders import NewOrder, Orders
from community_flow.services.registry import Registry
from community_flow.services.tracing import TOP, CaseView, NewCase, Tracing

DAY_MS = 24 * 3_600_000
OFFICIALS = (Role.OFFICIAL,)
READERS = (Role.OFFICIAL, Role.MANAGER, Role.STEWARD)
NOTICES = {
    "order.recorded": lazy_gettext("An order was recorded"),
    "order.ended": lazy_gettext("An order was ended"),
    "identities.opened": lazy_gettext("Identities were opened"),
}


class OrderForm(msgspec.Struct, frozen=True, kw_only=True):
    """Moments as UTC ms (programs) or as a day in the area's own time (forms)."""

    number: str
    basis: str
    area: str
    from_ms: int | None = None
    until_ms: int | None = None
    from_day: str | None = None
    until_day: str | None = None


class CaseForm(msgspec.Struct, frozen=True, kw_only=True):
    community: str
    purpose: str
    from_ms: int | None = None
    to_ms: int | None = None
    from_at: str | None = None
    to_at: str | None = None
    person: str | None = None
    name: str | None = None
    unit: str | None = None
    order: str | None = None
    least_min: int = 15
    queue_s: int = 30
    kinds: tuple[str, ...] = DEFAULT_KINDS
    source_case: str | None = None


class DecisionForm(msgspec.Struct, frozen=True, kw_only=True):
    pseudonym: str
    status: Literal["candidate", "contact", "cleared"]
    note: str | None = None


class OpeningForm(msgspec.Struct, frozen=True, kw_only=True):
    pseudonyms: tuple[str, ...] = ()
    reason: str = ""


class AnswerForm(msgspec.Struct, frozen=True, kw_only=True):
    agree: bool


class LookQuery(msgspec.Struct, frozen=True, kw_only=True):
    all: bool = False


def blueprint(tracing: Tracing, orders: Orders, registry: Registry, clock: Clock) -> Blueprint:
    bp = Blueprint("tracing", __name__)
    _Pages(tracing, orders, registry, clock).register(bp)
    _Json(tracing, orders, registry, clock).register(bp)
    return bp


class _Base:
    def __init__(self, tracing: Tracing, orders: Orders, registry: Registry, clock: Clock) -> None:
        self.tracing, self.orders, self.registry, self.clock = tracing, orders, registry, clock

    def communities(self) -> dict[str, Community]:
        with self.registry.db.read() as tx:
            return self.registry.communities(tx, current_scope())

    def words(self, case: Case) -> Words:
        with self.registry.db.read() as tx:
            scope = current_scope().narrowed(case.community)
            zones = {zone: data for (_, zone), data in self.registry.zones(tx, scope).items()}
            gates = {gate: data for (_, gate), data in self.registry.gates(tx, scope).items()}
        return Words(zones, gates)

    def look(self, case_id: str, everybody: bool) -> CaseView:
        view = self.tracing.look(current_scope(), current_account(), case_id, None if everybody else TOP)
        g.timezone = self.communities()[view.case.community].timezone
        return view

    def record(self) -> Order:
        form = parse(OrderForm, request)
        zone = ZoneInfo(next((each.timezone for each in self.communities().values()), "UTC"))
        from_ms = form.from_ms if form.from_ms is not None else _moment(form.from_day, zone, "from_day")
        until_ms = form.until_ms
        if until_ms is None:  # the last day is included
            until_ms = _moment(form.until_day, zone, "until_day") + DAY_MS
        wanted = NewOrder(number=form.number, basis=form.basis, area=form.area, from_ms=from_ms, until_ms=until_ms)
        return self.orders.record(current_scope(), current_account(), wanted)

    def open_case(self) -> Case:
        form = parse(CaseForm, request)
        community = self.communities().get(form.community)
        zone = ZoneInfo(community.timezone if community else "UTC")
        times = {
            "from_ms": form.from_ms if form.from_ms is not None else _moment(form.from_at, zone, "from_at"),
            "to_ms": form.to_ms if form.to_ms is not None else _moment(form.to_at, zone, "to_at"),
        }
        kept = {name: value for name, value in msgspec.structs.asdict(form).items() if not name.endswith("_at")}
        wanted = NewCase(**{**kept, **times})
        return self.tracing.open_case(current_scope(), current_account(), wanted)


class _Pages(_Base):
    def register(self, bp: Blueprint) -> None:
        one = "/cases/<case_id>"
        bp.add_url_rule("/cases", "page", self.page)
        bp.add_url_rule("/cases/new", "new", self.new)
        bp.add_url_rule("/cases", "open_case", self.make, methods=["POST"])
        bp.add_url_rule(one, "case", self.case)
        bp.add_url_rule(f"{one}/contacts.csv", "contacts_csv", self.contacts_csv)
        bp.add_url_rule(f"{one}/itinerary.csv", "itinerary_csv", self.itinerary_csv)
        bp.add_url_rule(f"{one}/decisions", "decide", self.decide, methods=["POST"])
        bp.add_url_rule(f"{one}/openings", "ask", self.ask, methods=["POST"])
        bp.add_url_rule(f"{one}/openings/<opening_id>", "answer", self.answer, methods=["POST"])
        bp.add_url_rule("/orders", "record", self.order, methods=["POST"])
        bp.add_url_rule("/orders/<order_id>/end", "end_order", self.end, methods=["POST"])

    @roles(*READERS)
    def page(self) -> str:
        return self._list()

    def _list(self, problem: FlowError | None = None, form: Any = None) -> str:
        scope, account = current_scope(), current_account()
        with self.registry.db.read() as tx:
            areas = self.registry.areas(tx)
        return render_template(
            "cases/list.html", cases=self.tracing.known(scope, account), orders=self.orders.known(scope),
            told=self.orders.told(scope), communities=self.communities(), areas=areas,
            own_areas={area: areas[area] for area in account.areas if area in areas}, now_ms=self.clock.now_ms(),
            notices=NOTICES, official=account.role is Role.OFFICIAL, problem=problem, form=form or {},
        )  # fmt: skip

    @roles(*OFFICIALS)
    def order(self) -> Any:
        try:
            order = self.record()
        except Invalid as problem:
            return self._list(problem, request.form), problem.status
        flash(gettext("Order %(number)s is recorded and the community is told.", number=order.number))
        return redirect(url_for("tracing.page"))

    @roles(*OFFICIALS)
    def end(self, order_id: str) -> Response:
        order = self.orders.end(current_scope(), current_account(), order_id)
        flash(gettext("Order %(number)s is ended. Tracing under it is closed.", number=order.number))
        return redirect(url_for("tracing.page"))

    @roles(*OFFICIALS)
    def new(self) -> str:
        return self._form(None, request.args)

    def _form(self, problem: FlowError | None, form: Any) -> str:
        communities = self.communities()
        now_ms = self.clock.now_ms()
        g.timezone = next((each.timezone for each in communities.values()), None)
        order = next(iter(self._own_orders(now_ms)), None)
        return render_template(
            "cases/new.html", communities=communities, order=order, problem=problem, form=form,
            chosen=form.getlist("kinds") or DEFAULT_KINDS, now_ms=now_ms, from_ms=now_ms - 7 * DAY_MS,
        )  # fmt: skip

    def _own_orders(self, now_ms: int) -> list[Order]:
        own = current_account().authority
        known = self.orders.known(current_scope())
        return [each for each in known if each.authority == own and each.in_force(now_ms)]

    @roles(*OFFICIALS)
    def make(self) -> Any:
        try:
            case = self.open_case()
        except Invalid as problem:
            return self._form(problem, request.form), problem.status
        return redirect(url_for("tracing.case", case_id=case.case_id))

    @roles(*OFFICIALS)
    def case(self, case_id: str) -> str:
        view = self.look(case_id, parse(LookQuery, request).all)
        communities = self.communities()
        zone = ZoneInfo(communities[view.case.community].timezone)
        return render_template(
            "cases/case.html", view=view, words=self.words(view.case), chart=drawn(view, zone),
            community=communities[view.case.community], account=current_account(),
            waiting=[each for each in view.openings if each.state == "asked"],
        )  # fmt: skip

    @roles(*OFFICIALS)
    def contacts_csv(self, case_id: str) -> Response:
        view = self.look(case_id, everybody=True)
        header = [
            gettext("Rank"), gettext("Person"), gettext("Name"), gettext("Unit"), gettext("Status"),
            gettext("Exposure"), gettext("Place"), gettext("From"), gettext("Certain until"), gettext("Possible until"),
            gettext("Certain minutes"), gettext("Possible minutes"), gettext("Certainty"),
        ]  # fmt: skip
        return csv_response(f"case-{view.case.number}-contacts", header, contact_rows(view, self.words(view.case)))

    @roles(*OFFICIALS)
    def itinerary_csv(self, case_id: str) -> Response:
        view = self.look(case_id, everybody=False)
        header = [gettext("Place"), gettext("Entered"), gettext("Left"), gettext("Certainty")]
        return csv_response(f"case-{view.case.number}-itinerary", header, stay_rows(view, self.words(view.case)))

    @roles(*OFFICIALS)
    def decide(self, case_id: str) -> Response:
        form = parse(DecisionForm, request)
        self.tracing.decide(current_scope(), current_account(), case_id, form.pseudonym, form.status, form.note)
        return redirect(url_for("tracing.case", case_id=case_id) + "#contacts")

    @roles(*OFFICIALS)
    def ask(self, case_id: str) -> Response:
        form = parse(OpeningForm, request)
        try:
            self.tracing.ask(current_scope(), current_account(), case_id, form.pseudonyms, form.reason)
            flash(gettext("Asked. A second official of your authority has to agree before any identity opens."))
        except FlowError as refused:
            flash(gettext(refused.remedy, **refused.values), "error")
        return redirect(url_for("tracing.case", case_id=case_id))

    @roles(*OFFICIALS)
    def answer(self, case_id: str, opening_id: str) -> Response:
        agree = parse(AnswerForm, request).agree
        self.tracing.answer(current_scope(), current_account(), case_id, opening_id, agree)
        flash(gettext("Opened, and the community is told.") if agree else gettext("Refused. Nothing was opened."))
        return redirect(url_for("tracing.case", case_id=case_id))


class _Json(_Base):
    def register(self, bp: Blueprint) -> None:
        one = "/v1/cases/<case_id>"
        bp.add_url_rule("/v1/orders", "orders_json", self.orders_listed)
        bp.add_url_rule("/v1/orders", "record_json", self.record_order, methods=["POST"])
        bp.add_url_rule("/v1/orders/<order_id>/end", "end_json", self.end, methods=["POST"])
        bp.add_url_rule("/v1/cases", "cases_json", self.listed)
        bp.add_url_rule("/v1/cases", "open_json", self.make, methods=["POST"])
        bp.add_url_rule(one, "case_json", self.case)
        bp.add_url_rule(f"{one}/decisions", "decide_json", self.decide, methods=["POST"])
        bp.add_url_rule(f"{one}/openings", "ask_json", self.ask, methods=["POST"])
        bp.add_url_rule(f"{one}/openings/<opening_id>", "answer_json", self.answer, methods=["POST"])

    @roles(*READERS)
    def orders_listed(self) -> Response:
        now_ms = self.clock.now_ms()
        return items([order_json(each, now_ms) for each in self.orders.known(current_scope())], None)

    @roles(*OFFICIALS)
    def record_order(self) -> Response:
        return json_response(order_json(self.record(), self.clock.now_ms()), 201)

    @roles(*OFFICIALS)
    def end(self, order_id: str) -> Response:
        ended = self.orders.end(current_scope(), current_account(), order_id)
        return json_response(order_json(ended, self.clock.now_ms()))

    @roles(*OFFICIALS)
    def listed(self) -> Response:
        cases: Sequence[Case] = self.tracing.known(current_scope(), current_account())
        return items([_head(case) for case in cases], None)

    @roles(*OFFICIALS)
    def make(self) -> Response:
        return json_response(_head(self.open_case()), 201)

    @roles(*OFFICIALS)
    def case(self, case_id: str) -> Response:
        view = self.look(case_id, parse(LookQuery, request).all)
        return json_response(case_json(view))

    @roles(*OFFICIALS)
    def decide(self, case_id: str) -> Response:
        form = parse(DecisionForm, request)
        self.tracing.decide(current_scope(), current_account(), case_id, form.pseudonym, form.status, form.note)
        return json_response({"case": case_id, "pseudonym": form.pseudonym, "status": form.status})

    @roles(*OFFICIALS)
    def ask(self, case_id: str) -> Response:
        form = parse(OpeningForm, request)
        opening = self.tracing.ask(current_scope(), current_account(), case_id, form.pseudonyms, form.reason)
        return json_response({"opening": opening.opening_id, "state": opening.state}, 201)

    @roles(*OFFICIALS)
    def answer(self, case_id: str, opening_id: str) -> Response:
        agree = parse(AnswerForm, request).agree
        opening = self.tracing.answer(current_scope(), current_account(), case_id, opening_id, agree)
        return json_response({"opening": opening.opening_id, "state": opening.state})


def _head(case: Case) -> dict[str, object]:
    return {
        "case": case.case_id, "number": case.number, "community": case.community, "order": case.order_id,
        "purpose": case.purpose, "from_ms": case.from_ms, "to_ms": case.to_ms, "least_min": case.least_min,
        "queue_s": case.queue_s, "kinds": case.kinds, "opened_ms": case.opened_ms, "source_case": case.source_case,
    }  # fmt: skip


def _moment(text: str | None, zone: ZoneInfo, field: str) -> int:
    """A form's day or minute in the community's time."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise Invalid("Give the time as a date and a time of day.", field=field) from error
    return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)
