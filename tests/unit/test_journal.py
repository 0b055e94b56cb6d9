"""The registry as it was at any moment."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from community_flow.domain.journal import Entry, Journal
from community_flow.domain.places import Household


def entry(number: int, valid_from_ms: int, unit: str | None, entity: str = "h_1") -> Entry:
    return Entry(number, "garden", "household", entity, valid_from_ms, None if unit is None else {"unit": unit})


def unit_at(journal: Journal, t_ms: int) -> str | None:
    state: Household | None = journal.at("household", "h_1", t_ms)
    return None if state is None else state.unit


def test_before_the_first_row_there_is_nothing() -> None:
    assert unit_at(Journal("garden", [entry(1, 100, "1-1")]), 99) is None


def test_a_row_holds_from_its_own_moment_on() -> None:
    assert unit_at(Journal("garden", [entry(1, 100, "1-1")]), 100) == "1-1"


def test_a_row_dated_in_the_past_changes_only_its_span() -> None:
    journal = Journal("garden", [entry(1, 100, "1-1"), entry(2, 300, "1-3")]).with_entries([entry(3, 200, "1-2")])
    assert [unit_at(journal, t) for t in (150, 250, 350)] == ["1-1", "1-2", "1-3"]


def test_of_two_rows_for_one_moment_the_later_written_holds() -> None:
    assert unit_at(Journal("garden", [entry(7, 100, "new"), entry(3, 100, "old")]), 100) == "new"


def test_an_ended_thing_is_gone_and_may_come_back() -> None:
    journal = Journal("garden", [entry(1, 100, "1-1"), entry(2, 200, None), entry(3, 300, "1-1")])
    assert [unit_at(journal, t) for t in (150, 250, 350)] == ["1-1", None, "1-1"]


def test_next_change_is_the_end_of_a_span() -> None:
    journal = Journal("garden", [entry(1, 100, "a"), entry(2, 200, "b")])
    timeline = journal.timeline("household", "h_1")
    assert [timeline.next_change_ms(t) for t in (50, 100, 200)] == [100, 200, None]


@given(st.lists(st.tuples(st.integers(0, 50), st.one_of(st.none(), st.sampled_from("abc"))), max_size=12), st.randoms())
def test_order_of_reading_never_matters(rows: list[tuple[int, str | None]], shuffle: random.Random) -> None:
    entries = [entry(number, t, unit) for number, (t, unit) in enumerate(rows)]
    shuffled = list(entries)
    shuffle.shuffle(shuffled)
    one, other = Journal("garden", entries), Journal("garden", shuffled)
    for t in range(-1, 52):
        assert unit_at(one, t) == unit_at(other, t) == obvious(entries, t)


def obvious(entries: list[Entry], t_ms: int) -> Any:
    """The definition, word by word."""
    begun = [each for each in entries if each.valid_from_ms <= t_ms]
    if not begun:
        return None
    last = max(begun, key=lambda each: (each.valid_from_ms, each.number))
    return None if last.data is None else last.data["unit"]
