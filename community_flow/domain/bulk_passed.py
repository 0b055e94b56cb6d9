"""Passages of a whole community as the gate ledger and the hours of a rebuild look at them: a few numbers of each.

Read back from the store, gate after gate, they were a third of what a rebuild of millions of reports cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from community_flow.domain.bulk_columns import Codes, Codes32, Ints, Mask, Sources
from community_flow.domain.bulk_fold import BulkFolded
from community_flow.domain.bulk_ledger import Side
from community_flow.domain.ledger import Party
from community_flow.domain.passages import Passage, key_triple

HOUR_MS = 3_600_000


@dataclass(slots=True)
class SidePassed:
    """Passages of one gate and direction, in key order."""

    sources: Sources
    t_ms: Ints
    source: Codes32
    seq: Ints
    party: Ints
    unnamed: Ints
    unseen: Mask

    def parties(self, rows: Ints) -> Iterator[Party]:
        """Those at these places."""
        return map(
            Party,
            self.sources.keys_of(self.t_ms[rows], self.source[rows], self.seq[rows]),
            self.t_ms[rows].tolist(),
            self.sources.ids_of(self.source[rows], self.seq[rows]),
            self.party[rows].tolist(),
        )

    def hours(self) -> Iterator[tuple[int, int, int, int, int]]:
        """(hour_ms, passages, bodies, unnamed, unseen) of each UTC hour with any."""
        hour_ms = self.t_ms - self.t_ms % HOUR_MS
        hours, starts, counts = np.unique(hour_ms, return_index=True, return_counts=True)
        if not len(hours):
            return iter(())
        sums = [np.add.reduceat(each.astype(np.int64), starts) for each in (self.party, self.unnamed, self.unseen)]
        return zip(*(each.tolist() for each in (hours, counts, *sums)), strict=True)


class Passed:
    """Collects passages of all gates."""

    def __init__(self, folded: BulkFolded) -> None:
        found, table = folded.passages, folded.table
        self._sides: Codes[Side] = Codes()
        self.sources = table.sources
        side = np.array([self._sides[label.gate, label.direction] for label in table.labels], np.int32)
        self._chunks = [
            (
                found.t_ms, found.source, found.seq, found.party, found.party - found.positioned, found.unseen(),
                side[table.label[found.first]],
            )
        ]  # fmt: skip

    def add(self, passages: Iterable[Passage]) -> None:
        """Passages of subjects that were folded one by one."""
        source = {pair: code for code, pair in enumerate(self.sources.pairs)}
        rows = []
        for each in passages:
            device, boot, seq = key_triple(each.key)
            side = self._sides[each.gate, each.direction]
            rows.append((each.at_ms, source[device, boot], seq, each.party, each.unnamed, each.unseen, side))
        if rows:
            kinds = (np.int64, np.int32, np.int64, np.int64, np.int64, np.bool_, np.int32)
            self._chunks.append(tuple(map(np.array, zip(*rows, strict=True), kinds)))  # type: ignore[arg-type]

    def sides(self) -> dict[Side, SidePassed]:
        """Each gate and direction with any; to be asked once."""
        *columns, side = (np.concatenate(column) for column in zip(*self._chunks, strict=True))
        self._chunks.clear()
        t_ms, source, seq, *_ = columns
        order = np.lexsort((seq, source, t_ms, side))
        cuts = np.searchsorted(side[order], np.arange(len(self._sides) + 1))
        found = {}
        for name, code in self._sides.items():
            rows = order[cuts[code] : cuts[code + 1]]
            if len(rows):
                found[name] = SidePassed(self.sources, *(column[rows] for column in columns))
        return found
