"""Why a report lies in the tray, and what mends that, in words."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask_babel import lazy_gettext


class Words(NamedTuple):
    title: Any
    remedy: Any


REASONS: dict[str, Words] = {
    "foreign_gate": Words(
        lazy_gettext("A gate that the device may not speak of"),
        lazy_gettext("Add the gate in Set-up, or enrol the device at it; then try again."),
    ),
    "foreign_zone": Words(
        lazy_gettext("A zone that is not there"), lazy_gettext("Add the zone in Set-up; then try again.")
    ),
    "person_not_allowed": Words(
        lazy_gettext("The device named a person"),
        lazy_gettext("Only an office device may do that: have the pass scanned, or dismiss it."),
    ),
    "seal": Words(
        lazy_gettext("Sealed for a key that is not here"),
        lazy_gettext("Restore the folder of keys from the backup; then try again. Else enrol the device anew."),
    ),
    "future": Words(
        lazy_gettext("Dated in the future"),
        lazy_gettext(
            "Up to an hour ahead it takes part by itself when its time has come. Further ahead the device’s clock is "
            "wrong: set it, then let the report take part as it is, or dismiss it."
        ),
    ),
    "server_clock": Words(
        lazy_gettext("Came while the server’s clock was wrong"),
        lazy_gettext("Put the server’s clock right: it takes part by itself."),
    ),
    "unknown_device": Words(
        lazy_gettext("A device that is not enrolled"),
        lazy_gettext("Restore the registry from the backup, or dismiss it."),
    ),
    "malformed": Words(
        lazy_gettext("Not as the device’s language has it"),
        lazy_gettext(
            "The device’s program is faulty: update it. Try again after an update of the server, or dismiss it."
        ),
    ),
    "unknown_kind": Words(
        lazy_gettext("A kind of report that this version does not know"),
        lazy_gettext("The device is newer than the server: update the server, then try again."),
    ),
    "conflict": Words(
        lazy_gettext("The same number with other content"),
        lazy_gettext(
            "Both are kept. See which is true, and dismiss this one; a device restored from a copy must be enrolled "
            "anew."
        ),
    ),
    "past_retention": Words(
        lazy_gettext("Older than what is kept"), lazy_gettext("It can be looked at and dismissed.")
    ),
}  # fmt: skip
STATES = {
    "open": lazy_gettext("open"),
    "mended": lazy_gettext("mended"),
    "dismissed": lazy_gettext("dismissed"),
}


def words_of(reason: str) -> Words:
    return REASONS.get(reason, Words(reason, ""))
