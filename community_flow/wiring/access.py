"""Sign-in, accounts, audit log, privacy."""

from __future__ import annotations

from flask import Flask

from community_flow.adapters.sql.queries_kept import SqlKept
from community_flow.entrypoints import audit as audit_pages
from community_flow.entrypoints import login, privacy, users
from community_flow.services.kept import Kept
from community_flow.wiring.core import Core
from community_flow.wiring.registry import registry_parts


def wire(core: Core, app: Flask) -> None:
    app.register_blueprint(login.blueprint(core.accounts))
    app.register_blueprint(users.blueprint(core.accounts))
    app.register_blueprint(audit_pages.blueprint(core.audit, core.accounts))
    kept = Kept(core.db, core.registry, SqlKept())
    requests_of = registry_parts(core).requests.of_scope
    app.register_blueprint(privacy.blueprint(core.settings, core.audit, kept, requests_of))
