"""Sign-in, accounts, audit log, privacy."""

from __future__ import annotations

from flask import Flask

from community_flow.adapters.sql.queries_kept import SqlKept
from community_flow.entrypoints import audit as audit_pages
from community_flow.entrypoints import login, privacy, users
from community_flow.services.kept import Kept
from community_flow.wiring.core import Core


def wire(core: Core, app: Flask) -> None:
    app.register_blueprint(login.blueprint(core.accounts))
    app.register_blueprint(users.blueprint(core.accounts))
    app.register_blueprint(audit_pages.blueprint(core.audit, core.accounts))
    app.register_blueprint(privacy.blueprint(core.settings, core.audit, Kept(core.db, core.registry, SqlKept())))
