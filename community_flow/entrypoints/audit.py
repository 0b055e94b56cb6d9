"""The audit log: for managers and admins by scope, and for residents what was looked at about them."""

from __future__ import annotations

import msgspec
from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from community_flow.domain.scope import Role
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import LIMIT, items, parse
from community_flow.ports.audit import AuditRow
from community_flow.services.accounts import Accounts
from community_flow.services.audit import Audit


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    cursor: int | None = None
    limit: int = 100
    person: str | None = None


def blueprint(audit: Audit, accounts: Accounts) -> Blueprint:
    bp = Blueprint("audit", __name__)

    @bp.get("/audit")
    @roles(Role.MANAGER, Role.ADMIN)
    def page() -> str:
        rows, following = _rows(audit)
        names = {each.account: each.name for each in accounts.list(current_scope())}
        older = bool(request.args.get("cursor"))
        return render_template(
            "audit/page.html", rows=rows, next=following, verified=audit.verify(), names=names, older=older
        )

    @bp.get("/v1/audit")
    @roles(Role.MANAGER, Role.ADMIN, Role.RESIDENT)
    def listed() -> Response:
        rows, following = _rows(audit)
        return items([_public(row) for row in rows], following)

    return bp


def _rows(audit: Audit) -> tuple[list[AuditRow], str | None]:
    asked = parse(AuditQuery, request)
    limit = max(1, min(asked.limit, LIMIT))
    rows = audit.latest(current_scope(), before=asked.cursor, limit=limit, person=asked.person)
    return rows, str(rows[-1].number) if len(rows) == limit else None


def _public(row: AuditRow) -> dict[str, object]:
    return {
        "number": row.number, "at_ms": row.at_ms, "account": row.account, "role": row.role, "community": row.community,
        "action": row.action, "person": row.person, "subject": row.subject, "purpose": row.purpose,
        "detail": row.detail, "chain": row.chain.hex(),
    }  # fmt: skip
