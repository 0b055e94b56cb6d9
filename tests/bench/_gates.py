"""A community with many gates, each with a camera of its own: what load is sent to, and how its cost is read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from community_flow.domain.places import Gate
from community_flow.domain.scope import Role, Scope
from community_flow.services.registry import Change
from community_flow.settings import Settings
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.bench._blast import post
from tests.conftest import prepared
from tests.factories import small_community

MANAGER = Scope("bench", Role.MANAGER, frozenset({"garden"}))


def gate(place: int) -> str:
    return f"gate-{place}"


def gates_with_cameras(settings: Settings, count: int) -> list[str]:
    """Make the community; gives the token of each gate's camera."""
    core = prepared(settings)
    small_community(core)
    changes = [
        Change("garden", "gate", gate(place), 0, Gate(names={"en": f"Gate {place}"}, inner="compound"))
        for place in range(count)
    ]
    with core.db.write() as tx:
        core.registry.record(tx, changes, "test")
    tokens = [ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", gate(each)).token for each in range(count)]
    core.db.close()
    return tokens


def crossing(place: int, boot: int, seq: int, at: int) -> str:
    return wire.Count(
        boot=boot, seq=seq, at=at, gate=gate(place), direction="in" if seq % 2 else "out", n=1, confidence=0.94
    ).encode()


def streams(tokens: list[str], boot: int, bodies: int, size: int = 1, apart_ms: int = 3) -> list[list[bytes]]:
    """For each camera so many requests of ``size`` reports, the reports ``apart_ms`` apart and the last one now."""
    now_ms = int(time.time() * 1000)
    total = bodies * size

    def request(place: int, token: str, first: int) -> bytes:
        reports = [
            crossing(place, boot + place, seq, now_ms - (total - seq) * apart_ms) for seq in range(first, first + size)
        ]
        return post(wire.PATH, wire.body("b", reports), token)

    return [[request(place, token, 1 + body * size) for body in range(bodies)] for place, token in enumerate(tokens)]


def cpu_s(pid: int) -> float:
    """Processor time of a process and all that came of it, also of what has ended meanwhile."""
    spent = (_stat(each) for each in _family(pid))
    return sum(sum(map(int, each[11:15])) for each in spent if each) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Memory that a process and all that came of it hold now."""
    held = (_stat(each) for each in _family(pid))
    return sum(int(each[21]) for each in held if each) * os.sysconf("SC_PAGE_SIZE")


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return  # ended meanwhile
    for child in children:
        yield from _family(int(child))


def parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name; none when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
