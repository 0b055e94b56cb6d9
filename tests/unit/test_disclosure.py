"""What officials may see, attacked by somebody who solves the sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from community_flow.domain.disclosure import hidden, released, rounded, small, with_totals
from community_flow.domain.exposures import Ints


def equations(table: Ints) -> Ints:
    """One row per sum that the table states, one column per cell."""
    rows, columns = table.shape
    lines = []
    for row in range(rows):
        line = np.zeros(table.shape, np.int64)
        line[row, :-1], line[row, -1] = 1, -1
        lines.append(line.ravel())
    for column in range(columns):
        line = np.zeros(table.shape, np.int64)
        line[:-1, column], line[-1, column] = 1, -1
        lines.append(line.ravel())
    return np.array(lines)


def recovered_by_algebra(table: Ints, mask: np.ndarray) -> int:
    """Hidden cells that the shown ones determine: those with no part in the null space of the sums."""
    unknown = equations(table)[:, mask.ravel()].astype(float)
    if not unknown.shape[1]:
        return 0
    _, values, vectors = np.linalg.svd(unknown)
    null = vectors[(values > 1e-9).sum() :]
    free = np.abs(null).max(axis=0) > 1e-9 if len(null) else np.zeros(unknown.shape[1], bool)
    return int((~free).sum())


def recovered_by_bounds(table: Ints, mask: np.ndarray) -> int:
    """Hidden cells with one possible value for an attacker who also knows that no hidden cell is 0."""
    from scipy.optimize import linprog

    system = equations(table)
    known = np.where(mask, 0, table).ravel()
    left, right = system[:, mask.ravel()], -system @ known
    found = 0
    for cell in range(left.shape[1]):
        goal = np.zeros(left.shape[1])
        goal[cell] = 1
        ends = [linprog(sign * goal, A_eq=left, b_eq=right, bounds=(1, None)) for sign in (1, -1)]
        unbounded = any(end.status == 3 for end in ends)
        found += not unbounded and abs(ends[0].x[cell] - ends[1].x[cell]) < 1e-6
    return found


tables = arrays(
    np.int64,
    st.tuples(st.integers(1, 6), st.integers(1, 5)),
    elements=st.one_of(st.integers(0, 9), st.integers(0, 3), st.integers(0, 60)),
)


@given(tables)
@settings(max_examples=300, deadline=None)
def test_no_hidden_cell_can_be_solved_from_the_sums(cells: Ints) -> None:
    table = with_totals(cells)
    assert recovered_by_algebra(table, hidden(table)) == 0


@given(tables)
@settings(max_examples=60, deadline=None)
def test_no_hidden_cell_has_only_one_possible_value(cells: Ints) -> None:
    table = with_totals(cells)
    assert recovered_by_bounds(table, hidden(table)) == 0


@given(tables)
@settings(max_examples=200, deadline=None)
def test_every_small_cell_is_hidden_and_no_zero_is(cells: Ints) -> None:
    table = with_totals(cells)
    mask = hidden(table)
    assert mask[small(table)].all()
    assert not mask[table == 0].any()


def test_hiding_the_small_cells_alone_would_have_leaked() -> None:
    """The attacker of these tests does find what a plain threshold leaves open."""
    table = with_totals(np.array([[3, 40], [50, 60]]))
    plain = small(table)
    assert recovered_by_algebra(table, plain) == 1
    assert recovered_by_algebra(table, hidden(table)) == 0


def test_a_month_of_hours_at_six_gates_keeps_most_of_what_it_shows() -> None:
    rng = np.random.default_rng(3)
    busy = np.clip(np.sin(np.linspace(0, 2 * np.pi * 31, 744)), 0.02, None)
    cells = rng.poisson(busy[:, None] * np.array([90, 70, 40, 30, 12, 4])[None, :])
    table = with_totals(cells)
    mask = hidden(table)
    complementary = (mask & ~small(table)).mean()
    assert complementary < 0.25, f"{complementary:.0%} of the cells are hidden to protect others"


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (8, 10), (12, 10), (13, 15), (1002, 1000)])
def test_shown_counts_are_rounded_to_five(count: int, shown: int) -> None:
    assert int(rounded(np.array([count]))[0]) == shown


def test_an_hour_more_does_not_show_as_one_person_more() -> None:
    shorter, longer = (released(np.array([[count]])).values[0, 0] for count in (101, 102))
    assert shorter == longer
