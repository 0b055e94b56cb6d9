"""How devices are and what they are, in words for a screen."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import lazy_gettext

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


FAULTS = {  # as devices tell them: sensors/faults.py
    "camera_lost": lazy_gettext("the camera does not answer"),
    "camera_dark": lazy_gettext("the picture is black or covered"),
    "camera_frozen": lazy_gettext("the picture stands still"),
    "camera_moved": lazy_gettext("the camera looks somewhere else"),
    "model_bad": lazy_gettext("the detector’s model cannot be used; motion counts meanwhile"),
    "source_bad": lazy_gettext("a sensor stopped"),
    "source_lost": lazy_gettext("a line or reader does not answer"),
    "reading_implausible": lazy_gettext("the last reading cannot be true"),
    "output_lost": lazy_gettext("an output cannot be reached"),
    "fire": lazy_gettext("fire alarm: outputs are held open"),
    "fire_line_lost": lazy_gettext("the fire input says nothing: outputs are held open"),
    "outbox_full": lazy_gettext("its disk is full"),
    "report_refused": lazy_gettext("a report was refused as unreadable"),
    "token_refused": lazy_gettext("its token was refused"),
    "server_away": lazy_gettext("it could not reach the server for five minutes"),
    "clock_jumped": lazy_gettext("its clock was set"),
    "no_picture": lazy_gettext("the camera gave no picture in time"),
    "no_status": lazy_gettext("the server took no status in time"),
    "interrupted": lazy_gettext("it stopped twice while it tried this"),
}


def fault_words(told: Sequence[str]) -> str:
    """What is wrong, in words; what this version does not know as it was told."""
    return "; ".join(str(FAULTS.get(each, each)) for each in told)
