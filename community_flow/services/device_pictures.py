"""A still that a manager asks a camera for, to draw its line on: held in memory for a minute, never written."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from community_flow.domain.errors import Busy, Conflict, Invalid, NotFound
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.ingest import Trusted
from community_flow.ports.pictures import Answered, Asked, Pictures
from community_flow.services.registry import Registry

MOST_BYTES = 1 << 20
MOST_REASON = 300


class DevicePictures:
    """``shared`` says whether every process that may be asked sees the same pictures."""

    def __init__(
        self, db: Database, registry: Registry, audit: AuditLog, pictures: Pictures, clock: Clock,
        shared: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.db, self.registry, self.audit = db, registry, audit
        self.pictures, self.clock, self.shared = pictures, clock, shared

    def ask(self, scope: Scope, device: str, sensor: int) -> str:
        """Ask for a picture; gives the name by which the asker, and nobody else, gets it."""
        asked = Asked(_mark(scope.account) + secrets.token_urlsafe(16), scope.account, sensor, self.clock.now_ms())
        with self.db.write() as tx:
            community, state = self.registry.one(tx, scope, "device", device)
            if not self.shared():
                raise Conflict("Several servers share this store, and pictures need Redis then: set FLOW_REDIS_URL.")
            if state.kind != "camera" or state.status != "active":
                raise Conflict("Only a camera in use can be asked for a picture.")
            look = Look(
                account=scope.account, role=str(scope.role), action="device.picture", community=community,
                subject=device, detail={"sensor": sensor},
            )  # fmt: skip
            self.audit.append(tx, look)
        if not self.pictures.ask(device, asked):
            raise Busy("Pictures cannot be kept at the moment: try again in a minute.", retry_s=60)
        return asked.id

    def look(self, scope: Scope, device: str, id: str) -> Answered | None:
        """What the device gave; None while it has not. Raises NotFound for one that is gone or was asked by another."""
        with self.db.read() as tx:
            self.registry.one(tx, scope, "device", device)
        if not id.startswith(_mark(scope.account)):
            raise NotFound("This picture is gone: ask for a new one.")
        found = self.pictures.answered(device, id)
        asked = self.pictures.asked(device)
        if found is None and (asked is None or asked.id != id):
            raise NotFound("This picture is gone: ask for a new one.")
        return found

    def wanted(self, trusted: Trusted) -> Asked | None:
        return self.pictures.asked(trusted.device)

    def take(self, trusted: Trusted, id: str, jpeg: bytes) -> None:
        """A picture that was asked for; any other is refused."""
        if not jpeg.startswith(b"\xff\xd8\xff") or not jpeg.rstrip(b"\0").endswith(b"\xff\xd9"):
            raise Invalid("This is no JPEG picture: send one.")
        self._answer(trusted, id, Answered(jpeg=jpeg))

    def refuse(self, trusted: Trusted, id: str, reason: str) -> None:
        """Why there is no picture."""
        self._answer(trusted, id, Answered(reason=reason[:MOST_REASON]))

    def _answer(self, trusted: Trusted, id: str, answered: Answered) -> None:
        if not self.pictures.answer(trusted.device, id, answered):
            raise NotFound("Nobody asks for this picture any more: throw it away.")


def _mark(account: str) -> str:
    """Whose wish it is, in its name: another manager who learned the name sees nothing."""
    return hashlib.sha256(b"picture:" + account.encode()).hexdigest()[:16]
