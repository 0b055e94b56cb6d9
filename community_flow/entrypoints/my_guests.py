"""Guests of whom a resident is asked on their own phone."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response

from community_flow.entrypoints.access import device
from community_flow.entrypoints.answers import json_response
from community_flow.entrypoints.my_pass import asked
from community_flow.services.guest_asks import GuestAsks


def blueprint(asks: GuestAsks) -> Blueprint:
    bp = Blueprint("my_guests", __name__)

    # As in my_pass: no session and no cookie, the phone's key signs each question and each answer.
    @bp.post("/v1/me/guests")
    @device
    def pending() -> Response:
        """Guests who wait at a gate for the word of this phone's household."""
        items = [
            {"ask": each.ask.id, "gate": each.gate, "party": each.ask.party, "asked_ms": each.ask.asked_ms}
            for each in asks.pending(asked())
        ]
        return json_response({"status": "active", "items": items})

    @bp.post("/v1/me/guests/<ask>/<answer>")
    @device
    def answer(ask: str, answer: str) -> Response:
        """Say yes or no to a guest; the first answer of the household holds."""
        asks.answer(asked(), ask, answer)
        return json_response({"status": "active", "answer": answer})

    return bp
