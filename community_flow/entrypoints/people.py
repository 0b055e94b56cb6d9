"""People: list, one person, changes with dates; pages and JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from msgspec import Meta
from werkzeug.wrappers import Response

from community_flow.domain.errors import Invalid
from community_flow.domain.places import PassType
from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import cursor, items, json_response, parse, place
from community_flow.entrypoints.forms import choose_community, moment_ms, or_back
from community_flow.entrypoints.languages import LAST_MS
from community_flow.entrypoints.passes import KINDS
from community_flow.entrypoints.passes import STATUSES as PASS_STATUSES
from community_flow.entrypoints.problems import wants_json
from community_flow.ports.people import Found, Wanted
from community_flow.services.holds import HoldKind, Holds
from community_flow.services.keepers import Keepers
from community_flow.services.people import OFFICE, Line, People
from community_flow.services.places import Places
from community_flow.services.pseudonyms import Pseudonyms

PAGE = 50
EVERYDAY = "everyday"

TYPES = {
    "resident": lazy_gettext("Resident"),
    "frequent": lazy_gettext("Frequent guest"),
    "visitor": lazy_gettext("Visitor"),
    "carer": lazy_gettext("Carer"),
    "worker": lazy_gettext("Worker"),
    "anonymous": lazy_gettext("Without a name"),
}
HOLDS = {
    "isolation": lazy_gettext("Isolation"),
    "health": lazy_gettext("Health"),
    "office": lazy_gettext("Something to settle at the office"),
}
RELATIONS = {"household": lazy_gettext("same household"), "carer": lazy_gettext("carer")}
STATUSES = {
    "active": lazy_gettext("lives here"),
    "moved_out": lazy_gettext("moved out"),
    "merged": lazy_gettext("merged"),
}

Text = Annotated[str, Meta(max_length=200)]
Statuses = Literal["active", "moved_out", "merged", "all"]


class Search(msgspec.Struct, frozen=True, kw_only=True):
    community: Text | None = None
    q: Text = ""
    unit: Text | None = None
    building: Text | None = None
    type: PassType | None = None
    status: Statuses = "active"
    cursor: Text | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = PAGE


class NewPerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The closed list of fields: a request with any other is refused."""

    name: Text
    community: Text | None = None
    phone: Text = ""
    unit: Text = ""
    type: PassType = "resident"
    note: Annotated[str, Meta(max_length=500)] = ""
    csrf_token: str = ""

    def resident(self) -> Resident:
        return Resident(name=self.name, phone=self.phone, unit=self.unit, type=self.type, note=self.note)


class Dated(msgspec.Struct, frozen=True, kw_only=True):
    """From when a change holds: milliseconds (programs) or a local date (forms); now when neither is given."""

    unit: Text = ""
    into: Text = ""
    name: Text = ""
    phone: Text = ""
    passes: tuple[str, ...] = ()
    from_ms: Annotated[int, Meta(ge=0, le=LAST_MS)] | None = None
    date: Text = ""
    csrf_token: str = ""


class HoldForm(msgspec.Struct, frozen=True, kw_only=True):
    kind: HoldKind
    until_ms: Annotated[int, Meta(ge=0, le=LAST_MS)] | None = None
    until: Text = ""
    csrf_token: str = ""


def blueprint(people: People, holds: Holds, places: Places, pseudonyms: Pseudonyms, keepers: Keepers) -> Blueprint:
    bp = Blueprint("people", __name__)
    _pages(bp, people, places, keepers)
    _json(bp, people, places, pseudonyms)
    _changes(bp, people, places)
    _records(bp, people, places)
    _hold_routes(bp, people, holds, places)
    return bp


def _pages(bp: Blueprint, people: People, places: Places, keepers: Keepers) -> None:
    @bp.get("/people")
    @roles(*OFFICE)
    def page() -> str:
        asked = parse(Search, request)
        communities, chosen = choose_community(places, current_scope(), asked.community)
        after = _after(asked.cursor)
        wanted = _wanted(asked)
        lines, total = people.search(current_scope().narrowed(chosen or ""), wanted, after=after, limit=PAGE)
        return render_template(
            "people/list.html", communities=communities, chosen=chosen, lines=lines, total=total, asked=asked,
            after=after, types=TYPES, statuses=STATUSES, buildings=_buildings(places, chosen),
            next_cursor=cursor(after + PAGE) if after + PAGE < total else None,
        )  # fmt: skip

    @bp.get("/people/<person>")
    @roles(*OFFICE)
    def one(person: str) -> str:
        opened = people.look(current_scope(), person)
        choose_community(places, current_scope(), opened.found.community)
        return render_template(
            "people/person.html", page=opened, found=opened.found, types=TYPES, holds=HOLDS, statuses=STATUSES,
            looks=people.who_looked(current_scope(), person), household=_neighbours(people, opened.found),
            communities=choose_community(places, current_scope(), opened.found.community)[0],
            community=opened.found.community, now_ms=people.clock.now_ms(), pass_kinds=KINDS,
            pass_statuses=PASS_STATUSES, keepings=keepers.about(current_scope(), person), relations=RELATIONS,
        )  # fmt: skip

    @bp.get("/people/new")
    @roles(*OFFICE)
    def new() -> str:
        communities, chosen = choose_community(places, current_scope(), request.args.get("community"))
        return _form(communities, chosen, NewPerson(name=""), None)

    @bp.post("/people/new")
    @roles(*OFFICE)
    def make() -> Response | str:
        form = parse(NewPerson, request)
        communities, chosen = choose_community(places, current_scope(), form.community)
        try:
            person = people.add(current_scope(), form.community or chosen or "", form.resident())
        except Invalid as refused:
            return _form(communities, chosen, form, refused)
        flash(gettext("%(name)s was added.", name=form.name.strip()))
        return redirect(url_for("people.one", person=person), 303)


def _json(bp: Blueprint, people: People, places: Places, pseudonyms: Pseudonyms) -> None:
    @bp.get("/v1/people")
    @roles(Role.STEWARD, *OFFICE)
    def listed() -> Response:
        asked, scope = parse(Search, request), current_scope()
        scope, after = scope.narrowed(asked.community), _after(asked.cursor)
        if scope.role in OFFICE:
            found, total = people.look_at_all(scope, _wanted(asked), after=after, limit=asked.limit)
            rows = [named(each) for each in found]
        else:
            # A steward cannot look for a name: a search that answers yes or no would give it away.
            nameless = Wanted(unit=asked.unit, types=_wanted(asked).types)
            lines, total = people.search(scope, nameless, after=after, limit=asked.limit)
            rows = _pseudonymous(people, pseudonyms, lines)
        following = after + asked.limit
        return items(rows, cursor(following) if following < total else None)

    @bp.post("/v1/people")
    @roles(*OFFICE)
    def add() -> Response:
        form = parse(NewPerson, request)
        _, chosen = choose_community(places, current_scope(), form.community)
        person = people.add(current_scope(), form.community or chosen or "", form.resident())
        return json_response({"person": person}, 201)

    @bp.get("/v1/people/<person>")
    @roles(*OFFICE)
    def look(person: str) -> Response:
        return json_response(named(people.look(current_scope(), person).found))


def _changes(bp: Blueprint, people: People, places: Places) -> None:
    @bp.patch("/v1/people/<person>")
    @bp.post("/people/<person>/correct")
    @roles(*OFFICE)
    @or_back
    def correct(person: str) -> Response:
        people.correct(current_scope(), person, parse(NewPerson, request).resident())
        return _done(person, gettext("The changes are kept."))

    @bp.post("/v1/people/<person>/move")
    @bp.post("/people/<person>/move")
    @roles(*OFFICE)
    @or_back
    def move(person: str) -> Response:
        form = parse(Dated, request)
        if not form.unit.strip():
            raise Invalid("Say which unit it is, for example 7-3-1102.", field="unit")
        people.move(current_scope(), person, form.unit, _from_ms(people, places, person, form))
        return _done(person, gettext("The move is recorded."))

    @bp.post("/v1/people/<person>/move-out")
    @bp.post("/people/<person>/move-out")
    @roles(*OFFICE)
    @or_back
    def move_out(person: str) -> Response:
        form = parse(Dated, request)
        people.move_out(current_scope(), person, _from_ms(people, places, person, form))
        return _done(person, gettext("The move-out is recorded; every pass ends then."))


def _records(bp: Blueprint, people: People, places: Places) -> None:
    """Two records that are one person, one that is two, and one that is to be forgotten."""

    @bp.post("/v1/people/<person>/merge")
    @bp.post("/people/<person>/merge")
    @roles(*OFFICE)
    @or_back
    def merge(person: str) -> Response:
        form = parse(Dated, request)
        people.merge(current_scope(), person, form.into.strip(), _from_ms(people, places, person, form))
        return _done(form.into.strip(), gettext("The two records are one now."))

    @bp.post("/v1/people/<person>/split")
    @bp.post("/people/<person>/split")
    @roles(*OFFICE)
    @or_back
    def split(person: str) -> Response:
        form = parse(Dated, request)
        new = Resident(name=form.name, phone=form.phone, unit=form.unit)
        made = people.split(current_scope(), person, form.passes, new, _from_ms(people, places, person, form))
        return _done(made, gettext("The chosen passes belong to a person of their own now."))

    @bp.post("/v1/people/<person>/erase")
    @bp.post("/people/<person>/erase")
    @roles(*OFFICE)
    @or_back
    def erase(person: str) -> Response:
        people.erase(current_scope(), person)
        return _done(person, gettext("Name, telephone and note are erased."))


def _hold_routes(bp: Blueprint, people: People, holds: Holds, places: Places) -> None:
    @bp.get("/v1/people/<person>/hold")
    @roles(Role.GUARD, Role.STEWARD, *OFFICE)
    def reason(person: str) -> Response:
        return json_response({"hold": holds.hold_reason(current_scope(), person)})

    @bp.post("/v1/people/<person>/hold")
    @bp.post("/people/<person>/hold")
    @roles(*OFFICE)
    @or_back
    def hold(person: str) -> Response:
        form = parse(HoldForm, request)
        until_ms = form.until_ms
        if until_ms is None and form.until:
            until_ms = moment_ms(form.until, _timezone(people, places, person))
        holds.hold(current_scope(), person, form.kind, until_ms)
        return _done(person, gettext("Gates now send this person to the desk, without saying why."))

    @bp.post("/v1/people/<person>/release")
    @bp.post("/people/<person>/release")
    @roles(*OFFICE)
    @or_back
    def release(person: str) -> Response:
        holds.release(current_scope(), person)
        return _done(person, gettext("The hold has ended."))


def named(found: Found) -> dict[str, Any]:
    """A person as the office sees one."""
    row = found.row
    return {
        "person": found.person, "community": found.community, "name": row.name if row else None,
        "phone": row.phone if row else None, "note": row.note if row else None, "unit": found.unit,
        "household": found.state.household, "building": found.household.building if found.household else None,
        "type": found.state.type, "status": found.state.status, "merged_into": found.state.merged_into,
        "erased_ms": row.erased_ms if row else None,
    }  # fmt: skip


def _pseudonymous(people: People, pseudonyms: Pseudonyms, lines: list[Line]) -> list[dict[str, Any]]:
    """People as a steward sees them: no name, no telephone, no door."""
    with people.db.read() as tx:
        return [
            {
                "person": pseudonyms.of(tx, line.found.community, EVERYDAY, line.person),
                "community": line.found.community,
                "building": line.found.household.building if line.found.household else None,
                "type": line.found.state.type,
                "status": line.found.state.status,
            }
            for line in lines
        ]


def _wanted(asked: Search) -> Wanted:
    return Wanted(
        text=asked.q.strip(),
        unit=asked.unit,
        buildings=frozenset({asked.building}) if asked.building else None,
        types=frozenset({asked.type}) if asked.type else None,
        statuses=frozenset(STATUSES) if asked.status == "all" else frozenset({asked.status}),
    )


def _after(text: str | None) -> int:
    """How many lines came before; raises Invalid for a cursor that we did not make."""
    parts = place(text) or [0]
    if len(parts) != 1 or not isinstance(parts[0], int) or parts[0] < 0:
        raise Invalid("This cursor was not made here: start from the first page.", field="cursor")
    return parts[0]


def _buildings(places: Places, chosen: str | None) -> dict[str, Any]:
    scope = current_scope().narrowed(chosen or "")
    return {zone: state for _, zone, state in places.all(scope, "zone") if state.kind in ("building", "home")}


def _neighbours(people: People, found: Found) -> list[Line]:
    """The others of the household, masked."""
    if not found.unit:
        return []
    lines, _ = people.search(current_scope().narrowed(found.community), Wanted(unit=found.unit))
    return [line for line in lines if line.person != found.person]


def _from_ms(people: People, places: Places, person: str, form: Dated) -> int:
    from_ms = form.from_ms
    if from_ms is None and form.date:
        from_ms = moment_ms(form.date, _timezone(people, places, person))
    return people.clock.now_ms() if from_ms is None else from_ms


def _timezone(people: People, places: Places, person: str) -> str:
    scope = current_scope()
    with people.db.read() as tx:
        community = people.found(tx, scope, person).community
    return choose_community(places, scope, community)[0][community].timezone


def _done(person: str, said: str) -> Response:
    if wants_json():
        return json_response({"person": person})
    flash(said)
    return redirect(url_for("people.one", person=person), 303)


def _form(communities: dict[str, Any], chosen: str | None, form: NewPerson, refused: Invalid | None) -> str:
    error = gettext(refused.remedy, **refused.values) if refused else None
    return render_template(
        "people/new.html", communities=communities, chosen=chosen, form=form, types=TYPES, error=error,
        wrong=refused.field if refused else None,
    )  # fmt: skip
