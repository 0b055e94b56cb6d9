"""Guests whom a guard registers at the gate: a pass for the stay, so that their way out is seen and an overstay too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from community_flow.domain.errors import Invalid
from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role, Scope
from community_flow.ports.gate import Shift
from community_flow.ports.ingest import Trusted
from community_flow.services.visitors import Visitors

MINUTE_MS = 60_000
LONGEST_MIN = 24 * 60
CONFIRMED = ("phone", "present", "expected", "app")
"""How the host said yes: by telephone, by coming to the gate, beforehand at the office, or on their own phone."""

UNNAMED = "访客"
"""A guest need not give a name: the host answers for them."""


@dataclass(frozen=True)
class Slip:
    """What the guest shows on the way out, as text and as the modules of its QR code."""

    pass_: str
    qr: tuple[str, ...]
    until_ms: int


class GateGuests:
    def __init__(self, visitors: Visitors, qr_modules: Callable[[str], list[list[bool]]]) -> None:
        self.visitors, self.qr_modules = visitors, qr_modules

    def register(self, trusted: Trusted, shift: Shift, unit: str, minutes: int, confirmed: str) -> Slip:
        """A visitor of a unit from now on, confirmed by the host; the guard's name is with it in the log."""
        if confirmed not in CONFIRMED:
            raise Invalid("Say how the host agreed: phone, present, expected or app.", field="confirmed")
        if not 1 <= minutes <= LONGEST_MIN:
            raise Invalid("A guest's pass is good for a day at most: the office makes longer ones.", field="minutes")
        now_ms, passes = self.visitors.clock.now_ms(), self.visitors.passes
        until_ms = now_ms + minutes * MINUTE_MS
        scope = Scope(shift.account, Role.GUARD, frozenset({trusted.community}))
        guest = Resident(name=UNNAMED, unit=unit, type="visitor", note=f"host: {confirmed}")
        pass_id = self.visitors.register(scope, trusted.community, guest, now_ms, until_ms)
        with self.visitors.db.read() as tx:
            text = passes.text(tx, passes.held(tx, scope, pass_id))
        return Slip(text, tuple("".join("01"[dark] for dark in row) for row in self.qr_modules(text)), until_ms)
