"""The tray: reports that could not be used. A page of its own beside the inbox, the operator's JSON, and exports."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal, Protocol

import msgspec
from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from msgspec import Meta
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain import csv, tray_rows
from community_flow.domain.errors import Invalid
from community_flow.domain.places import Community, Device
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import cursor, items, json_response, parse, place
from community_flow.entrypoints.forms import or_back
from community_flow.entrypoints.review import zone_of
from community_flow.entrypoints.tray_words import REASONS, STATES, words_of
from community_flow.ports.devices import TrayRow
from community_flow.services.tray import Tray

OFFICE = (Role.MANAGER, Role.ADMIN)
READERS = (Role.STEWARD, *OFFICE)
ON_PAGE = 50
COLUMNS = (
    "id", "community", "device", "boot", "seq", "received_ms", "reason", "detail", "state", "settled_ms", "settled_by",
)  # fmt: skip

Text = Annotated[str, Meta(max_length=100)]
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Ids = Annotated[list[Id], Meta(max_length=1000)]


class TrayQuery(msgspec.Struct, frozen=True, kw_only=True):
    community: Text | None = None
    state: Literal["open", "mended", "dismissed", "all"] = "open"
    reason: Text | None = None
    device: Text | None = None
    cursor: Text | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class Retry(msgspec.Struct, frozen=True):
    ids: Ids


class Dismiss(msgspec.Struct, frozen=True):
    ids: Ids
    reason: Text


class RetryAll(msgspec.Struct, frozen=True, kw_only=True):
    reason: Text
    device: Text | None = None
    community: Text | None = None
    after: Id = 0


class DismissAll(msgspec.Struct, frozen=True, kw_only=True):
    reason: Text
    why: Text
    up_to: Id
    device: Text | None = None
    community: Text | None = None


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The form around the table: chosen rows, or every row of the reason."""

    act: Literal["retry", "dismiss", "retry_all", "dismiss_all"]
    ids: tuple[Id, ...] = ()
    why: Text = ""
    reason: Text | None = None
    device: Text | None = None
    community: Text | None = None
    up_to: Id = 0
    after: Id = 0
    csrf_token: str = ""


class Names(Protocol):
    """Words for ids: `entrypoints/review.py` has them."""

    def communities(self, scope: Scope) -> Mapping[str, Community]: ...
    def devices(self, scope: Scope) -> Mapping[str, Device]: ...


def blueprint(tray: Tray, names: Names) -> Blueprint:
    bp = Blueprint("tray", __name__)
    _page_routes(bp, tray, names)
    _json_routes(bp, tray)
    _export_routes(bp, tray)
    return bp


def _page_routes(bp: Blueprint, tray: Tray, names: Names) -> None:
    @bp.get("/tray")
    @roles(*READERS)
    def page() -> str:
        return _page(tray, names)

    @bp.post("/tray")
    @roles(*READERS)
    @or_back
    def act() -> BaseResponse:
        form = parse(Chosen, request)
        following = _act(tray, current_scope().narrowed(form.community), form)
        arguments: dict[str, Any] = {**_kept(form), **following}
        return redirect(url_for("tray.page", **arguments), 303)

    @bp.get("/tray/<int:row>")
    @roles(*READERS)
    def one(row: int) -> str:
        opened = tray.look(current_scope(), row)
        communities = names.communities(current_scope())
        g.timezone = communities[opened.row.community].timezone
        return render_template(
            "tray/one.html", opened=opened, words=words_of(opened.row.reason), states=STATES,
            devices=names.devices(current_scope()), final=tray_rows.FINAL,
        )  # fmt: skip


def _json_routes(bp: Blueprint, tray: Tray) -> None:
    @bp.get("/v1/tray")
    @roles(*READERS)
    def rows() -> Response:
        query = parse(TrayQuery, request)
        found = tray.rows(
            current_scope().narrowed(query.community), state=None if query.state == "all" else query.state,
            reason=query.reason, device=query.device, after=_after(query.cursor), limit=query.limit,
        )  # fmt: skip
        following = cursor(found[-1].id) if len(found) == query.limit else None
        return items([_public(row) for row in found], following)

    @bp.post("/v1/tray/retry")
    @roles(*READERS)
    def retry() -> Response:
        return items(tray.retry(current_scope(), parse(Retry, request).ids), None)

    @bp.post("/v1/tray/retry-all")
    @roles(*READERS)
    def retry_all() -> Response:
        wanted = parse(RetryAll, request)
        scope = current_scope().narrowed(wanted.community)
        return json_response(tray.retry_all(scope, wanted.reason, wanted.device, wanted.after))

    @bp.post("/v1/tray/dismiss")
    @roles(*READERS)
    def dismiss() -> Response:
        wanted = parse(Dismiss, request)
        return json_response({"dismissed": tray.dismiss(current_scope(), wanted.ids, wanted.reason)})

    @bp.post("/v1/tray/dismiss-all")
    @roles(*READERS)
    def dismiss_all() -> Response:
        wanted = parse(DismissAll, request)
        scope = current_scope().narrowed(wanted.community)
        done = tray.dismiss_all(scope, wanted.reason, wanted.up_to, wanted.why, wanted.device)
        return json_response({"dismissed": done})


def _export_routes(bp: Blueprint, tray: Tray) -> None:
    @bp.get("/v1/tray/export")
    @roles(*OFFICE)
    def export() -> Response:
        scope = current_scope()
        response = Response(_lines(tray, scope), content_type="application/x-ndjson")
        response.headers["Content-Disposition"] = "attachment; filename=tray.ndjson"
        return response

    @bp.get("/v1/tray/export.csv")
    @roles(*OFFICE)
    def export_csv() -> Response:
        scope = current_scope()
        rows = ([getattr(row, name) for name in COLUMNS] for row in tray.export(scope))
        response = Response(csv.streamed(COLUMNS, rows), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = "attachment; filename=tray.csv"
        return response


def _page(tray: Tray, names: Names) -> str:
    query = parse(TrayQuery, request)
    scope = current_scope()
    communities = names.communities(scope)
    scope = scope.narrowed(query.community)
    g.timezone = zone_of(communities, query.community)
    rows = tray.rows(
        scope, state=None if query.state == "all" else query.state, reason=query.reason, device=query.device,
        after=_after(query.cursor), limit=ON_PAGE + 1,
    )  # fmt: skip
    shown = rows[:ON_PAGE]
    return render_template(
        "tray/page.html", rows=shown, following=cursor(shown[-1].id) if len(rows) > ON_PAGE else None, query=query,
        counts=_ordered(tray.count_open(scope)), reasons=REASONS, words_of=words_of, states=STATES,
        communities=communities, devices=names.devices(scope), final=tray_rows.FINAL,
        office=scope.role in OFFICE, newest=tray.newest(scope), resume=request.args.get("resume", 0, int),
    )  # fmt: skip


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """The most numerous first."""
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _act(tray: Tray, scope: Scope, form: Chosen) -> dict[str, int]:
    """Do what the form says and tell what became of it; what a long retry left is said for the next click."""
    if form.act == "retry_all" and form.reason:
        done = tray.retry_all(scope, form.reason, form.device, form.after)
        _told(done.mended, done.still_open, done.reasons)
        return {} if done.after is None else {"resume": done.after}
    if form.act == "dismiss_all" and form.reason:
        _dismissed(tray.dismiss_all(scope, form.reason, form.up_to, form.why, form.device))
        return {}
    if not form.ids:
        raise Invalid("Choose at least one report.", field="ids")
    if form.act == "dismiss":
        _dismissed(tray.dismiss(scope, form.ids, form.why))
        return {}
    found = tray.retry(scope, form.ids)
    left = [each for each in found if each.state == "open"]
    _told(sum(each.state == "mended" for each in found), len(left), {each.reason or "": 1 for each in left})
    return {}


def _told(mended: int, left: int, reasons: Mapping[str, int]) -> None:
    if mended:
        flash(ngettext("%(num)s report takes part now.", "%(num)s reports take part now.", mended))
    if left:
        why = "; ".join(str(words_of(each).title) for each in sorted(reasons))
        flash(gettext("Still not usable: %(n)s (%(why)s).", n=left, why=why), "warning")
    if not mended and not left:
        flash(gettext("Nothing was waiting any more."))


def _dismissed(count: int) -> None:
    flash(ngettext("%(num)s report is left aside.", "%(num)s reports are left aside.", count))


def _kept(form: Chosen) -> dict[str, str]:
    found = {"reason": form.reason, "device": form.device, "community": form.community}
    return {name: value for name, value in found.items() if value}


def _public(row: TrayRow) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name != "body"}


def _after(text: str | None) -> int:
    """The row that a page of the tray begins after."""
    match place(text):
        case None:
            return 0
        case [int(number)] if 0 <= number < 2**63:
            return number
    raise Invalid("This cursor was not made here: start from the first page.", field="cursor")


def _lines(tray: Tray, scope: Scope) -> Iterator[bytes]:
    """One row a line; the last line seals what stands before it, so that a cut download is found out."""
    count, seen = 0, hashlib.sha256()
    for row in tray.export(scope):
        line = msgspec.json.encode(row) + b"\n"
        seen.update(line)
        count += 1
        yield line
    yield msgspec.json.encode({"rows": count, "sha256": seen.hexdigest()}) + b"\n"
