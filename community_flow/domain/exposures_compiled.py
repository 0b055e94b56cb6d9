"""The inner loop of the contact search, compiled. Imported only for searches large enough to pay for compiling."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from community_flow.domain.exposures import Ints

Columns = tuple[Ints, Ints, Ints]
"""Of ranges: probe row, low, high. Of visits: person, entered_ms, possible_ms."""


def pairs(ranges: Columns, least_ms: int, probes: Columns, visits: Columns) -> tuple[Ints, Ints]:
    """(probe, visit) of candidates that overlap by ``least_ms``; the same pairs as the NumPy way finds."""
    return _pairs(ranges, least_ms, probes, visits)  # type: ignore[no-any-return]


def _walk(ranges: Any, least: Any, probes: Any, visits: Any) -> Any:
    rows, low, high = ranges
    p_person, p_in, p_out = probes
    v_person, v_in, v_out = visits
    total = 0
    probe, visit = np.empty(0, np.int64), np.empty(0, np.int64)
    for turn in range(2):  # first count, then fill arrays of exactly that size
        if turn == 1:
            probe, visit = np.empty(total, np.int64), np.empty(total, np.int64)
            total = 0
        for r in range(len(rows)):
            row = rows[r]
            for v in range(low[r], high[r]):
                overlap = min(p_out[row], v_out[v]) - max(p_in[row], v_in[v])
                if overlap >= least and p_person[row] != v_person[v]:
                    if turn == 1:
                        probe[total], visit[total] = row, v
                    total += 1
    return probe, visit


_pairs = numba.njit(nogil=True)(_walk)
