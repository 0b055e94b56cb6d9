"""Emergency free flow: everyone passes, and it is known who began it, who ended it and how many were counted.

A phone begins it without asking anybody, for there may be no network; it tells here as soon as it can, and again
whenever something changed. The other phones of the gate hear it with their state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from community_flow.domain.errors import NotFound
from community_flow.ports import Clock, Database
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.gate import Emergency, EmergencyStore
from community_flow.ports.ingest import Trusted


class Emergencies:
    def __init__(
        self, db: Database, store: EmergencyStore, audit: AuditLog, clock: Clock, changed: Callable[[Trusted], None]
    ) -> None:
        self.db, self.store, self.audit, self.clock, self.changed = db, store, audit, clock, changed

    def tell(self, trusted: Trusted, told: Emergency) -> int:
        """Keep what a phone tells; safe to repeat. Gives the server's time, from which on states know of it."""
        with self.db.write() as tx:
            known = self.store.one(tx, told.id)
            if known is None:
                self.store.save(tx, told)
                self.audit.append(tx, _look(told, "gate.emergency", told.begun_by, told.device))
            elif (known.community, known.gate) != (told.community, told.gate):
                raise NotFound("Nothing by that name here: choose it from the list.")
            kept = told if known is None else _joined(known, told)
            if kept != known:
                self.store.save(tx, kept)
            if kept.ended_by is not None and (known is None or known.ended_ms is None):
                self.audit.append(tx, _look(kept, "gate.emergency.end", kept.ended_by, told.device))
        self.changed(trusted)
        return self.clock.now_ms()


def _joined(known: Emergency, told: Emergency) -> Emergency:
    """What two phones know of one emergency: the first end holds, and each counts on."""
    ended = (known.ended_ms, known.ended_by) if known.ended_ms is not None else (told.ended_ms, told.ended_by)
    return replace(known, ended_ms=ended[0], ended_by=ended[1], counted=max(known.counted, told.counted))


def _look(emergency: Emergency, action: str, operator: str, device: str) -> Look:
    detail = {
        "gate": emergency.gate, "emergency": emergency.id, "operator": operator, "counted": emergency.counted,
        "at_ms": emergency.begun_ms if action == "gate.emergency" else emergency.ended_ms,
    }  # fmt: skip
    return Look(
        account=operator, role="guard", action=action, community=emergency.community, subject=device,
        purpose="emergency", detail=detail,
    )  # fmt: skip
