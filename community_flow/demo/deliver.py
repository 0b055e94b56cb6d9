"""From notes to batches: numbers, starts of devices, clocks that are wrong, late and repeated uploads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from community_flow.demo.observe import Note
from community_flow.demo.plan import DAY_MS, HOUR_MS, Plan

BATCH = 800
START_EVERY_MS = 4 * DAY_MS
FAST_CLOCK = "west-phone"
"""This device's clock runs a minute and a half ahead in its second start; it knows, and says so."""


@dataclass(frozen=True, slots=True)
class Report:
    """A wire report but for the token: the loader puts that in for ``credential``."""

    fields: dict[str, Any]
    credential: int
    token_ms: int
    forged: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """One upload. ``sent_ms`` orders uploads: a late one comes after younger reports of others."""

    device: str
    sent_ms: int
    reports: tuple[Report, ...]


def batches(plan: Plan, notes: Sequence[Note]) -> list[Batch]:
    """All uploads in the order in which they are sent."""
    rng = Random(f"{plan.seed}:deliver")
    by_device: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        by_device[note.device].append(note)
    found: list[Batch] = []
    for device in sorted(by_device):
        rows = sorted(by_device[device], key=lambda note: note.t_ms)
        found += _uploads(rng, device, _numbered(rng, plan, device, rows))
    return sorted(found, key=lambda batch: (batch.sent_ms, batch.device))


def _numbered(rng: Random, plan: Plan, device: str, notes: Sequence[Note]) -> list[tuple[int, Report]]:
    """(time, report) with boot and seq; a new start every few days."""
    found: list[tuple[int, Report]] = []
    places: dict[int, tuple[int, int]] = {}
    start, boot, seq, skew_ms = -1, 0, 0, 0
    for note in notes:
        if (note.t_ms - plan.from_ms) // START_EVERY_MS != start:
            start = (note.t_ms - plan.from_ms) // START_EVERY_MS
            boot, seq = rng.randrange(1, 2**53), 0
            skew_ms = 95_000 if device == FAST_CLOCK and start == 1 else rng.randint(-450, 450)
        seq += 4 if note.body["kind"] == "gap" else 1
        places[id(note)] = (boot, seq)
        head = {"boot": boot, "seq": seq, "at": note.t_ms + skew_ms, "skew_ms": skew_ms}
        fields = {**head, **note.body, **_reference(note, places, boot, seq)}
        found.append((note.t_ms, Report(fields, note.credential, note.token_ms, note.forged)))
    return found


def _reference(note: Note, places: dict[int, tuple[int, int]], boot: int, seq: int) -> dict[str, Any]:
    if note.of is not None:
        of_boot, of_seq = places[id(note.of)]
        return {"of": {"boot": of_boot, "seq": of_seq}}
    if note.body["kind"] == "gap":
        return {"from": seq - 3, "to": seq - 1}
    return {}


def _uploads(rng: Random, device: str, rows: Sequence[tuple[int, Report]]) -> list[Batch]:
    """Slices in order; one in sixteen is late by hours or days, one in twenty-five carries some reports again."""
    found: list[Batch] = []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        again = rows[max(0, start - 40) : start] if rng.random() < 0.04 or start == BATCH else []
        late_ms = int(rng.uniform(3, 60) * HOUR_MS) if rng.random() < 1 / 16 or device == "office" else 0
        found.append(Batch(device, part[-1][0] + late_ms, tuple(report for _, report in [*again, *part])))
    if len(found) > 2:
        found.append(Batch(device, found[1].sent_ms + HOUR_MS, found[1].reports))
    return found
