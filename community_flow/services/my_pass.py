"""My pass: a phone becomes somebody's pass by a slip, and asks with its key what is kept about them.

A pass is no login. What the phone asks it signs, with a number that the server gave it, under a prefix of its own, so
that a code held to a camera can never be taken for such a question.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from community_flow.domain import passes as cf1
from community_flow.domain.errors import Forbidden, NotFound
from community_flow.domain.places import Community, named
from community_flow.domain.scope import Role, Scope
from community_flow.ports import Transaction
from community_flow.ports.audit import AuditRow, Look
from community_flow.ports.ingest import Once
from community_flow.ports.requests import DataRequest, Kind
from community_flow.ports.slips import SlipStore
from community_flow.services import keepers
from community_flow.services.audit import Audit
from community_flow.services.claim_codes import hash_code
from community_flow.services.kept import About, Kept
from community_flow.services.passes import Held, Passes
from community_flow.services.requests import Requests

PREFIX = b"community-flow/me/v1\0"
NONCE_S, NONCE_BYTES = 60.0, 16
LOOKS_SHOWN = 100
NOT_YOURS = "This phone is no pass here any more: ask the desk for a new slip."


@dataclass(frozen=True)
class Claimed:
    """What a phone needs to show its pass for years without asking again."""

    community: str
    pass_id: str
    handle: bytes
    uid: bytes
    place: str
    name: str
    server_ms: int


@dataclass(frozen=True)
class Mine:
    """What a phone is shown of whose pass it is; empty when the pass was stopped.

    ``keepers`` are the people on whose phones the pass is or was, by the office's word.
    """

    status: str
    about: About | None = None
    looks: tuple[AuditRow, ...] = ()
    keepers: Sequence[keepers.Kept] = ()
    requests: Sequence[DataRequest] = ()


@dataclass(frozen=True)
class Asked:
    """A signed question about one pass of a community."""

    community: str
    pass_id: str
    nonce: bytes
    signature: bytes


class MyPass:
    def __init__(
        self, passes: Passes, slips: SlipStore, kept: Kept, audit: Audit, once: Once, keepers: keepers.Keepers,
        requests: Requests,
    ) -> None:  # fmt: skip
        self.passes, self.slips, self.kept, self.audit, self.once = passes, slips, kept, audit, once
        self.keepers, self.requests = keepers, requests
        self.db, self.clock = passes.db, passes.clock

    def claim(self, code: str, public_key: bytes) -> Claimed:
        """Make the phone that holds this key the pass of whom the slip is for; their older phone is stopped."""
        now_ms = self.clock.now_ms()
        with self.db.write() as tx:
            slip = self.slips.use(tx, hash_code(code), now_ms)
            if slip is None:
                raise NotFound("This slip was used, is too old or was mistyped: ask the desk for a new one.")
            owner = _owner(slip.community, slip.person)
            older = [each for each in self.passes.of_persons(tx, owner, [slip.person]) if _a_live_phone(each)]
            self.passes.end(tx, owner, older, now_ms)
            issued = self.passes.add_phone(tx, owner, slip.person, public_key)
            about: Community = self.passes.registry.one(tx, owner, "community", slip.community)[1]
            uid = self.passes.registry.uid(tx, slip.community)
            record = self.kept.reader.record(tx, owner)
        name = record.name if record else ""
        place = named(about.names, about.language)
        return Claimed(slip.community, issued.pass_id, issued.handle, uid, place, name, now_ms)

    def nonce(self) -> bytes:
        """A number to sign, once, within a minute."""
        made = secrets.token_bytes(NONCE_BYTES)
        self.once.put(_kept_as(made), "asked", NONCE_S)
        return made

    def look(self, asked: Asked) -> Mine:
        """What is kept about whose pass this is, who looked, and what was asked; a keeper's look stands in the log."""
        with self.db.write() as tx:
            held = self._proved(tx, asked, b"look")
            person = self._opened(tx, held)
            if person is None:
                return Mine("revoked" if held.state.status == "active" else held.state.status)
            owner = _owner(held.community, person)
            kept_by = [each for each in self.keepers.store.about(tx, owner, person) if each.person == person]
            shown = self.keepers.named(tx, owner, kept_by)
            requests = self.requests.of(tx, held.community, person)
        looks = self.audit.latest(owner, before=None, limit=LOOKS_SHOWN, person=person)
        return Mine("active", self.kept.about(owner), tuple(looks), shown, requests)

    def passes_kept(self, asked: Asked) -> list[keepers.KeptPass]:
        """The passes of others that this phone shows by the office's word."""
        with self.db.write() as tx:
            held = self._proved(tx, asked, b"passes")
            if held.state.status != "active" or held.state.person is None or held.state.keeper is not None:
                return []
            return self.keepers.on_phone(tx, _owner(held.community, held.state.person), held)

    def request(self, asked: Asked, kind: Kind, text: str) -> DataRequest:
        """Ask the office for something about one's data; a keeper who may look may also ask."""
        with self.db.write() as tx:
            held = self._proved(tx, asked, request_action(kind, text))
            person = self._opened(tx, held)
            if person is None:
                raise Forbidden(NOT_YOURS)
            by = _owner(held.community, held.state.keeper or person)
            return self.requests.send(tx, by, held.community, person, kind, text)

    def end(self, asked: Asked) -> None:
        """The owner stops their own pass, for example before the phone is sold; a keeper gives one back."""
        with self.db.write() as tx:
            held = self._proved(tx, asked, b"end")
            keeping = self.keepers.of_pass(tx, held) if held.state.keeper else None
            if keeping is not None:
                self.keepers.end_by_phone(tx, _owner(held.community, keeping.keeper), keeping)
            elif held.state.status == "active" and held.state.person is not None:
                self.passes.end(tx, _owner(held.community, held.state.person), [held], self.clock.now_ms())

    def owner(self, tx: Transaction, asked: Asked, action: bytes) -> Scope:
        """Who signed this, for what they may see of themselves; raises Forbidden, also when the pass was stopped."""
        held = self._proved(tx, asked, action)
        if held.state.status != "active" or held.state.person is None or held.state.keeper is not None:
            raise Forbidden(NOT_YOURS)
        return _owner(held.community, held.state.person)

    # --- inside --------------------------------------------------------------------------------------------------

    def _opened(self, tx: Transaction, held: Held) -> str | None:
        """The person of a pass that still works; a keeper needs the office's word, and is logged."""
        person = held.state.person
        if held.state.status != "active" or person is None or held.state.keeper is None:
            return person if held.state.status == "active" else None
        keeping = self.keepers.of_pass(tx, held)
        if keeping is None:
            return None
        if not keeping.sees:
            raise Forbidden("The office has given you this pass to show, not what is kept about the person.")
        look = Look(
            account="my-pass", role=Role.RESIDENT, action=f"keeper.look.{keeping.relation}", community=held.community,
            person=person, subject=keeping.keeping,
        )  # fmt: skip
        self.audit.append(tx, look)
        return person

    def _proved(self, tx: Transaction, asked: Asked, action: bytes) -> Held:
        """The phone pass whose key signed the question; raises Forbidden for everything else."""
        if self.once.take(_kept_as(asked.nonce)) is None:
            raise Forbidden("The question came too late: try again.")
        try:
            held = self.passes.held(tx, Scope.system({asked.community}), asked.pass_id)
        except NotFound:
            raise Forbidden(NOT_YOURS) from None
        uid = self.passes.registry.uid(tx, held.community)
        if held.row.public_key is None or not cf1.signature_good(
            held.row.public_key, asked.signature, PREFIX + uid + asked.nonce + action
        ):
            raise Forbidden(NOT_YOURS)
        return held


def request_action(kind: str, text: str) -> bytes:
    """What a request signs: nobody on the way changes a word of it."""
    return b"request" + hashlib.sha256(f"{kind}\0{text}".encode()).digest()


def _kept_as(nonce: bytes) -> str:
    return f"me-nonce:{nonce.hex()}"


def _owner(community: str, person: str) -> Scope:
    return Scope("my-pass", Role.RESIDENT, frozenset({community}), person=person)


def _a_live_phone(held: Held) -> bool:
    return held.state.kind == "phone" and held.state.status == "active" and held.state.keeper is None
