"""What people of the demo hold up at a gate: printed cards, rotating codes of their phones, IC cards."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from community_flow.demo.deliver import Report
from community_flow.demo.people import DemoPass, People
from community_flow.domain import passes as cf1


def phone_key(secret: bytes, person: str) -> Ed25519PrivateKey:
    """The key in the phone of somebody in the demo: the same after a restart, unknown outside this installation."""
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(secret, b"demo phone|" + person.encode(), hashlib.sha256))


def tag_number(secret: bytes, person: str) -> str:
    """The number of somebody's IC card: seven bytes, as most cards have."""
    return "04" + hmac.digest(secret, b"demo tag|" + person.encode(), hashlib.sha256)[:6].hex().upper()


@dataclass(frozen=True)
class Wallet:
    """Everything that can be shown. ``cards``: CF1 text by number of the pass; ``handles`` of phones likewise."""

    people: People
    secret: bytes
    uids: Mapping[str, bytes]
    cards: Mapping[int, str]
    handles: Mapping[int, bytes]

    def fields(self, report: Report) -> dict[str, Any]:
        """The wire fields of a report with what was shown put in."""
        if report.credential < 0:
            return report.fields
        shown = self.people.passes[report.credential]
        if shown.kind == "tag":
            return {**report.fields, "tag": tag_number(self.secret, self.people.persons[shown.person].id)}
        return {**report.fields, "pass": self.code(shown, report.token_ms)}

    def code(self, shown: DemoPass, at_ms: int) -> str:
        """The text in the QR code of a card, or of a phone at that moment."""
        if shown.kind == "card":
            return self.cards[shown.number]
        person = self.people.persons[shown.person]
        key = phone_key(self.secret, person.id)
        return cf1.rotating(key, self.uids[person.community], handle=self.handles[shown.number], at_ms=at_ms)


def forged(text: str) -> str:
    """A card with the last byte of its signature changed: well formed, and no key made it."""
    token = cf1.decode(text)
    assert isinstance(token, cf1.Token)
    spoiled = token.signature[:-1] + bytes([token.signature[-1] ^ 1])
    return cf1.encode(
        cf1.Token(
            token.type,
            token.handle,
            spoiled,
            key_id=token.key_id,
            expiry_day=token.expiry_day,
            serial=token.serial,
        )
    )


def carried_by(people: People, kind: str, numbers: Sequence[int] | None = None) -> list[DemoPass]:
    """Passes of that kind, in order; only of the given people when ``numbers`` is."""
    return [each for each in people.passes if each.kind == kind and (numbers is None or each.person in numbers)]
