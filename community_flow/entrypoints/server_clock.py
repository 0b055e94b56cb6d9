"""The server's own clock: how it is, and a person's word that it is right."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, flash, redirect, url_for
from flask_babel import gettext, lazy_gettext
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain.scope import Role
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import json_response
from community_flow.ports import Clock
from community_flow.services.server_clock import ServerClock

OFFICE = (Role.MANAGER, Role.ADMIN)

TITLES = {
    "behind": lazy_gettext("The server's clock is behind"),
    "ahead": lazy_gettext("The server's time is not sure"),
    "jumped": lazy_gettext("The server's clock was set while it ran"),
    "disagrees": lazy_gettext("The server's clock is probably wrong"),
}
WORDS = {
    "behind": lazy_gettext(
        "It shows a time before what is kept already: its battery may be empty. Reports are kept and take part once "
        "the clock is right. Set it, or turn on NTP."
    ),
    "ahead": lazy_gettext(
        "It was off for long, or its clock runs ahead. Reports are kept and take part as soon as a device or you "
        "confirm the time. Nothing is deleted meanwhile."
    ),
    "jumped": lazy_gettext(
        "Times go on as before the jump, and nothing is deleted, until the clock is put back, or you or a device "
        "confirm it."
    ),
    "disagrees": lazy_gettext(
        "Several devices differ from it by the same amount. Set it, or turn on NTP; nothing is deleted meanwhile."
    ),
}


@dataclass(frozen=True)
class Banner:
    """What every page says while the clock is not believed. ``may_confirm`` where a person's word decides."""

    title: str
    text: str
    wall_ms: int
    may_confirm: bool


def banner(watch: ServerClock) -> Banner | None:
    found = watch.judgement
    if found.trouble is None:
        return None
    return Banner(
        str(TITLES[found.trouble]), str(WORDS[found.trouble]), watch.clock.wall_ms(), found.trouble != "disagrees"
    )


def blueprint(watch: ServerClock, clock: Clock) -> Blueprint:
    bp = Blueprint("server_clock", __name__)

    @bp.get("/v1/clock")
    @roles(*OFFICE)
    def shown() -> Response:
        found = watch.judgement
        return json_response(
            {
                "trouble": found.trouble, "off_ms": found.off_ms, "remedy": watch.trouble(), "now_ms": clock.now_ms(),
                "machine_ms": watch.clock.wall_ms(),
            }
        )  # fmt: skip

    @bp.post("/v1/clock/accept")
    @roles(*OFFICE)
    def accept() -> Response:
        watch.accept(current_scope())
        return json_response({"trouble": watch.judgement.trouble, "now_ms": clock.now_ms()})

    @bp.post("/clock/accept")
    @roles(*OFFICE)
    def confirm() -> BaseResponse:
        watch.accept(current_scope())
        flash(gettext("Kept: the server's clock is right."))
        return redirect(url_for("devices.page"), 303)

    return bp
