"""What pages with forms share: local dates, and going back with a sentence where something was refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request
from flask_babel import gettext

from community_flow.domain.errors import Conflict, FlowError, Invalid
from community_flow.domain.places import Community
from community_flow.entrypoints.chosen import chosen_community
from community_flow.entrypoints.problems import wants_json
from community_flow.services.places import Places

View = TypeVar("View", bound=Callable[..., Any])


def or_back(view: View) -> View:
    """A refused form goes back to its page and says why; programs get the problem as it is."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except (Invalid, Conflict) as refused:
            if wants_json():
                raise
            return back(refused)

    return guarded  # type: ignore[return-value]


def back(refused: FlowError) -> Any:
    """To the page the form stood on, never elsewhere."""
    flash(gettext(refused.remedy, **refused.values), "error")
    came_from = urlsplit(request.referrer or "")
    path = came_from.path if came_from.netloc in ("", request.host) else "/"
    return redirect((path or "/") + (f"?{came_from.query}" if came_from.query else ""), 303)


def moment_ms(text: str, timezone: str) -> int | None:
    """Milliseconds of a local 2026-11-24 or 2026-11-24T14:30; None for an empty field; raises Invalid."""
    if not text:
        return None
    try:
        local = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid("A date is written like 2026-11-24, with a time like 2026-11-24T14:30.", field="date") from error
    if local.tzinfo is None:
        local = local.replace(tzinfo=ZoneInfo(timezone))
    return int(local.timestamp() * 1000)


def choose_community(places: Places, scope: Any, asked: str | None) -> tuple[dict[str, Community], str | None]:
    """(communities in scope, the one the page is about); the page's times are in its time zone."""
    communities = {where: state for where, _, state in places.all(scope, "community")}
    chosen = chosen_community(asked if asked in communities else None, communities)
    if chosen is not None:
        g.timezone = communities[chosen].timezone
    return communities, chosen
