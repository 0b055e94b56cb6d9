"""When more comes in than can be written, pages wait before gates do: a page can be asked for again, and whoever stands
at a gate cannot."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, request

from community_flow.domain.errors import Busy

LONGEST_WAIT_S = 0.5
"""A commit takes a hundredth of that. While the oldest report waits longer, nothing is read."""

RETRY_S = 2
ALWAYS = frozenset({"static", "vendor", "health.alive", "health.ready", "health.metrics"})
"""What costs the store nothing, and what tells an operator why the rest is refused."""


def shed_reads(app: Flask, waiting_s: Callable[[], float], count: Callable[[], None]) -> None:
    """Refuse reads with 503 and Retry-After while the oldest report has waited for its commit for too long."""

    def shed() -> None:
        if request.method not in ("GET", "HEAD") or request.endpoint in ALWAYS:
            return
        if waiting_s() > LONGEST_WAIT_S:
            count()
            raise Busy("Reports come in faster than they can be written: try again in a moment.", retry_s=RETRY_S)

    app.before_request_funcs.setdefault(None, []).insert(0, shed)
