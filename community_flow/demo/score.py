"""How much of the truth was found, per class: recall and precision, as they are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PASSAGE_SLACK_MS = 60_000
ANOMALY_SLACK_MS = 6 * 3_600_000
"""An anomaly is found when it names the same person (or gate) and lies in the event's time, give or take six hours."""


@dataclass(frozen=True)
class Score:
    """``right`` of ``found`` are true, ``reached`` of ``true`` were found; one finding may reach several truths."""

    name: str
    true: int
    found: int
    right: int
    reached: int

    @property
    def recall(self) -> float | None:
        return self.reached / self.true if self.true else None

    @property
    def precision(self) -> float | None:
        return self.right / self.found if self.found else None


@dataclass(frozen=True)
class Finding:
    """An anomaly that the product reports. ``person`` is the real id; ``gate`` matters where nobody is named."""

    kind: str
    person: str | None
    gate: str | None
    from_ms: int
    to_ms: int


def score_sets(name: str, true: Collection[str], found: Collection[str]) -> Score:
    both = len(set(true) & set(found))
    return Score(name, len(set(true)), len(set(found)), both, both)


def score_anomalies(truth: Sequence[Mapping[str, Any]], findings: Iterable[Finding]) -> list[Score]:
    """One score per kind that was injected or found, then one over all: there any finding that points at an injected
    event is right, whatever it was called."""
    rows = list(findings)
    kinds = sorted({each["kind"] for each in truth} | {each.kind for each in rows})
    scores = [
        _score_kind(kind, [t for t in truth if t["kind"] == kind], [f for f in rows if f.kind == kind])
        for kind in kinds
    ]
    return [*scores, _score_kind("any", truth, rows)]


def _score_kind(name: str, truth: Sequence[Mapping[str, Any]], findings: Sequence[Finding]) -> Score:
    right = sum(any(_same(each, finding) for each in truth) for finding in findings)
    reached = sum(any(_same(each, finding) for finding in findings) for each in truth)
    return Score(name, len(truth), len(findings), right, reached)


def _same(truth: Mapping[str, Any], finding: Finding) -> bool:
    if truth["from_ms"] - ANOMALY_SLACK_MS > finding.to_ms or truth["to_ms"] + ANOMALY_SLACK_MS < finding.from_ms:
        return False
    if truth["person"] is None:
        return finding.gate is not None and truth["gate"] == finding.gate
    return bool(truth["person"] == finding.person)


Key = tuple[str, str, str]


def score_passages(truth: Mapping[str, Sequence[Any]], passages: Iterable[tuple[str, str, str, int]]) -> Score:
    """Passages (person, gate, direction, time) against the true ones that a scan stands for, each matched once."""
    times: dict[Key, list[int]] = defaultdict(list)
    columns = (truth["person"], truth["gate"], truth["direction"], truth["t_ms"], truth["scanned"], truth["alone"])
    for person, gate, direction, t_ms, scanned, alone in zip(*columns, strict=True):
        if person and scanned and alone:
            times[person, gate, direction].append(t_ms)
    true = sum(map(len, times.values()))
    for rows in times.values():
        rows.sort()
    found = right = 0
    for person, gate, direction, t_ms in passages:
        found += 1
        right += _take(times[person, gate, direction], t_ms)
    return Score("passages", true, found, right, right)


def _take(times: list[int], t_ms: int) -> bool:
    first = bisect_left(times, t_ms - PASSAGE_SLACK_MS)
    if first >= bisect_right(times, t_ms + PASSAGE_SLACK_MS):
        return False
    times.pop(first)
    return True


def score_contacts(cases: Mapping[str, Any], found: Collection[str], least_ms: int) -> list[Score]:
    """Found contacts against those who truly shared a hall for ``least_ms``; then how many of the infected are found.

    The household counts as true: nobody sees it at a gate, the registry knows it.
    """
    home = set(cases["household"])
    met = {each["person"] for each in cases["contacts"] if each["overlap_ms"] >= least_ms}
    infected = {each["person"] for each in cases["cases"] if each["source"] == cases["index"]}
    caught = score_sets("infected among contacts", infected, infected & set(found))
    return [score_sets("contacts", met | home, found), caught]


def table(scores: Sequence[Score]) -> str:
    """A plain table for the command line."""
    lines = [f"{'class':26} {'true':>6} {'found':>6} {'recall':>7} {'precision':>9}"]
    lines += [
        f"{each.name:26} {each.true:6} {each.found:6} {_share(each.recall):>7} {_share(each.precision):>9}"
        for each in scores
    ]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
