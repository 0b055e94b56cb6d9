"""Operator JSON: occupancy, passages, attempts, visits, conflicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, request
from werkzeug.wrappers import Response

from community_flow.domain.errors import Invalid
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import LIMIT, cursor, items, parse, place
from community_flow.ports.flow import RowQuery
from community_flow.services.passages import Listed, Passages

READERS = (Role.STEWARD, Role.MANAGER)
GATE_READERS = (Role.GUARD, Role.STEWARD, Role.MANAGER)
COUNTERS = (Role.GUARD, Role.STEWARD, Role.MANAGER, Role.OFFICIAL)


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    community: str | None = None
    gate: str | None = None
    zone: str | None = None
    person: str | None = None
    kind: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    cursor: str | None = None
    limit: int = 100


class OccupancyQuery(msgspec.Struct, frozen=True, kw_only=True):
    community: str | None = None
    zone: str | None = None
    as_of_ms: int | None = None


def blueprint(passages: Passages) -> Blueprint:
    bp = Blueprint("passages", __name__, url_prefix="/v1")

    @bp.get("/occupancy")
    @roles(*COUNTERS)
    def occupancy() -> Response:
        asked = parse(OccupancyQuery, request)
        rows = passages.occupancy_of(current_scope(), asked.community, asked.zone, asked.as_of_ms)
        return items(rows, None)

    @bp.get("/passages")
    @roles(*GATE_READERS)
    def passages_() -> Response:
        return _page(passages.passages, passage_json, _by_key, _is_key)

    @bp.get("/attempts")
    @roles(*GATE_READERS)
    def attempts() -> Response:
        return _page(passages.attempts, attempt_json, _by_key, _is_key)

    @bp.get("/visits")
    @roles(*READERS)
    def visits() -> Response:
        return _page(passages.visits, visit_json, _by_visit, _is_visit)

    @bp.get("/conflicts")
    @roles(*READERS)
    def conflicts() -> Response:
        return _page(passages.conflicts, conflict_json, _by_time, _is_time)

    return bp


def _page(
    read: Callable[[Scope, RowQuery], list[Listed]],
    shape: Callable[[Listed], dict[str, Any]],
    following: Callable[[Listed], str],
    made_here: Callable[[list[Any]], bool],
) -> Response:
    asked = parse(ListQuery, request)
    if not 1 <= asked.limit <= LIMIT:
        raise Invalid("A page has 1 to %(most)s rows: choose another limit.", field="limit", most=LIMIT)
    query = RowQuery(
        gate=asked.gate, zone=asked.zone, person=asked.person, kind=asked.kind, from_ms=_moment(asked.from_ms),
        to_ms=_moment(asked.to_ms), after=_after(asked.cursor, made_here), limit=asked.limit,
    )  # fmt: skip
    rows = read(current_scope().narrowed(asked.community), query)
    return items([shape(row) for row in rows], following(rows[-1]) if len(rows) == asked.limit else None)


def _moment(ms: int | None) -> int | None:
    if ms is not None and not 0 <= ms < 2**53:
        raise Invalid("A moment is a whole number of milliseconds from 0 to 2^53.", field="from_ms")
    return ms


def _after(text: str | None, made_here: Callable[[list[Any]], bool]) -> list[Any] | None:
    found = place(text)
    if found is None or made_here(found):
        return found
    raise Invalid("This cursor was not made here: start from the first page.", field="cursor")


def _is_key(parts: list[Any]) -> bool:
    return len(parts) == 1 and _is_hex(parts[0])


def _is_visit(parts: list[Any]) -> bool:
    return len(parts) == 2 and _is_hex(parts[0]) and isinstance(parts[1], str)


def _is_time(parts: list[Any]) -> bool:
    return len(parts) == 2 and isinstance(parts[0], int) and isinstance(parts[1], str)


def _is_hex(part: Any) -> bool:
    try:
        return isinstance(part, str) and bool(bytes.fromhex(part))
    except ValueError:
        return False


def _by_key(listed: Listed) -> str:
    return cursor(listed.row.key.hex())


def _by_visit(listed: Listed) -> str:
    return cursor(listed.row.key.hex(), listed.row.zone)


def _by_time(listed: Listed) -> str:
    return cursor(listed.row.at_ms, listed.row.id)


def passage_json(listed: Listed) -> dict[str, Any]:
    row = listed.row
    return {
        "id": row.id, "community": listed.community, "person": listed.person, "gate": row.gate,
        "direction": row.direction, "at_ms": row.at_ms, "kind": row.kind, "method": row.method,
        "assurance": row.assurance, "decision": row.decision, "reason": row.reason, "forced": row.forced,
        "party": row.party, "evidence": row.evidence, "received_ms": listed.received_ms,
    }  # fmt: skip


def attempt_json(listed: Listed) -> dict[str, Any]:
    row = listed.row
    return {
        "id": row.id, "community": listed.community, "person": listed.person, "gate": row.gate,
        "direction": row.direction, "at_ms": row.at_ms, "kind": row.kind, "method": row.method,
        "assurance": row.assurance, "decision": row.decision, "reason": row.reason,
    }  # fmt: skip


def visit_json(listed: Listed) -> dict[str, Any]:
    row = listed.row
    return {
        "id": row.id, "community": listed.community, "person": listed.person, "zone": row.zone,
        "entered_ms": row.entered_ms, "left_ms": row.left_ms, "left_earliest_ms": row.left_earliest_ms,
        "left_latest_ms": row.left_latest_ms, "certainty": row.certainty, "passage": row.passage,
    }  # fmt: skip


def conflict_json(listed: Listed) -> dict[str, Any]:
    row = listed.row
    return {
        "id": row.id, "community": listed.community, "kind": row.kind, "person": listed.person, "at_ms": row.at_ms,
        "evidence": row.evidence, "detail": row.detail,
    }  # fmt: skip
