"""How unusual a person's day is for that very person.

A day becomes a row of surprises in nats: how odd the hours, the gates and the number of passages are against the same
person's past, with the community as the prior while the past is short. Past only: a day never explains itself. The
surprises are what `adapters/forest.py` ranks. Silence (nobody seen for too long) is a rule of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SLOTS = 96
"""Quarters of an hour in a day."""
KERNEL_MIN = 40.0
PRIOR_WEIGHT = 6.0
"""How many passages of one's own weigh as much as what the community does."""
LEARN_DAYS = 14
FEATURES = ("hour", "gate", "count")


@dataclass(frozen=True)
class Movements:
    """Passages of many people as columns of equal length, sorted by (person, day).

    ``person``: index of the person; ``day``: local day number; ``minute``: 0..1439 local; ``gate``: index of the gate.
    """

    person: Ints
    day: Ints
    minute: Ints
    gate: Ints
    people: int
    gates: int


@dataclass(frozen=True)
class PersonDays:
    """One row per person and day with a passage and a past. ``surprise`` has shape (rows, 3): FEATURES, in nats."""

    person: Ints
    day: Ints
    surprise: Floats


def surprises(moves: Movements, first_day: int) -> PersonDays:
    """Surprises of every person-day from ``first_day`` on, each against that person's earlier days."""
    prior_hours, prior_gates, prior_rate = _community(moves)
    rows: list[tuple[int, int, float, float, float]] = []
    bounds = np.flatnonzero(np.diff(moves.person, prepend=-1, append=moves.people))
    for start, end in itertools.pairwise(bounds):
        mine = slice(int(start), int(end))
        person = int(moves.person[start])
        past = _Past(prior_hours, prior_gates, prior_rate)
        for day, rows_of_day in _days(moves.day[mine]):
            minutes, gates = moves.minute[mine][rows_of_day], moves.gate[mine][rows_of_day]
            if day >= first_day and past.passages:
                rows.append((person, day, *past.surprise(day, minutes, gates)))
            past.learn(day, minutes, gates)
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return PersonDays(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])


class _Past:
    """What is known of one person before a day."""

    def __init__(self, hours: Floats, gates: Floats, rate: float) -> None:
        self.hours, self.gates = hours * PRIOR_WEIGHT, gates * PRIOR_WEIGHT
        self.passages, self.first_day = 0, 0
        self.rate = rate

    def learn(self, day: int, minutes: Ints, gates: Ints) -> None:
        if not self.passages:
            self.first_day = day
        self.passages += len(minutes)
        self.hours = self.hours + KERNEL[minutes * SLOTS // 1440].sum(axis=0)
        np.add.at(self.gates, gates, 1.0)

    def surprise(self, day: int, minutes: Ints, gates: Ints) -> tuple[float, float, float]:
        # Against a uniform day: 0 is as likely as chance, positive is rarer.
        hours = -np.log(self.hours[minutes * SLOTS // 1440] / self.hours.sum() * SLOTS)
        places = -np.log(self.gates[gates] / self.gates.sum())
        return float(hours.max()), float(places.max()), self._count(day, len(minutes))

    def _count(self, day: int, count: int) -> float:
        """-log P(at least so many): a Poisson day whose rate has a gamma prior of two days (negative binomial)."""
        days = day - self.first_day
        shape, scale = self.passages + 2 * self.rate, days + 2.0
        return -math.log(max(_negative_binomial_tail(count, shape, scale / (scale + 1)), 1e-12))


def _negative_binomial_tail(count: int, shape: float, p: float) -> float:
    term = p**shape
    total = term
    for k in range(1, count):
        term *= (shape + k - 1) / k * (1 - p)
        total += term
    return max(0.0, 1.0 - total) if count > 0 else 1.0


def _kernel() -> Floats:
    """Row s: how a passage in slot s spreads over the day, round midnight too (wrapped normal). Shape (96, 96)."""
    slots = np.arange(SLOTS)
    apart = np.abs(slots[:, None] - slots[None, :])
    minutes = np.minimum(apart, SLOTS - apart) * (1440 / SLOTS)
    weight = np.exp(-0.5 * (minutes / KERNEL_MIN) ** 2)
    normal: Floats = weight / weight.sum(axis=1, keepdims=True)
    return normal


KERNEL = _kernel()


def _community(moves: Movements) -> tuple[Floats, Floats, float]:
    """Hours, gates (each sums to 1, never 0) and passages per person and day of everybody.

    A person, day, quarter of an hour and gate counts once: one busy day must not become what everybody does.
    """
    slots = moves.minute * SLOTS // 1440
    once = np.unique(np.column_stack((moves.person, moves.day, slots, moves.gate)), axis=0)
    hours = KERNEL[once[:, 2]].sum(axis=0) + 1.0
    gates = np.bincount(once[:, 3], minlength=moves.gates) + 1.0
    days = max(1, len(np.unique(moves.day)))
    return hours / hours.sum(), gates / gates.sum(), len(once) / max(1, moves.people * days)


def _days(days: Ints) -> Iterator[tuple[int, slice]]:
    bounds = np.flatnonzero(np.diff(days, prepend=-1, append=-1))
    for start, end in itertools.pairwise(bounds):
        yield int(days[start]), slice(int(start), int(end))


def budget_threshold(calibration: Floats, person_days_per_day: float, alarms_per_day: float) -> float:
    """Score above which about ``alarms_per_day`` unremarkable person-days lie (split conformal quantile).

    ``calibration``: scores of past person-days. Infinite when the past is too short to promise so few alarms.
    Source: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005), conformal p-values.
    """
    share = alarms_per_day / max(person_days_per_day, alarms_per_day)
    rank = math.floor(share * (len(calibration) + 1))
    if rank < 1:
        return math.inf
    return float(np.sort(calibration)[-rank])


def foremost(surprise: Floats) -> str:
    """The kind of anomaly that a row of surprises speaks for."""
    name = FEATURES[int(np.argmax(surprise))]
    return {"hour": "unusual_hour", "count": "unusual_frequency"}.get(name, "unusual_behaviour")


SILENT_P = 0.005
SILENT_LEAST_DAYS = 3
SILENT_CAP_DAYS = 6


def is_silent(active_days: Ints, today: int) -> bool:
    """Whether somebody has not been seen for longer than their own habits explain.

    ``active_days``: local days with a passage, sorted, unique. With a share s of active days in the past, g whole days
    of silence have probability (1 - s)^g; below 0.005, or after six days by somebody out more than every other day.
    """
    if len(active_days) < 5 or active_days[-1] - active_days[0] + 1 < LEARN_DAYS - 4:
        return False
    share = len(active_days) / float(active_days[-1] - active_days[0] + 1)
    gap = int(today - active_days[-1] - 1)
    if gap < SILENT_LEAST_DAYS:
        return False
    return (1 - share) ** gap < SILENT_P or (gap >= SILENT_CAP_DAYS and share > 0.5)
