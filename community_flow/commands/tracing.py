"""trace order|case|show, export statistics|check: the same rules and the same log as the pages."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from community_flow.commands import fail, settings
from community_flow.domain.csv import intact, written
from community_flow.domain.errors import NotFound
from community_flow.ports.cases import Case
from community_flow.services.accounts import SignedIn
from community_flow.services.contact_search import DEFAULT_KINDS, KINDS
from community_flow.services.orders import NewOrder
from community_flow.services.statistics import Asked
from community_flow.services.tracing import CaseView, NewCase
from community_flow.wiring.clock import timed_core
from community_flow.wiring.core import Core
from community_flow.wiring.tracing import TracingParts, tracing_parts

DAY_MS = 24 * 3_600_000
AS = click.option("--as", "login", required=True, help="login of the account that asks")
JSON = click.option("--json", "as_json", is_flag=True, help="print JSON")


@click.group()
def trace() -> None:
    """Contacts of an index person, under an order."""


@trace.command()
@AS
@click.option("--number", required=True)
@click.option("--basis", required=True, help="legal basis")
@click.option("--area", required=True)
@click.option("--days", type=click.IntRange(1, 30), default=14, show_default=True)
def order(login: str, number: str, basis: str, area: str, days: int) -> None:
    """Record an order that is in force from now on."""
    core, parts, who = _open(login)
    now_ms = core.clock.now_ms()
    wanted = NewOrder(number=number, basis=basis, area=area, from_ms=now_ms, until_ms=now_ms + days * DAY_MS)
    click.echo(parts.orders.record(who.scope, who.account, wanted).order_id)
    core.db.close()


@trace.command()
@AS
@click.option("--community", required=True)
@click.option("--person", help="the index person's id")
@click.option("--name", help="or the exact name…")
@click.option("--unit", help="…and unit")
@click.option("--purpose", required=True)
@click.option("--from", "from_text", help="start of the infectious window, 2026-11-16T00:00 (default: 7 days ago)")
@click.option("--to", "to_text", help="its end (default: now)")
@click.option("--least", type=click.IntRange(1, 1440), default=15, show_default=True, help="minutes together")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, default=DEFAULT_KINDS, show_default=True)
@click.option("--top", type=click.IntRange(1), default=20, show_default=True)
@JSON
def case(
    login: str, community: str, purpose: str, least: int, kinds: tuple[str, ...], top: int, as_json: bool, **asked: Any
) -> None:
    """Open a case and list its ranked contacts."""
    core, parts, who = _open(login)
    zone = _timezone(core, who, community)
    now_ms = core.clock.now_ms()
    wanted = NewCase(
        community=community, purpose=purpose, person=asked["person"], name=asked["name"], unit=asked["unit"],
        from_ms=_moment(asked["from_text"], zone, now_ms - 7 * DAY_MS), to_ms=_moment(asked["to_text"], zone, now_ms),
        least_min=least, kinds=kinds,
    )  # fmt: skip
    made: Case = parts.tracing.open_case(who.scope, who.account, wanted)
    _print(parts.tracing.look(who.scope, who.account, made.case_id, top), zone, as_json)
    core.db.close()


@trace.command()
@AS
@click.argument("case_id")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True)
@JSON
def show(login: str, case_id: str, top: int, as_json: bool) -> None:
    """List the contacts of a case again; a look like any other."""
    core, parts, who = _open(login)
    view = parts.tracing.look(who.scope, who.account, case_id, top)
    _print(view, _timezone(core, who, view.case.community), as_json)
    core.db.close()


@click.group()
def export() -> None:
    """Files that say whether they are whole."""


@export.command()
@AS
@click.option("--community", required=True)
@click.option("--kind", type=click.Choice(["gate", "zone"]), default="gate", show_default=True)
@click.option("--by", type=click.Choice(["hour", "day", "hour_of_day", "weekday"]), default="day", show_default=True)
@click.option("--measure", type=click.Choice(["entries", "exits", "inside", "dwell"]), default="entries")
@click.option(
    "--from", "from_day", type=click.DateTime(["%Y-%m-%d"]), help="first day (default: 13 days before the last)"
)
@click.option("--to", "to_day", type=click.DateTime(["%Y-%m-%d"]), help="last day (default: today)")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
def statistics(login: str, community: str, out: Path, **asked: Any) -> None:
    """One table as CSV. Exact in one's own scope; small cells are hidden from officials."""
    core, parts, who = _open(login)
    known = parts.statistics.communities(who.scope)
    if community not in known:
        raise NotFound("There is no such community here.")
    last: date = asked["to_day"].date() if asked["to_day"] else parts.statistics.today(known[community])
    first: date = asked["from_day"].date() if asked["from_day"] else last - timedelta(days=13)
    question = Asked(
        community=community, kind=asked["kind"], by=asked["by"], measure=asked["measure"], from_day=first, to_day=last
    )
    table = parts.statistics.exported(who.scope, who.account.account, question)
    rows = [
        [label, *("hidden" if out else cell for cell, out in zip(cells, gone, strict=True))]
        for label, cells, gone in zip(table.labels, table.cells, table.hidden, strict=True)
    ]
    made = written(out.name, [question.by, *table.places], rows)
    out.write_bytes(made.body)
    click.echo(f"{out}: {made.rows} rows, sha256 {made.digest}, {'exact' if table.exact else 'small cells hidden'}")
    core.db.close()


@export.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Does the last line fit the lines before it? Exit 1 when rows were cut or changed."""
    if not intact(file.read_bytes()):
        fail(f"{file} is not whole: rows were cut or changed since it was written. Export it again.")
    click.echo(f"{file}: whole")


def _open(login: str) -> tuple[Core, TracingParts, SignedIn]:
    core = timed_core(settings())
    account = core.accounts.by_login(login)
    who = core.accounts.of_session(account.account, account.epoch)
    if who is None:
        raise NotFound("There is no account with the login %(login)s: see `user list`.", login=login)
    return core, tracing_parts(core), who


def _timezone(core: Core, who: SignedIn, community: str) -> ZoneInfo:
    with core.db.read() as tx:
        found = core.registry.communities(tx, who.scope).get(community)
    if found is None:
        raise NotFound("There is no such community here.")
    return ZoneInfo(found.timezone)


def _moment(text: str | None, zone: ZoneInfo, default_ms: int) -> int:
    if text is None:
        return default_ms
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time: write 2026-11-16T00:00") from error
    return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)


def _print(view: CaseView, zone: ZoneInfo, as_json: bool) -> None:
    lines = [
        {"rank": line.rank, "person": line.pseudonym, "level": line.contact.level, "status": line.status,
         "certain_min": round(line.contact.certain_ms / 60_000, 1),
         "possible_min": round(line.contact.possible_ms / 60_000, 1), "certainty": line.contact.certainty,
         "first": datetime.fromtimestamp(line.contact.first_ms / 1000, zone).isoformat(timespec="minutes"),
         "places": sorted({f"{view.places[e.zone].kind}:{view.places[e.zone].place}" for e in line.contact.exposures})}
        for line in view.contacts
    ]  # fmt: skip
    if as_json:
        head = {"case": view.case.case_id, "total": view.total, "compound_total": view.compound_total}
        click.echo(json.dumps({**head, "contacts": lines}, ensure_ascii=False))
        return
    click.echo(f"{view.case.case_id}: {view.total} candidates; the whole compound would give {view.compound_total}.")
    for line in lines:
        minutes = f"{line['certain_min']:>7} certain {line['possible_min']:>7} possible min"
        click.echo(f"{line['rank']:>4} {line['person']} {line['level']:<6} {minutes} {line['first']}")
