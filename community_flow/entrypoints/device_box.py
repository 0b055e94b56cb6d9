"""What boxes themselves call: to be claimed, to learn what to do, to tell how that went, to give a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, request
from msgspec import Meta

from community_flow.domain.errors import Invalid, TooMany
from community_flow.entrypoints.access import device
from community_flow.entrypoints.answers import json_response, parse
from community_flow.entrypoints.box_words import Refusing, Taken, Telling, told_to
from community_flow.entrypoints.devices import qr_rows, trusted_device
from community_flow.ports import Clock
from community_flow.ports.ingest import Limits
from community_flow.services.device_pictures import MOST_BYTES, DevicePictures
from community_flow.services.device_requests import DeviceRequests
from community_flow.services.device_settings import DeviceSettings
from community_flow.services.ingest import NO_TIME
from community_flow.services.trust import Trust

POLL_S = 3
"""How often an unclaimed box asks whether somebody entered its code."""

ASK_COST = 0.1
"""A street of boxes behind one address asks at once: a hundred, then a hundred a minute."""


class Opening(msgspec.Struct, frozen=True):
    version: Annotated[str, Meta(max_length=40)]
    address: Annotated[str, Meta(max_length=200)]


class Polling(msgspec.Struct, frozen=True):
    secret: Annotated[str, Meta(max_length=100)]


def blueprint(
    requests: DeviceRequests, settings: DeviceSettings, pictures: DevicePictures, trust: Trust, limits: Limits,
    clock: Clock, knows_time: Callable[[], bool], mqtt: str | None,
) -> Blueprint:  # fmt: skip
    bp = Blueprint("device_box", __name__)
    _claim_routes(bp, requests, limits, clock, {} if mqtt is None else {"mqtt": mqtt})
    _settings_routes(bp, settings, pictures, trust, lambda: clock.now_ms() if knows_time() else NO_TIME)
    _token_routes(bp, settings, trust)
    _picture_routes(bp, pictures, trust)
    return bp


def _claim_routes(bp: Blueprint, requests: DeviceRequests, limits: Limits, clock: Clock, broker: Any) -> None:
    @bp.post("/v1/device/requests")
    @device
    def open_request() -> Response:
        """Give a box without a token a code to show."""
        asked = parse(Opening, request)
        wait_s = limits.wait_s(f"request:{request.remote_addr}", ASK_COST, clock.now_ms())
        if wait_s > 0:
            raise TooMany("Too many devices asked from this address: wait a minute.", retry_s=max(1, round(wait_s)))
        shown = requests.open(asked.version)
        link = f"{asked.address.rstrip('/')}/devices?code={shown.code}"
        return json_response(
            {
                "code": shown.code, "secret": shown.secret, "expires_ms": shown.expires_ms, "poll_s": POLL_S,
                "link": link, "qr": qr_rows(link),
            },
            201,
        )  # fmt: skip

    @bp.post("/v1/device/requests/poll")
    @device
    def poll_request() -> Response:
        """Tell a box whether a manager entered its code, and give it its token then."""
        made = requests.poll(parse(Polling, request).secret)
        if made is None:
            return json_response({"state": "waiting", "poll_s": POLL_S})
        found = {"device": made.device, "token": made.token, "community": made.community, **broker}
        return json_response({"state": "claimed", **found})


def _settings_routes(
    bp: Blueprint, settings: DeviceSettings, pictures: DevicePictures, trust: Trust, server_ms: Callable[[], int]
) -> None:
    @bp.get("/v1/device/settings")
    @device
    def settings_of_device() -> Response:
        """Tell a device what it is to do; 304 while it knows."""
        trusted = trusted_device(trust)
        tag, told = told_to(settings, pictures, trusted, server_ms())
        answer = Response(status=304) if request.if_none_match.contains(tag) else json_response(told)
        answer.set_etag(tag)
        return answer

    @bp.post("/v1/device/settings")
    @device
    def settings_told() -> Response:
        """Note that a device runs a version, or why it could not."""
        told = parse(Telling, request)
        settings.told(trusted_device(trust), told.version, told.outcome, told.reason)
        return json_response({"version": told.version, "outcome": told.outcome})


def _token_routes(bp: Blueprint, settings: DeviceSettings, trust: Trust) -> None:
    @bp.post("/v1/device/token")
    @device
    def next_token() -> Response:
        """Give a device its next token, when a manager asked for that."""
        return json_response({"token": settings.next_token(trusted_device(trust))})

    @bp.post("/v1/device/token/taken")
    @device
    def took_token() -> Response:
        """End every token but the one that is named, or but the one that this is asked with."""
        trusted, given = trusted_device(trust), parse(Taken, request).token
        settings.took_token(trusted, given or request.headers["Authorization"].partition(" ")[2].strip())
        settings.ended_tokens(trusted)
        return json_response({"device": trusted.device})


def _picture_routes(bp: Blueprint, pictures: DevicePictures, trust: Trust) -> None:
    @bp.post("/v1/device/picture/<wish>")
    @device
    def take_picture(wish: str) -> Response:
        """Take the picture that was asked for, or why there is none; it stays in memory for a minute."""
        trusted = trusted_device(trust)
        if request.is_json:
            pictures.refuse(trusted, wish, parse(Refusing, request).reason)
            return json_response({"picture": wish})
        if request.mimetype != "image/jpeg" or not 0 < (request.content_length or 0) <= MOST_BYTES:
            raise Invalid("Send one JPEG of at most 1 MiB, with its Content-Length.")
        # Read as a stream of known length: a form would be spooled to a temporary file, and this must touch no disk.
        pictures.take(trusted, wish, request.stream.read(MOST_BYTES))
        return json_response({"picture": wish})
