"""The web application. With `wiring/` the only place where adapters, services and entrypoints meet."""

from __future__ import annotations

import gc
import string
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from flask import Flask, request
from werkzeug.wrappers import Response

from community_flow.adapters.parent import end_with_parent
from community_flow.adapters.wsgi_in_threads import WsgiInThreads
from community_flow.entrypoints.access import guard_app, public
from community_flow.entrypoints.ingest_loop import ReportsDesk
from community_flow.entrypoints.languages import speak
from community_flow.entrypoints.measuring import measure, measured
from community_flow.entrypoints.problems import translate_errors
from community_flow.entrypoints.request_ids import with_id
from community_flow.entrypoints.security import secure_headers
from community_flow.entrypoints.small_files import send_small
from community_flow.ports import Clock
from community_flow.settings import Settings
from community_flow.wiring import (
    access,
    backup,
    clock,
    flow,
    gate,
    health,
    ingest,
    live,
    logs,
    mqtt,
    notices,
    registry,
    retention,
    review,
    shell,
    tracing,
)
from community_flow.wiring.core import Core, build_core, refuse_other_tables
from community_flow.wiring.traffic import FIGURES_FOLDER
from web import ROOT

WIRING: tuple[Callable[[Core, Flask], None], ...] = (
    access.wire,
    clock.wire,
    registry.wire,
    ingest.wire,
    mqtt.wire,
    health.wire,
    flow.wire,
    tracing.wire,
    review.wire,
    live.wire,
    gate.wire,
    retention.wire,
    notices.wire,
    backup.wire,
    shell.wire,
)
"""One module per feature, in the order in which they need each other."""


def create_app(settings: Settings, clock: Clock | None = None) -> Flask:
    """The whole web application. Starts no thread: see `start_background`."""
    core = build_core(settings, clock)
    logs.configure(settings.log, lambda level: core.traffic.meter.add("log_lines_total", level=level))
    refuse_other_tables(core)
    app = Flask("community_flow", static_folder=str(ROOT / "static"), template_folder=str(ROOT / "templates"))
    app.config.update(
        SECRET_KEY=core.keys.now("session").secret,
        SESSION_COOKIE_NAME="flow",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        MAX_CONTENT_LENGTH=32 * 1024 * 1024,
        BABEL_TIMEZONE=settings.timezone,
    )
    app.extensions["flow"] = core
    measure(app, core.traffic.meter)
    translate_errors(app)
    guard_app(app, core.accounts)
    speak(app, ROOT / "translations", settings.timezone)
    secure_headers(app)
    for wire in WIRING:
        wire(core, app)
    if settings.demo:
        from community_flow.wiring import demo

        demo.wire(core, app)
    _serve_vendor(app)
    _put_raw_routes(core, app)
    return app


def start_background(app: Flask) -> None:
    """Begin the worker's threads (fold, jobs). Called once by the process that serves."""
    end_with_parent()
    core: Core = app.extensions["flow"]
    settle_interpreter()
    logs.catch_uncaught()
    core.traffic.meter.share(core.settings.data_dir / FIGURES_FOLDER, "web")
    for start in core.background:
        start()


THREADS = 128
"""More than services/lanes.py lets devices have at once, so that a page always finds one."""


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class OnEventLoop:
    """The same application for a server with an event loop (ASGI): Flask in threads, and beside it the ``desk`` for
    small bodies of reports, which `adapters.short_requests` asks."""

    def __init__(self, app: Flask) -> None:
        self.desk: ReportsDesk = app.extensions["flow"].parts["desk"]
        self._pages: Any = WsgiInThreads(_with_body_to_its_end(app), workers=THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._pages(_in_ascii(scope), receive, send)


def _with_body_to_its_end(app: Flask) -> Any:
    """What comes in chunks has no length: the server says itself where it ends."""

    def answer(environ: Any, start_response: Any) -> Any:
        environ["wsgi.input_terminated"] = True
        return app(environ, start_response)

    return answer


def _in_ascii(scope: Scope) -> Scope:
    """An address is ASCII; whoever sends other bytes is read as if they had been spelled out."""
    query: bytes = scope.get("query_string", b"")
    return scope if query.isascii() else {**scope, "query_string": quote(query, safe=string.punctuation).encode()}


SWITCH_S = 0.0005
"""How long a thread may hold the interpreter while others wait: nobody at a gate waits for the fold's slices."""

GARBAGE = 50_000, 20, 50


def settle_interpreter() -> None:
    """What is loaded by now stays for good, so the collector need not walk through it again with every flood; and what
    a flood makes is freed by counting references, so looking for cycles can wait longer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    sys.setswitchinterval(SWITCH_S)


def _serve_vendor(app: Flask) -> None:
    @app.get("/vendor/<path:path>", endpoint="vendor")
    @public
    def vendor(path: str) -> Response:
        return send_small(ROOT / "vendor", path, max_age=3600).make_conditional(request)


def _put_raw_routes(core: Core, app: Flask) -> None:
    flask_app: Any = app.wsgi_app
    meter = core.traffic.meter
    raw = {path: measured(path, route, meter) for path, route in core.raw_routes.items()}

    def dispatch(environ: Any, start_response: Any) -> Any:
        return raw.get(environ.get("PATH_INFO", ""), flask_app)(environ, start_response)

    app.wsgi_app = with_id(dispatch)  # type: ignore[method-assign, assignment]
