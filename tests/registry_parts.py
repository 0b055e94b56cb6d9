"""The registry's services as `app.py` puts them together, for tests that need no web application."""

from __future__ import annotations

from dataclasses import dataclass

from community_flow.adapters.spreadsheets import read_sheet
from community_flow.adapters.sql.queries_imports import SqlUploads
from community_flow.adapters.sql.queries_passes import SqlPasses
from community_flow.adapters.sql.queries_people import SqlPeople
from community_flow.domain.scope import Role, Scope
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.imports import Imports
from community_flow.services.passes import Passes
from community_flow.services.people import People
from community_flow.services.places import Places
from community_flow.wiring.core import Core

MANAGER = Scope("a_manager", Role.MANAGER, frozenset({"garden"}))
ADMIN = Scope("a_test", Role.ADMIN, frozenset({"garden", "court"}))
STRANGER = Scope("a_other", Role.MANAGER, frozenset({"elsewhere"}))


@dataclass(frozen=True)
class Parts:
    passes: Passes
    people: People
    places: Places
    imports: Imports


def parts_of(core: Core) -> Parts:
    passes = Passes(core.db, core.registry, SqlPasses(), CommunityKeys(core.keys), core.audit, core.clock)
    people = People(core.db, core.registry, SqlPeople(), passes, core.audit, core.clock)
    places = Places(core.db, core.registry, core.audit, core.clock)
    imports = Imports(core.db, people, places, SqlUploads(), read_sheet, core.clock)
    return Parts(passes, people, places, imports)
