"""Cases: open one under an order, look at ranked contacts, decide, and open identities with a second official.

Every look is logged in the transaction that reads, for the index person and for each person whose movements it showed.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from community_flow.domain.contacts import Contact
from community_flow.domain.errors import Conflict, Forbidden, Invalid, NotFound
from community_flow.domain.places import Person
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.accounts import Account
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.cases import (
    Case,
    CaseStore,
    Decision,
    Identity,
    MovementReader,
    Notice,
    Opening,
    Order,
    Status,
    Stay,
)
from community_flow.services.contact_search import DEFAULT_KINDS, KINDS, ContactSearch, Found, Place
from community_flow.services.orders import Orders
from community_flow.services.pseudonyms import Pseudonyms
from community_flow.services.registry import Registry

DAY_MS = 24 * 3600 * 1000
LONGEST_WINDOW_MS = 21 * DAY_MS
TOP = 50
NO_CASE = "There is no such case here."
NO_CONTACT = "There is no such contact in this case."


@dataclass(frozen=True, kw_only=True)
class NewCase:
    """Wanted: the index person by id, or by exact name and unit as the laboratory's report gives them."""

    community: str
    purpose: str
    from_ms: int
    to_ms: int
    person: str | None = None
    name: str | None = None
    unit: str | None = None
    order: str | None = None
    least_min: int = 15
    queue_s: int = 30
    kinds: tuple[str, ...] = DEFAULT_KINDS
    source_case: str | None = None


@dataclass(frozen=True)
class ContactLine:
    """One contact as the page, the JSON and the CSV show it; ``identity`` only once it was opened."""

    rank: int
    pseudonym: str
    contact: Contact
    status: Status
    identity: Identity | None


@dataclass(frozen=True)
class CaseView:
    """All that one look shows."""

    case: Case
    order: Order
    index_pseudonym: str
    index_identity: Identity | None
    contacts: tuple[ContactLine, ...]
    total: int
    certain_total: int
    compound_total: int
    places: tuple[Place, ...]
    stays: tuple[Stay, ...]
    openings: tuple[Opening, ...]


class Tracing:
    def __init__(
        self, db: Database, cases: CaseStore, movements: MovementReader, orders: Orders, registry: Registry,
        pseudonyms: Pseudonyms, audit: AuditLog, clock: Clock,
    ) -> None:  # fmt: skip
        self.db, self.cases, self.movements, self.orders, self.registry = db, cases, movements, orders, registry
        self.pseudonyms, self.audit, self.clock = pseudonyms, audit, clock
        self.contacts = ContactSearch(movements, registry)

    def open_case(self, scope: Scope, account: Account, wanted: NewCase) -> Case:
        """A new case; needs an order in force and a purpose. Raises Forbidden, Invalid or NotFound."""
        with self.db.write() as tx:
            if not scope.sees(wanted.community):
                raise NotFound("There is no such community here.")
            order = self.orders.needed(tx, account, wanted.community, wanted.order)
            _check(wanted)
            within = scope.narrowed(wanted.community)
            case = self._made(tx, account, wanted, order, self._index_person(tx, within, wanted))
            self.cases.add(tx, case)
            self._log(tx, account, case, "case.open", {case.index_person: "index"})
        return case

    def known(self, scope: Scope, account: Account) -> list[Case]:
        """Cases of the official's authority within the scope, newest first."""
        with self.db.read() as tx:
            return self.cases.of_authority(tx, scope, account.authority) if account.authority else []

    def look(self, scope: Scope, account: Account, case_id: str, top: int | None = TOP) -> CaseView:
        """The case with its ranked contacts; logged as one look at each person it shows."""
        with self.db.write() as tx:
            view, shown = self._view(tx, scope, account, case_id, top)
            self._log(tx, account, view.case, "case.look", shown)
        return view

    def decide(
        self, scope: Scope, account: Account, case_id: str, pseudonym: str, status: Status, note: str | None
    ) -> None:
        """An official's word on a candidate; the last one holds."""
        if status not in ("candidate", "contact", "cleared"):
            raise Invalid("Choose candidate, contact or cleared.", field="status")
        with self.db.write() as tx:
            case, _ = self._case(tx, scope, account, case_id)
            (person,) = self._persons(tx, scope, case, [pseudonym])
            decision = Decision(
                case_id=case_id, person=person, status=status, decided_by=account.account,
                decided_ms=self.clock.now_ms(), note=(note or "").strip()[:500] or None,
            )  # fmt: skip
            self.cases.decide(tx, decision)
            self._log(tx, account, case, "case.decide", {person: status})

    def ask(self, scope: Scope, account: Account, case_id: str, pseudonyms: Sequence[str], reason: str) -> Opening:
        """Ask for the identities of a batch. Nothing opens until a second official agrees."""
        if len(reason.strip()) < 4:
            raise Invalid("Say what the identities are needed for.", field="reason")
        with self.db.write() as tx:
            case, _ = self._case(tx, scope, account, case_id)
            persons = self._persons(tx, scope, case, pseudonyms)
            opening = Opening(
                opening_id="op_" + secrets.token_hex(6), case_id=case_id, community=case.community,
                persons=tuple(persons), reason=reason.strip()[:500], asked_by=account.account,
                asked_ms=self.clock.now_ms(),
            )  # fmt: skip
            self.cases.ask(tx, opening)
            self._log(tx, account, case, "case.ask", dict.fromkeys(persons, "asked"))
        return opening

    def answer(self, scope: Scope, account: Account, case_id: str, opening_id: str, agree: bool) -> Opening:
        """Agree to or refuse a request of another official of the same authority; agreeing tells the community."""
        with self.db.write() as tx:
            case, order = self._case(tx, scope, account, case_id)
            asked = next((each for each in self.cases.openings(tx, case_id) if each.opening_id == opening_id), None)
            if asked is None:
                raise NotFound("There is no such request here.")
            if asked.asked_by == account.account:
                raise Forbidden("A second official of your authority has to agree: you asked for it yourself.")
            answered = replace(
                asked, state="agreed" if agree else "refused", answered_by=account.account,
                answered_ms=self.clock.now_ms(),
            )  # fmt: skip
            if not self.cases.answer(tx, answered):
                raise Conflict("Somebody answered this request before you.")
            action = "case.opened" if agree else "case.refused"
            self._log(tx, account, case, action, dict.fromkeys(asked.persons, answered.state))
            if agree:
                self._tell(tx, order, answered)
        return answered

    # ---- the parts -----------------------------------------------------------------------------------------------

    def _view(
        self, tx: Transaction, scope: Scope, account: Account, case_id: str, top: int | None
    ) -> tuple[CaseView, dict[str, str]]:
        case, order = self._case(tx, scope, account, case_id)
        found = self.contacts.search(tx, scope, case, self.clock.now_ms())
        shown = found.contacts[:top]
        persons = [found.people[contact.person] for contact in shown]
        openings = self.cases.openings(tx, case_id)
        opened = {person for opening in openings if opening.state == "agreed" for person in opening.persons}
        names = self.pseudonyms.all(tx, case.community, case_id, [*persons, case.index_person])
        identities = self._identities(tx, scope.narrowed(case.community), opened & {*persons, case.index_person})
        decisions = self.cases.decisions(tx, case_id)
        lines = tuple(
            ContactLine(rank, names[person], contact, _status(decisions, person), identities.get(person))
            for rank, (person, contact) in enumerate(zip(persons, shown, strict=True), 1)
        )
        view = CaseView(
            case, order, names[case.index_person], identities.get(case.index_person), lines, len(found.contacts),
            sum(each.certainty == "seen" for each in found.contacts), found.compound_total, found.places,
            found.stays, tuple(openings),
        )  # fmt: skip
        return view, {case.index_person: "index", **dict.fromkeys(persons, "contact")}

    def _case(self, tx: Transaction, scope: Scope, account: Account, case_id: str) -> tuple[Case, Order]:
        """The case, while an order of the authority opens it."""
        case = self.cases.one(tx, scope, account.authority, case_id) if account.authority else None
        if case is None:
            raise NotFound(NO_CASE)
        return case, self.orders.needed(tx, account, case.community)

    def _persons(self, tx: Transaction, scope: Scope, case: Case, pseudonyms: Sequence[str]) -> list[str]:
        found: Found = self.contacts.search(tx, scope, case, self.clock.now_ms())
        names = self.pseudonyms.all(tx, case.community, case.case_id, [*found.people, case.index_person])
        by_name = {name: person for person, name in names.items()}
        if not pseudonyms or not set(pseudonyms) <= set(by_name):
            raise NotFound(NO_CONTACT)
        return [by_name[name] for name in pseudonyms]

    def _index_person(self, tx: Transaction, scope: Scope, wanted: NewCase) -> str:
        if wanted.person:
            if not self.registry.store.current(tx, scope, "person", wanted.person):
                raise NotFound("There is no such person in this community.")
            return wanted.person
        if not wanted.name or not wanted.unit:
            raise Invalid("Give the index person's exact name and unit.", field="name")
        people = [each.person for each in self.movements.named(tx, scope, wanted.name.strip())]
        units = self._units(tx, scope, people)
        matching = [person for person in people if _plain(units.get(person)) == _plain(wanted.unit)]
        if len(matching) != 1:
            raise Invalid("Nobody of that name is registered at that unit: check the spelling of both.", field="name")
        return matching[0]

    def _identities(self, tx: Transaction, scope: Scope, persons: Collection[str]) -> dict[str, Identity]:
        units = self._units(tx, scope, persons)
        found = self.movements.identities(tx, scope, persons) if persons else {}
        return {person: replace(each, unit=units.get(person)) for person, each in found.items()}

    def _units(self, tx: Transaction, scope: Scope, persons: Collection[str]) -> dict[str, str]:
        found = {}
        for person in persons:
            state = self.registry.store.current(tx, scope, "person", person)
            household = state[0][2].household if state and isinstance(state[0][2], Person) else None
            home = self.registry.store.current(tx, scope, "household", household) if household else []
            if home:
                found[person] = str(home[0][2].unit)
        return found

    def _made(self, tx: Transaction, account: Account, wanted: NewCase, order: Order, person: str) -> Case:
        now_ms = self.clock.now_ms()
        start = f"{datetime.fromtimestamp(now_ms / 1000, UTC).year}-"
        number = f"{start}{self.cases.numbers(tx, wanted.community, start) + 1:03d}"
        return Case(
            case_id="c_" + secrets.token_hex(6), number=number, community=wanted.community, order_id=order.order_id,
            authority=order.authority, purpose=wanted.purpose.strip(), index_person=person, from_ms=wanted.from_ms,
            to_ms=wanted.to_ms, least_min=wanted.least_min, queue_s=wanted.queue_s,
            kinds=tuple(kind for kind in KINDS if kind in wanted.kinds), opened_by=account.account, opened_ms=now_ms,
            source_case=wanted.source_case,
        )  # fmt: skip

    def _tell(self, tx: Transaction, order: Order, opening: Opening) -> None:
        detail: dict[str, str | int] = {
            "number": order.number, "authority": order.authority, "persons": len(opening.persons),
            "reason": opening.reason,
        }  # fmt: skip
        notice = Notice(
            notice_id="n_" + secrets.token_hex(6), community=opening.community, at_ms=self.clock.now_ms(),
            kind="identities.opened", order_id=order.order_id, detail=detail,
        )  # fmt: skip
        self.orders.tell(tx, [notice])

    def _log(self, tx: Transaction, account: Account, case: Case, action: str, persons: Mapping[str, str]) -> None:
        looks = (
            Look(
                account=account.account, role=account.role, action=action, community=case.community, person=person,
                subject=case.case_id, purpose=case.purpose, detail={"as": part, "case": case.number},
            )
            for person, part in persons.items()
        )  # fmt: skip
        self.audit.append(tx, *looks)


def _check(wanted: NewCase) -> None:
    if not 4 <= len(wanted.purpose.strip()) <= 500:
        raise Invalid("Say what the case is for (4-500 characters).", field="purpose")
    if not wanted.from_ms < wanted.to_ms <= wanted.from_ms + LONGEST_WINDOW_MS:
        raise Invalid("The window begins before it ends and is 21 days at most.", field="to")
    if not 1 <= wanted.least_min <= 1440:
        raise Invalid("The least time together is 1 to 1,440 minutes.", field="least_min")
    if not 0 <= wanted.queue_s <= 300:
        raise Invalid("People in one queue pass within 0 to 300 seconds of each other.", field="queue_s")
    if not wanted.kinds or not set(wanted.kinds) <= set(KINDS):
        raise Invalid("Choose at least one kind of place from the list.", field="kinds")


def _status(decisions: Mapping[str, Decision], person: str) -> Status:
    return decisions[person].status if person in decisions else "candidate"


def _plain(unit: str | None) -> str:
    return "".join((unit or "").split()).lower()
