"""What residents ask about their data: sent from the phone or from their page, answered by the office."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction
from community_flow.ports.audit import Look
from community_flow.ports.requests import DataRequest, Kind, RequestStore, State
from community_flow.services.people import OFFICE, People

MOST_OPEN = 5
LONGEST = 500
SETTLED: tuple[State, ...] = ("done", "refused")


@dataclass(frozen=True)
class Named:
    """A request with the name of whoever sent it, for the office."""

    request: DataRequest
    name: str


class Requests:
    def __init__(self, people: People, store: RequestStore) -> None:
        self.people, self.store = people, store
        self.db, self.clock = people.db, people.clock

    # --- residents -----------------------------------------------------------------------------------------------

    def send(self, tx: Transaction, by: Scope, community: str, person: str, kind: Kind, text: str) -> DataRequest:
        """Ask for something, in the caller's transaction."""
        words = text.strip()
        if kind in ("correction", "objection") and not words:
            raise Invalid("Say in a few words what is wrong or what you object to.", field="text")
        if len(words) > LONGEST:
            raise Invalid("At most 500 characters: say it shorter.", field="text")
        scope = Scope.system({community})
        if len(self.store.rows(tx, scope, states=("open",), person=person)) >= MOST_OPEN:
            raise Conflict("Five of your requests are not answered yet: wait for those first.")
        made = DataRequest(
            request="q_" + secrets.token_hex(8), community=community, person=person, kind=kind, text=words,
            sent_ms=self.clock.now_ms(),
        )  # fmt: skip
        self.store.add(tx, made)
        self._log(tx, by, "request.send", made)
        return made

    def send_own(self, scope: Scope, kind: Kind, text: str) -> DataRequest:
        """Ask from a resident's own page."""
        person = scope.person or ""
        with self.db.write() as tx:
            found = self.people.found(tx, scope, person)
            return self.send(tx, scope, found.community, person, kind, text)

    def of(self, tx: Transaction, community: str, person: str) -> list[DataRequest]:
        """Somebody's own, newest first."""
        found = self.store.rows(tx, Scope.system({community}), states=("open", *SETTLED), person=person)
        return found[::-1]

    def of_scope(self, scope: Scope) -> list[DataRequest]:
        """A resident's own, newest first."""
        with self.db.read() as tx:
            return self.store.rows(tx, scope, states=("open", *SETTLED), person=scope.person or "")[::-1]

    # --- the office ----------------------------------------------------------------------------------------------

    def rows(self, scope: Scope, states: Sequence[State] = ("open",)) -> list[Named]:
        """Oldest first, with names: what somebody asks is looked at, so each stands in the log of who asked."""
        with self.db.write() as tx:
            found = self.store.rows(tx, scope, states=states)
            people = self.people.store.of_ids(tx, scope, [each.person for each in found])
            names = {person: each.row.name for person, each in people.items() if each.row}
            for each in found:
                self._log(tx, scope, "request.look", each)
        return [Named(each, names.get(each.person, "")) for each in found]

    def count_open(self, scope: Scope) -> int:
        """How many wait, for whoever may read them."""
        if scope.role not in OFFICE:
            return 0
        with self.db.read() as tx:
            return len(self.store.rows(tx, scope, states=("open",)))

    def settle(self, scope: Scope, request: str, state: Literal["done", "refused"], answer: str) -> DataRequest:
        """Say what was done, or why it is not; whoever asked reads it on their phone."""
        words = answer.strip()
        if not words or len(words) > LONGEST:
            raise Invalid("Answer in at most 500 characters: the resident reads them.", field="answer")
        with self.db.write() as tx:
            found = self.store.one(tx, scope, request)
            if found is None:
                raise NotFound("Nothing by that name here: choose it from the list.")
            settled = replace(
                found, state=state, answer=words, settled_ms=self.clock.now_ms(), settled_by=scope.account
            )
            if not self.store.settle(tx, settled):
                raise Conflict("Somebody has answered this already: reload the page.")
            self._log(tx, scope, f"request.{state}", settled)
        return settled

    def _log(self, tx: Transaction, by: Scope, action: str, request: DataRequest) -> None:
        look = Look(
            account=by.account, role=by.role, action=action, community=request.community, person=request.person,
            subject=request.request, detail={"kind": request.kind},
        )  # fmt: skip
        self.people.audit.append(tx, look)
