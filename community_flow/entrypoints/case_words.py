"""A case in words: names of places, and its rows for JSON and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask_babel import gettext, lazy_gettext

from community_flow.domain.contacts import Exposure
from community_flow.domain.csv import Cell
from community_flow.domain.places import Gate, Zone
from community_flow.entrypoints.languages import moment, place_name
from community_flow.ports.cases import Identity, Order
from community_flow.services.contact_search import Place
from community_flow.services.tracing import CaseView, ContactLine

LEVELS = {"high": lazy_gettext("High"), "medium": lazy_gettext("Medium"), "low": lazy_gettext("Low")}
STATES = {
    "candidate": lazy_gettext("Candidate contact"),
    "contact": lazy_gettext("Contact"),
    "cleared": lazy_gettext("Ruled out"),
}
CERTAINTIES = {"seen": lazy_gettext("seen"), "likely": lazy_gettext("likely"), "possible": lazy_gettext("possible")}
KINDS = {
    "room": lazy_gettext("Rooms"),
    "hall": lazy_gettext("Halls"),
    "home": lazy_gettext("Homes"),
    "household": lazy_gettext("Same household"),
    "queue": lazy_gettext("Queue at a gate"),
    "open_air": lazy_gettext("Open air"),
    "building": lazy_gettext("Buildings"),
    "compound": lazy_gettext("Compound"),
}


@dataclass(frozen=True)
class Words:
    """Names of the places of one community, for templates and files."""

    zones: Mapping[str, Zone]
    gates: Mapping[str, Gate]

    kinds = KINDS
    levels = LEVELS
    states = STATES
    certainties = CERTAINTIES

    def listed(self, kinds: tuple[str, ...]) -> str:
        """Rooms, Halls"""
        return str(gettext(", ")).join(str(KINDS[kind]) for kind in kinds)

    def zone(self, zone: str) -> str:
        return place_name(self.zones[zone]) if zone in self.zones else zone

    def place(self, place: Place) -> str:
        if place.kind == "household":
            return str(gettext("Same household"))
        if place.kind == "queue":
            gate = place_name(self.gates[place.place]) if place.place in self.gates else place.place
            return str(gettext("Queue, %(gate)s", gate=gate))
        return self.zone(place.place)

    def minutes(self, ms: float) -> str:
        """2 h 05 min"""
        whole = round(ms / 60_000)
        if ms and not whole:
            return str(gettext("under 1 min"))
        if whole < 60:
            return str(gettext("%(m)s min", m=whole))
        return str(gettext("%(h)s h %(m)s min", h=whole // 60, m=f"{whole % 60:02d}"))

    def where(self, line: ContactLine, places: tuple[Place, ...]) -> str:
        """The places of a contact with how often, longest first."""
        times: dict[int, tuple[int, int]] = {}
        for each in line.contact.exposures:
            count, length = times.get(each.zone, (0, 0))
            times[each.zone] = (count + 1, length + each.possible_ms)
        longest = sorted(times.items(), key=lambda item: -item[1][1])
        return " · ".join(f"{self.place(places[zone])} {count}×" for zone, (count, _) in longest)


def order_json(order: Order, now_ms: int) -> dict[str, object]:
    return {
        "order": order.order_id, "number": order.number, "authority": order.authority, "basis": order.basis,
        "area": order.area, "from_ms": order.from_ms, "until_ms": order.until_ms, "ended_ms": order.ended_ms,
        "in_force": order.in_force(now_ms),
    }  # fmt: skip


def case_json(view: CaseView) -> dict[str, object]:
    """Everything the page says, by pseudonym; identities only where they were opened."""
    case = view.case
    return {
        "case": case.case_id, "number": case.number, "community": case.community, "purpose": case.purpose,
        "order": {"order": view.order.order_id, "number": view.order.number, "until_ms": view.order.until_ms},
        "index": _person(view.index_pseudonym, view.index_identity), "from_ms": case.from_ms, "to_ms": case.to_ms,
        "least_min": case.least_min, "queue_s": case.queue_s, "kinds": case.kinds, "total": view.total,
        "certain_total": view.certain_total, "compound_total": view.compound_total,
        "itinerary": [
            {"zone": stay.zone, "entered_ms": stay.entered_ms, "left_ms": stay.left_ms,
             "left_earliest_ms": stay.earliest_ms, "left_latest_ms": stay.latest_ms, "certainty": stay.certainty}
            for stay in view.stays
        ],
        "contacts": [_contact(line, view.places) for line in view.contacts],
        "openings": [
            {"opening": each.opening_id, "state": each.state, "persons": len(each.persons), "reason": each.reason,
             "asked_ms": each.asked_ms, "answered_ms": each.answered_ms}
            for each in view.openings
        ],
    }  # fmt: skip


def _contact(line: ContactLine, places: tuple[Place, ...]) -> dict[str, object]:
    contact = line.contact
    return {
        "rank": line.rank, **_person(line.pseudonym, line.identity), "status": line.status, "level": contact.level,
        "score": round(contact.score, 3), "certain_ms": contact.certain_ms, "possible_ms": contact.possible_ms,
        "expected_ms": round(contact.probable_ms), "certainty": contact.certainty,
        "exposures": [_exposure(each, places) for each in contact.exposures],
    }  # fmt: skip


def _person(pseudonym: str, identity: Identity | None) -> dict[str, object]:
    known = {"name": identity.name, "unit": identity.unit, "phone": identity.phone} if identity else None
    return {"person": pseudonym, "identity": known}


def _exposure(each: Exposure, places: tuple[Place, ...]) -> dict[str, object]:
    place = places[each.zone]
    return {
        "kind": place.kind, "place": None if place.kind == "household" else place.place, "from_ms": each.from_ms,
        "certain_ms": each.certain_ms, "possible_ms": each.possible_ms, "expected_ms": round(each.probable_ms),
        "certainty": each.certainty, "people_at_once": round(each.size, 1),
    }  # fmt: skip


def contact_rows(view: CaseView, words: Words) -> Iterator[list[Cell]]:
    """One row per exposure, so that a reader can add up what the page shows."""
    for line in view.contacts:
        known = line.identity
        person: list[Cell] = [
            line.rank, line.pseudonym, known.name if known else "", (known.unit or "") if known else "",
            str(STATES[line.status]), str(LEVELS[line.contact.level]),
        ]  # fmt: skip
        for each in line.contact.exposures:
            yield [
                *person, words.place(view.places[each.zone]), moment(each.from_ms),
                moment(each.from_ms + each.certain_ms) if each.certain_ms else "", moment(each.until_ms),
                round(each.certain_ms / 60_000, 1), round(each.possible_ms / 60_000, 1),
                str(CERTAINTIES[each.certainty]),
            ]  # fmt: skip


def stay_rows(view: CaseView, words: Words) -> Iterator[list[Cell]]:
    for stay in view.stays:
        yield [words.zone(stay.zone), moment(stay.entered_ms), left(stay.left_ms, stay.earliest_ms, stay.latest_ms),
               str(CERTAINTIES[stay.certainty])]  # fmt: skip


def left(left_ms: int | None, earliest_ms: int, latest_ms: int | None) -> str:
    """When somebody left, or the bounds of it."""
    if left_ms is not None:
        return moment(left_ms)
    if latest_ms is None:
        return str(gettext("not before %(at)s", at=moment(earliest_ms)))
    return str(gettext("between %(low)s and %(high)s", low=moment(earliest_ms), high=moment(latest_ms)))
