"""Counts that may be shown to somebody who must not learn of single people.

A cell of 1-7 is hidden. So is what would give it away: for each hidden cell there stays a square of four hidden cells
(two rows, two columns, totals included) along which one person more or fewer leaves every shown number as it is, with
no hidden cell falling below 1. So neither solving the sums nor reasoning with "zero is never hidden" gives any hidden
cell exactly. Zeros are shown and never hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from community_flow.domain.exposures import Floats, Ints

Bools = npt.NDArray[np.bool_]
LEAST_SHOWN: Final = 8
STEP: Final = 5


@dataclass(frozen=True)
class Release:
    """A table with totals in the last row and column: rounded values and which of them are hidden."""

    values: Ints
    hidden: Bools


def with_totals(cells: Ints) -> Ints:
    """The table with a row and a column of sums added."""
    rows = np.hstack([cells, cells.sum(axis=1, keepdims=True)])
    return np.vstack([rows, rows.sum(axis=0, keepdims=True)])


def small(cells: Ints | Floats) -> Bools:
    """Counts that name too few people to be shown."""
    return (cells > 0) & (cells < LEAST_SHOWN)


def rounded(cells: Ints | Floats) -> Ints:
    """To the nearest 5, so that two windows that differ by one hour do not differ by one person."""
    return (np.floor(np.asarray(cells, dtype=np.float64) / STEP + 0.5) * STEP).astype(np.int64)


def released(cells: Ints) -> Release:
    """What an official's free query may see of a table of counts (rows x columns, without totals)."""
    table = with_totals(cells)
    return Release(rounded(table), hidden(table))


def hidden(table: Ints) -> Bools:
    """Cells of a table with totals that must not be shown."""
    mask = small(table)
    for row, column in zip(*np.nonzero(mask), strict=True):
        _protect(table, mask, int(row), int(column))
    return mask


def _protect(table: Ints, mask: Bools, row: int, column: int) -> None:
    """Hide the cheapest square through a cell (already hidden corners cost nothing), in ``mask``."""
    cost = np.where(mask, 0.0, table.astype(np.float64))
    cost[table == 0] = np.inf
    total = cost + cost[row, :][None, :] + cost[:, column][:, None]
    total[row, :] = total[:, column] = np.inf
    total[~(_can_move(table, row, column, +1) | _can_move(table, row, column, -1))] = np.inf
    other_row, other_column = np.unravel_index(int(np.argmin(total)), total.shape)
    mask[row, other_column] = mask[other_row, column] = mask[other_row, other_column] = True


def _can_move(table: Ints, row: int, column: int, change: int) -> Bools:
    """Opposite corners whose square can take ``change`` at (row, column), keep every sum and leave no cell below 1.

    In a line of cells and their total, two inner cells must move against each other, a cell and its total together.
    """
    sign = np.ones(table.shape, np.int64)
    sign[-1, :] *= -1
    sign[:, -1] *= -1
    turn = change * sign[row, column]
    roomy_near = table - turn * sign >= 1
    roomy_far = table + turn * sign >= 1
    corner: Bools = roomy_near[row, :][None, :] & roomy_near[:, column][:, None] & roomy_far
    return corner if table[row, column] + change >= 1 else np.zeros_like(corner)
