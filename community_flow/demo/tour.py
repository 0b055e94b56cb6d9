"""The tour's gate: cards held up without a camera, decided as at a real gate and reported over the real route."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from community_flow.demo import cast
from community_flow.demo.folder import DemoFolder
from community_flow.demo.places import FULL
from community_flow.demo.wallet import forged
from community_flow.domain import admission, passes
from community_flow.domain.errors import NotFound
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.gate import GateReader
from community_flow.services.accounts import Accounts, SignedIn
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.devices import Devices
from community_flow.services.gate_records import GateRecords
from community_flow.services.passes import Held, Passes
from community_flow.services.registry import Registry
from community_flow.services.rules import Attempt, Rules, gate_of
from community_flow.services.tracing import NewCase, Tracing

GATE = "east"
DEVICES = {"phone": "Tour phone", "camera": "East camera"}
"""Devices the tour speaks for, by the English name the simulator gave them."""
OPERATOR = "tour"

What = Literal["resident", "again", "forged", "revoked", "courier"]
SCOPE = Scope.system({FULL})


@dataclass(frozen=True)
class Presented:
    """What the gate said, and the report that tells of it (without boot, seq and time: the device adds those)."""

    decision: str
    reason: str
    sentences: dict[str, str]
    name: str | None
    report: dict[str, Any]
    bodies: int


@dataclass(frozen=True)
class TourParts:
    db: Database
    registry: Registry
    passes: Passes
    records: GateRecords
    rules: Rules
    reader: GateReader
    keys: CommunityKeys
    devices: Devices
    accounts: Accounts
    tracing: Tracing
    folder: DemoFolder
    clock: Clock


class Tour:
    def __init__(self, parts: TourParts) -> None:
        self.parts = parts
        self._tokens: dict[str, tuple[str, str]] = {}
        self._turn = 0
        self._lock = threading.Lock()

    def tokens(self) -> dict[str, tuple[str, str]]:
        """(device, token) of the tour's phone and of the gate's camera, fresh once per process; raises NotFound."""
        with self._lock:
            if not self._tokens:
                known = {each.names.get("en"): each.device for each in self.parts.devices.list(SCOPE)}
                if not set(DEVICES.values()) <= set(known):
                    raise NotFound("The demo community is still being loaded: wait a moment.")
                for role, name in DEVICES.items():
                    enrolled = self.parts.devices.rotate(SCOPE, known[name])
                    self._tokens[role] = (enrolled.device, enrolled.token)
            return self._tokens

    def present(self, what: What, shown: str | None) -> Presented:
        """Hold something up. ``shown``: the card of the last resident, for "again"."""
        if what == "courier":
            return _courier()
        with self.parts.db.read() as tx:
            text, direction = self._card(tx, what, shown)
            return self._decide(tx, text, direction, repeated=what == "again")

    def sign_in(self, role: str) -> SignedIn:
        """As one of the demo's people, by a one-time link like any other."""
        account = self.parts.accounts.by_login(cast.login_of(role))
        return self.parts.accounts.use_link(self.parts.accounts.make_link(account, cast.login_of("tour")))

    def case(self) -> tuple[SignedIn, str]:
        """The official, and the case of the planted cluster: opened now if nobody has."""
        official = self.sign_in("official")
        truth = (self.parts.folder.truth() or {}).get("cases")
        if not truth:
            raise NotFound("This demo has no planted cluster: load it with at least three days.")
        known = self.parts.tracing.known(official.scope, official.account)
        for case in known:
            if case.index_person == truth["index"]:
                return official, case.case_id
        wanted = NewCase(
            community=FULL, purpose="Outbreak inquiry (tour)", from_ms=truth["from_ms"], to_ms=truth["to_ms"],
            person=truth["index"],
        )  # fmt: skip
        return official, self.parts.tracing.open_case(official.scope, official.account, wanted).case_id

    def _card(self, tx: Transaction, what: What, shown: str | None) -> tuple[str, Literal["in", "out"]]:
        cards = [held for held in self.parts.passes.all(tx, SCOPE) if held.state.kind == "card"]
        inside = self.parts.reader.inside(tx, SCOPE, "compound", self.parts.clock.now_ms())
        if what == "again" and shown:
            return shown, "in"
        if what == "revoked":
            return self.parts.passes.text(tx, _first(cards, "revoked")), "in"
        self._turn += 1
        outside = [held for held in ordinary(cards) if held.state.person not in inside]
        chosen = outside or ordinary(cards)
        text = self.parts.passes.text(tx, chosen[self._turn % len(chosen)])
        return (forged(text) if what == "forged" else text), "in" if outside else "out"

    def _decide(self, tx: Transaction, text: str, direction: Literal["in", "out"], *, repeated: bool) -> Presented:
        now_ms = self.parts.clock.now_ms()
        uid = self.parts.registry.uid(tx, FULL)
        token = passes.decode(text)
        if isinstance(token, passes.Fault):
            raise NotFound("This is no card of the tour: press 1 first.")
        proof = passes.prove_card(token, uid, self.parts.keys.card_keys(uid))
        pass_id = passes.pass_id(self.parts.keys.pass_ref(uid, token.handle))
        made, _ = self.parts.records.some(tx, FULL, [pass_id], now_ms)
        record = made[0].record if made else None
        held_out = admission.Shown(
            kind="card", proof=proof, serial=token.serial, expiry_day=token.expiry_day,
            replay="same" if repeated else "fresh",
        )  # fmt: skip
        # By the rules of now, as at a real gate: whoever changes them on their page sees it here at once.
        book = self.parts.rules.book_in(tx, SCOPE, FULL)
        gate = gate_of(book, Attempt(gate=GATE, direction=direction, at_ms=now_ms))
        decision = admission.evaluate(held_out, record, gate, admission.State())
        passed = decision.decision == "allow"
        report = {
            "kind": "scan", "gate": GATE, "direction": direction, "pass": text, "method": "card",
            "decision": decision.decision, "reason": decision.reason, "passed": passed, "forced": False,
            "operator": OPERATOR, "party": 1,
        }  # fmt: skip
        name = record.name if record and decision.reason != "forged" else None
        sentences = {"zh": decision.zh, "en": decision.en}
        # The same card again is the same body: the camera counted it the first time.
        return Presented(decision.decision, decision.reason, sentences, name, report, int(passed and not repeated))


def body_more() -> dict[str, Any]:
    """What the gate's camera says of somebody who walked in behind another."""
    return {"kind": "count", "gate": GATE, "direction": "in", "n": 1, "confidence": 0.9}


def _courier() -> Presented:
    report = {
        "kind": "visitor", "gate": GATE, "direction": "in", "class": "delivery", "unit": "7-3-1102", "party": 1,
        "valid_min": 60, "passed": True,
    }  # fmt: skip
    sentences = {"zh": "快递登记，60 分钟内有效", "en": "Courier registered, good for 60 minutes"}
    return Presented("allow", "ok", sentences, None, report, 1)


def ordinary(cards: Sequence[Held]) -> list[Held]:
    """Residents' cards without conditions: what most people carry."""
    return [
        held for held in cards
        if held.state.status == "active" and held.state.type == "resident" and held.state.gates is None
        and not held.state.windows
    ]  # fmt: skip


def _first(cards: Sequence[Held], status: str) -> Held:
    found = [held for held in cards if held.state.status == status]
    if not found:
        raise NotFound("The demo has no such card: load it again.")
    return found[0]
