"""What a guard on duty may do at a gate phone beyond letting people through: names, guests, roll calls, emergencies."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import msgspec
from flask import Blueprint, request
from msgspec import Meta
from werkzeug.wrappers import Response

from community_flow.entrypoints.access import device
from community_flow.entrypoints.answers import json_response, parse
from community_flow.entrypoints.devices import trusted_device
from community_flow.entrypoints.languages import LAST_MS
from community_flow.ports.gate import Emergency, Tick
from community_flow.services.emergencies import Emergencies
from community_flow.services.gate import GateDesk
from community_flow.services.gate_guests import GateGuests
from community_flow.services.guards import Guards
from community_flow.services.guest_asks import GuestAsks
from community_flow.services.roll_calls import RollCalls
from community_flow.services.trust import Trust

Text = Annotated[str, Meta(max_length=100)]
Code = Annotated[str, Meta(max_length=500)]
Operator = Annotated[str, Meta(pattern=r"^g\d{1,6}$")]
Ms = Annotated[int, Meta(ge=0, le=LAST_MS)]


class Named(msgspec.Struct, frozen=True):
    session: Text
    code: Code


class Guest(msgspec.Struct, frozen=True):
    session: Text
    unit: Text
    minutes: int
    confirmed: Text
    ask: Text = ""


class GuestAsked(msgspec.Struct, frozen=True):
    session: Text
    unit: Text
    party: int = 1


class Ticked(msgspec.Struct, frozen=True):
    key: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{12}$")]
    found: bool
    at_ms: Ms
    operator: Operator


class Ticks(msgspec.Struct, frozen=True):
    zone: Text
    ticks: Annotated[tuple[Ticked, ...], Meta(max_length=2_000)] = ()


class Cleared(msgspec.Struct, frozen=True):
    session: Text
    zone: Text
    reason: Text


class Told(msgspec.Struct, frozen=True):
    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16,40}$")]
    gate: Text
    begun_ms: Ms
    begun_by: Operator
    ended_ms: Ms | None = None
    ended_by: Operator | None = None
    counted: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


def blueprint(
    desk: GateDesk, guards: Guards, guests: GateGuests, calls: RollCalls, emergencies: Emergencies, asks: GuestAsks,
    trust: Trust,
) -> Blueprint:  # fmt: skip
    bp = Blueprint("gate_guard", __name__)
    _name_route(bp, desk, guards, trust)
    _guest_routes(bp, guards, guests, asks, trust)
    _roll_routes(bp, guards, calls, trust)

    @bp.post("/v1/device/emergency")
    @device
    def emergency() -> Response:
        """That everyone passes at this gate, who began it, who ended it, how many were counted. Safe to repeat."""
        trusted, told = trusted_device(trust), parse(Told, request)
        desk.check_own(trusted, told.gate)
        known = Emergency(community=trusted.community, device=trusted.device, **msgspec.structs.asdict(told))
        return json_response({"server_ms": emergencies.tell(trusted, known)})

    return bp


def _name_route(bp: Blueprint, desk: GateDesk, guards: Guards, trust: Trust) -> None:
    @bp.post("/v1/device/name")
    @device
    def name() -> Response:
        """The full name behind a pass that lies before a guard on duty; logged."""
        trusted, given = trusted_device(trust), parse(Named, request)
        return json_response({"name": desk.full_name(trusted, guards.on_duty(trusted, given.session), given.code)})


def _guest_routes(bp: Blueprint, guards: Guards, guests: GateGuests, asks: GuestAsks, trust: Trust) -> None:
    @bp.post("/v1/device/guest/ask")
    @device
    def ask() -> Response:
        """Ask the household on its own phones whether it expects a guest; ``phones``: how many can answer."""
        trusted, given = trusted_device(trust), parse(GuestAsked, request)
        made, phones = asks.ask(trusted, guards.on_duty(trusted, given.session), given.unit, given.party)
        return json_response({"ask": made, "phones": phones}, 201)

    @bp.get("/v1/device/guest/ask/<ask>")
    @device
    def answered(ask: str) -> Response:
        """What the host said: yes, no, or null while nobody has answered."""
        return json_response({"answer": asks.answered(trusted_device(trust), ask)})

    @bp.post("/v1/device/guest")
    @device
    def guest() -> Response:
        """A visitor's pass for a guest whose host agreed: the slip for the way out."""
        trusted, given = trusted_device(trust), parse(Guest, request)
        shift = guards.on_duty(trusted, given.session)
        if given.confirmed == "app":
            asks.agreed(trusted, given.ask, given.unit)
        slip = guests.register(trusted, shift, given.unit, given.minutes, given.confirmed)
        return json_response({"pass": slip.pass_, "qr": slip.qr, "until_ms": slip.until_ms}, 201)


def _roll_routes(bp: Blueprint, guards: Guards, calls: RollCalls, trust: Trust) -> None:
    @bp.post("/v1/device/rollcall/ticks")
    @device
    def ticks() -> Response:
        """Tell whom this phone found, and hear whom all phones found; safe to repeat and to send late."""
        trusted, given = trusted_device(trust), parse(Ticks, request)
        told = [Tick(**msgspec.structs.asdict(each)) for each in given.ticks]
        known = calls.tick(trusted, given.zone, told) if told else calls.ticks(trusted, given.zone)
        return json_response({"ticks": [asdict(each) for each in known]})

    @bp.post("/v1/device/rollcall")
    @device
    def roll_call() -> Response:
        """Everybody in a zone that has to be cleared, by name: for a guard on duty, with a reason, logged."""
        trusted, given = trusted_device(trust), parse(Cleared, request)
        shift = guards.on_duty(trusted, given.session)
        return json_response(asdict(calls.call(trusted, shift, given.zone, given.reason)))
