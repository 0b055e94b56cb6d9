"""A resident's own page: what is kept about me."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from community_flow.domain.places import Community, Zone
from community_flow.domain.scope import Scope
from community_flow.ports import Database
from community_flow.ports.kept import KeptPass, KeptReader, KeptRecord, KeptSpan, KeptVisit
from community_flow.services.registry import Registry

SHOWN = 30


@dataclass(frozen=True)
class About:
    """Everything kept about one person; ``visits`` are the newest of ``span``."""

    record: KeptRecord | None
    passes: tuple[KeptPass, ...]
    span: KeptSpan
    visits: tuple[KeptVisit, ...]
    zones: Mapping[tuple[str, str], Zone]
    communities: Mapping[str, Community]


class Kept:
    def __init__(self, db: Database, registry: Registry, reader: KeptReader) -> None:
        self.db, self.registry, self.reader = db, registry, reader

    def about(self, scope: Scope) -> About:
        """What is kept about the scope's own person."""
        with self.db.read() as tx:
            return About(
                self.reader.record(tx, scope),
                tuple(self.reader.passes(tx, scope)),
                self.reader.span(tx, scope),
                tuple(self.reader.visits(tx, scope, SHOWN)),
                self.registry.zones(tx, scope),
                self.registry.communities(tx, scope),
            )
