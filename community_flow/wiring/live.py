"""The first page."""

from __future__ import annotations

from flask import Flask

from community_flow.adapters.sql.queries_live import SqlLive
from community_flow.entrypoints import live as live_pages
from community_flow.services.live import Live
from community_flow.wiring.core import Core


def wire(core: Core, app: Flask) -> None:
    """After the fold and the review, whose counts and inbox it shows."""
    counting, inbox = core.parts["flow"].passages, core.parts["inbox"]
    live = Live(core.db, core.registry, SqlLive(), counting, inbox, core.clock)
    app.register_blueprint(live_pages.blueprint(live, core.signals.version, core.clock, core.settings.demo))
