"""From overlaps to ranked contacts: what the list of a case shows, and by which formula.

Exposure of a contact = sum over the places of
    (minutes together for certain + half the minutes that are only possible) / (people usually there at once - 1)

- A minute beside one of two people in a room is not a minute beside one of two hundred in a market: each pair gets
  the share 1/(n - 1) of a gathering of n, the weighting of co-membership by M. E. J. Newman, "Scientific collaboration
  networks. II", Phys. Rev. E 64, 016132 (2001), doi 10.1103/PhysRevE.64.016132. (Wells-Riley dose models point the same
  way: dose grows with time and falls with the room's size.)
- Half: an exit known only by its bounds is taken as equally likely anywhere between them, which gives half on average.
- Time that two people spent in a room inside a hall counts once, at the smaller place.
The number orders a list. It is no probability of infection, and pages show it as high, medium or low with its reasons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from community_flow.domain.exposures import CERTAINTIES, MINUTE_MS, Floats, Ints, Overlaps, Visits

Certainty: TypeAlias = Literal["seen", "likely", "possible"]
Level: TypeAlias = Literal["high", "medium", "low"]
LEAST_SIZE = 2.0
HIGH, MEDIUM = 60.0, 10.0
"""Weighted minutes: an hour, or ten minutes, as if the two had been alone."""


@dataclass(frozen=True)
class Exposure:
    """One overlap of the index person with a contact, in one place."""

    zone: int
    from_ms: int
    certain_ms: int
    possible_ms: int
    certainty: Certainty
    size: float

    @property
    def until_ms(self) -> int:
        """The latest end; before it lies the certain one, ``from_ms + certain_ms``."""
        return self.from_ms + self.possible_ms

    @property
    def weight(self) -> float:
        """Weighted minutes by the formula above."""
        expected_ms = self.certain_ms + (self.possible_ms - self.certain_ms) / 2
        return expected_ms / MINUTE_MS / (max(self.size, LEAST_SIZE) - 1)


@dataclass(frozen=True)
class Contact:
    """A person with every exposure behind the rank, oldest first."""

    person: int
    exposures: tuple[Exposure, ...]

    @property
    def score(self) -> float:
        return sum(each.weight for each in self.exposures)

    @property
    def certain_ms(self) -> int:
        return sum(each.certain_ms for each in self.exposures)

    @property
    def possible_ms(self) -> int:
        return sum(each.possible_ms for each in self.exposures)

    @property
    def first_ms(self) -> int:
        return self.exposures[0].from_ms

    @property
    def certainty(self) -> Certainty:
        """The best of the exposures'."""
        return CERTAINTIES[min(CERTAINTIES.index(each.certainty) for each in self.exposures)]  # type: ignore[return-value]

    @property
    def level(self) -> Level:
        return "high" if self.score >= HIGH else "medium" if self.score >= MEDIUM else "low"


def zone_sizes(visits: Visits) -> dict[int, float]:
    """People usually in each zone at once: person-time over the time when anybody was there; at least 2."""
    sizes = {}
    order = np.lexsort((visits.entered_ms, visits.zone))
    zones, starts = np.unique(visits.zone[order], return_index=True)
    for zone, rows in zip(zones, np.split(order, starts[1:]), strict=True):
        entered, left = visits.entered_ms[rows], visits.possible_ms[rows]
        covered = _covered_ms(entered, left)
        sizes[int(zone)] = max(LEAST_SIZE, float((left - entered).sum()) / covered if covered else LEAST_SIZE)
    return sizes


def _covered_ms(entered: Ints, left: Ints) -> int:
    """Length of the union of intervals that are sorted by their start."""
    until = np.maximum.accumulate(left)
    before = np.concatenate([entered[:1], until[:-1]])
    return int(np.maximum(until - np.maximum(entered, before), 0).sum())


def exposures_of(overlaps: Overlaps, visits: Visits, sizes: Mapping[int, float]) -> dict[int, list[Exposure]]:
    """Exposures by contact. ``visits`` are the index's rows (the contacts' side)."""
    found: dict[int, list[Exposure]] = defaultdict(list)
    columns = (
        visits.person[overlaps.visit], visits.zone[overlaps.visit], overlaps.from_ms,
        overlaps.certain_ms, overlaps.possible_ms, overlaps.certainty,
    )  # fmt: skip
    for person, zone, from_ms, certain, possible, kind in zip(*(each.tolist() for each in columns), strict=True):
        certainty: Certainty = CERTAINTIES[kind]  # type: ignore[assignment]
        found[person].append(Exposure(zone, from_ms, certain, possible, certainty, sizes.get(zone, LEAST_SIZE)))
    return found


def ranked(exposures: Mapping[int, Iterable[Exposure]], top: int | None = None) -> list[Contact]:
    """Contacts by score, highest first; equal scores by earlier meeting, then by number. Time counts once."""
    contacts = [Contact(person, told_apart(list(each))) for person, each in exposures.items()]
    contacts.sort(key=lambda contact: (-contact.score, contact.first_ms, contact.person))
    return contacts[:top]


def told_apart(exposures: Sequence[Exposure]) -> tuple[Exposure, ...]:
    """The same exposures without double time: the smallest place keeps it, larger ones lose what it covers."""
    kept: list[Exposure] = []
    for each in sorted(exposures, key=lambda exposure: (exposure.size, exposure.zone, exposure.from_ms)):
        kept.extend(_outside(each, kept))
    return tuple(sorted(kept, key=lambda exposure: (exposure.from_ms, exposure.zone)))


def _outside(exposure: Exposure, kept: Sequence[Exposure]) -> list[Exposure]:
    pieces = [exposure]
    for other in kept:
        pieces = [part for piece in pieces for part in _cut(piece, other.from_ms, other.until_ms)]
    return pieces


def _cut(piece: Exposure, from_ms: int, until_ms: int) -> list[Exposure]:
    """What of a piece lies outside [from, until]."""
    if until_ms <= piece.from_ms or from_ms >= piece.until_ms or from_ms == until_ms:
        return [piece]
    spans = ((piece.from_ms, min(from_ms, piece.until_ms)), (max(until_ms, piece.from_ms), piece.until_ms))
    certain_until = piece.from_ms + piece.certain_ms
    return [
        replace(piece, from_ms=start, possible_ms=end - start, certain_ms=max(0, min(end, certain_until) - start))
        for start, end in spans
        if end > start
    ]


def pair_scores(
    probes: Visits, overlaps: Overlaps, visits: Visits, sizes: Mapping[int, float]
) -> tuple[Ints, Ints, Floats]:
    """(index person, contact, weighted minutes) for many index persons at once, without cutting nested places."""
    zones = np.unique(visits.zone)
    size = np.array([sizes.get(zone, LEAST_SIZE) for zone in zones.tolist()])
    share = 1.0 / (np.maximum(size, LEAST_SIZE) - 1.0)
    weight = (overlaps.certain_ms + overlaps.possible_ms) / 2 / MINUTE_MS
    weight = weight * share[np.searchsorted(zones, visits.zone[overlaps.visit])]
    left, right = probes.person[overlaps.probe], visits.person[overlaps.visit]
    base = int(right.max()) + 1 if len(right) else 1
    pairs, inverse = np.unique(left * base + right, return_inverse=True)
    scores: Floats = np.bincount(inverse, weights=weight, minlength=len(pairs)).astype(np.float64)
    return pairs // base, pairs % base, scores
