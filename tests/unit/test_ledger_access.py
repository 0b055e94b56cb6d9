"""What the ledger's fold changes is seen before it is written, and written once."""

from __future__ import annotations

from typing import Any

from community_flow.domain.ledger import SURPLUS, Unmatched
from community_flow.domain.passages import report_key
from community_flow.domain.spans import joined
from community_flow.ports.flow import Changed, LedgerRow, Side, StateRow
from community_flow.services.ledger_access import LedgerAccess
from tests.fakes_fold_store import MemoryFoldStore

T = 1_795_420_800_000
SIDE: Side = ("west", "in")
SPAN = (T, T + 10_000)


def entry(n: int = 1, at_ms: int = T + 5_000) -> LedgerRow:
    return LedgerRow(
        *SIDE, Unmatched(report_key(at_ms, "d_cccccccccccc", 1, at_ms % 1_000), SURPLUS, at_ms, None, n, "s")
    )


def access_to(store: MemoryFoldStore) -> LedgerAccess:
    reports: Any = store
    rows: Any = store
    tx: Any = None
    access = LedgerAccess(reports, rows, tx, Changed("garden"))
    access.read_ahead({SIDE: [SPAN]})
    return access


def test_a_change_is_seen_by_the_next_and_written_at_the_end() -> None:
    store = MemoryFoldStore()
    access = access_to(store)
    access.change_ledger(SIDE, [], [entry()])
    access.change_states(SIDE, [], [StateRow(*SIDE, T, "a")])
    assert (access.ledger(SIDE, SPAN), access.states(SIDE, SPAN)) == ([entry()], {T: "a"})
    assert (store.ledger_, store.states_) == ({}, {})
    access.write()
    assert (list(store.ledger_.values()), store.states_) == ([entry()], {(*SIDE, T): "a"})
    assert access.changed.ledger_added == [entry()]


def test_what_is_taken_back_before_it_is_written_never_was() -> None:
    store = MemoryFoldStore()
    access = access_to(store)
    access.change_ledger(SIDE, [], [entry(1)])
    access.change_ledger(SIDE, [entry(1)], [entry(2)])
    access.change_ledger(SIDE, [entry(2)], [])
    access.write()
    assert (access.ledger(SIDE, SPAN), store.ledger_, access.changed) == ([], {}, Changed("garden"))


def test_what_was_there_and_comes_back_is_left_alone() -> None:
    store = MemoryFoldStore()
    first = access_to(store)
    first.change_ledger(SIDE, [], [entry(1)])
    first.write()
    second = access_to(store)
    second.change_ledger(SIDE, [entry(1)], [entry(2)])
    assert second.ledger(SIDE, SPAN) == [entry(2)]
    second.change_ledger(SIDE, [entry(2)], [entry(1)])
    second.write()
    assert (list(store.ledger_.values()), second.changed) == ([entry(1)], Changed("garden"))


def test_beyond_what_was_read_the_store_is_asked_with_what_was_changed() -> None:
    access = access_to(MemoryFoldStore())
    far = entry(at_ms=T + 900_000)
    access.change_ledger(SIDE, [], [far])
    assert access.ledger(SIDE, (T, T + 1_000_000)) == [far]


def test_spans_that_meet_or_are_near_are_one() -> None:
    assert joined([(5, 9), (0, 3), (9, 12)]) == [(0, 3), (5, 12)]
    assert joined([(0, 3), (5, 9), (20, 21)], 2) == [(0, 9), (20, 21)]
