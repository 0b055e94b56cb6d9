"""Accounts: list, add, one-time link, disable."""

from __future__ import annotations

from typing import Literal

import msgspec
from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from community_flow.domain.errors import Forbidden
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.access import current_account, current_scope, roles
from community_flow.entrypoints.answers import items, json_response, parse
from community_flow.entrypoints.shell import role_name
from community_flow.ports.accounts import Account
from community_flow.services.accounts import Accounts

MANAGED = (Role.GUARD, Role.STEWARD)
"""What a manager may make; officials and admins are made by an admin."""


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    login: str
    name: str
    role: Literal["guard", "steward", "manager", "official", "admin"]
    communities: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    authority: str | None = None
    csrf_token: str = ""


def blueprint(accounts: Accounts) -> Blueprint:
    bp = Blueprint("users", __name__)

    @bp.get("/users")
    @roles(Role.MANAGER, Role.ADMIN)
    def page() -> str:
        return _page(accounts)

    @bp.post("/users")
    @roles(Role.MANAGER, Role.ADMIN)
    def add() -> str:
        account = accounts.add(_wanted(parse(NewAccount, request), current_scope()), None, current_account().account)
        return _page(accounts, account, accounts.make_link(account, current_account().account))

    @bp.post("/users/<account>/link")
    @roles(Role.MANAGER, Role.ADMIN)
    def link(account: str) -> str:
        found = _managed(accounts, account)
        return _page(accounts, found, accounts.make_link(found, current_account().account))

    @bp.post("/users/<account>/disable")
    @roles(Role.MANAGER, Role.ADMIN)
    def disable(account: str) -> str:
        accounts.disable(_managed(accounts, account), current_account().account)
        return _page(accounts)

    @bp.post("/users/<account>/enable")
    @roles(Role.MANAGER, Role.ADMIN)
    def enable(account: str) -> str:
        accounts.enable(_managed(accounts, account), current_account().account)
        return _page(accounts)

    @bp.get("/v1/accounts")
    @roles(Role.MANAGER, Role.ADMIN)
    def listed() -> Response:
        return items([_public(each) for each in accounts.list(current_scope())], None)

    @bp.get("/v1/me")
    @roles(*Role)
    def me() -> Response:
        scope = current_scope()
        return json_response({**_public(current_account()), "sees": sorted(scope.communities)})

    return bp


def _page(accounts: Accounts, account: Account | None = None, secret: str | None = None) -> str:
    link = url_for("login.link", secret=secret, _external=True) if secret else None
    makeable = _makeable(current_account().role)
    places = accounts.places(current_scope())
    return render_template(
        "users/page.html",
        accounts=accounts.list(current_scope()),
        places=places,
        makeable=makeable,
        role_choices=[(str(role), role_name(role)) for role in makeable],
        made=account,
        link=link,
    )


def _makeable(role: Role) -> list[Role]:
    return [each for each in Role if each is not Role.RESIDENT] if role is Role.ADMIN else list(MANAGED)


def _wanted(form: NewAccount, scope: Scope) -> Account:
    role = Role(form.role)
    foreign = not set(form.communities) <= scope.communities
    if role not in _makeable(scope.role) or foreign or (form.areas and scope.role is not Role.ADMIN):
        raise Forbidden("You can make guards and stewards of your own community: ask an admin for others.")
    return Account(
        account="", login=form.login.strip(), name=form.name.strip(), role=role, communities=form.communities,
        areas=form.areas, gates=form.gates or None, authority=form.authority,
    )  # fmt: skip


def _managed(accounts: Accounts, account: str) -> Account:
    found = accounts.in_scope(current_scope(), account)
    if found.role not in _makeable(current_scope().role):
        raise Forbidden("Only an admin can change this account.")
    return found


def _public(account: Account) -> dict[str, object]:
    return {
        "account": account.account,
        "login": account.login,
        "name": account.name,
        "role": account.role,
        "communities": account.communities,
        "areas": account.areas,
        "disabled": account.disabled,
        "seen_ms": account.seen_ms,
    }
