"""Who is asking, and whether this route is for them. Every view declares it; a test fails on one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, redirect, request, session, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain.errors import Forbidden
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.problems import Problem, wants_json
from community_flow.ports.accounts import Account
from community_flow.services.accounts import Accounts, SignedIn

View = TypeVar("View", bound=Callable[..., Any])
STAFF = (Role.GUARD, Role.STEWARD, Role.MANAGER, Role.OFFICIAL, Role.ADMIN)
EVERYBODY = (*STAFF, Role.RESIDENT)


def roles(*allowed: Role) -> Callable[[View], View]:
    """The view is for signed-in accounts (or personal tokens) of these roles."""

    def declare(view: View) -> View:
        view.access = frozenset(allowed)  # type: ignore[attr-defined]
        return view

    return declare


def strangers_to(path: str) -> Callable[[View], View]:
    """Who is not signed in is sent there instead of to the sign-in."""

    def declare(view: View) -> View:
        view.stranger = path  # type: ignore[attr-defined]
        return view

    return declare


def public(view: View) -> View:
    """The view is for everybody, signed in or not."""
    view.access = "public"  # type: ignore[attr-defined]
    return view


def device(view: View) -> View:
    """The view checks a device token itself (`entrypoints/devices.py`)."""
    view.access = "device"  # type: ignore[attr-defined]
    return view


def current_account() -> Account:
    """Who is signed in; only inside views declared with `roles`."""
    return _signed_in().account


def current_scope() -> Scope:
    """What the caller may see; only inside views declared with `roles`."""
    return _signed_in().scope


def maybe_account() -> Account | None:
    """Who is signed in, or None on public pages."""
    signed_in: SignedIn | None = g.get("signed_in")
    return signed_in.account if signed_in else None


def maybe_scope() -> Scope | None:
    signed_in: SignedIn | None = g.get("signed_in")
    return signed_in.scope if signed_in else None


def sign_in_session(signed_in: SignedIn) -> None:
    """Begin a fresh session, so that an id planted before the sign-in is worth nothing."""
    session.clear()
    session.permanent = True
    session["account"] = signed_in.account.account
    session["epoch"] = signed_in.account.epoch


def guard_app(app: Flask, accounts: Accounts) -> CSRFProtect:
    """Put the checks in front of every view."""
    # Checked below instead of by the extension itself: tokens of programs and devices carry no cookie to forge.
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    csrf = CSRFProtect(app)
    app.before_request(lambda: _identify(accounts))
    app.before_request(lambda: _admit(csrf))
    return csrf


def access_of(app: Flask, endpoint: str) -> Any:
    """What a view declared: a set of roles, "public", "device", or None when it forgot."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return "public"
    return getattr(app.view_functions[endpoint], "access", None)


def _identify(accounts: Accounts) -> None:
    g.signed_in, g.by_token = None, False
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer cfp_"):
        g.signed_in, g.by_token = accounts.of_token(header.removeprefix("Bearer ")), True
    elif "account" in session:
        g.signed_in = accounts.of_session(session["account"], session.get("epoch", 0))


def _admit(csrf: CSRFProtect) -> BaseResponse | None:
    if request.endpoint is None:
        return None
    access = access_of(current_app, request.endpoint)
    if access is None:
        raise Problem(500, "undeclared", "This address has no declared roles.", "Report this to the maintainers.")
    if access == "device":
        return None
    if request.method not in ("GET", "HEAD", "OPTIONS") and not g.by_token:
        csrf.protect()
    if access == "public":
        return None
    return _check_roles(access)


def _check_roles(allowed: frozenset[Role]) -> BaseResponse | None:
    if g.signed_in is None:
        if wants_json() or g.by_token:
            raise Problem(401, "sign-in", "Sign in first.", "Send a personal token or sign in at /login.")
        stranger = getattr(current_app.view_functions[request.endpoint or ""], "stranger", None)
        if stranger is not None:
            return redirect(stranger)
        return redirect(url_for("login.form", next=request.full_path if request.method == "GET" else None))
    if g.signed_in.account.role not in allowed:
        raise Forbidden("Your role does not open this page: ask a manager if you need it.")
    return None


def _signed_in() -> SignedIn:
    signed_in: SignedIn | None = g.get("signed_in")
    if signed_in is None:
        raise RuntimeError("this view is not declared with roles(...)")
    return signed_in


__all__ = [
    "EVERYBODY", "STAFF", "CSRFError", "Response", "access_of", "current_account", "current_scope", "device",
    "guard_app", "maybe_account", "maybe_scope", "public", "roles", "sign_in_session",
]  # fmt: skip
