"""The inbox: anomalies with their reasons, what was decided, single contradictions, and the tray."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from community_flow.domain.anomalies import Anomaly
from community_flow.domain.errors import Invalid
from community_flow.domain.notices import TITLES
from community_flow.domain.passages import triple_id
from community_flow.domain.places import Community, Device, Gate
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints import anomaly_words as words
from community_flow.entrypoints.access import current_scope, roles
from community_flow.entrypoints.answers import LIMIT, cursor, items, json_response, parse, place
from community_flow.entrypoints.languages import gettext, language_now, place_name
from community_flow.entrypoints.tray_words import REASONS
from community_flow.ports import Database
from community_flow.ports.live import OpenItem
from community_flow.ports.review import Card
from community_flow.services.pseudonyms import Pseudonyms
from community_flow.services.registry import Registry
from community_flow.services.review import Review

READERS = (Role.STEWARD, Role.MANAGER)
MOST_AT_ONCE = 200


class VerdictForm(msgspec.Struct, frozen=True, kw_only=True):
    verdict: Literal["confirmed", "false_alarm", "known"]
    note: str | None = None
    csrf_token: str = ""


class BulkForm(msgspec.Struct, frozen=True, kw_only=True):
    verdict: Literal["confirmed", "false_alarm", "known"]
    ids: tuple[str, ...] = ()
    note: str | None = None
    csrf_token: str = ""


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    community: str | None = None
    state: Literal["open", "decided", "withdrawn"] | None = None
    cursor: str | None = None
    limit: int = 100


class Names:
    """Words for ids: gates by name, persons by pseudonym."""

    def __init__(self, db: Database, registry: Registry, pseudonyms: Pseudonyms) -> None:
        self.db, self.registry, self.pseudonyms = db, registry, pseudonyms

    def gates(self, scope: Scope) -> dict[tuple[str, str], Gate]:
        with self.db.read() as tx:
            return self.registry.gates(tx, scope)

    def devices(self, scope: Scope) -> dict[str, Device]:
        with self.db.read() as tx:
            return {device: data for _, device, data in self.registry.store.current(tx, scope, "device")}

    def communities(self, scope: Scope) -> dict[str, Community]:
        with self.db.read() as tx:
            return self.registry.communities(tx, scope)

    def persons(self, found: Sequence[tuple[str, str | None]]) -> dict[tuple[str, str], str]:
        """(community, person) -> pseudonym."""
        by_community: dict[str, set[str]] = {}
        for community, person in found:
            if person:
                by_community.setdefault(community, set()).add(person)
        with self.db.read() as tx:
            return {
                (community, person): name
                for community, people in by_community.items()
                for person, name in self.pseudonyms.all(tx, community, "everyday", people).items()
            }


class WordedInbox:
    """What the live page shows of the inbox, in the reader's language."""

    def __init__(self, review: Review, names: Names) -> None:
        self.review, self.names = review, names

    def open_count(self, scope: Scope, community: str) -> int:
        return self.review.open_count(scope.narrowed(community)) if scope.role in READERS else 0

    def foremost(self, scope: Scope, community: str, limit: int) -> Sequence[OpenItem]:
        """Only for those whose work it is: a guard or an official sees no movements here."""
        if scope.role not in READERS:
            return ()
        narrowed = scope.narrowed(community)
        name = _gate_name(self.names.gates(narrowed), community)
        cards = self.review.inbox(narrowed, limit).open[:limit]
        return [
            OpenItem(
                card.anomaly.id, words.TONES[card.anomaly.severity], str(words.TITLES[card.anomaly.kind]),
                words.why(card.anomaly, name), card.anomaly.to_ms,
                url_for("review.page", _anchor=card.anomaly.id),
            )
            for card in cards
        ]  # fmt: skip


def blueprint(
    review: Review, names: Names, tray: Callable[[Scope], Mapping[str, int]], notices: Callable[[Scope], Sequence[Any]],
    requests: Callable[[Scope], int],
) -> Blueprint:  # fmt: skip
    bp = Blueprint("review", __name__)

    @bp.get("/anomalies")
    @roles(*READERS)
    def page() -> str:
        return _page(review, names, tray, notices, requests)

    @bp.post("/anomalies/<anomaly>/verdict")
    @roles(*READERS)
    def decide(anomaly: str) -> Response:
        form = parse(VerdictForm, request)
        review.give_verdict(current_scope(), anomaly, form.verdict, _note(form.note))
        flash(gettext("Kept. It will not come back as a new one."))
        return redirect(url_for("review.page"))

    @bp.post("/anomalies/verdicts")
    @roles(*READERS)
    def decide_many() -> Response:
        form = parse(BulkForm, request)
        if not 0 < len(form.ids) <= MOST_AT_ONCE:
            raise Invalid("Choose 1 to 200 items.", field="ids")
        for each in form.ids:
            review.give_verdict(current_scope(), each, form.verdict, _note(form.note))
        flash(gettext("Kept for %(n)s items.", n=len(form.ids)))
        return redirect(url_for("review.page"))

    @bp.get("/v1/anomalies")
    @roles(*READERS)
    def listed() -> Response:
        return _listed(review, names)

    @bp.post("/v1/anomalies/<anomaly>/verdict")
    @roles(*READERS)
    def verdict(anomaly: str) -> Response:
        form = parse(VerdictForm, request)
        card = review.give_verdict(current_scope(), anomaly, form.verdict, _note(form.note))
        return json_response(_public(card, names.persons([(card.anomaly.community, card.anomaly.person)])))

    return bp


def _page(
    review: Review, names: Names, tray: Callable[[Scope], Mapping[str, int]], notices: Callable[[Scope], Sequence[Any]],
    requests: Callable[[Scope], int],
) -> str:  # fmt: skip
    scope = current_scope()
    communities = names.communities(scope)
    chosen = request.args.get("community")
    scope = scope.narrowed(chosen)
    view = review.inbox(scope)
    gates = names.gates(scope)
    shown = [*view.open, *view.settled]
    people = names.persons(
        [(card.anomaly.community, card.anomaly.person) for card in shown]
        + [(each.community, each.person) for each in view.evidence]
    )
    g.timezone = zone_of(communities, chosen)

    def why(found: Anomaly) -> str:
        return words.why(found, _gate_name(gates, found.community))

    def evidence(each: Any) -> str:
        return words.evidence_text(each.kind, each.detail, _gate_name(gates, each.community))

    return render_template(
        "review/page.html", view=view, people=people, why=why, evidence_text=evidence, words=words,
        communities=communities, chosen=chosen, tray=tray(scope), reasons=REASONS,
        notices=notices(scope), notice_title=notice_title, requests=requests(scope),
        gate_name=lambda c, gate: _gate_name(gates, c)(gate),
    )  # fmt: skip


def zone_of(communities: Mapping[str, Community], chosen: str | None) -> str | None:
    """The time zone of a page: the chosen community's, else that of the first in scope."""
    if chosen is not None and chosen in communities:
        return communities[chosen].timezone
    return next((each.timezone for each in communities.values()), None)


def notice_title(kind: str) -> str:
    return TITLES[kind][language_now()]


def _gate_name(gates: Mapping[tuple[str, str], Gate], community: str) -> Callable[[str], str]:
    return lambda gate: place_name(gates[community, gate]) if (community, gate) in gates else gate


def _listed(review: Review, names: Names) -> Response:
    asked = parse(ListQuery, request)
    limit = max(1, min(asked.limit, LIMIT))
    states = (asked.state,) if asked.state else ("open", "decided", "withdrawn")
    before = _before(asked.cursor)
    cards = review.cards(current_scope().narrowed(asked.community), states, limit, before)
    people = names.persons([(card.anomaly.community, card.anomaly.person) for card in cards])
    last = cards[-1].anomaly if len(cards) == limit else None
    return items([_public(card, people) for card in cards], cursor(last.to_ms, last.id) if last else None)


def _before(text: str | None) -> tuple[int, str] | None:
    """The card that a page begins after; raises Invalid for a cursor that we did not make."""
    match place(text):
        case None:
            return None
        case [int(to_ms), str(anomaly)]:
            return to_ms, anomaly
    raise Invalid("This cursor was not made here: start from the first page.", field="cursor")


def _public(card: Card, people: Mapping[tuple[str, str], str]) -> dict[str, object]:
    found = card.anomaly
    return {
        "id": found.id, "kind": found.kind, "community": found.community, "gate": found.gate,
        "person": people.get((found.community, found.person or "")), "from_ms": found.from_ms, "to_ms": found.to_ms,
        "severity": found.severity, "reasons": [{"code": r.code, **r.values} for r in found.reasons],
        "evidence": [triple_id(each) for each in found.evidence], "state": card.state, "found_ms": card.found_ms,
        "verdict": card.verdict and {"verdict": card.verdict.verdict, "note": card.verdict.note,
                                     "at_ms": card.verdict.at_ms},
    }  # fmt: skip


def _note(text: str | None) -> str | None:
    note = (text or "").strip()
    if len(note) > 500:
        raise Invalid("A note has 500 characters at most.", field="note")
    return note or None
