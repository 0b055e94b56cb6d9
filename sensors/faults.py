"""The words for what can be wrong with a device, as `status` reports carry them. Standard library only."""

from __future__ import annotations

CAMERA_LOST = "camera_lost"
CAMERA_DARK = "camera_dark"
CAMERA_FROZEN = "camera_frozen"
CAMERA_MOVED = "camera_moved"
MODEL_BAD = "model_bad"
SOURCE_BAD = "source_bad"
SOURCE_LOST = "source_lost"
READING_IMPLAUSIBLE = "reading_implausible"
FIRE = "fire"
FIRE_LINE_LOST = "fire_line_lost"
OUTPUT_LOST = "output_lost"
OUTBOX_FULL = "outbox_full"
REPORT_REFUSED = "report_refused"
TOKEN_REFUSED = "token_refused"  # noqa: S105 - the name of a fault
SERVER_AWAY = "server_away"
CLOCK_JUMPED = "clock_jumped"

MEANINGS = {
    CAMERA_LOST: "the camera does not answer; it is tried again every few seconds",
    CAMERA_DARK: "the picture is black or covered",
    CAMERA_FROZEN: "the picture does not change at all",
    CAMERA_MOVED: "the camera looks somewhere else than when it began: turn it back, or draw its line anew and restart",
    MODEL_BAD: "the detector's model file cannot be used; the motion detector counts meanwhile",
    SOURCE_BAD: "the sensor's source cannot be used as configured",
    SOURCE_LOST: "a serial line, reader or connection does not answer; it is tried again every few seconds",
    READING_IMPLAUSIBLE: "the last reading was beyond what is plausible, or in a unit that is not listed",
    FIRE: "the fire input is active: outputs are held open",
    FIRE_LINE_LOST: "the fire input says nothing: outputs are held open",
    OUTPUT_LOST: "an output cannot be reached; when it is to be held open it is tried again every second",
    OUTBOX_FULL: "the disk is full; what was lost is told as a gap",
    REPORT_REFUSED: "the server refused a report as unreadable; it lies in the outbox's refused table",
    TOKEN_REFUSED: "the server does not accept the device's token",
    SERVER_AWAY: "the server was out of reach for more than five minutes",
    CLOCK_JUMPED: "the wall clock was set within the last hour; times were corrected by the jump",
}

NO_PICTURE = "no_picture"
NO_STATUS = "no_status"
INTERRUPTED = "interrupted"

TRIALS = {
    NO_PICTURE: "a camera gave no picture in time",
    NO_STATUS: "the server took no status in time",
    INTERRUPTED: "the box stopped twice while it tried this",
}
"""Why something new was given up, beside the faults above and what a configuration's own check says."""
