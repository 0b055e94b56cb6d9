"""Evidence that contradicts itself. A conflict is a card with its scans; it is never by itself an anomaly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from community_flow.domain.passages import Triple, id_triple, person_of, triple_id
from community_flow.domain.rulebook import GateRule, Places
from community_flow.domain.visits import Latest, OpenVisit, State


class Conflict(msgspec.Struct, frozen=True):
    """``key`` and ``at_ms`` are those of the last scan it names."""

    id: str
    kind: str
    subject: str
    person: str | None
    key: bytes
    at_ms: int
    evidence: tuple[Triple, ...]
    detail: dict[str, Any]


def conflict(
    kind: str, subject: str, passages: Iterable[Triple], detail: dict[str, Any], *, key: bytes, at_ms: int
) -> Conflict:
    """A conflict between the first reports of these passages (or scans); its id depends on nothing else."""
    evidence = tuple(sorted(set(passages)))
    named = "\n".join([kind, *map(triple_id, evidence)])
    identity = "cf_" + sha256(named.encode()).hexdigest()[:24]
    return Conflict(identity, kind, subject, person_of(subject), key, at_ms, evidence, detail)


class Moment(msgspec.Struct, frozen=True):
    """A passage that begins: what conflicts are looked for in."""

    subject: str
    key: bytes
    triple: Triple
    gate: str
    direction: str
    t_ms: int


def of_passage(state: State, moment: Moment, gate: GateRule | None, places: Places) -> list[Conflict]:
    """What contradicts the state before, when a passage begins."""
    found = [_impossible_travel(state.latest, moment, places)]
    if gate is not None and state.zone is not None:
        found += [_passback(state.open, moment, gate, places), _unseen_entry(state.open, moment, gate, places)]
    return [each for each in found if each is not None]


def _conflict(kind: str, moment: Moment, others: Iterable[Triple], detail: dict[str, Any]) -> Conflict:
    triples = [*others, moment.triple]
    return conflict(kind, moment.subject, triples, detail, key=moment.key, at_ms=moment.t_ms)


def _passback(inside: Sequence[OpenVisit], moment: Moment, gate: GateRule, places: Places) -> Conflict | None:
    """Entering where one is already, although every exit is scanned."""
    if moment.direction != "in" or gate.inner not in places.exits_scanned:
        return None
    for visit in inside:
        if visit.zone == gate.inner:
            detail = {"zone": visit.zone, "entered_ms": visit.entered_ms, "gate": moment.gate}
            return _conflict("passback", moment, [id_triple(visit.passage)], detail)
    return None


def _unseen_entry(inside: Sequence[OpenVisit], moment: Moment, gate: GateRule, places: Places) -> Conflict | None:
    """Coming from where one never went in, although every entrance is scanned."""
    start = gate.outer_chain if moment.direction == "in" else gate.inner_chain
    there = {visit.zone for visit in inside}
    zones = [zone for zone in start if zone not in there and zone in places.entries_scanned]
    if not zones:
        return None
    return _conflict("unseen_entry", moment, [], {"zones": zones, "gate": moment.gate, "direction": moment.direction})


def _impossible_travel(latest: Latest | None, moment: Moment, places: Places) -> Conflict | None:
    """At another gate sooner than one can walk there."""
    if latest is None or latest.gate == moment.gate:
        return None
    walk_s = walking_s(places, latest.gate, moment.gate)
    took_ms = moment.t_ms - latest.last_ms
    if walk_s is None or took_ms >= walk_s * 1000:
        return None
    detail = {"gates": [latest.gate, moment.gate], "took_ms": took_ms, "walk_s": walk_s}
    return _conflict("impossible_travel", moment, [id_triple(latest.passage)], detail)


def walking_s(places: Places, start: str, goal: str) -> int | None:
    """The walking time between two gates, stated at either of them; the shorter where they differ."""
    ways = ((start, goal), (goal, start))
    stated = [places.gates[a].walk[b] for a, b in ways if a in places.gates and b in places.gates[a].walk]
    return min(stated, default=None)


TOKEN_EPOCH_MS = 1_767_225_600_000
"""token_s counts from 2026-01-01 UTC."""

RELAY_MS = 24 * 3600 * 1000
"""A code shown a day from its time is an old picture, not a relay."""


class Shown(msgspec.Struct, frozen=True):
    """A rotating code, shown at a gate at ``t_ms``: ``token_s`` is the moment it was made for."""

    key: bytes
    t_ms: int
    triple: Triple
    gate: str
    token_s: int


def relayed_codes(credential: str, shown: Iterable[Shown]) -> list[Conflict]:
    """One code shown at two gates: somebody sent a picture of it. Attempts count like passages."""
    by_token: dict[int, list[Shown]] = defaultdict(list)
    for each in sorted(shown, key=lambda scan: scan.key):
        by_token[each.token_s].append(each)
    return [found for token_s, scans in by_token.items() if (found := _relayed(credential, token_s, scans))]


def _relayed(credential: str, token_s: int, scans: Sequence[Shown]) -> Conflict | None:
    firsts: dict[str, Shown] = {}
    for scan in scans:
        firsts.setdefault(scan.gate, scan)
    if len(firsts) < 2:
        return None
    last = max(firsts.values(), key=lambda scan: scan.key)
    detail = {"gates": list(firsts), "credential": credential, "token_s": token_s}
    triples = [scan.triple for scan in firsts.values()]
    subject = relay_subject(credential, token_s)
    return conflict("relayed_code", subject, triples, detail, key=last.key, at_ms=last.t_ms)


def relay_subject(credential: str, token_s: int) -> str:
    return f"relay:{credential}@{token_s}"


class Outing(msgspec.Struct, frozen=True):
    """A member of a household went out of the community."""

    key: bytes
    t_ms: int
    passage: str


def quota_subject(household: str) -> str:
    return f"quota:{household}"


def over_quota(household: str, outings: Iterable[Outing], quota: int | None) -> Conflict | None:
    """More outings of a household in one of the community's days than it may have."""
    ordered = sorted(outings, key=lambda outing: outing.key)
    if quota is None or len(ordered) <= quota:
        return None
    last = ordered[-1]
    triples = [id_triple(outing.passage) for outing in ordered]
    detail = {"household": household, "outings": len(ordered), "quota": quota}
    return conflict("quota", quota_subject(household), triples, detail, key=last.key, at_ms=last.t_ms)
