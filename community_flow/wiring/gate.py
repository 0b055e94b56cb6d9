"""The gate app and its table."""

from __future__ import annotations

from flask import Flask

from community_flow.adapters.cards_pdf import qr_modules
from community_flow.adapters.sql.queries_gate import SqlEmergencies, SqlGate, SqlGuards
from community_flow.adapters.sql.queries_gate_shared import SqlGuestAsks, SqlRolls
from community_flow.adapters.sql.queries_passes import SqlPasses
from community_flow.adapters.sql.queries_people import SqlPeople
from community_flow.entrypoints import gate_guard, my_guests, scanner
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.emergencies import Emergencies
from community_flow.services.gate import GateDesk
from community_flow.services.gate_guests import GateGuests
from community_flow.services.gate_records import GateRecords
from community_flow.services.guards import Guards
from community_flow.services.guest_asks import GuestAsks
from community_flow.services.roll_calls import RollCalls
from community_flow.wiring.clock import knows_time
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import ingest_parts
from community_flow.wiring.registry import my_pass_of, registry_parts


def wire(core: Core, app: Flask) -> None:
    parts, keys = ingest_parts(core), CommunityKeys(core.keys)
    records = GateRecords(core.registry, SqlPasses(), SqlPeople(), keys)
    desk = GateDesk(
        core.db, core.registry, records, SqlPeople(), SqlGate(), keys, core.keys, parts.keys, core.audit, core.clock
    )
    guards = Guards(core.db, SqlGuards(), core.accounts.store, core.audit, core.clock)
    app.register_blueprint(
        scanner.blueprint(
            desk,
            guards,
            parts.trust,
            parts.devices,
            core.traffic.reports,
            core.clock,
            knows_time(core),
            registry_parts(core).rules.try_it,
        )
    )
    calls = RollCalls(core.db, core.registry, SqlGate(), SqlPeople(), keys, core.audit, core.clock, SqlRolls())
    emergencies = Emergencies(core.db, SqlEmergencies(), core.audit, core.clock, desk.forget_state)
    guests = GateGuests(registry_parts(core).visitors, qr_modules)
    asks = GuestAsks(my_pass_of(core), SqlGuestAsks(), core.audit)
    app.register_blueprint(gate_guard.blueprint(desk, guards, guests, calls, emergencies, asks, parts.trust))
    app.register_blueprint(my_guests.blueprint(asks))
