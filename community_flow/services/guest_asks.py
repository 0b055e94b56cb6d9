"""A guest at the gate, and their host asked on the host's own phone.

The guard asks a household; each phone of it that is a pass here and has its page open shows the question within
seconds. The first answer holds. A telephone call stays as good: nobody need have such a phone.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.places import Names
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.gate import GuestAsk, GuestAskStore, Shift
from community_flow.ports.ingest import Trusted
from community_flow.services.my_pass import Asked, MyPass

ASK_MS = 3 * 60_000
"""Nobody waits longer at a gate; an answer after that is none."""

KEPT_MS = 24 * 3_600_000
MOST_PARTY = 20
ANSWERS = ("yes", "no")
GONE = "This question is over: the guard has gone on."


@dataclass(frozen=True)
class Pending:
    """What a host is asked."""

    ask: GuestAsk
    gate: Names


class GuestAsks:
    def __init__(self, mine: MyPass, store: GuestAskStore, audit: AuditLog) -> None:
        self.mine, self.store, self.audit = mine, store, audit
        self.db, self.clock, self.passes = mine.db, mine.clock, mine.passes
        self.registry = mine.passes.registry

    # --- at the gate ---------------------------------------------------------------------------------------------

    def ask(self, trusted: Trusted, shift: Shift, unit: str, party: int) -> tuple[str, int]:
        """(id, phones that can answer); raises Invalid when nobody lives there."""
        if not 1 <= party <= MOST_PARTY:
            raise Invalid("A party is 1 to 20 people.", field="party")
        scope, now_ms = Scope.system({trusted.community}), self.clock.now_ms()
        with self.db.write() as tx:
            household = self._household(tx, scope, unit)
            gate = self.registry.one(tx, scope, "device", trusted.device)[1].gate or ""
            ask = GuestAsk(
                id=secrets.token_urlsafe(15), community=trusted.community, gate=gate, device=trusted.device,
                household=household, unit=unit.strip(), party=party, asked_ms=now_ms, operator=shift.operator,
            )  # fmt: skip
            self.store.forget(tx, trusted.community, now_ms - KEPT_MS)
            self.store.add(tx, ask)
            return ask.id, self._phones(tx, scope, household)

    def answered(self, trusted: Trusted, ask: str) -> str | None:
        """What the host said: yes, no, or nothing yet; raises NotFound for another phone's question."""
        with self.db.read() as tx:
            return self._own(tx, trusted, ask).answer

    def agreed(self, trusted: Trusted, ask: str, unit: str) -> None:
        """Raises Invalid unless the host of this unit said yes to this question."""
        with self.db.read() as tx:
            known = self._own(tx, trusted, ask)
        late = self.clock.now_ms() - known.asked_ms > 2 * ASK_MS
        if known.answer != "yes" or known.unit != unit.strip() or late:
            raise Invalid("The host has not said yes to this guest: ask again, or telephone.", field="confirmed")

    def _own(self, tx: Transaction, trusted: Trusted, ask: str) -> GuestAsk:
        known = self.store.one(tx, trusted.community, ask)
        if known is None or known.device != trusted.device:
            raise NotFound(GONE)
        return known

    def _household(self, tx: Transaction, scope: Scope, unit: str) -> str:
        found = self.registry.owned(tx, scope, "household", [unit.strip()])
        if not found:
            raise Invalid("Nobody lives at %(unit)s: write the unit as on the person's page.", field="unit", unit=unit)
        return found[0][1]

    def _phones(self, tx: Transaction, scope: Scope, household: str) -> int:
        persons = [person for _, person, _ in self.registry.owned(tx, scope, "person", [household])]
        held = self.passes.of_persons(tx, scope, persons)
        return sum(each.state.kind == "phone" and each.state.status == "active" for each in held)

    # --- on the host's phone -------------------------------------------------------------------------------------

    def pending(self, asked: Asked) -> list[Pending]:
        """Guests at a gate now of whom this phone's owner may answer."""
        with self.db.read() as tx:
            owner = self.mine.owner(tx, asked, b"guests")
            household = self._home(tx, owner)
            if household is None:
                return []
            community = asked.community
            open_now = self.store.open(tx, community, household, self.clock.now_ms() - ASK_MS)
            gates = {
                gate: state.names for (_, gate), state in self.registry.gates(tx, Scope.system({community})).items()
            }
        return [Pending(ask, gates.get(ask.gate, {})) for ask in open_now]

    def answer(self, asked: Asked, ask: str, answer: str) -> None:
        """The host's word, signed for this question and this answer alone; raises Conflict when it comes too late."""
        if answer not in ANSWERS:
            raise Invalid("Answer yes or no.", field="answer")
        now_ms = self.clock.now_ms()
        with self.db.write() as tx:
            owner = self.mine.owner(tx, asked, f"guest {ask} {answer}".encode())
            known = self.store.one(tx, asked.community, ask)
            if known is None or known.household != self._home(tx, owner):
                raise NotFound(GONE)
            person = owner.person or ""
            if now_ms - known.asked_ms > ASK_MS or not self.store.answer(tx, known, answer, person, now_ms):
                raise Conflict(GONE)
            self.audit.append(tx, _look(owner, known, answer))

    def _home(self, tx: Transaction, owner: Scope) -> str | None:
        home: str | None = self.registry.one(tx, Scope.system(owner.communities), "person", owner.person or "")[
            1
        ].household
        return home


def _look(owner: Scope, ask: GuestAsk, answer: str) -> Look:
    return Look(
        account=owner.account, role=owner.role, action="me.guest", community=ask.community, person=owner.person,
        subject=ask.id, detail={"answer": answer, "gate": ask.gate, "unit": ask.unit, "operator": ask.operator},
    )  # fmt: skip
