"""Slips to print: each makes one phone the pass of one person, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from community_flow.domain.scope import Scope
from community_flow.ports.audit import Look
from community_flow.ports.slips import Slip, SlipFace, SlipPrinter, SlipStore
from community_flow.services.cards import Cards, Member
from community_flow.services.claim_codes import hash_code, new_code

SLIP_MS = 14 * 86_400_000
"""Long enough to be carried through a community's letter boxes, too short to be found in a drawer."""


class Slips:
    def __init__(self, cards: Cards, store: SlipStore, printer: SlipPrinter) -> None:
        self.cards, self.store, self.printer = cards, store, printer

    def print(
        self, scope: Scope, community: str, page: str, *, building: str | None = None, persons: Sequence[str] = ()
    ) -> bytes:
        """The PDF of new slips; ``page`` is the address at which phones claim. Older unused slips stop working."""
        now_ms = self.cards.people.clock.now_ms()
        with self.cards.db.write() as tx:
            members = self.cards.members(tx, scope, community, building=building, persons=persons)
            codes = [new_code() for _ in members]
            kept = [
                Slip(code_hash=hash_code(code), community=community, person=each.person, created_ms=now_ms,
                     expires_ms=now_ms + SLIP_MS)
                for code, each in zip(codes, members, strict=True)
            ]  # fmt: skip
            self.store.add(tx, kept)
            self.cards.people.audit.append(tx, *(_look(scope, community, each) for each in members))
        faces = [_face(each, code, page, now_ms + SLIP_MS) for each, code in zip(members, codes, strict=True)]
        return self.printer(faces)


def _look(by: Scope, community: str, member: Member) -> Look:
    return Look(account=by.account, role=by.role, action="pass.slip", community=community, person=member.person)


def _face(member: Member, code: str, page: str, until_ms: int) -> SlipFace:
    until = datetime.fromtimestamp(until_ms / 1000, ZoneInfo(member.timezone)).date()
    return SlipFace(
        name=member.name, building=member.building, community=member.community, code=code,
        # Behind the # the code reaches no server's log: the page on the phone reads it.
        address=f"{page}#{code}", until=until.isoformat(), language=member.language,
    )  # fmt: skip
