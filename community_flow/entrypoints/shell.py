"""The frame around every page: which pages there are, for whom, and the mode that stands in every header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import Flask, current_app, request
from flask_babel import gettext, lazy_gettext
from werkzeug.exceptions import HTTPException

from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.access import STAFF, access_of, maybe_account, maybe_scope
from community_flow.entrypoints.actions import action_name
from community_flow.entrypoints.languages import place_name
from community_flow.ports import Clock
from community_flow.ports.accounts import Account

TABS = 4
"""Entries of the bottom bar on a phone, before "More"."""

AT_GATES = (Role.GUARD, Role.STEWARD, Role.MANAGER, Role.ADMIN)

CLOCK_KEEPERS = (Role.MANAGER, Role.ADMIN)
"""Who is told on every page that the server's clock is wrong."""

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Page:
    """One entry of the navigation. ``part`` names the function that counts what waits there; ``offered`` narrows
    whom it is offered to where the address itself is open to more (a gate phone opens /gate without an account)."""

    path: str
    icon: str
    text: Any
    part: str | None = None
    offered: tuple[Role, ...] = tuple(Role)
    count: int = 0
    current: bool = False


@dataclass(frozen=True)
class Group:
    title: Any
    entries: tuple[Page, ...]


@dataclass(frozen=True)
class Shell:
    """What base.html shows around the content."""

    account: Account | None
    role: str
    groups: tuple[Group, ...]
    tabs: tuple[Page, ...]
    orders: tuple[str, ...]
    here: str
    now_ms: int
    clock: Any = None


PAGES = (
    Group(
        None,
        (
            Page("/", "live", lazy_gettext("Live"), offered=STAFF),
            Page("/gate", "gate", lazy_gettext("Gate duty"), offered=AT_GATES),
            Page("/anomalies", "inbox", lazy_gettext("Inbox"), part="open_items"),
            Page("/people", "people", lazy_gettext("People")),
            Page("/visitors", "visitor", lazy_gettext("Visitors")),
            Page("/me", "me", lazy_gettext("About me")),
        ),
    ),
    Group(
        lazy_gettext("Figures and inquiries"),
        (
            Page("/statistics", "statistics", lazy_gettext("Statistics")),
            Page("/cases", "case", lazy_gettext("Cases")),
            Page("/reports", "report", lazy_gettext("Reports")),
        ),
    ),
    Group(
        lazy_gettext("Set up and oversight"),
        (
            Page("/devices", "device", lazy_gettext("Devices")),
            Page("/setup", "setup", lazy_gettext("Set-up")),
            Page("/rules", "lock", lazy_gettext("Rules")),
            Page("/users", "users", lazy_gettext("Accounts")),
            Page("/audit", "audit", lazy_gettext("Audit log")),
            Page("/privacy", "privacy", lazy_gettext("Privacy")),
            Page("/trust", "trust", lazy_gettext("Phone trust"), offered=AT_GATES),
        ),
    ),
)

ROLE_NAMES = {
    Role.GUARD: lazy_gettext("Guard"),
    Role.STEWARD: lazy_gettext("Steward"),
    Role.MANAGER: lazy_gettext("Community manager"),
    Role.OFFICIAL: lazy_gettext("Health official"),
    Role.ADMIN: lazy_gettext("Administrator"),
    Role.RESIDENT: lazy_gettext("Resident"),
}

Part = Callable[..., Any]


def dress(app: Flask, clock: Clock, parts: Mapping[str, Part]) -> None:
    """Give every template the frame. ``parts`` may hold "open_items" (how many wait in the inbox) and
    "orders_in_force" (their numbers); both take the scope."""
    app.jinja_env.globals.update(place_name=place_name, role_name=role_name)
    app.jinja_env.filters.update(number=number, action=action_name, ago=lambda ms: ago(ms, clock.now_ms()))
    app.context_processor(lambda: {"shell": _shell(clock, parts)})


def role_name(role: Role | str) -> str:
    return str(ROLE_NAMES[Role(role)])


def number(value: float | None) -> str:
    """1,776; a dash for what is not known."""
    return "—" if value is None else f"{value:,}"


def ago(ms: int | None, now_ms: int) -> str:
    """3 min ago"""
    return str(gettext("never") if ms is None else _ago(max(0, now_ms - ms)))


def _ago(age_ms: int) -> Any:
    if age_ms < MINUTE_MS:
        return gettext("%(n)s s ago", n=age_ms // 1000)
    if age_ms < HOUR_MS:
        return gettext("%(n)s min ago", n=age_ms // MINUTE_MS)
    if age_ms < 2 * DAY_MS:
        return gettext("%(n)s h ago", n=age_ms // HOUR_MS)
    return gettext("%(n)s days ago", n=age_ms // DAY_MS)


def _shell(clock: Clock, parts: Mapping[str, Part]) -> Shell:
    account, scope = maybe_account(), maybe_scope()
    here = request.full_path if request.query_string else request.path
    if account is None or scope is None:
        return Shell(None, "", (), (), (), here, clock.now_ms())
    groups = tuple(group for group in (_open_to(each, account.role, scope, parts) for each in PAGES) if group.entries)
    tabs = tuple(entry for group in groups for entry in group.entries)[:TABS]
    orders = tuple(parts["orders_in_force"](scope)) if "orders_in_force" in parts else ()
    warning = parts["clock_banner"]() if "clock_banner" in parts and account.role in CLOCK_KEEPERS else None
    return Shell(account, role_name(account.role), groups, tabs, orders, here, clock.now_ms(), warning)


def _open_to(group: Group, role: Role, scope: Scope, parts: Mapping[str, Part]) -> Group:
    pages = [page for page in group.entries if role in page.offered]
    return Group(group.title, tuple(_now(page, scope, parts) for page in pages if is_open(page.path, role)))


def _now(page: Page, scope: Scope, parts: Mapping[str, Part]) -> Page:
    count = int(parts[page.part](scope)) if page.part and page.part in parts else 0
    current = request.path == page.path or (page.path != "/" and request.path.startswith(page.path + "/"))
    return replace(page, count=count, current=current)


def is_open(path: str, role: Role) -> bool:
    """True when a page is there and its own declaration admits the role: the navigation keeps no second list."""
    try:
        endpoint, _ = current_app.url_map.bind("").match(path, method="GET")
    except HTTPException:
        return False
    access = access_of(current_app, endpoint)
    return access == "public" or (isinstance(access, frozenset) and role in access)
