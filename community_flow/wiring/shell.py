"""The frame of every page."""

from __future__ import annotations

from flask import Flask

from community_flow.wiring.core import Core


def wire(core: Core, app: Flask) -> None:
    from community_flow.entrypoints import shell

    shell.dress(app, core.clock, core.parts)
