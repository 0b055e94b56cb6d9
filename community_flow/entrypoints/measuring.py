"""Counts every answer, by the route's template: an address itself may name somebody."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from flask import Flask, g, request
from werkzeug.wrappers import Response

from community_flow.entrypoints.request_ids import Wsgi, id_given, request_id
from community_flow.ports.ingest import Meter

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def measure(app: Flask, meter: Meter) -> None:
    """Pages and JSON."""

    @app.before_request
    def begin() -> None:
        g.begun_s = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unknown"
        method = request.method if request.method in METHODS else "other"
        meter.add("http_requests_total", method=method, route=route, status=str(response.status_code))
        response.headers["X-Request-Id"] = request_id() or ""
        begun_s = g.get("begun_s")
        if begun_s is not None:
            meter.observe("http_request_seconds", time.perf_counter() - begun_s)
        return response


def measured(route: str, inner: Wsgi, meter: Meter) -> Wsgi:
    """A WSGI callable beside Flask."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        begun_s = time.perf_counter()
        found: list[str] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            found.append(status[:3])
            return start_response(status, headers + id_given(environ), *rest)

        try:
            return inner(environ, start)
        finally:
            measured_answer(meter, environ["REQUEST_METHOD"], route, found[0] if found else "500", begun_s)

    return answer


def measured_answer(meter: Meter, method: str, route: str, status: str, begun_s: float) -> None:
    """One answer beside Flask; ``begun_s`` by `time.perf_counter`."""
    meter.add("http_requests_total", method=method if method in METHODS else "other", route=route, status=status)
    meter.observe("ingest_request_seconds", time.perf_counter() - begun_s)
