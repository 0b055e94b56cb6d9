"""Devices: the page, the operator's JSON, and what devices themselves call (claim, config)."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from msgspec import Meta
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain import device_state
from community_flow.domain.errors import Conflict, NotFound, TooMany
from community_flow.domain.places import Community, DeviceKind, Gate
from community_flow.domain.scope import Role
from community_flow.entrypoints.access import current_scope, device, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.device_words import COUNTERS, KINDS, STATES, fault_words
from community_flow.entrypoints.problems import Problem
from community_flow.ports import Clock
from community_flow.ports.ingest import Limits, Trusted
from community_flow.services.device_requests import DeviceRequests, Wanted
from community_flow.services.device_settings import DeviceSettings
from community_flow.services.devices import GATELESS, Chosen, ClaimCode, Devices, DeviceState
from community_flow.services.ingest import NO_TIME
from community_flow.services.ingest_keys import IngestKeys
from community_flow.services.trust import Trust

OFFICE = (Role.MANAGER, Role.ADMIN)
WATCHERS = (Role.GUARD, Role.STEWARD, *OFFICE)

Text = Annotated[str, Meta(max_length=100)]
Places = tuple[dict[str, Community], dict[tuple[str, str], Gate]]


class NewDevice(msgspec.Struct, frozen=True, kw_only=True):
    community: Text
    kind: DeviceKind
    gate: Text | None = None
    name: Text | None = None
    code: Text | None = None
    csrf_token: str = ""


class Claimed(msgspec.Struct, frozen=True):
    code: Text


def blueprint(
    devices: Devices, requests: DeviceRequests, settings: DeviceSettings, trust: Trust, keys: IngestKeys,
    limits: Limits, clock: Clock, knows_time: Callable[[], bool], table_key: Callable[[], str],
    mqtt: str | None = None,
) -> Blueprint:  # fmt: skip
    bp = Blueprint("devices", __name__)
    _page_routes(bp, devices, settings, Claims(devices, requests, limits, clock))
    _operator_routes(bp, devices, Claims(devices, requests, limits, clock))
    server_ms = lambda: clock.now_ms() if knows_time() else NO_TIME  # noqa: E731 - handed on as it is
    _claim_route(bp, devices, limits, clock, table_key, mqtt)
    _device_routes(bp, devices, trust, keys, server_ms, mqtt)
    return bp


class Claims:
    """A code that a box shows, entered by a manager: so many tries and no more."""

    def __init__(self, devices: Devices, requests: DeviceRequests, limits: Limits, clock: Clock) -> None:
        self.devices, self.requests, self.limits, self.clock = devices, requests, limits, clock

    def enter(self, wanted: NewDevice) -> str:
        self._slowly()
        gate = None if wanted.kind in GATELESS else wanted.gate
        asked = Wanted(wanted.community, wanted.kind, gate, _names(wanted.name))
        return self.requests.approve(current_scope(), wanted.code or "", asked)

    def replace(self, device: str, code: str) -> str:
        self._slowly()
        return self.requests.replace(current_scope(), code, device)

    def _slowly(self) -> None:
        # A hundred codes at once, then a hundred a minute: nobody finds one of 31^10 within its quarter of an hour.
        wait_s = self.limits.wait_s(f"entered:{current_scope().account}", 0.1, self.clock.now_ms())
        if wait_s > 0:
            raise TooMany("Too many codes were tried: wait a minute.", retry_s=max(1, round(wait_s)))


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    code: Text | None = None
    csrf_token: str = ""


def _page_routes(bp: Blueprint, devices: Devices, settings: DeviceSettings, claims: Claims) -> None:
    @bp.get("/devices")
    @roles(*WATCHERS)
    def page() -> str:
        return _page(devices, settings)

    @bp.post("/devices")
    @roles(*OFFICE)
    def add() -> str | BaseResponse | tuple[str, int]:
        wanted = parse(NewDevice, request)
        if wanted.code:
            try:
                made = claims.enter(wanted)
            except (NotFound, Conflict) as error:
                return _page(
                    devices, settings, entered=wanted.code, wrong=gettext(error.remedy) % error.values
                ), error.status
            flash(gettext("The device is yours: it fetches its token by itself within a few seconds."))
            return redirect(url_for("device_pages.page", device_id=made))
        gate = None if wanted.kind in GATELESS else wanted.gate
        code = devices.invite(current_scope(), wanted.community, wanted.kind, gate, names=_names(wanted.name))
        return _page(devices, settings, code)

    @bp.post("/devices/<device_id>/code")
    @roles(*OFFICE)
    def code(device_id: str) -> str:
        return _page(devices, settings, devices.new_code(current_scope(), device_id))

    @bp.post("/devices/<device_id>/revoke")
    @roles(*OFFICE)
    def revoke(device_id: str) -> BaseResponse:
        devices.revoke(current_scope(), device_id)
        flash(gettext("The device is revoked. What it reported stays."))
        return redirect(url_for("devices.page"))

    @bp.post("/devices/<device_id>/replace")
    @roles(*OFFICE)
    def replace(device_id: str) -> str | BaseResponse:
        entered = parse(Replacement, request).code
        if not entered:
            return _page(devices, settings, devices.replace(current_scope(), device_id))
        made = claims.replace(device_id, entered)
        flash(gettext("The new device has the place, name and settings of the old one, which may not speak any more."))
        return redirect(url_for("device_pages.page", device_id=made))

    @bp.post("/devices/<device_id>/checked")
    @roles(*OFFICE)
    def checked(device_id: str) -> BaseResponse:
        devices.clear_mismatch(current_scope(), device_id)
        return redirect(url_for("devices.page"))


def _operator_routes(bp: Blueprint, devices: Devices, claims: Claims) -> None:
    @bp.get("/v1/devices")
    @roles(*WATCHERS)
    def listed() -> Response:
        scope = current_scope().narrowed(request.args.get("community"))
        return items([public(each) for each in devices.list(scope)], None)

    @bp.post("/v1/devices")
    @roles(*OFFICE)
    def enrol() -> Response:
        wanted = parse(NewDevice, request)
        made = devices.enrol(current_scope(), wanted.community, wanted.kind, wanted.gate, names=_names(wanted.name))
        return json_response({"device": made.device, "token": made.token}, 201)

    @bp.post("/v1/devices/claims")
    @roles(*OFFICE)
    def enter() -> Response:
        """Make the box that shows a code a device."""
        return json_response({"device": claims.enter(parse(NewDevice, request))}, 201)

    @bp.post("/v1/devices/<device_id>/replace")
    @roles(*OFFICE)
    def put_in_place(device_id: str) -> Response:
        """Put another box in the place of a device: the one that shows a code, or the one that uses the code given."""
        entered = parse(Replacement, request).code
        if entered:
            return json_response({"device": claims.replace(device_id, entered)}, 201)
        return json_response(devices.replace(current_scope(), device_id), 201)

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


def _claim_route(
    bp: Blueprint, devices: Devices, limits: Limits, clock: Clock, table_key: Callable[[], str], mqtt: str | None
) -> None:
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
        # A gate phone pins the key that signs its lists now, while it is trusted by hand.
        known = {"device": made.device, "token": made.token, "community": made.community, "signer": table_key()}
        return json_response({**known, **broker})


def _device_routes(
    bp: Blueprint, devices: Devices, trust: Trust, keys: IngestKeys, server_ms: Callable[[], int], mqtt: str | None
) -> None:
    broker = {} if mqtt is None else {"mqtt": mqtt}

    @bp.get("/v1/device/config")
    @device
    def config() -> Response:
        found, (kid, public) = devices.config(trusted_device(trust)), keys.public()
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


def trusted_device(trust: Trust) -> Trusted:
    """Whose token this request carries; refuses one that is not known."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    found = trust.of_token(token.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise Problem(401, "untrusted-device", "This device is not trusted.", "Enrol it, then claim a new token.")
    return found


def _page(
    devices: Devices, settings: DeviceSettings, code: ClaimCode | None = None, entered: str = "", wrong: str = ""
) -> str:
    scope = current_scope()
    asked = request.args if request.method == "GET" else MultiDict()
    chosen = Chosen(asked.get("state"), asked.get("kind"), asked.get("gate"), asked.get("q", ""))
    found = devices.list(scope)
    address = url_for("devices.page", _external=True).removesuffix("/devices")
    places = devices.places(scope)
    return render_template(
        "devices/page.html",
        devices=[each for each in found if chosen.admits(each)],
        total=len(found),
        state_choices=_state_choices(found),
        chosen=chosen,
        entered=entered or asked.get("code"),
        wrong=wrong,
        configs=settings.newest(scope),
        places=places,
        gate_choices=_gate_choices(places),
        kinds=KINDS,
        counters=COUNTERS,
        states=STATES,
        fault_words=fault_words,
        office=scope.role in OFFICE,
        code=code,
        address=address,
        qr=qr_svg(f"{address}/gate#claim={code.code}") if code else None,
    )


def _state_choices(found: list[DeviceState]) -> list[tuple[str, str]]:
    """States that occur, the worst first, with how many devices are so."""
    tally = Counter(each.state for each in found)
    return [(state, f"{STATES[state][0]} ({tally[state]})") for state in device_state.WORST_FIRST if tally[state]]


def _gate_choices(places: Places) -> dict[str, list[tuple[str, Gate]]]:
    found: dict[str, list[tuple[str, Gate]]] = {community: [] for community in places[0]}
    for (community, gate), data in places[1].items():
        found.setdefault(community, []).append((gate, data))
    return found


def public(each: DeviceState) -> dict[str, Any]:
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
        "config": status.config if status else None,
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


def qr_rows(text: str) -> list[str]:
    """A QR code as rows of 0 and 1, without its white border."""
    import qrcode

    code = qrcode.QRCode(border=0, error_correction=qrcode.constants.ERROR_CORRECT_M)
    code.add_data(text)
    return ["".join("1" if dark else "0" for dark in row) for row in code.get_matrix()]


def qr_svg(text: str) -> str:
    """A QR code as one path; black on white in both themes, because cameras want it so."""
    rows = qr_rows(text)
    path = io.StringIO()
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark == "1":
                path.write(f"M{x} {y}h1v1h-1z")
    size = len(rows)
    return (
        f'<svg viewBox="0 0 {size} {size}" width="220" height="220" shape-rendering="crispEdges" role="img">'
        f'<path d="{path.getvalue()}"/></svg>'
    )
