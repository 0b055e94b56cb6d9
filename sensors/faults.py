"""The words for what can be wrong with a device, as `status` reports carry them. Standard library only."""

from __future__ import annotations

CAMERA_LOST = "camera_lost"
CAMERA_DARK = "camera_dark"
CAMERA_FROZEN = "camera_frozen"
CAMERA_MOVED = "camera_moved"
MODEL_BAD = "model_bad"
SOURCE_BAD = "source_bad"
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
    OUTBOX_FULL: "the disk is full; what was lost is told as a gap",
    REPORT_REFUSED: "the server refused a report as unreadable; it lies in the outbox's refused table",
    TOKEN_REFUSED: "the server does not accept the device's token",
    SERVER_AWAY: "the server was out of reach for more than five minutes",
    CLOCK_JUMPED: "the wall clock was set within the last hour; times were corrected by the jump",
}
