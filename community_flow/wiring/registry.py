"""People, passes, cards, import, visitors, places."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import structlog
from flask import Flask

from community_flow.adapters.cards_pdf import print_cards, qr_modules
from community_flow.adapters.slips_pdf import print_slips
from community_flow.adapters.spreadsheets import read_sheet
from community_flow.adapters.sql.queries_imports import SqlUploads
from community_flow.adapters.sql.queries_keepers import SqlKeepers
from community_flow.adapters.sql.queries_kept import SqlKept
from community_flow.adapters.sql.queries_passes import SqlPasses
from community_flow.adapters.sql.queries_people import SqlPeople
from community_flow.adapters.sql.queries_requests import SqlRequests
from community_flow.adapters.sql.queries_slips import SqlSlips
from community_flow.adapters.sql.queries_visitors import SqlStays
from community_flow.services.cards import Cards
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.gate_records import GateRecords
from community_flow.services.holds import Holds
from community_flow.services.imports import Imports
from community_flow.services.keepers import Keepers
from community_flow.services.kept import Kept
from community_flow.services.my_pass import MyPass
from community_flow.services.passes import Passes
from community_flow.services.people import People
from community_flow.services.places import Places
from community_flow.services.pseudonyms import Pseudonyms
from community_flow.services.requests import Requests
from community_flow.services.rules import Rules
from community_flow.services.slips import Slips
from community_flow.services.visitors import Visitors
from community_flow.wiring.core import Core

log = structlog.get_logger()

REFRESH_S = 30.0


@dataclass(frozen=True)
class RegistryParts:
    """What keeps people and places; shared by routes, commands and the demo."""

    places: Places
    passes: Passes
    people: People
    holds: Holds
    imports: Imports
    cards: Cards
    slips: Slips
    visitors: Visitors
    rules: Rules
    keepers: Keepers
    requests: Requests


def registry_parts(core: Core) -> RegistryParts:
    """Made once for each core."""
    if "registry" not in core.parts:
        core.parts["registry"] = _build(core)
    found: RegistryParts = core.parts["registry"]
    return found


def _build(core: Core) -> RegistryParts:
    places = Places(core.db, core.registry, core.audit, core.clock)
    passes = Passes(core.db, core.registry, SqlPasses(), CommunityKeys(core.keys), core.audit, core.clock)
    people = People(core.db, core.registry, SqlPeople(), passes, core.audit, core.clock)
    imports = Imports(core.db, people, places, SqlUploads(), read_sheet, core.clock)
    records = GateRecords(core.registry, SqlPasses(), SqlPeople(), passes.keys)
    rules = Rules(core.db, core.registry, records, passes, core.audit, core.clock)
    cards = Cards(people, print_cards)
    slips = Slips(cards, SqlSlips(), print_slips)
    visitors = Visitors(people, SqlStays())
    return RegistryParts(
        places, passes, people, Holds(people), imports, cards, slips, visitors, rules,
        Keepers(people, SqlKeepers()), Requests(people, SqlRequests()),
    )  # fmt: skip


def my_pass_of(core: Core) -> MyPass:
    kept, parts = Kept(core.db, core.registry, SqlKept()), registry_parts(core)
    return MyPass(parts.passes, SqlSlips(), kept, core.audit, core.traffic.once, parts.keepers, parts.requests)


def wire(core: Core, app: Flask) -> None:
    from community_flow.entrypoints import (
        imports,
        keepers,
        my_pass,
        passes,
        people,
        places,
        requests,
        rules,
        visitors,
    )

    parts = registry_parts(core)
    pseudonyms = Pseudonyms(core.keys.all("community")[0].secret, core.registry.uid)
    app.register_blueprint(places.blueprint(parts.places, core.clock))
    app.register_blueprint(rules.blueprint(parts.rules, parts.places, core.clock))
    app.register_blueprint(people.blueprint(parts.people, parts.holds, parts.places, pseudonyms, parts.keepers))
    app.register_blueprint(passes.blueprint(parts.passes, parts.cards, parts.slips, parts.places))
    mine = my_pass_of(core)
    app.register_blueprint(keepers.blueprint(parts.keepers, parts.people, parts.places))
    app.register_blueprint(requests.blueprint(parts.requests, parts.places))
    app.register_blueprint(my_pass.blueprint(mine, core.traffic.codes, core.clock))
    app.register_blueprint(imports.blueprint(parts.imports, parts.places))
    app.register_blueprint(visitors.blueprint(parts.visitors, parts.places, parts.passes, qr_modules))
    core.background.append(
        lambda: threading.Thread(target=_refresh, args=(core,), name="registry", daemon=True).start()
    )


def _refresh(core: Core) -> None:
    """What was dated ahead reaches the pages and the gates' lists when its moment comes."""
    while True:
        time.sleep(REFRESH_S)
        try:
            core.registry.refresh()
        except Exception:  # the thread's outermost loop: the next look is half a minute away
            log.exception("registry refresh failed")
