"""Who keeps whose pass on their phone: bound by the office, with an end, ended at once when it says so.

A kept pass is a pass of the person it is for; the phone that shows it signs with its own key. Whether the keeper may
also read what is kept about the person is the office's word too, and each such look stands in the person's log.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction
from community_flow.ports.audit import Look
from community_flow.ports.keepers import KeeperStore, Keeping, Relation
from community_flow.ports.people import Found
from community_flow.services.passes import Held
from community_flow.services.people import People

DAY_MS = 86_400_000
LONGEST_MS = 366 * DAY_MS
NO_KEEPING = "Nobody keeps this pass any more: open the person's page again."


@dataclass(frozen=True)
class Kept:
    """A keeping with both names, for pages."""

    keeping: Keeping
    person_name: str
    keeper_name: str
    holds: bool


@dataclass(frozen=True)
class KeptPass:
    """A pass of somebody else that a phone shows."""

    keeping: Keeping
    held: Held
    handle: bytes
    name: str


class Keepers:
    def __init__(self, people: People, store: KeeperStore) -> None:
        self.people, self.store = people, store
        self.passes, self.db, self.clock = people.passes, people.db, people.clock

    # --- the office ----------------------------------------------------------------------------------------------

    def bind(
        self, scope: Scope, person: str, keeper: str, relation: Relation, until_ms: int | None, *, sees: bool = False
    ) -> str:
        """Let ``keeper``'s phone show ``person``'s pass until a day; gives the keeping's id."""
        with self.db.write() as tx:
            whose, by = self.people.living(tx, scope, person), self._keeper(tx, scope, keeper)
            now_ms = self.clock.now_ms()
            _check(whose, by, relation, until_ms, now_ms)
            for each in self.store.about(tx, scope, person):
                if each.person == person and each.keeper == keeper and each.holds_at(now_ms):
                    self._end(tx, scope, each, now_ms)
            made = Keeping(
                keeping="k_" + secrets.token_hex(8), community=whose.community, person=person, keeper=keeper,
                relation=relation, sees=sees, from_ms=now_ms, until_ms=until_ms or 0, ended_ms=None,
                bound_by=scope.account,
            )  # fmt: skip
            self.store.add(tx, made)
            self._log(tx, scope, "keeper.bind", made)
        return made.keeping

    def end(self, scope: Scope, keeping: str) -> Keeping:
        """Gates stop the pass on the keeper's phone from now on."""
        with self.db.write() as tx:
            found = self.store.one(tx, scope, keeping)
            if found is None or found.ended_ms is not None:
                raise NotFound(NO_KEEPING)
            self._end(tx, scope, found, self.clock.now_ms())
        return found

    def about(self, scope: Scope, person: str) -> list[Kept]:
        """Who keeps this person's pass, and whose passes this person keeps."""
        with self.db.read() as tx:
            return self.named(tx, scope, self.store.about(tx, scope, person))

    # --- phones --------------------------------------------------------------------------------------------------

    def on_phone(self, tx: Transaction, by: Scope, own: Held) -> list[KeptPass]:
        """The passes that the phone with this own pass shows for others; made where the phone has none yet."""
        now_ms = self.clock.now_ms()
        keeper = own.state.person or ""
        found = [each for each in self.store.about(tx, by, keeper) if each.keeper == keeper and each.holds_at(now_ms)]
        people = self.people.store.of_ids(tx, Scope.system({own.community}), [each.person for each in found])
        living = [each for each in found if each.person in people and people[each.person].state.status == "active"]
        shown = [(each, self._pass_of(tx, by, each, own)) for each in living]
        uid = self.passes.registry.uid(tx, own.community)
        return [
            KeptPass(each, held, self.passes.keys.open_handle(uid, held.row.sealed_handle), _name(people[each.person]))
            for each, held in shown
            if held is not None and held.row.sealed_handle is not None
        ]

    def of_pass(self, tx: Transaction, held: Held) -> Keeping | None:
        """By whose word a phone shows this pass of somebody else; None when it is over."""
        for each in self.store.about(tx, Scope.system({held.community}), held.state.person or ""):
            if each.keeper == held.state.keeper and each.holds_at(self.clock.now_ms()):
                return each
        return None

    def named(self, tx: Transaction, scope: Scope, found: Sequence[Keeping]) -> list[Kept]:
        """With the names of both."""
        where = Scope.system({each.community for each in found})
        persons = sorted({person for each in found for person in (each.person, each.keeper)})
        people = self.people.store.of_ids(tx, where, persons)
        now_ms = self.clock.now_ms()
        return [
            Kept(each, _name(people.get(each.person)), _name(people.get(each.keeper)), each.holds_at(now_ms))
            for each in found
        ]

    def end_by_phone(self, tx: Transaction, by: Scope, keeping: Keeping) -> None:
        """The keeper gives the pass back."""
        self._end(tx, by, keeping, self.clock.now_ms())

    # --- inside --------------------------------------------------------------------------------------------------

    def _keeper(self, tx: Transaction, scope: Scope, keeper: str) -> Found:
        try:
            return self.people.living(tx, scope, keeper)
        except NotFound as error:
            raise Invalid(
                "There is nobody with this number: it stands on that person's page.", field="keeper"
            ) from error

    def _pass_of(self, tx: Transaction, by: Scope, keeping: Keeping, own: Held) -> Held | None:
        """The pass on this very phone; None when the office revoked it there."""
        theirs = [
            each
            for each in self.passes.of_persons(tx, Scope.system({keeping.community}), [keeping.person])
            if each.state.keeper == keeping.keeper
            and each.row.public_key == own.row.public_key
            and each.row.issued_ms >= keeping.from_ms
        ]
        if theirs:
            return next((each for each in theirs if each.state.status == "active"), None)
        key = own.row.public_key or b""
        made = self.passes.add_phone(tx, by, keeping.person, key, keeper=keeping.keeper, until_ms=keeping.until_ms)
        return self.passes.held(tx, Scope.system({keeping.community}), made.pass_id)

    def _end(self, tx: Transaction, by: Scope, keeping: Keeping, now_ms: int) -> None:
        scope = Scope.system({keeping.community})
        shown = [
            each
            for each in self.passes.of_persons(tx, scope, [keeping.person])
            if each.state.keeper == keeping.keeper and each.state.status == "active"
        ]
        self.passes.end(tx, by, shown, now_ms)
        self.store.end(tx, keeping.keeping, now_ms)
        self._log(tx, by, "keeper.end", keeping)

    def _log(self, tx: Transaction, by: Scope, action: str, keeping: Keeping) -> None:
        detail = {"relation": keeping.relation, "sees": keeping.sees, "until_ms": keeping.until_ms}
        looks = [
            Look(account=by.account, role=by.role, action=action, community=keeping.community, person=person,
                 subject=keeping.keeping, detail=detail)
            for person in (keeping.person, keeping.keeper)
        ]  # fmt: skip
        self.people.audit.append(tx, *looks)


def _check(whose: Found, by: Found, relation: Relation, until_ms: int | None, now_ms: int) -> None:
    if by.person == whose.person:
        raise Invalid("Somebody's own phone needs no word of the office: print a slip.", field="keeper")
    if by.community != whose.community:
        raise Invalid("There is nobody with this number: it stands on that person's page.", field="keeper")
    household = whose.state.household
    if relation == "household" and (household is None or by.state.household != household):
        raise Conflict("They do not live in one household: choose carer, or correct the unit of one of them.")
    if until_ms is None or not now_ms < until_ms <= now_ms + LONGEST_MS:
        raise Invalid("Say until when: a day within a year from now.", field="until")


def _name(found: Found | None) -> str:
    return found.row.name if found and found.row else ""
