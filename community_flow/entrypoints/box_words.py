"""What boxes say and are told, whether over HTTP or MQTT."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from community_flow.ports.ingest import Trusted
from community_flow.ports.pictures import Asked
from community_flow.services.device_pictures import DevicePictures
from community_flow.services.device_settings import DeviceSettings

Words = Annotated[str, Meta(max_length=500)]


class Telling(msgspec.Struct, frozen=True):
    version: Annotated[int, Meta(ge=0, lt=2**31)]
    outcome: Literal["running", "failed"]
    reason: Words | None = None


class Taken(msgspec.Struct, frozen=True):
    token: Annotated[str, Meta(max_length=200)] | None = None


class Refusing(msgspec.Struct, frozen=True):
    reason: Words


def told_to(
    settings: DeviceSettings, pictures: DevicePictures, trusted: Trusted, server_ms: int
) -> tuple[str, dict[str, Any]]:
    """(mark that changes whenever there is something new, what the device is to do)."""
    (newest, rotate), asked = settings.wanted(trusted), pictures.wanted(trusted)
    version = newest.version if newest else 0
    told = {
        "version": version,
        "config": newest.document if newest else None,
        "rotate": rotate,
        "picture": _wish(asked),
        "server_ms": server_ms,
    }
    return f"{version}-{int(rotate)}-{asked.id if asked else ''}", told


def _wish(asked: Asked | None) -> dict[str, Any] | None:
    return {"wish": asked.id, "sensor": asked.sensor} if asked else None
