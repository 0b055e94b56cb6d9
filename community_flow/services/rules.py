"""Admission rules as the office keeps them, and a try of what a gate would say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from community_flow.domain import admission, short_codes
from community_flow.domain import passes as cf1
from community_flow.domain.admission import EVERYTHING, Decision, Shown, State
from community_flow.domain.errors import Invalid, NotFound
from community_flow.domain.gate_table import Record
from community_flow.domain.passes import Fault, Proof, Token
from community_flow.domain.places import Community, Gate, Household, PassType, Rule, Zone
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.services.gate_records import GateRecords
from community_flow.services.passes import Held, Passes, expiry_day
from community_flow.services.registry import Change, Registry

PASS_TYPES: tuple[PassType, ...] = get_args(PassType)
NOWHERE = "Nothing by that name here: choose it from the list."
UNKNOWN_CODE = "There is no such pass here: type the eight digits under its code, or scan it."


@dataclass(frozen=True)
class Book:
    """Every rule of one community, as it stands now."""

    community: Community
    gates: Mapping[str, Gate]
    zones: Mapping[str, Zone]
    types: Mapping[str, Rule]
    households: Sequence[tuple[str, Household]]
    """Those that have a number of outings of their own."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Somebody at a gate at a moment: with a pass of the community, or with any pass of a type."""

    gate: str
    direction: Literal["in", "out"]
    at_ms: int
    code: str = ""
    type: PassType = "resident"
    inside: bool = False
    full: bool = False
    used: int | None = None
    online: bool = True


@dataclass(frozen=True)
class Tried:
    """What the gate would say. ``record`` is what it would know of the pass: a masked name, never more."""

    decision: Decision
    record: Record | None
    pass_id: str | None


class Rules:
    def __init__(
        self, db: Database, registry: Registry, records: GateRecords, passes: Passes, audit: AuditLog, clock: Clock
    ) -> None:
        self.db, self.registry, self.records, self.passes = db, registry, records, passes
        self.audit, self.clock = audit, clock

    def book(self, scope: Scope, community: str) -> Book:
        """The rules of a community in scope; raises NotFound."""
        with self.db.read() as tx:
            return self.book_in(tx, scope, community)

    def book_in(self, tx: Transaction, scope: Scope, community: str) -> Book:
        """The same within a transaction that goes on."""
        mine = scope.narrowed(community)
        found = self.registry.communities(tx, mine)
        if community not in found:
            raise NotFound("There is no community by that name: choose one from the list.")
        kinds = {
            kind: {entity: state for _, entity, state in self.registry.store.current(tx, mine, kind)}
            for kind in ("gate", "zone", "rule", "household")
        }
        own = [(each, state) for each, state in kinds["household"].items() if state.quota_per_day is not None]
        own.sort(key=lambda pair: pair[1].unit)
        return Book(found[community], kinds["gate"], kinds["zone"], kinds["rule"], own)

    # --- changing ------------------------------------------------------------------------------------------------

    def set_type(self, scope: Scope, community: str, kind: str, rule: Rule) -> None:
        """What passes of a type may do where they say nothing themselves; gates learn of it with their next list."""
        if kind not in PASS_TYPES:
            raise NotFound(NOWHERE)
        with self.db.write() as tx:
            book = self.book_in(tx, scope, community)
            for gate in rule.gates or ():
                if gate not in book.gates:
                    raise Invalid(
                        "There is no gate with the id %(gate)s: choose it from the list.", field="gates", gate=gate
                    )
            old = book.types.get(kind, EVERYTHING)
            self.registry.record(tx, [Change(community, "rule", kind, self.clock.now_ms(), rule)], scope.account)
            self._note(tx, scope, community, kind, old, rule)

    def set_gate(self, scope: Scope, community: str, gate: str, fields: Mapping[str, Any]) -> None:
        """Hours of a gate, and what it says to somebody who is inside already."""
        with self.db.write() as tx:
            book = self.book_in(tx, scope, community)
            if gate not in book.gates:
                raise NotFound(NOWHERE)
            self._amend(tx, scope, community, "gate", gate, book.gates[gate], fields)

    def set_quota(self, scope: Scope, community: str, quota: int | None) -> None:
        """Outings a day of every household without a number of its own; None for as many as they like."""
        with self.db.write() as tx:
            book = self.book_in(tx, scope, community)
            self._amend(tx, scope, community, "community", community, book.community, {"quota_per_day": quota})

    def set_household(self, scope: Scope, community: str, unit: str, quota: int | None) -> None:
        """A number of outings for one household; None gives it the community's again."""
        with self.db.write() as tx:
            self.book_in(tx, scope, community)
            found = self.registry.owned(tx, Scope.system({community}), "household", [unit.strip()])
            if not found:
                raise Invalid(
                    "Nobody lives at %(unit)s: write the unit as on the person's page.", field="unit", unit=unit
                )
            _, household, state = found[0]
            self._amend(tx, scope, community, "household", household, state, {"quota_per_day": quota})

    def _amend(
        self, tx: Transaction, scope: Scope, community: str, kind: str, entity: str, old: Any, fields: Mapping[str, Any]
    ) -> None:
        def change(state: Any) -> Any:
            return msgspec.structs.replace(state, **fields)

        self.registry.amend(tx, community, kind, entity, self.clock.now_ms(), change, scope.account)
        self._note(tx, scope, community, entity, old, change(old))

    def _note(self, tx: Transaction, scope: Scope, community: str, subject: str, old: Any, new: Any) -> None:
        """What it was and what it is, into the log; nothing where nothing changed."""
        names = [name for name in new.__struct_fields__ if getattr(old, name) != getattr(new, name)]
        if not names:
            return
        detail = {name: {"was": getattr(old, name), "is": getattr(new, name)} for name in names}
        self.audit.append(
            tx,
            Look(account=scope.account, role=scope.role, action="rule.change", community=community, subject=subject,
                 detail=msgspec.to_builtins(detail)),
        )  # fmt: skip

    # --- trying --------------------------------------------------------------------------------------------------

    def try_it(self, scope: Scope, community: str, attempt: Attempt) -> Tried:
        """What the gate would say by the rules of now; looking at somebody's pass is a look, and in the log."""
        with self.db.write() as tx:
            book = self.book_in(tx, scope, community)
            if attempt.gate not in book.gates:
                raise NotFound(NOWHERE)
            shown, record, held = self._shown(tx, scope, book, community, attempt)
            if held is not None:
                self._looked(tx, scope, held, attempt)
        state = State(inside=attempt.inside, used=attempt.used, full=attempt.full, age_ms=0)
        decision = admission.evaluate(shown, record, gate_of(book, attempt), state)
        return Tried(decision, record, held.pass_id if held else None)

    def _shown(
        self, tx: Transaction, scope: Scope, book: Book, community: str, attempt: Attempt
    ) -> tuple[Shown, Record | None, Held | None]:
        # Spaces are data in a scanned code, and only spaces in a typed one.
        code = attempt.code if attempt.code.startswith(cf1.PREFIX) else attempt.code.strip()
        if not code:
            return Shown(kind="card"), Record(types=(), name="*", type=attempt.type, household="any"), None
        token = cf1.decode(code) if code.startswith(cf1.PREFIX) else None
        if isinstance(token, Fault):
            return Shown(kind="card", fault=token), None, None
        proof = self._proof(tx, community, token) if token else Proof.GOOD
        held = self._held(tx, scope.narrowed(community), community, code, token)
        if held is None:
            if token is None:
                raise Invalid(UNKNOWN_CODE, field="code")
            return Shown(kind="card", proof=proof), None, None
        return _shown_of(held, token, proof, book.community.timezone), self._record(tx, held, attempt.at_ms), held

    def _proof(self, tx: Transaction, community: str, token: Token) -> Proof:
        """Of a card; a phone's code is taken as genuine, because its moment is not the one that is tried."""
        if not token.is_card:
            return Proof.GOOD
        keys = [
            key
            for each in self.registry.store.communities(tx)
            for key in self.passes.keys.card_keys(self.registry.uid(tx, each))
        ]
        return cf1.prove_card(token, self.registry.uid(tx, community), keys)

    def _held(self, tx: Transaction, scope: Scope, community: str, code: str, token: Token | None) -> Held | None:
        pass_id: str | None = code
        if token is not None:
            pass_id = cf1.pass_id(self.passes.keys.pass_ref(self.registry.uid(tx, community), token.handle))
        elif not code.startswith(("ps_", "tg_")):
            digits = short_codes.read(code)
            row = self.passes.store.by_short_code(tx, scope, digits) if digits else None
            pass_id = row.pass_id if row else None
        try:
            return self.passes.held(tx, scope, pass_id) if pass_id else None
        except NotFound:
            return None

    def _record(self, tx: Transaction, held: Held, at_ms: int) -> Record | None:
        if held.state.kind != "tag":
            made, _ = self.records.some(tx, held.community, [held.pass_id], at_ms)
            return made[0].record if made else None
        scope, person = Scope.system({held.community}), held.state.person or ""
        found = self.records.people.of_ids(tx, scope, [person]).get(person)
        return self.records.of_person(tx, held.community, found, held.state, at_ms) if found else None

    def _looked(self, tx: Transaction, scope: Scope, held: Held, attempt: Attempt) -> None:
        detail = {"gate": attempt.gate, "direction": attempt.direction, "at_ms": attempt.at_ms}
        self.audit.append(
            tx,
            Look(account=scope.account, role=scope.role, action="rule.try", community=held.community,
                 person=held.state.person, subject=held.pass_id, detail=detail),
        )  # fmt: skip


def gate_of(book: Book, attempt: Attempt) -> admission.Gate:
    """The gate as the evaluator wants it, at the moment that is tried."""
    gate = book.gates[attempt.gate]
    local = datetime.fromtimestamp(attempt.at_ms / 1000, ZoneInfo(book.community.timezone))
    offset = local.utcoffset()
    return admission.Gate(
        gate=attempt.gate, direction=attempt.direction, at_ms=attempt.at_ms, online=attempt.online,
        utc_offset_min=int(offset.total_seconds() // 60) if offset else 0, passback=gate.passback, exits=gate.exits,
        challenge=gate.challenge, windows=gate.windows, rules=dict(book.types), quota=book.community.quota_per_day,
        names={each: state.names for each, state in book.gates.items()},
    )  # fmt: skip


def _shown_of(held: Held, token: Token | None, proof: Proof, timezone: str) -> Shown:
    """A card as it is printed now, or as it was read; a phone or an IC card as its owner holds it out."""
    state = held.state
    if state.kind == "tag":
        return Shown(kind="tag")
    if state.kind == "phone":
        return Shown(kind="rotating")
    if token is not None:
        return Shown(kind="card", proof=proof, serial=token.serial, expiry_day=token.expiry_day)
    last = None if state.until_ms is None else expiry_day(state.until_ms, timezone)
    return Shown(kind="card", serial=state.serial, expiry_day=last)
