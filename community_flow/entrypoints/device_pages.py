"""One device: how it is, what it is told, the picture to draw its line on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from msgspec import Meta
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain import device_state
from community_flow.domain.errors import Invalid
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.device_words import COUNTERS, KINDS, STATES, fault_words
from community_flow.entrypoints.devices import OFFICE, public
from community_flow.ports.devices import ConfigVersion
from community_flow.services.device_pictures import DevicePictures
from community_flow.services.device_settings import DeviceSettings
from community_flow.services.devices import Devices, DeviceState

MINUTE_MS = 60_000
Authors = Callable[[Scope], Mapping[str, str]]
"""Names of the accounts that the asker may see."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    document: dict[str, Any]
    after: Annotated[int, Meta(ge=0)]


class Form(msgspec.Struct, frozen=True, kw_only=True):
    document: Annotated[str, Meta(max_length=40_000)]
    after: Annotated[int, Meta(ge=0)]
    csrf_token: str = ""


class Back(msgspec.Struct, frozen=True, kw_only=True):
    version: Annotated[int, Meta(ge=1, lt=2**31)]
    csrf_token: str = ""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    minutes: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    csrf_token: str = ""


class Camera(msgspec.Struct, frozen=True):
    sensor: Annotated[int, Meta(ge=0, lt=100)] = 0


def blueprint(devices: Devices, settings: DeviceSettings, pictures: DevicePictures, authors: Authors) -> Blueprint:
    bp = Blueprint("device_pages", __name__)
    _page_routes(bp, devices, settings, authors)
    _config_routes(bp, devices, settings)
    _picture_routes(bp, pictures)
    return bp


def _page_routes(bp: Blueprint, devices: Devices, settings: DeviceSettings, authors: Authors) -> None:
    @bp.get("/devices/<device_id>")
    @roles(*OFFICE)
    def page(device_id: str) -> str:
        return _page(devices, settings, authors, device_id)

    @bp.post("/devices/<device_id>/settings")
    @roles(*OFFICE)
    def save(device_id: str) -> str | BaseResponse | tuple[str, int]:
        form = parse(Form, request)
        try:
            version = settings.save(current_scope(), device_id, _document(form.document), form.after)
        except Invalid as error:
            return _page(devices, settings, authors, device_id, form, error), 422
        flash(gettext("Version %(version)s is saved. The device takes it within a few seconds.", version=version))
        return _to(device_id)

    @bp.post("/devices/<device_id>/back")
    @roles(*OFFICE)
    def back(device_id: str) -> BaseResponse:
        wanted = parse(Back, request).version
        version = settings.back(current_scope(), device_id, wanted)
        flash(gettext("Version %(version)s brings back version %(earlier)s.", version=version, earlier=wanted))
        return _to(device_id)

    @bp.post("/devices/<device_id>/silence")
    @roles(*OFFICE)
    def silence(device_id: str) -> BaseResponse:
        _set_silence(settings, device_id)
        flash(gettext("Saved."))
        return _to(device_id)

    @bp.post("/devices/<device_id>/rotation")
    @roles(*OFFICE)
    def rotation(device_id: str) -> BaseResponse:
        settings.ask_rotation(current_scope(), device_id)
        flash(gettext("The device fetches a new token when it asks next. The old one ends then."))
        return _to(device_id)


def _config_routes(bp: Blueprint, devices: Devices, settings: DeviceSettings) -> None:
    @bp.get("/v1/devices/<device_id>")
    @roles(*OFFICE)
    def one(device_id: str) -> Response:
        """Tell how one device is, and what it should run and runs."""
        found, history = devices.one(current_scope(), device_id), settings.history(current_scope(), device_id)
        wanted = history[0].version if history else None
        return json_response({**public(found), "wanted": wanted, "silence_ms": _silence_ms(found)})

    @bp.get("/v1/devices/<device_id>/configs")
    @roles(*OFFICE)
    def configs(device_id: str) -> Response:
        """List the versions of a device's configuration, newest first."""
        return items(settings.history(current_scope(), device_id), None)

    @bp.post("/v1/devices/<device_id>/configs")
    @roles(*OFFICE)
    def add_config(device_id: str) -> Response:
        """Save a new version of a device's configuration."""
        wanted = parse(Saved, request)
        return json_response({"version": settings.save(current_scope(), device_id, wanted.document, wanted.after)}, 201)

    @bp.post("/v1/devices/<device_id>/configs/back")
    @roles(*OFFICE)
    def back_to(device_id: str) -> Response:
        """Bring back an earlier version, as a new one."""
        return json_response({"version": settings.back(current_scope(), device_id, parse(Back, request).version)}, 201)

    @bp.post("/v1/devices/<device_id>/silence")
    @roles(*OFFICE)
    def set_silence(device_id: str) -> Response:
        """Set how long a device may be silent; without minutes, as long as its kind may."""
        _set_silence(settings, device_id)
        return json_response({"device": device_id, "silence_ms": _silence_ms(devices.one(current_scope(), device_id))})

    @bp.post("/v1/devices/<device_id>/rotation")
    @roles(*OFFICE)
    def ask_rotation(device_id: str) -> Response:
        """Have a device fetch a new token by itself."""
        settings.ask_rotation(current_scope(), device_id)
        return json_response({"device": device_id}, 202)


def _picture_routes(bp: Blueprint, pictures: DevicePictures) -> None:
    # An administrator keeps the system and sees nobody: pictures are for the community's managers.
    @bp.post("/v1/devices/<device_id>/picture")
    @roles(Role.MANAGER)
    def ask(device_id: str) -> Response:
        """Ask a camera for one picture."""
        return json_response({"wish": pictures.ask(current_scope(), device_id, parse(Camera, request).sensor)}, 202)

    @bp.get("/v1/devices/<device_id>/picture/<wish>")
    @roles(Role.MANAGER)
    def picture(device_id: str, wish: str) -> Response:
        """Give the picture that was asked for: 202 until it is there, 404 a minute later."""
        found = pictures.look(current_scope(), device_id, wish)
        if found is None:
            return json_response({"state": "waiting"}, 202)
        if not found.jpeg:
            return json_response({"state": "refused", "reason": fault_words([found.reason])})
        return Response(found.jpeg, content_type="image/jpeg")


def _page(
    devices: Devices, settings: DeviceSettings, authors: Authors, device_id: str, form: Form | None = None,
    error: Invalid | None = None,
) -> str:  # fmt: skip
    scope = current_scope()
    each, history, places = devices.one(scope, device_id), settings.history(scope, device_id), devices.places(scope)
    gates = {gate: data.names for (where, gate), data in places[1].items() if where == each.community}
    mine = gates if each.gate is None else {gate: names for gate, names in gates.items() if gate == each.gate}
    return render_template(
        "devices/one.html",
        each=each,
        history=history,
        running=_running(each, history),
        authors=authors(scope),
        places=places,
        gates=mine,
        document=form.document
        if form
        else _text(history[0].document if history else settings.first_of(each.kind, each.gate)),
        after=form.after if form else history[0].version if history else 0,
        error=gettext(error.remedy) % error.values if error else None,
        told=each.kind in ("camera", "checkpoint", "beam", "gateway"),
        silence_ms=_silence_ms(each),
        default_ms=device_state.silence_of(each.kind, None),
        kinds=KINDS,
        states=STATES,
        counters=COUNTERS,
        fault_words=fault_words,
        may_look=scope.role is Role.MANAGER,
    )


def _running(each: DeviceState, history: list[ConfigVersion]) -> int | None:
    """The version that the device says it runs: by its status, or by the newest word on a version."""
    told = [one for one in history if one.outcome == "running"]
    newest = max(told, key=lambda one: one.outcome_ms or 0, default=None)
    if newest is not None:
        return newest.version
    return each.status.config or None if each.status and history else None


def _silence_ms(each: DeviceState) -> int:
    return device_state.silence_of(each.kind, each.status.silence_ms if each.status else None)


def _set_silence(settings: DeviceSettings, device_id: str) -> None:
    minutes = parse(Silence, request).minutes
    settings.set_silence(current_scope(), device_id, None if minutes is None else minutes * MINUTE_MS)


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("This is not JSON: %(why)s", field="document", why=str(error)) from error
    if not isinstance(found, dict):
        raise Invalid("This is not JSON: %(why)s", field="document", why="{…}")
    return found


def _text(document: Any) -> str:
    return json.dumps(document or {"sensor": []}, ensure_ascii=False, indent=2)


def _to(device_id: str) -> BaseResponse:
    return redirect(url_for("device_pages.page", device_id=device_id))
