"""Signing in and out, one-time links, language."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from community_flow.domain.errors import FlowError
from community_flow.entrypoints.access import EVERYBODY, current_account, maybe_account, public, roles, sign_in_session
from community_flow.entrypoints.answers import parse
from community_flow.entrypoints.languages import LANGUAGES
from community_flow.services.accounts import Accounts


class SignInForm(msgspec.Struct, frozen=True, kw_only=True):
    login: str = ""
    password: str = ""
    next: str = ""
    csrf_token: str = ""


def blueprint(accounts: Accounts) -> Blueprint:
    bp = Blueprint("login", __name__)

    @bp.get("/login")
    @public
    def form() -> str:
        return render_template("login/form.html", next=_safe(request.args.get("next", "")), error=None, login="")

    @bp.post("/login")
    @public
    def submit() -> Response | tuple[str, int]:
        asked = parse(SignInForm, request)
        try:
            sign_in_session(accounts.sign_in(asked.login, asked.password, request.remote_addr or ""))
        except FlowError as error:
            page = render_template("login/form.html", next=_safe(asked.next), error=error, login=asked.login)
            return page, error.status
        return redirect(_safe(asked.next) or url_for("live.page"))

    @bp.get("/login/link/<secret>")
    @public
    def link(secret: str) -> str:
        # A page with a button, because messengers fetch links to preview them and would use this one up.
        return render_template("login/link.html", secret=secret)

    @bp.post("/login/link/<secret>")
    @public
    def use_link(secret: str) -> Response:
        sign_in_session(accounts.use_link(secret))
        return redirect(url_for("live.page"))

    @bp.post("/logout")
    @roles(*EVERYBODY)
    def logout() -> Response:
        session.clear()
        return redirect(url_for("login.form"))

    @bp.post("/language/<language>")
    @public
    def language(language: str) -> Response:
        if language in LANGUAGES:
            session["language"] = language
            if maybe_account():
                accounts.set_language(current_account(), language)
        return redirect(_safe(request.form.get("next", "")) or "/")

    return bp


def _safe(address: str) -> str:
    """A path of ours, or nothing: sign-in never sends somebody to another site."""
    parts = urlsplit(address)
    plain = not parts.scheme and not parts.netloc and address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if plain and "\\" not in address and address.isprintable() else ""
