"""user …, token …"""

from __future__ import annotations

import json
import secrets

import click

from community_flow.commands import settings
from community_flow.commands.server import prepare
from community_flow.domain.scope import Role, Scope
from community_flow.ports.accounts import Account
from community_flow.wiring.clock import timed_core
from community_flow.wiring.core import Core

ROLES = click.Choice([str(role) for role in Role if role is not Role.RESIDENT])


@click.group()
def user() -> None:
    """Accounts."""


@user.command()
@click.argument("login")
@click.option("--name", help="the person's name (default: the login)")
@click.option("--role", type=ROLES, required=True)
@click.option("--community", "communities", multiple=True)
@click.option("--area", "areas", multiple=True)
@click.option("--authority", help="an official's authority, for example the district's CDC")
def add(
    login: str, name: str | None, role: str, communities: tuple[str, ...], areas: tuple[str, ...], authority: str | None
) -> None:
    """Add an account; prints a random password once."""
    core = prepare(settings())
    _refuse_unknown(core, communities, areas)
    password = secrets.token_urlsafe(12)
    account = Account(
        account="", login=login, name=name or login, role=Role(role), communities=communities, areas=areas,
        authority=authority,
    )  # fmt: skip
    core.accounts.add(account, password, "command line")
    click.echo(f"{login}   password (shown once): {password}")


@user.command("list")
def list_() -> None:
    """Every account."""
    for each in timed_core(settings()).accounts.list(Scope.system(())):
        state = "disabled" if each.disabled else "active"
        click.echo(f"{each.login}\t{each.role}\t{','.join(each.communities + each.areas) or 'everything'}\t{state}")


@user.command()
@click.argument("login")
def reset(login: str) -> None:
    """New random password; every session and token of the account ends."""
    accounts = timed_core(settings()).accounts
    password = secrets.token_urlsafe(12)
    accounts.set_password(accounts.by_login(login), password, "command line")
    click.echo(f"{login}   password (shown once): {password}")


@user.command()
@click.argument("login")
def disable(login: str) -> None:
    """Sign an account out for good."""
    accounts = timed_core(settings()).accounts
    accounts.disable(accounts.by_login(login), "command line")
    click.echo(f"{login} is disabled.")


@user.command()
@click.argument("login")
def link(login: str) -> None:
    """A one-time sign-in path, good for 15 minutes."""
    accounts = timed_core(settings()).accounts
    click.echo(f"/login/link/{accounts.make_link(accounts.by_login(login), 'command line')}")


def _refuse_unknown(core: Core, communities: tuple[str, ...], areas: tuple[str, ...]) -> None:
    """An account of a place that does not exist sees nothing, and nobody would know why."""
    with core.db.read() as tx:
        known = {"community": core.registry.store.communities(tx), "area": sorted(core.registry.areas(tx))}
    for what, asked in (("community", communities), ("area", areas)):
        for name in asked:
            if name not in known[what]:
                choice = ", ".join(known[what]) or "none yet: make one on the page Set-up"
                raise click.ClickException(f"There is no {what} called {name}: choose one of {choice}.")


@click.group()
def token() -> None:
    """Personal tokens for programs."""


@token.command()
@click.option("--role", type=ROLES, required=True)
@click.option("--community", "communities", multiple=True)
@click.option("--area", "areas", multiple=True)
@click.option("--json", "as_json", is_flag=True)
def create(role: str, communities: tuple[str, ...], areas: tuple[str, ...], as_json: bool) -> None:
    """A token of an account of its own; shown once."""
    core = prepare(settings())
    _refuse_unknown(core, communities, areas)
    login = f"token-{secrets.token_hex(4)}"
    account = Account(account="", login=login, name=login, role=Role(role), communities=communities, areas=areas)
    made = core.accounts.add(account, None, "command line")
    secret = core.accounts.make_token(made, "command line", "command line")
    click.echo(json.dumps({"token": secret}) if as_json else secret)
