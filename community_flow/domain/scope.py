"""Who may read what. Every query takes a Scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    GUARD = "guard"
    STEWARD = "steward"
    MANAGER = "manager"
    OFFICIAL = "official"
    ADMIN = "admin"
    RESIDENT = "resident"


@dataclass(frozen=True)
class Scope:
    """What one caller may see.

    ``gates`` and ``grids`` narrow the communities further; None means "all of them". ``person`` is set for a resident,
    who sees nobody else.
    """

    account: str
    role: Role
    communities: frozenset[str]
    gates: frozenset[str] | None = None
    grids: frozenset[str] | None = None
    person: str | None = None

    @classmethod
    def system(cls, communities: Iterable[str]) -> Scope:
        """The scope of the program's own work (fold, retention, demo)."""
        return cls(account="system", role=Role.ADMIN, communities=frozenset(communities))

    def narrowed(self, community: str | None) -> Scope:
        """This scope within one community; empty when that community is foreign, so that queries find nothing."""
        if community is None:
            return self
        return Scope(self.account, self.role, self.communities & {community}, self.gates, self.grids, self.person)

    def sees(self, community: str) -> bool:
        return community in self.communities
