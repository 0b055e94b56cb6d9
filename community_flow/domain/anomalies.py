"""Exact rules: what deserves a look, and why. A single contradiction stays evidence; a pattern becomes an anomaly.

Every rule is a function of rows of the fold and of the registry, so a late report changes what it must and no more.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

import msgspec

from community_flow.domain.passages import Triple, triple_id
from community_flow.domain.places import Hold

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

REPEATED_WITHIN_MS = 7 * DAY_MS
TWO_GATES_WITHIN_MS = 10 * MINUTE_MS
OVERSTAY_GRACE_MS = 60 * MINUTE_MS
ONE_OUTING_MS = 12 * HOUR_MS
SURPLUS_P = 0.001

Severity = Literal["high", "medium", "low"]

KINDS: dict[str, Severity] = {
    "hold_broken": "high",
    "impossible_travel": "high",
    "pass_shared": "medium",
    "visitor_overstay": "medium",
    "ledger_surplus": "medium",
    "relayed_code": "medium",
    "silent_resident": "medium",
    "unusual_hour": "low",
    "unusual_frequency": "low",
    "unusual_behaviour": "low",
}
"""Every kind of anomaly and how pressing it is when nothing else says so."""


class Reason(msgspec.Struct, frozen=True):
    """Why: a code that the page words, and its numbers."""

    code: str
    values: dict[str, Any] = {}


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """``evidence`` are report triples; the id depends on the kind and the first of them, so it survives a re-fold."""

    id: str
    kind: str
    community: str
    subject: str
    person: str | None
    gate: str | None
    from_ms: int
    to_ms: int
    severity: Severity
    score: float
    reasons: tuple[Reason, ...]
    evidence: tuple[Triple, ...]


class Passed(msgspec.Struct, frozen=True):
    """What rules read of a passage."""

    subject: str
    person: str | None
    gate: str
    direction: str
    at_ms: int
    triple: Triple


class Contradiction(msgspec.Struct, frozen=True):
    """What rules read of a conflict."""

    kind: str
    subject: str
    person: str | None
    at_ms: int
    evidence: tuple[Triple, ...]
    detail: dict[str, Any]


class Stay(msgspec.Struct, frozen=True):
    """A visitor's visit to the outermost zone; ``left_ms`` None while nobody saw them leave."""

    person: str
    entered_ms: int
    left_ms: int | None
    until_ms: int
    triple: Triple


class Surplus(msgspec.Struct, frozen=True):
    """Bodies counted at a gate without a passage, in one hour."""

    gate: str
    direction: str
    hour_ms: int
    n: int
    crossings: int


def anomaly(
    kind: str, community: str, subject: str, span_ms: tuple[int, int], reasons: Iterable[Reason],
    evidence: Iterable[Triple], *, person: str | None = None, gate: str | None = None,
    score: float = 1.0, severity: Severity | None = None,
) -> Anomaly:  # fmt: skip
    """An anomaly with its id."""
    triples = tuple(sorted(set(evidence)))
    named = "\n".join([kind, community, subject, triple_id(triples[0]) if triples else str(span_ms[0])])
    return Anomaly(
        id="an_" + sha256(named.encode()).hexdigest()[:20], kind=kind, community=community, subject=subject,
        person=person, gate=gate, from_ms=span_ms[0], to_ms=span_ms[1], severity=severity or KINDS[kind],
        score=score, reasons=tuple(reasons), evidence=triples,
    )  # fmt: skip


def holds_broken(community: str, passages: Iterable[Passed], holds: Mapping[str, Sequence[Hold]]) -> Iterator[Anomaly]:
    """Going out while in isolation; an outing with its way back is one anomaly."""
    for person, mine in _by_person(passages).items():
        for hold in holds.get(person, ()):
            if hold.kind != "isolation":
                continue
            inside = [each for each in mine if hold.from_ms <= each.at_ms < (hold.until_ms or math.inf)]
            for outing in _runs(inside, ONE_OUTING_MS):
                if any(each.direction == "out" for each in outing):
                    reason = Reason("hold_broken", {"passages": len(outing), "gates": sorted({o.gate for o in outing})})
                    yield anomaly(
                        "hold_broken", community, person, (outing[0].at_ms, outing[-1].at_ms), [reason],
                        [each.triple for each in outing], person=person, gate=outing[0].gate,
                    )  # fmt: skip


def overstays(community: str, stays: Iterable[Stay], now_ms: int) -> Iterator[Anomaly]:
    """Visitors inside more than an hour after their pass ended."""
    for stay in stays:
        end_ms = stay.left_ms if stay.left_ms is not None else now_ms
        if stay.entered_ms < stay.until_ms and end_ms > stay.until_ms + OVERSTAY_GRACE_MS:
            over_min = (end_ms - stay.until_ms) // MINUTE_MS
            reason = Reason("visitor_overstay", {"minutes": over_min, "still": stay.left_ms is None})
            span = (stay.until_ms, end_ms)
            # The end moves while they stay; the id hangs on the entry.
            yield anomaly("visitor_overstay", community, stay.person, span, [reason], [stay.triple], person=stay.person)


def impossible_travels(community: str, conflicts: Iterable[Contradiction]) -> Iterator[Anomaly]:
    """The same pass at two gates faster than one can walk: again within a week, or by minutes."""
    by_subject: dict[str, list[Contradiction]] = defaultdict(list)
    for each in conflicts:
        if each.kind == "impossible_travel":
            by_subject[each.subject].append(each)
    for subject, rows in sorted(by_subject.items()):
        for run in _runs(sorted(rows, key=lambda row: row.at_ms), REPEATED_WITHIN_MS):
            early_ms = max(row.detail["walk_s"] * 1000 - row.detail["took_ms"] for row in run)
            if len(run) >= 2 or early_ms >= 2 * MINUTE_MS:
                values = {"times": len(run), "gates": run[-1].detail["gates"], "early_s": early_ms // 1000}
                yield anomaly(
                    "impossible_travel", community, subject, (run[0].at_ms, run[-1].at_ms),
                    [Reason("impossible_travel", values)], [t for row in run for t in row.evidence],
                    person=run[0].person, severity="high" if len(run) >= 2 else "medium",
                )  # fmt: skip


def shared_passes(community: str, passages: Iterable[Passed], inner: Mapping[str, str]) -> Iterator[Anomaly]:
    """One pass enters the same zone at two gates within minutes, with no exit between.

    ``inner`` gives each gate's inner zone. Sooner than one can walk is `impossible_travels`, which says more.
    """
    for subject, mine in _by_subject(passages).items():
        pairs = [
            (first, second)
            for first, second in itertools.pairwise(mine)
            if first.direction == second.direction == "in"
            and first.gate != second.gate
            and inner.get(first.gate) == inner.get(second.gate)
            and second.at_ms - first.at_ms <= TWO_GATES_WITHIN_MS
        ]
        for run in _runs([second for _, second in pairs], REPEATED_WITHIN_MS):
            chosen = [pair for pair in pairs if pair[1] in run]
            values = {"times": len(chosen), "gates": sorted({each.gate for pair in chosen for each in pair})}
            yield anomaly(
                "pass_shared", community, subject, (chosen[0][0].at_ms, chosen[-1][1].at_ms),
                [Reason("pass_shared", values)], [each.triple for pair in chosen for each in pair],
                person=run[0].person, severity="high" if len(chosen) >= 2 else "medium",
            )  # fmt: skip


def relayed(community: str, conflicts: Iterable[Contradiction]) -> Iterator[Anomaly]:
    """One rotating code at two gates: somebody sent a picture of it. Exact by itself, so one is enough."""
    for each in conflicts:
        if each.kind == "relayed_code":
            values = {"gates": list(each.detail["gates"])}
            yield anomaly(
                "relayed_code", community, each.subject, (each.at_ms, each.at_ms),
                [Reason("relayed_code", values)], each.evidence, person=each.person,
            )  # fmt: skip


def surpluses(
    community: str, rows: Iterable[Surplus], usual: Mapping[tuple[str, str], float],
    named: Callable[[Surplus], Sequence[Triple]],
) -> Iterator[Anomaly]:  # fmt: skip
    """More bodies than passes in an hour than the gate's camera errs: Poisson, one-sided, p < 0.001.

    ``usual`` is the past surplus per counted body of gate and direction: its error and its usual tailgating; ``named``
    is asked for the bodies of an hour that is beyond it.
    """
    for row in rows:
        expected = max(0.5, usual.get((row.gate, row.direction), 0.03) * row.crossings)
        p = poisson_tail(row.n, expected)
        if p < SURPLUS_P:
            values = {"bodies": row.n, "expected": round(expected, 1), "direction": row.direction}
            yield anomaly(
                "ledger_surplus", community, f"gate:{row.gate}:{row.direction}",
                (row.hour_ms, row.hour_ms + HOUR_MS), [Reason("ledger_surplus", values)], named(row),
                gate=row.gate, score=min(1.0, -math.log10(max(p, 1e-12)) / 12),
            )  # fmt: skip


def poisson_tail(n: int, expected: float) -> float:
    """P(X >= n) for a Poisson variable, as the regularised incomplete gamma function says it (DLMF 8.4.10)."""
    from scipy.special import gammainc  # half a second and 20 MB, which only the review needs

    return float(gammainc(n, expected)) if n > 0 else 1.0


def _by_person(passages: Iterable[Passed]) -> dict[str, list[Passed]]:
    return _grouped((each.person, each) for each in passages if each.person)


def _by_subject(passages: Iterable[Passed]) -> dict[str, list[Passed]]:
    return _grouped((each.subject, each) for each in passages if not each.subject.startswith("r:"))


def _grouped(pairs: Iterable[tuple[str | None, Passed]]) -> dict[str, list[Passed]]:
    found: dict[str, list[Passed]] = defaultdict(list)
    for key, each in pairs:
        found[key or ""].append(each)
    return {key: sorted(found[key], key=lambda each: (each.at_ms, each.triple)) for key in sorted(found)}


def _runs(rows: Sequence[Any], gap_ms: int) -> list[list[Any]]:
    """Rows in time order, cut where the next is more than ``gap_ms`` away."""
    runs: list[list[Any]] = []
    for row in rows:
        if runs and row.at_ms - runs[-1][-1].at_ms <= gap_ms:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs
