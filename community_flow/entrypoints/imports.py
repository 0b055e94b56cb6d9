"""Import of residents: template, upload, columns, preview, keep with progress, error file."""

from __future__ import annotations

from typing import Any, get_args

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from werkzeug.wrappers import Response

from community_flow.domain.errors import Invalid
from community_flow.domain.import_rows import Fault
from community_flow.domain.residents import FIELDS, Field
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import json_response
from community_flow.entrypoints.files import csv_response, xlsx_response
from community_flow.entrypoints.forms import choose_community, or_back
from community_flow.entrypoints.languages import language_now
from community_flow.services.imports import SHOWN, Imports
from community_flow.services.people import OFFICE
from community_flow.services.places import Places

FIELD_NAMES = {
    "name": lazy_gettext("Name"),
    "phone": lazy_gettext("Telephone"),
    "address": lazy_gettext("Address in one column"),
    "building": lazy_gettext("Building"),
    "entrance": lazy_gettext("Entrance"),
    "room": lazy_gettext("Room"),
    "type": lazy_gettext("Kind of person"),
    "note": lazy_gettext("Note"),
    "card": lazy_gettext("Number of an IC card they have"),
}
FATES = {
    "added": (lazy_gettext("new"), "green"),
    "changed": (lazy_gettext("changed"), "blue"),
    "moved": (lazy_gettext("moves here"), "orange"),
    "same": (lazy_gettext("known already"), "quiet"),
}
TEMPLATES = {
    "zh": (
        ("姓名", "电话", "地址", "类型", "备注", "IC卡号"),
        (("示例：林晓梅（此行不导入）", "13800138000", "7号楼3单元1102", "居民", "轮椅", ""),),
    ),
    "en": (
        ("Name", "Phone", "Address", "Type", "Note", "IC card"),
        (("Example: Lin Xiaomei (this row is skipped)", "13800138000", "7-3-1102", "resident", "wheelchair", ""),),
    ),
}


def blueprint(imports: Imports, places: Places) -> Blueprint:
    bp = Blueprint("imports", __name__)
    _begin(bp, imports, places)
    _go_on(bp, imports, places)
    _results(bp, imports, places)
    return bp


def _begin(bp: Blueprint, imports: Imports, places: Places) -> None:
    @bp.get("/people/import")
    @roles(*OFFICE)
    def page() -> str:
        communities, chosen = choose_community(places, current_scope(), request.args.get("community"))
        return render_template("people/import.html", communities=communities, chosen=chosen)

    @bp.get("/people/import/template.<any(csv, xlsx):kind>")
    @roles(*OFFICE)
    def template(kind: str) -> Response:
        header, rows = TEMPLATES[language_now()]
        make = csv_response if kind == "csv" else xlsx_response
        return make("residents", header, rows)

    @bp.post("/people/import")
    @roles(*OFFICE)
    @or_back
    def upload() -> Response:
        file = request.files.get("file")
        if file is None or not file.filename:
            raise Invalid("Choose a file first: CSV or XLSX.", field="file")
        _, chosen = choose_community(places, current_scope(), request.form.get("community"))
        community = request.form.get("community") or chosen or ""
        made = imports.begin(current_scope(), community, file.filename, file.read())
        return redirect(url_for("imports.preview", upload=made.id), 303)


def _go_on(bp: Blueprint, imports: Imports, places: Places) -> None:
    @bp.get("/people/import/<upload>")
    @roles(*OFFICE)
    def preview(upload: str) -> str:
        found = imports.one(current_scope(), upload)
        choose_community(places, current_scope(), found.community)
        shown, problem = None, None
        if found.state == "preview":
            try:
                shown = imports.preview(current_scope(), upload)
            except Invalid as refused:
                problem = gettext(refused.remedy, **refused.values)
        faults = shown.faults if shown else found.faults
        return render_template(
            "people/import_one.html", upload=found, preview=shown, problem=problem, fields=FIELD_NAMES, fates=FATES,
            counts=shown.counts if shown else found.counts, faults=[said(each) for each in faults[:SHOWN]],
            more_faults=max(0, len(faults) - SHOWN), samples=_samples(found), shown=SHOWN,
        )  # fmt: skip

    @bp.post("/people/import/<upload>/columns")
    @roles(*OFFICE)
    @or_back
    def columns(upload: str) -> Response:
        found = imports.one(current_scope(), upload)
        chosen = [request.form.get(f"column-{at}", "") for at in range(len(found.table.heading))]
        imports.map(current_scope(), upload, [_field(each) for each in chosen])
        return redirect(url_for("imports.preview", upload=upload), 303)

    @bp.post("/people/import/<upload>/keep")
    @roles(*OFFICE)
    def keep(upload: str) -> Response | str:
        """One batch; the page asks again until all is done, so that a closed window stops nothing half-way."""
        after = imports.step(current_scope(), upload)
        if request.headers.get("HX-Request"):
            return render_template("people/_import_progress.html", upload=after)
        return redirect(url_for("imports.preview", upload=upload), 303)


def _results(bp: Blueprint, imports: Imports, places: Places) -> None:
    @bp.get("/people/import/<upload>/errors.csv")
    @roles(*OFFICE)
    def errors(upload: str) -> Response:
        table, faults = imports.faults(current_scope(), upload)
        rows = [(*table.rows[fault.line - table.first_line], said(fault)["text"]) for fault in faults]
        name = gettext("To correct")
        return csv_response("to-correct", (*table.heading, name), rows)

    @bp.post("/v1/people/import")
    @roles(*OFFICE)
    def whole() -> Response:
        """The same in one call, for programs: the file as multipart field `file`."""
        file = request.files.get("file")
        if file is None:
            raise Invalid("Choose a file first: CSV or XLSX.", field="file")
        _, chosen = choose_community(places, current_scope(), request.form.get("community"))
        community = request.form.get("community") or chosen or ""
        found = imports.begin(current_scope(), community, file.filename or "upload", file.read())
        while found.state != "done":
            found = imports.step(current_scope(), found.id)
        return json_response(
            {"import": found.id, "counts": found.counts, "faults": [said(each) for each in found.faults]}
        )


def said(fault: Fault) -> dict[str, Any]:
    """A fault in the page's language."""
    return {"line": fault.line, "field": fault.field, "text": gettext(fault.remedy, **fault.values)}


def _field(text: str) -> Field | None:
    if text and text not in FIELDS:
        raise Invalid("Choose one of the fields in the list.", field="mapping")
    return next((field for field in get_args(Field) if field == text), None)


def _samples(upload: Any) -> list[list[str]]:
    """The first filled cells of each column, so that one sees what is in it."""
    return [[row[at] for row in upload.table.rows if row[at]][:3] for at in range(len(upload.table.heading))]
