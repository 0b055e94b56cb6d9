"""What devices are told, held to the edge package's own rules; where pictures are held."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from community_flow.adapters.memory_pictures import MemoryPictures
from community_flow.domain.errors import Invalid
from community_flow.ports.pictures import Pictures
from community_flow.wiring.core import Core
from sensors.config import BadConfig, told_from


def gates_told(document: Mapping[str, Any]) -> frozenset[str]:
    """The gates of a document that a device could run; raises Invalid in the device's own words."""
    try:
        return told_from(document, Path()).gates
    except BadConfig as error:
        raise Invalid("The device could not run this: %(why)s", field="document", why=str(error)) from error


def first_told(kind: str, gate: str | None) -> dict[str, Any] | None:
    """What a box that was claimed just now can do at once; None for a kind that is told nothing."""
    if kind == "camera":
        return {"sensor": [{"kind": "camera", "source": "usb:0"}]}
    if kind == "checkpoint":
        return {"sensor": [{"kind": "checkpoint", "source": "usb:0", "gate": gate, "direction": "in"}]}
    return {"sensor": []} if kind in ("beam", "gateway") else None


def pictures_of(core: Core) -> Pictures:
    """Those of this process, or those on Redis when several share them. Made once for each core."""
    if "pictures" not in core.parts:
        core.parts["pictures"] = _pictures(core)
    found: Pictures = core.parts["pictures"]
    return found


def _pictures(core: Core) -> Pictures:
    if core.traffic.redis is None:
        return MemoryPictures(core.clock)
    from community_flow.adapters.redis_pictures import RedisPictures

    return RedisPictures(core.traffic.redis, core.keys.now("session").secret, core.clock)
