"""Devices: the page, the operator's JSON, and what devices themselves call (claim, config)."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from msgspec import Meta
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain.errors import TooMany
from community_flow.domain.places import Community, DeviceKind, Gate
from community_flow.domain.scope import Role
from community_flow.entrypoints.access import current_scope, device, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.problems import Problem
from community_flow.ports import Clock
from community_flow.ports.ingest import Limits, Trusted
from community_flow.services.devices import GATELESS, ClaimCode, Devices, DeviceState
from community_flow.services.ingest import NO_TIME
from community_flow.services.ingest_keys import IngestKeys
from community_flow.services.trust import Trust

OFFICE = (Role.MANAGER, Role.ADMIN)
WATCHERS = (Role.GUARD, Role.STEWARD, *OFFICE)

Text = Annotated[str, Meta(max_length=100)]
Places = tuple[dict[str, Community], dict[tuple[str, str], Gate]]

STATES = {  # state: (words, tone of the pill)
    "ok": (lazy_gettext("working"), "green"),
    "late": (lazy_gettext("late"), "orange"),
    "down": (lazy_gettext("silent"), "red"),
    "never": (lazy_gettext("not set up yet"), "quiet"),
    "skewed": (lazy_gettext("clock is wrong"), "orange"),
    "mismatch": (lazy_gettext("contradicts itself"), "red"),
    "fault": (lazy_gettext("reports a fault"), "orange"),
    "revoked": (lazy_gettext("revoked"), "quiet"),
}
COUNTERS = {
    "in": lazy_gettext("counted in"),
    "out": lazy_gettext("counted out"),
    "scans": lazy_gettext("scans"),
    "visitors": lazy_gettext("visitors"),
    "readings": lazy_gettext("readings"),
}
"""What a device tells sums of."""
KINDS = {
    "gate_phone": lazy_gettext("Gate phone"),
    "camera": lazy_gettext("Camera"),
    "checkpoint": lazy_gettext("Scanner"),
    "beam": lazy_gettext("Beam counter"),
    "office": lazy_gettext("Office entry"),
    "gateway": lazy_gettext("Gateway"),
}


class NewDevice(msgspec.Struct, frozen=True, kw_only=True):
    community: Text
    kind: DeviceKind
    gate: Text | None = None
    name: Text | None = None
    csrf_token: str = ""


class Claimed(msgspec.Struct, frozen=True):
    code: Text


def blueprint(
    devices: Devices, trust: Trust, keys: IngestKeys, limits: Limits, clock: Clock,
    knows_time: Callable[[], bool], mqtt: str | None = None,
) -> Blueprint:  # fmt: skip
    bp = Blueprint("devices", __name__)
    _page_routes(bp, devices)
    _operator_routes(bp, devices)
    _device_routes(bp, devices, trust, keys, limits, clock, lambda: clock.now_ms() if knows_time() else NO_TIME, mqtt)
    return bp


def _page_routes(bp: Blueprint, devices: Devices) -> None:
    @bp.get("/devices")
    @roles(*WATCHERS)
    def page() -> str:
        return _page(devices)

    @bp.post("/devices")
    @roles(*OFFICE)
    def add() -> str:
        wanted = parse(NewDevice, request)
        gate = None if wanted.kind in GATELESS else wanted.gate
        code = devices.invite(current_scope(), wanted.community, wanted.kind, gate, names=_names(wanted.name))
        return _page(devices, code)

    @bp.post("/devices/<device_id>/code")
    @roles(*OFFICE)
    def code(device_id: str) -> str:
        return _page(devices, devices.new_code(current_scope(), device_id))

    @bp.post("/devices/<device_id>/revoke")
    @roles(*OFFICE)
    def revoke(device_id: str) -> BaseResponse:
        devices.revoke(current_scope(), device_id)
        flash(gettext("The device is revoked. What it reported stays."))
        return redirect(url_for("devices.page"))

    @bp.post("/devices/<device_id>/checked")
    @roles(*OFFICE)
    def checked(device_id: str) -> BaseResponse:
        devices.clear_mismatch(current_scope(), device_id)
        return redirect(url_for("devices.page"))


def _operator_routes(bp: Blueprint, devices: Devices) -> None:
    @bp.get("/v1/devices")
    @roles(*WATCHERS)
    def listed() -> Response:
        scope = current_scope().narrowed(request.args.get("community"))
        return items([_public(each) for each in devices.list(scope)], None)

    @bp.post("/v1/devices")
    @roles(*OFFICE)
    def enrol() -> Response:
        wanted = parse(NewDevice, request)
        made = devices.enrol(current_scope(), wanted.community, wanted.kind, wanted.gate, names=_names(wanted.name))
        return json_response({"device": made.device, "token": made.token}, 201)

    @bp.post("/v1/devices/<device_id>/rotate")
    @roles(*OFFICE)
    def rotate(device_id: str) -> Response:
        made = devices.rotate(current_scope(), device_id)
        return json_response({"device": made.device, "token": made.token})

    @bp.post("/v1/devices/<device_id>/code")
    @roles(*OFFICE)
    def new_code(device_id: str) -> Response:
        return json_response(devices.new_code(current_scope(), device_id))

    @bp.post("/v1/devices/<device_id>/revoke")
    @roles(*OFFICE)
    def end(device_id: str) -> Response:
        devices.revoke(current_scope(), device_id)
        return json_response({"device": device_id, "state": "revoked"})


def _device_routes(
    bp: Blueprint, devices: Devices, trust: Trust, keys: IngestKeys, limits: Limits, clock: Clock,
    server_ms: Callable[[], int], mqtt: str | None,
) -> None:  # fmt: skip
    # Where the same reports may go over MQTT, with the device's id and its token.
    broker = {} if mqtt is None else {"mqtt": mqtt}

    @bp.post("/v1/device/claim")
    @device
    def claim() -> Response:
        # A code has 31^10 values and fifteen minutes; a handful of tries a minute never finds one.
        wait_s = limits.wait_s(f"claim:{request.remote_addr}", 1, clock.now_ms())
        if wait_s > 0:
            raise TooMany("Too many codes were tried: wait a minute.", retry_s=max(1, round(wait_s)))
        made = devices.claim(parse(Claimed, request).code)
        return json_response({"device": made.device, "token": made.token, "community": made.community, **broker})

    @bp.get("/v1/device/config")
    @device
    def config() -> Response:
        found, (kid, public) = devices.config(_trusted(trust)), keys.public()
        return json_response(
            {
                "device": found.device,
                "community": found.community,
                "uid": found.uid.hex(),
                "kind": found.kind,
                "names": found.names,
                "gates": found.gates,
                "timezone": found.about.timezone,
                "language": found.about.language,
                "ingest": {"kid": kid, "key": _base64(public)},
                "config": found.version,
                **broker,
                "server_ms": server_ms(),
            }
        )


def _trusted(trust: Trust) -> Trusted:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    found = trust.of_token(token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise Problem(401, "untrusted-device", "This device is not trusted.", "Enrol it, then claim a new token.")
    return found


def _page(devices: Devices, code: ClaimCode | None = None) -> str:
    scope = current_scope()
    address = url_for("devices.page", _external=True).removesuffix("/devices")
    places = devices.places(scope)
    return render_template(
        "devices/page.html",
        devices=devices.list(scope),
        places=places,
        gate_choices=_gate_choices(places),
        kinds=KINDS,
        counters=COUNTERS,
        states=STATES,
        office=scope.role in OFFICE,
        code=code,
        address=address,
        qr=qr_svg(f"{address}/gate#claim={code.code}") if code else None,
    )


def _gate_choices(places: Places) -> dict[str, list[tuple[str, Gate]]]:
    found: dict[str, list[tuple[str, Gate]]] = {community: [] for community in places[0]}
    for (community, gate), data in places[1].items():
        found.setdefault(community, []).append((gate, data))
    return found


def _public(each: DeviceState) -> dict[str, Any]:
    status = each.status
    return {
        "device": each.device,
        "community": each.community,
        "gate": each.gate,
        "kind": each.kind,
        "names": each.names,
        "state": each.state,
        "last_ms": (status.last_ms or None) if status else None,
        "skew_ms": status.skew_ms if status else None,
        "link": status.link if status else None,
        "link_ms": status.link_ms if status else None,
        "queue": status.queue if status else None,
        "version": status.version if status else None,
        "faults": status.faults if status else [],
        "differs": dict(status.differs) if status else {},
        "differs_ms": status.differs_ms if status else None,
        "tallies": _tallies(each),
    }


def _tallies(each: DeviceState) -> dict[str, int]:
    names = ("accepted", "duplicates", "conflicts", "rejected", "forged", "unknown_fields", "held")
    return {name: getattr(each.status, name, 0) for name in names}


def _names(name: str | None) -> dict[str, str] | None:
    return {"zh": name, "en": name} if name else None


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def qr_svg(text: str) -> str:
    """A QR code as one path; black on white in both themes, because cameras want it so."""
    import qrcode

    code = qrcode.QRCode(border=0, error_correction=qrcode.constants.ERROR_CORRECT_M)
    code.add_data(text)
    matrix = code.get_matrix()
    path = io.StringIO()
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            if dark:
                path.write(f"M{x} {y}h1v1h-1z")
    size = len(matrix)
    return (
        f'<svg viewBox="0 0 {size} {size}" width="220" height="220" shape-rendering="crispEdges" role="img">'
        f'<path d="{path.getvalue()}"/></svg>'
    )
