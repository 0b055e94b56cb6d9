"""Conflicts of a whole community that are subjects of their own: relayed codes and quotas of households."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from community_flow.domain.bulk_columns import Ints, ScanTable
from community_flow.domain.conflicts import (
    RELAY_MS,
    TOKEN_EPOCH_MS,
    Conflict,
    Outing,
    Shown,
    over_quota,
    relayed_codes,
)
from community_flow.domain.places import OUTSIDE
from community_flow.domain.rulebook import Rulebook

DAY_MS = 86_400_000
SETTLED_MS = 3 * DAY_MS
"""No time zone moves a day as far as this."""


def relayed(table: ScanTable) -> Iterator[Conflict]:
    """Codes of one credential shown at two gates, passed or not."""
    made_ms = table.token_s * 1000 + TOKEN_EPOCH_MS
    shown = np.flatnonzero((table.token_s >= 0) & (table.name >= 0) & (np.abs(table.t_ms - made_ms) <= RELAY_MS))
    if not len(shown):
        return
    shown = shown[np.lexsort((table.token_s[shown], table.name[shown]))]
    gates = {name: code for code, name in enumerate(sorted({label.gate for label in table.labels}))}
    gate = np.array([gates[label.gate] for label in table.labels], np.int64)[table.label[shown]]
    changes = (np.diff(table.name[shown]) != 0) | (np.diff(table.token_s[shown]) != 0)
    starts = np.append(0, np.flatnonzero(changes) + 1)
    several = np.minimum.reduceat(gate, starts) != np.maximum.reduceat(gate, starts)
    ends = np.append(starts[1:], len(shown))
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        name = table.names[table.name[shown[start]]]
        if name.startswith("ps_"):
            yield from relayed_codes(name, _shown(table, shown[start:end]))


def _shown(table: ScanTable, rows: Ints) -> list[Shown]:
    return [
        Shown(scan.key, scan.t_ms, scan.triple, scan.gate, token_s)
        for scan, token_s in zip(table.scans(rows), table.token_s[rows].tolist(), strict=True)
    ]


@dataclass(slots=True)
class Quotas:
    """Outings per household and day, of passages that are told in key order; only the last days are remembered."""

    rules: Rulebook
    _outings: dict[str, list[Outing]] = field(default_factory=lambda: defaultdict(list))
    _days: set[tuple[str, int]] = field(default_factory=set)
    _settled_ms: int = 0

    def of(self, passages: Iterable[tuple[bytes, int, str, str, str, str]]) -> Iterator[Conflict]:
        """``passages``: (key, at_ms, id, gate, direction, subject)."""
        for key, at_ms, identity, gate, direction, subject in passages:
            households = self.rules.quota_households.get(subject)
            if not households:
                continue
            if at_ms > self._settled_ms + SETTLED_MS:
                yield from self._settle(at_ms - SETTLED_MS)
            places = self.rules.places(at_ms)
            self._days.update((household, places.day(at_ms)) for household in households)
            rule = places.gates.get(gate)
            household = self.rules.household(subject, at_ms)
            if direction == "out" and rule is not None and rule.outer == OUTSIDE and household in households:
                self._outings[str(household)].append(Outing(key, at_ms, identity))
        yield from self._settle(2**62)

    def _settle(self, until_ms: int) -> Iterator[Conflict]:
        """Judge the days that ended before."""
        for household, day in sorted(self._days):
            from_ms, to_ms = self.rules.day_span_ms(day)
            if to_ms > until_ms:
                continue
            self._days.discard((household, day))
            mine = [each for each in self._outings[household] if from_ms <= each.t_ms < to_ms]
            last_ms = max((each.t_ms for each in mine), default=from_ms)
            found = over_quota(household, mine, self.rules.quota(household, last_ms))
            if found is not None:
                yield found
        self._settled_ms = until_ms
        for outings in self._outings.values():
            outings[:] = [each for each in outings if each.t_ms > until_ms - SETTLED_MS]
