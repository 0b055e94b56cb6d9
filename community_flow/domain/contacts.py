"""From overlaps to ranked contacts: what the list of a case shows, and by which formula.

Exposure of a contact = sum over the places of
    (minutes together for certain + minutes expected where an exit was not seen) / (people usually there at once - 1)

- A minute beside one of two people in a room is not a minute beside one of two hundred in a market: each pair gets
  the share 1/(n - 1) of a gathering of n, the weighting of co-membership by M. E. J. Newman, "Scientific collaboration
  networks. II", Phys. Rev. E 64, 016132 (2001), doi 10.1103/PhysRevE.64.016132. (Wells-Riley dose models point the same
  way: dose grows with time and falls with the room's size.)
- Expected: after the last evidence somebody is taken to stay on as people do there, with the mean stay T of the exits
  that were seen in that place (the zone kind's where none were): the chance of still being in falls as exp(-t/T), up to
  the latest exit. Who came a few minutes after the index person counts nearly whole, who came hours later hardly.
  Places without a typical stay (a compound, a queue) count half, as if each exit between the bounds were as likely.
- Time that two people spent in a room inside a hall counts once, at the smaller place.
The number orders a list. It is no probability of infection, and pages show it as high, medium or low with its reasons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from community_flow.domain.exposures import CERTAINTIES, MINUTE_MS, SEEN, Floats, Ints, Overlaps, Visits

Certainty: TypeAlias = Literal["seen", "likely", "possible"]
Level: TypeAlias = Literal["high", "medium", "low"]
LEAST_SIZE = 2.0
ENOUGH_STAYS = 20
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
    expected_ms: float | None = None

    @property
    def until_ms(self) -> int:
        """The latest end; before it lies the certain one, ``from_ms + certain_ms``."""
        return self.from_ms + self.possible_ms

    @property
    def weight(self) -> float:
        """Weighted minutes by the formula above."""
        return self.probable_ms / MINUTE_MS / (max(self.size, LEAST_SIZE) - 1)

    @property
    def probable_ms(self) -> float:
        """Time together as it is expected; half of what is open where nothing is known of stays."""
        half_ms = self.certain_ms + (self.possible_ms - self.certain_ms) / 2
        return half_ms if self.expected_ms is None else self.expected_ms


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
    def probable_ms(self) -> float:
        return sum(each.probable_ms for each in self.exposures)

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


def typical_stays(visits: Visits, otherwise: Mapping[int, float]) -> dict[int, float]:
    """Mean length in ms of the stays whose exit was seen, by zone; ``otherwise`` where there are too few of them."""
    seen = visits.take(visits.certainty == SEEN)
    zones, inverse, counts = np.unique(seen.zone, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, weights=seen.certain_ms - seen.entered_ms, minlength=len(zones)) / np.maximum(
        counts, 1
    )
    known = zip(zones.tolist(), means.tolist(), counts.tolist(), strict=True)
    enough = {zone: mean for zone, mean, count in known if count >= ENOUGH_STAYS and mean > 0}
    return {zone: enough.get(zone, stay_ms) for zone, stay_ms in otherwise.items()}


def expected_ms(overlaps: Overlaps, probes: Visits, visits: Visits, typical: Mapping[int, float]) -> Floats:
    """How long the two were probably together, by the formula above: between what is certain and what is possible."""
    ends = probes.certain_ms[overlaps.probe], visits.certain_ms[overlaps.visit]
    start, stop = overlaps.from_ms, overlaps.from_ms + overlaps.possible_ms
    # Evidence from after the overlap says nothing more, and would make the exponents below overflow.
    first, last = np.minimum(*ends), np.minimum(np.maximum(*ends), stop)
    stay = _of_zones(visits.zone[overlaps.visit], typical)
    one_from = np.minimum(np.maximum(start, first), stop)
    one_until = np.clip(last, one_from, stop)
    both_from = np.minimum(np.maximum(start, last), stop)
    one = stay * (np.exp((first - one_from) / stay) - np.exp((first - one_until) / stay))
    both = stay / 2 * (np.exp((first + last - 2 * both_from) / stay) - np.exp((first + last - 2 * stop) / stay))
    half = (overlaps.possible_ms - overlaps.certain_ms) / 2
    beyond: Floats = np.where(np.isnan(stay), half, one + both)
    return np.add(overlaps.certain_ms, beyond, dtype=np.float64)


def _of_zones(zone: Ints, values: Mapping[int, float]) -> Floats:
    """The value of each row's zone; NaN where there is none."""
    zones, inverse = np.unique(zone, return_inverse=True)
    found: Floats = np.array([values.get(each, np.nan) for each in zones.tolist()], dtype=np.float64)[inverse]
    return found


def zone_sizes(visits: Visits, typical: Mapping[int, float] | None = None) -> dict[int, float]:
    """People usually in each zone at once: person-time over the time when anybody was there; at least 2.

    Where an exit was not seen, a stay is taken as long as it is expected to be.
    """
    sizes = {}
    stay = _of_zones(visits.zone, typical or {})
    slack = visits.possible_ms - visits.certain_ms
    after = np.where(np.isnan(stay), slack, stay * -np.expm1(-slack / stay))
    until = visits.certain_ms + after.astype(np.int64)
    order = np.lexsort((visits.entered_ms, visits.zone))
    zones, starts = np.unique(visits.zone[order], return_index=True)
    for zone, rows in zip(zones, np.split(order, starts[1:]), strict=True):
        entered, left = visits.entered_ms[rows], until[rows]
        covered = _covered_ms(entered, left)
        sizes[int(zone)] = max(LEAST_SIZE, float((left - entered).sum()) / covered if covered else LEAST_SIZE)
    return sizes


def _covered_ms(entered: Ints, left: Ints) -> int:
    """Length of the union of intervals that are sorted by their start."""
    until = np.maximum.accumulate(left)
    before = np.concatenate([entered[:1], until[:-1]])
    return int(np.maximum(until - np.maximum(entered, before), 0).sum())


def exposures_of(
    overlaps: Overlaps, visits: Visits, sizes: Mapping[int, float], expected: Floats | None = None
) -> dict[int, list[Exposure]]:
    """Exposures by contact. ``visits`` are the index's rows (the contacts' side)."""
    likely = [None] * len(overlaps) if expected is None else expected.tolist()
    found: dict[int, list[Exposure]] = defaultdict(list)
    columns = (
        visits.person[overlaps.visit], visits.zone[overlaps.visit], overlaps.from_ms,
        overlaps.certain_ms, overlaps.possible_ms, overlaps.certainty,
    )  # fmt: skip
    rows = zip(*(each.tolist() for each in columns), likely, strict=True)
    for person, zone, from_ms, certain, possible, kind, probably in rows:
        certainty: Certainty = CERTAINTIES[kind]  # type: ignore[assignment]
        size = sizes.get(zone, LEAST_SIZE)
        found[person].append(Exposure(zone, from_ms, certain, possible, certainty, size, probably))
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
    return [_part(piece, start, end) for start, end in spans if end > start]


def _part(piece: Exposure, start: int, end: int) -> Exposure:
    """A stretch of an exposure. What was expected beyond the certain time is spread evenly over the rest."""
    possible = end - start
    certain = max(0, min(end, piece.from_ms + piece.certain_ms) - start)
    expected = None
    if piece.expected_ms is not None:
        open_ms = max(1, piece.possible_ms - piece.certain_ms)
        expected = certain + (piece.expected_ms - piece.certain_ms) * (possible - certain) / open_ms
    return replace(piece, from_ms=start, possible_ms=possible, certain_ms=certain, expected_ms=expected)


def pair_scores(
    probes: Visits,
    overlaps: Overlaps,
    visits: Visits,
    sizes: Mapping[int, float],
    typical: Mapping[int, float] | None = None,
) -> tuple[Ints, Ints, Floats]:
    """(index person, contact, weighted minutes) for many index persons at once, without cutting nested places."""
    zones = np.unique(visits.zone)
    size = np.array([sizes.get(zone, LEAST_SIZE) for zone in zones.tolist()])
    share = 1.0 / (np.maximum(size, LEAST_SIZE) - 1.0)
    weight = expected_ms(overlaps, probes, visits, typical or {}) / MINUTE_MS
    weight = weight * share[np.searchsorted(zones, visits.zone[overlaps.visit])]
    left, right = probes.person[overlaps.probe], visits.person[overlaps.visit]
    base = int(right.max()) + 1 if len(right) else 1
    pairs, inverse = np.unique(left * base + right, return_inverse=True)
    scores: Floats = np.bincount(inverse, weights=weight, minlength=len(pairs)).astype(np.float64)
    return pairs // base, pairs % base, scores
