"""The frame of every page, and the description of every address."""

from __future__ import annotations

from flask import Flask

from community_flow import __version__
from community_flow.wiring.core import Core


def wire(core: Core, app: Flask) -> None:
    from community_flow.entrypoints import openapi, shell

    app.register_blueprint(openapi.blueprint(core.raw_routes, __version__))
    shell.dress(app, core.clock, core.parts)
