"""Areas, communities, zones, gates, grids: JSON, and the set-up page that makes them one after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from msgspec import Meta
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from community_flow.domain.errors import Invalid
from community_flow.domain.places import OUTSIDE, Zone
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.access import STAFF, current_scope, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.forms import choose_community, moment_ms, or_back
from community_flow.entrypoints.languages import LAST_MS
from community_flow.ports import Clock
from community_flow.services.people import OFFICE
from community_flow.services.places import Places

KINDS = {"areas": "area", "communities": "community", "zones": "zone", "gates": "gate", "grids": "grid"}
RENAMED = {"gate": {"inner": "inner_zone", "outer": "outer_zone"}}
"""Where the contract's field is called otherwise than the journal's."""

ZONE_KINDS = {
    "compound": lazy_gettext("Compound"),
    "building": lazy_gettext("Building"),
    "home": lazy_gettext("House"),
    "room": lazy_gettext("Room"),
    "hall": lazy_gettext("Hall"),
    "open_air": lazy_gettext("Open air"),
}
PASSINGS = {
    "scanned": lazy_gettext("passes are scanned"),
    "counted": lazy_gettext("people are counted"),
    "free": lazy_gettext("free, nobody looks"),
}
LANES = {"foot": lazy_gettext("on foot"), "bike": lazy_gettext("by bicycle"), "vehicle": lazy_gettext("by car")}
PASSBACKS = {
    "off": lazy_gettext("let in without a word"),
    "soft": lazy_gettext("let in and note it"),
    "hard": lazy_gettext("ask the guard to check"),
}
MOST_BUILDINGS = 60

Text = Annotated[str, Meta(max_length=100)]


class CommunityForm(msgspec.Struct, frozen=True, kw_only=True):
    community: Text = ""
    zh: Text = ""
    en: Text = ""
    area_zh: Text = ""
    area_en: Text = ""
    area: Text = ""
    timezone: Text = "Asia/Shanghai"
    language: Annotated[str, Meta(pattern="^(zh|en)$")] = "zh"
    cutoff_hour: Annotated[int, Meta(ge=0, le=12)] = 0
    buildings: Annotated[int, Meta(ge=0, le=MOST_BUILDINGS)] = 0
    csrf_token: str = ""


class TelephoneForm(msgspec.Struct, frozen=True, kw_only=True):
    telephone: Text = ""
    csrf_token: str = ""


class ZoneForm(msgspec.Struct, frozen=True, kw_only=True):
    zh: Text = ""
    en: Text = ""
    kind: Text = "room"
    parent: Text = ""
    capacity: int | None = None
    stay_min: int | None = None
    closes_at: Text = ""
    date: Text = ""
    csrf_token: str = ""


class GateForm(msgspec.Struct, frozen=True, kw_only=True):
    zh: Text = ""
    en: Text = ""
    inner: Text = ""
    outer: Text = OUTSIDE
    entries: Text = "scanned"
    exits: Text = "scanned"
    lane: Text = "foot"
    passback: Text = "soft"
    dedup_window_s: int = 30
    walk: Text = ""
    date: Text = ""
    csrf_token: str = ""


class GridForm(msgspec.Struct, frozen=True, kw_only=True):
    zh: Text = ""
    en: Text = ""
    zones: tuple[str, ...] = ()
    csrf_token: str = ""


@dataclass(frozen=True)
class Step:
    """One step of setting up and whether it is done."""

    key: str
    done: bool


def blueprint(places: Places, clock: Clock) -> Blueprint:
    bp = Blueprint("places", __name__)
    for plural, kind in KINDS.items():
        _json(bp, places, plural, kind)
    _page(bp, places, clock)
    _community_form(bp, places)
    _inner_forms(bp, places)
    return bp


def _json(bp: Blueprint, places: Places, plural: str, kind: str) -> None:
    top = kind in ("area", "community")
    may_write = (Role.ADMIN,) if top else OFFICE

    @bp.get(f"/v1/{plural}", endpoint=f"list_{plural}")
    @roles(*STAFF)
    def listed() -> Response:
        scope = current_scope().narrowed(request.args.get("community"))
        return items([_public(kind, *each) for each in places.all(scope, kind)], None)

    @bp.post(f"/v1/{plural}", endpoint=f"add_{plural}")
    @roles(*may_write)
    def add() -> Response:
        community, entity, fields, from_ms = _body(kind)
        if not entity:
            raise Invalid("Give the new place an id, for example east-gate.", field="id")
        places.add(current_scope(), kind, community, entity, fields, from_ms)
        return json_response({kind: entity}, 201)

    path = f"/v1/{plural}/<entity>" if top else f"/v1/{plural}/<community>/<entity>"

    @bp.patch(path, endpoint=f"change_{plural}")
    @roles(*may_write)
    def change(entity: str, community: str | None = None) -> Response:
        _, _, fields, from_ms = _body(kind)
        where = {"area": "", "community": entity}.get(kind, community or "")
        places.change(current_scope(), kind, where, entity, fields, from_ms)
        return json_response({kind: entity})


def _page(bp: Blueprint, places: Places, clock: Clock) -> None:
    @bp.get("/setup")
    @roles(*OFFICE)
    def page() -> str:
        scope = current_scope()
        communities, chosen = choose_community(places, scope, request.args.get("community"))
        mine = scope.narrowed(chosen or "")
        zones = {zone: state for _, zone, state in places.all(mine, "zone")}
        gates = {gate: state for _, gate, state in places.all(mine, "gate")}
        devices = [device for _, device, state in places.all(mine, "device") if state.status == "active"]
        return render_template(
            "setup/page.html", communities=communities, chosen=chosen, zones=zones, gates=gates,
            grids={grid: state for _, grid, state in places.all(mine, "grid")}, devices=devices,
            areas={area: state for _, area, state in places.all(scope, "area")},
            steps=[Step("community", chosen is not None), Step("zones", bool(zones)), Step("gates", bool(gates)),
                   Step("devices", bool(devices))],
            tree=_tree(zones), zone_kinds=ZONE_KINDS, passings=PASSINGS, lanes=LANES, passbacks=PASSBACKS,
            outside=OUTSIDE, timezone=current_app.config["BABEL_TIMEZONE"], may_add=scope.role is Role.ADMIN,
            adding=request.args.get("new") is not None or chosen is None, devices_page=_devices_page(),
        )  # fmt: skip


def _community_form(bp: Blueprint, places: Places) -> None:
    @bp.post("/setup/community")
    @roles(Role.ADMIN)
    @or_back
    def add_community() -> Response:
        form = parse(CommunityForm, request)
        names = _names(form.zh, form.en)
        known = {community for community, _, _ in places.all(current_scope(), "community")}
        community = _slug(form.community or form.en, "community", known)
        with places.db.write() as tx:
            scope = current_scope()
            area = form.area
            if not area:
                area_names = _names(form.area_zh, form.area_en) if form.area_zh or form.area_en else names
                area = _slug(form.area_en, "area", set(places.registry.areas(tx)))
                places.add_in(tx, scope, "area", "", area, {"names": area_names})
            about = {
                "names": names, "area": area, "timezone": form.timezone.strip(), "language": form.language,
                "cutoff_hour": form.cutoff_hour,
            }  # fmt: skip
            places.add_in(tx, scope, "community", community, community, about)
            _first_zones(places, tx, community, form.buildings)
        flash(gettext("The community is there. Now its zones and gates."))
        return redirect(url_for("places.page", community=community), 303)

    @bp.post("/setup/<community>/about")
    @roles(Role.ADMIN)
    @or_back
    def change_community(community: str) -> Response:
        form = parse(CommunityForm, request)
        fields = {
            "names": _names(form.zh, form.en), "timezone": form.timezone.strip(), "language": form.language,
            "cutoff_hour": form.cutoff_hour,
        }  # fmt: skip
        places.change(current_scope(), "community", community, community, fields)
        return _kept(community)

    @bp.post("/setup/<community>/telephone")
    @roles(*OFFICE)
    @or_back
    def set_telephone(community: str) -> Response:
        places.set_telephone(current_scope(), community, parse(TelephoneForm, request).telephone)
        return _kept(community)


def _inner_forms(bp: Blueprint, places: Places) -> None:
    forms: dict[str, tuple[Any, Any]] = {
        "zone": (ZoneForm, _zone_fields), "gate": (GateForm, _gate_fields), "grid": (GridForm, _grid_fields),
    }  # fmt: skip

    @bp.post("/setup/<community>/<any(zone, gate, grid):kind>")
    @roles(*OFFICE)
    @or_back
    def add(community: str, kind: str) -> Response:
        shape, fields_of = forms[kind]
        form = parse(shape, request)
        known = {entity for where, entity, _ in places.all(current_scope(), kind) if where == community}
        places.add(current_scope(), kind, community, _slug(form.en, kind, known), fields_of(form))
        return _kept(community)

    @bp.post("/setup/<community>/<any(zone, gate, grid):kind>/<entity>")
    @roles(*OFFICE)
    @or_back
    def change(community: str, kind: str, entity: str) -> Response:
        shape, fields_of = forms[kind]
        form = parse(shape, request)
        communities, _ = choose_community(places, current_scope(), community)
        timezone = communities[community].timezone if community in communities else "UTC"
        from_ms = moment_ms(getattr(form, "date", ""), timezone)
        places.change(current_scope(), kind, community, entity, fields_of(form), from_ms)
        return _kept(community)

    @bp.post("/setup/<community>/<any(zone, gate, grid):kind>/<entity>/close")
    @roles(*OFFICE)
    @or_back
    def close(community: str, kind: str, entity: str) -> Response:
        places.end(current_scope(), kind, community, entity)
        return _kept(community)


def _first_zones(places: Places, tx: Any, community: str, count: int) -> None:
    """The compound and its numbered buildings, which nearly every community begins with."""
    system = Scope.system({community})
    compound = Zone(names={"zh": "小区", "en": "Compound"}, kind="compound")
    places.add_in(tx, system, "zone", community, "compound", compound)
    places.add_buildings(tx, system, community, [str(number) for number in range(1, count + 1)])


def _zone_fields(form: ZoneForm) -> dict[str, Any]:
    return {
        "names": _names(form.zh, form.en), "kind": form.kind, "parent": form.parent or None, "capacity": form.capacity,
        "longest_stay_s": None if form.stay_min is None else form.stay_min * 60, "closes_at": form.closes_at or None,
    }  # fmt: skip


def _gate_fields(form: GateForm) -> dict[str, Any]:
    return {
        "names": _names(form.zh, form.en), "inner": form.inner, "outer": form.outer, "entries": form.entries,
        "exits": form.exits, "lane": form.lane, "passback": form.passback, "dedup_window_s": form.dedup_window_s,
        "walk": _walk(form.walk),
    }  # fmt: skip


def _grid_fields(form: GridForm) -> dict[str, Any]:
    return {"names": _names(form.zh, form.en), "zones": form.zones}


def _walk(text: str) -> dict[str, int]:
    """west 240, clinic 90 -> seconds by gate; raises Invalid."""
    walks = {}
    for part in filter(None, (each.strip() for each in re.split(r"[,，;；]", text))):
        found = re.fullmatch(r"([a-z0-9-]+)[\s:：=]+([0-9]{1,5})", part)
        if found is None:
            raise Invalid("Write walking times like west 240, clinic 90: the gate's id and seconds.", field="walk")
        walks[found.group(1)] = int(found.group(2))
    return walks


def _names(zh: str, en: str) -> dict[str, str]:
    names = {language: name.strip() for language, name in (("zh", zh), ("en", en)) if name.strip()}
    if not names:
        raise Invalid("Give a name in Chinese (zh) or in English (en).", field="names")
    return names


def _slug(english: str, kind: str, known: set[str]) -> str:
    """An id out of the English name, else kind-2, kind-3 …: nobody has to invent one."""
    base = re.sub(r"[^a-z0-9]+", "-", english.lower()).strip("-")[:32] or kind
    if base not in known and (english or kind not in known) and base != OUTSIDE:
        return base
    return next(f"{base}-{number}" for number in range(2, 10_000) if f"{base}-{number}" not in known)


def _kept(community: str) -> Response:
    flash(gettext("Kept."))
    return redirect(url_for("places.page", community=community), 303)


def _tree(zones: Mapping[str, Zone]) -> list[tuple[int, str, Zone]]:
    """Zones in the order of a tree with their depth."""
    found: list[tuple[int, str, Zone]] = []

    def below(parent: str | None, depth: int) -> None:
        for zone, state in zones.items():
            if (state.parent if state.parent in zones else None) == parent:
                found.append((depth, zone, state))
                below(zone, depth + 1)

    below(None, 0)
    return found


def _devices_page() -> bool:
    try:
        current_app.url_map.bind("").match("/devices", method="GET")
    except HTTPException:
        return False
    return True


def _public(kind: str, community: str, entity: str, state: Any) -> dict[str, Any]:
    renamed = RENAMED.get(kind, {})
    fields = {renamed.get(name, name): getattr(state, name) for name in state.__struct_fields__}
    if kind == "area":
        return {"area": entity, **fields}
    if kind == "community":
        return {"community": entity, **fields}
    return {kind: entity, "community": community, **fields}


def _body(kind: str) -> tuple[str, str, dict[str, Any], int | None]:
    """(community, id, fields, from_ms) of a JSON body in the contract's names; raises Invalid."""
    try:
        body = msgspec.json.decode(request.get_data(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Invalid("The request cannot be used: %(why)s.", why=str(error)) from error
    back = {public: inner for inner, public in RENAMED.get(kind, {}).items()}
    entity = body.pop(kind, "") if kind != "community" else body.get("community", "")
    community = body.pop("community", "")
    from_ms = body.pop("from_ms", None)
    if not isinstance(entity, str) or not isinstance(community, str):
        raise Invalid("An id has 1-40 small letters, digits and hyphens, for example east-gate.", field="id")
    if from_ms is not None and (
        not isinstance(from_ms, int) or isinstance(from_ms, bool) or not 0 <= from_ms <= LAST_MS
    ):
        raise Invalid("from_ms is a whole number of milliseconds since 1970.", field="from_ms")
    return community, entity, {back.get(name, name): value for name, value in body.items()}, from_ms
