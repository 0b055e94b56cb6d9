"""Passes: issue, bind, revoke, reissue, hand over. What holds when stands in the journal, handles stay sealed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from community_flow.domain import passes as cf1
from community_flow.domain import short_codes
from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.places import Community, Pass, PassType, Windows
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.passes import PassRow, PassStore
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.registry import Change, Registry

LAST_SERIAL = 255
CODE_BYTES = 8
DAY_MS = 86_400_000


TAKEN = "This IC card belongs to somebody: revoke it there, or hand it over from a date."


@dataclass(frozen=True, kw_only=True)
class CardWanted:
    """A card for somebody; without ``until_ms`` it lasts two years."""

    person: str
    type: PassType = "resident"
    from_ms: int | None = None
    until_ms: int | None = None
    gates: tuple[str, ...] | None = None
    windows: Windows = ()


@dataclass(frozen=True)
class Issued:
    """A new pass. ``handle`` goes to the phone or into the QR code and is kept nowhere in clear."""

    pass_id: str
    person: str
    handle: bytes
    short_code: str


@dataclass(frozen=True)
class Held:
    """A pass as pages show it."""

    community: str
    pass_id: str
    state: Pass
    row: PassRow


class Passes:
    """Credentials of people. Every method that takes ``tx`` belongs to its caller's transaction."""

    def __init__(
        self, db: Database, registry: Registry, store: PassStore, keys: CommunityKeys, audit: AuditLog, clock: Clock,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:  # fmt: skip
        self.db, self.registry, self.store, self.keys = db, registry, store, keys
        self.audit, self.clock, self.random = audit, clock, random

    # --- issuing -------------------------------------------------------------------------------------------------

    def issue_cards(self, tx: Transaction, community: str, wanted: Sequence[CardWanted], by: Scope) -> list[Issued]:
        """A printed card for each of ``wanted``."""
        now_ms = self.clock.now_ms()
        timezone = self._community(tx, community).timezone
        issued = self._new(tx, community, [each.person for each in wanted])
        changes = []
        for each, made in zip(wanted, issued, strict=True):
            from_ms = now_ms if each.from_ms is None else each.from_ms
            state = Pass(
                person=each.person, kind="card", type=each.type, from_ms=from_ms, gates=each.gates,
                windows=each.windows, until_ms=each.until_ms or card_end_ms(from_ms, timezone),
            )  # fmt: skip
            changes.append(Change(community, "pass", made.pass_id, min(from_ms, now_ms), state))
        self._keep(tx, community, issued, None)
        self.registry.record(tx, changes, by.account)
        self._log(tx, by, community, "pass.issue", issued)
        return issued

    def issue_card(self, scope: Scope, person: str, until_ms: int | None = None) -> Issued:
        """A card for one person in scope."""
        with self.db.write() as tx:
            community, state = self._holder(tx, scope, person)
            wanted = CardWanted(person=person, type=state.type, until_ms=until_ms)
            return self.issue_cards(tx, community, [wanted], scope)[0]

    def add_phone(
        self, tx: Transaction, scope: Scope, person: str, public_key: bytes, *, keeper: str | None = None,
        until_ms: int | None = None,
    ) -> Issued:  # fmt: skip
        """A phone pass: rotating codes signed by a key that never leaves the phone, the person's own or a keeper's."""
        if not cf1.key_good(public_key):
            raise Invalid("A phone's public key has 32 bytes (Ed25519) or 65 (P-256).", field="public_key")
        community, state = self._holder(tx, scope, person)
        now_ms = self.clock.now_ms()
        issued = self._new(tx, community, [person])
        self._keep(tx, community, issued, public_key)
        data = Pass(person=person, kind="phone", type=state.type, from_ms=now_ms, until_ms=until_ms, keeper=keeper)
        self.registry.record(tx, [Change(community, "pass", issued[0].pass_id, now_ms, data)], scope.account)
        self._log(tx, scope, community, "pass.phone", issued)
        return issued[0]

    def bind_tag(self, scope: Scope, person: str, tag: str) -> str:
        """Let an IC card that somebody already has stand for them; its number is not kept. Gives the pass id."""
        with self.db.write() as tx:
            community, state = self._holder(tx, scope, person)
            made = self._bind(tx, scope, community, person, state.type, tag)
            if made is None:
                raise Conflict(TAKEN, field="tag")
        return made

    def bind_tags_in(
        self, tx: Transaction, scope: Scope, community: str, tags: Sequence[tuple[str, PassType, str]]
    ) -> list[int]:
        """Many IC cards as (person, type, number). Gives the places of those that belong to somebody else."""
        return [at for at, tag in enumerate(tags) if self._bind(tx, scope, community, *tag) is None]

    def _bind(
        self, tx: Transaction, scope: Scope, community: str, person: str, type_: PassType, tag: str
    ) -> str | None:
        """The pass id of a card that is now this person's; None where it is somebody else's."""
        ref, now_ms = self._tag_ref(tx, community, tag), self.clock.now_ms()
        pass_id, whole = cf1.tag_id(ref), Scope.system({community})
        if self.store.of_ids(tx, whole, [pass_id]):
            _, known = self.registry.one(tx, whole, "pass", pass_id)
            if known.status == "active":
                return pass_id if known.person == person else None
        row = PassRow(
            community=community, pass_id=pass_id, ref=ref, sealed_handle=None, public_key=None, short_code=None,
            issued_ms=now_ms, changed_ms=now_ms,
        )  # fmt: skip
        self.store.add(tx, [row])
        data = Pass(person=person, kind="tag", type=type_, from_ms=now_ms)
        self.registry.record(tx, [Change(community, "pass", pass_id, now_ms, data)], scope.account)
        self.store.changed(tx, [pass_id], now_ms)
        self._log(tx, scope, community, "pass.tag", [Issued(pass_id, person, b"", "")])
        return pass_id

    # --- changing ------------------------------------------------------------------------------------------------

    def revoke(self, scope: Scope, pass_id: str, *, copied: bool = False) -> None:
        """From now on gates stop this pass; ``copied`` says that somebody shows a photo of it."""
        with self.db.write() as tx:
            held = self.held(tx, scope, pass_id)
            self.end(tx, scope, [held], self.clock.now_ms(), "copied" if copied else "revoked")

    def end(self, tx: Transaction, by: Scope, held: Sequence[Held], from_ms: int, status: str = "revoked") -> None:
        """Revoke some passes from a moment on; with a phone go the passes of others that it shows."""
        held = [*held, *self._carried(tx, held)]
        for each in held:
            self._amend(tx, by, each, from_ms, lambda state: msgspec.structs.replace(state, status=status))
        self._note(tx, by, "pass.revoke", held, {"status": status, "from_ms": from_ms})

    def reissue(self, scope: Scope, pass_id: str) -> Held:
        """A new print of a card: the serial rises, and every older print of it is stopped as replaced."""
        with self.db.write() as tx:
            return self.renew(tx, scope, self.held(tx, scope, pass_id))

    def renew(self, tx: Transaction, scope: Scope, held: Held) -> Held:
        """As `reissue`, in the caller's transaction."""
        if held.state.kind != "card":
            raise Invalid("Only printed cards are reissued: bind the IC card or set up the phone again.")
        if held.state.serial >= LAST_SERIAL:
            raise Conflict("This card was printed 256 times: revoke it and issue a new one.")
        now_ms = self.clock.now_ms()
        end_ms = card_end_ms(now_ms, self._community(tx, held.community).timezone)
        renewed = {"serial": held.state.serial + 1, "status": "active", "until_ms": end_ms}
        if held.state.type == "visitor":
            renewed.pop("until_ms")
        self._amend(tx, scope, held, now_ms, lambda state: msgspec.structs.replace(state, **renewed))
        self._note(tx, scope, "pass.reissue", [held], {"serial": renewed["serial"]})
        return self.held(tx, scope, held.pass_id)

    def hand_over(self, scope: Scope, pass_id: str, to: str, from_ms: int) -> None:
        """Give a pass to another person of the community from a date on; what went before stays with the first."""
        with self.db.write() as tx:
            held = self.held(tx, scope, pass_id)
            community, _ = self._holder(tx, scope, to)
            if community != held.community:
                raise NotFound("Nothing by that name here: choose it from the list.")
            if held.state.person == to:
                raise Conflict("This person holds the pass already.")
            self.give(tx, scope, [held], to, from_ms)

    def give(self, tx: Transaction, by: Scope, held: Sequence[Held], to: str, from_ms: int) -> None:
        """Passes that whoever holds them now gives to ``to``, in the caller's transaction."""
        for each in held:
            self._amend(tx, by, each, from_ms, partial(_given, was=each.state.person, to=to))
        self._note(tx, by, "pass.hand_over", held, {"to": to, "from_ms": from_ms})

    def touch_of(self, tx: Transaction, community: str, persons: Sequence[str]) -> None:
        """Gates must learn anew of these people's passes: their household, hold or type changed."""
        owned = self.registry.owned(tx, Scope.system({community}), "pass", persons)
        self.store.changed(tx, [pass_id for _, pass_id, _ in owned], self.clock.now_ms())

    # --- reading -------------------------------------------------------------------------------------------------

    def held(self, tx: Transaction, scope: Scope, pass_id: str) -> Held:
        """One pass in scope; raises NotFound."""
        community, state = self.registry.one(tx, scope, "pass", pass_id)
        row = self.store.of_ids(tx, scope, [pass_id]).get(pass_id)
        if row is None:
            raise NotFound("Nothing by that name here: choose it from the list.")
        return Held(community, pass_id, state, row)

    def of_persons(self, tx: Transaction, scope: Scope, persons: Sequence[str]) -> list[Held]:
        """Every pass that belongs to any of them now."""
        owned = self.registry.owned(tx, scope, "pass", persons)
        rows = self.store.of_ids(tx, scope, [pass_id for _, pass_id, _ in owned])
        return [
            Held(community, pass_id, state, rows[pass_id]) for community, pass_id, state in owned if pass_id in rows
        ]

    def all(self, tx: Transaction, scope: Scope) -> list[Held]:
        """Every pass in scope."""
        found = self.registry.store.current(tx, scope, "pass")
        rows = self.store.of_ids(tx, scope, [pass_id for _, pass_id, _ in found])
        return [Held(where, pass_id, state, rows[pass_id]) for where, pass_id, state in found if pass_id in rows]

    def text(self, tx: Transaction, held: Held) -> str:
        """The CF1 text of a printed card: signed anew each time, and the same each time."""
        if held.row.sealed_handle is None or held.state.kind != "card" or held.state.until_ms is None:
            raise Invalid("Only printed cards have a code to print.")
        uid = self.registry.uid(tx, held.community)
        key_id, signer = self.keys.card_signer(uid)
        timezone = self._community(tx, held.community).timezone
        return cf1.card(
            signer, uid, key_id=key_id, handle=self.keys.open_handle(uid, held.row.sealed_handle),
            expiry_day=expiry_day(held.state.until_ms, timezone), serial=held.state.serial,
        )  # fmt: skip

    # --- inside --------------------------------------------------------------------------------------------------

    def _carried(self, tx: Transaction, ended: Sequence[Held]) -> list[Held]:
        """What the phones among ``ended`` show for others: whoever lost the phone lost those too."""
        phones = [each for each in ended if each.state.keeper is None and each.row.public_key is not None]
        keys = [each.row.public_key for each in phones if each.row.public_key is not None]
        scope = Scope.system({each.community for each in phones})
        known = {each.pass_id for each in ended}
        found = [self.held(tx, scope, row.pass_id) for row in self.store.of_keys(tx, scope, keys)]
        return [
            each for each in found if each.pass_id not in known and each.state.keeper and each.state.status == "active"
        ]

    def _new(self, tx: Transaction, community: str, persons: Sequence[str]) -> list[Issued]:
        uid = self.registry.uid(tx, community)
        codes = self._codes(tx, community, len(persons))
        made = []
        for person, code in zip(persons, codes, strict=True):
            handle = self.random(cf1.HANDLE_LENGTH)
            made.append(Issued(cf1.pass_id(self.keys.pass_ref(uid, handle)), person, handle, code))
        return made

    def _codes(self, tx: Transaction, community: str, count: int) -> list[str]:
        codes: list[str] = []
        while len(codes) < count:
            more = list(
                dict.fromkeys(short_codes.from_random(self.random(CODE_BYTES)) for _ in range(count - len(codes)))
            )
            taken = self.store.codes_taken(tx, community, more) | set(codes)
            codes += [code for code in more if code not in taken]
        return codes

    def _keep(self, tx: Transaction, community: str, issued: Sequence[Issued], public_key: bytes | None) -> None:
        uid, now_ms = self.registry.uid(tx, community), self.clock.now_ms()
        self.store.add(
            tx,
            [
                PassRow(
                    community=community, pass_id=each.pass_id, ref=bytes.fromhex(each.pass_id[3:]),
                    sealed_handle=self.keys.seal_handle(uid, each.handle), public_key=public_key,
                    short_code=each.short_code, issued_ms=now_ms, changed_ms=now_ms,
                )
                for each in issued
            ],
        )  # fmt: skip

    def _amend(self, tx: Transaction, by: Scope, held: Held, from_ms: int, change: Callable[[Any], Any]) -> None:
        self.registry.amend(tx, held.community, "pass", held.pass_id, from_ms, change, by.account)
        self.store.changed(tx, [held.pass_id], self.clock.now_ms())

    def _holder(self, tx: Transaction, scope: Scope, person: str) -> tuple[str, Any]:
        community, state = self.registry.one(tx, scope, "person", person)
        if state.status != "active":
            raise Conflict("This person has moved out or was merged: passes go to people who live here.")
        return community, state

    def _tag_ref(self, tx: Transaction, community: str, tag: str) -> bytes:
        try:
            return self.keys.tag_ref(self.registry.uid(tx, community), tag)
        except ValueError as error:
            raise Invalid(
                "A card number has 4 to 32 digits or letters: hold the card to the reader.", field="tag"
            ) from error

    def _community(self, tx: Transaction, community: str) -> Community:
        found: Community = self.registry.one(tx, Scope.system({community}), "community", community)[1]
        return found

    def _log(self, tx: Transaction, by: Scope, community: str, action: str, issued: Sequence[Issued]) -> None:
        looks = [
            Look(account=by.account, role=by.role, action=action, community=community, person=each.person,
                 subject=each.pass_id)
            for each in issued
        ]  # fmt: skip
        self.audit.append(tx, *looks)

    def _note(self, tx: Transaction, by: Scope, action: str, held: Sequence[Held], detail: dict[str, Any]) -> None:
        looks = [
            Look(account=by.account, role=by.role, action=action, community=each.community, person=each.state.person,
                 subject=each.pass_id, detail=detail)
            for each in held
        ]  # fmt: skip
        self.audit.append(tx, *looks)


def _given(state: Pass, *, was: str | None, to: str) -> Pass:
    return msgspec.structs.replace(state, person=to) if state.person == was else state


def card_end_ms(from_ms: int, timezone: str) -> int:
    """Local midnight after a card's last day, two years on."""
    zone = ZoneInfo(timezone)
    last = datetime.fromtimestamp(from_ms / 1000, zone).date() + timedelta(days=cf1.CARD_DAYS)
    return int(datetime.combine(last + timedelta(days=1), time(), zone).timestamp() * 1000)


def expiry_day(until_ms: int, timezone: str) -> int:
    """The last local day on which a card that ends at ``until_ms`` is good, as CF1 counts days."""
    last_ms = until_ms - 1
    offset = datetime.fromtimestamp(last_ms / 1000, UTC).astimezone(ZoneInfo(timezone)).utcoffset() or timedelta()
    return cf1.day_of(last_ms, int(offset.total_seconds() // 60))
