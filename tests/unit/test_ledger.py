"""Counted bodies against passages, case by case."""

from __future__ import annotations

import pytest

from community_flow.domain.ledger import Count, Party, Unmatched, reconcile
from community_flow.domain.passages import report_key

S = 1_000


def body(t_s: float, n: int = 1, from_s: float | None = None) -> Count:
    t_ms = int(t_s * S) + 100 * S
    from_ms = None if from_s is None else int(from_s * S) + 100 * S
    return Count(report_key(t_ms, "d_cccccccccccc", 1, 1), t_ms, f"count@{t_s:g}", n, from_ms)


def party(t_s: float, n: int = 1, watched: bool = True) -> Party:
    t_ms = int(t_s * S) + 100 * S
    return Party(report_key(t_ms, "d_aaaaaaaaaaaa", 1, 1), t_ms, f"passage@{t_s:g}", n, watched)


def told(found: list[Unmatched]) -> list[str]:
    return [f"{each.kind} {each.n} {each.source}" for each in found]


CASES: list[tuple[str, list[Count], list[Party], list[str]]] = [
    ("one body, one passage", [body(0)], [party(3)], []),
    ("ten seconds apart is still one crossing", [body(0)], [party(10)], []),
    ("a moment more is not", [body(0)], [party(10.001)], ["surplus 1 count@0", "turned_back 1 passage@10.001"]),
    ("the passage may come first", [body(10)], [party(0)], []),
    ("a body behind somebody with a pass", [body(0), body(1)], [party(0)], ["surplus 1 count@1"]),
    ("two bodies in one count, one pass", [body(0, 2)], [party(0)], ["surplus 1 count@0"]),
    ("a companion was entered with +1", [body(0), body(1)], [party(0, 2)], []),
    ("scanned and turned back", [], [party(0)], ["turned_back 1 passage@0"]),
    ("nobody counts here, so nobody was turned back", [], [party(0, watched=False)], []),
    (
        "oldest with oldest: the first body is too early for the pass",
        [body(0), body(15)],
        [party(12)],
        ["surplus 1 count@0"],
    ),
    ("a party partly seen", [body(0, 1)], [party(0, 3)], ["turned_back 2 passage@0"]),
    ("a count of nobody", [body(0, 0)], [], []),
    # Aggregates: by sums, after the single crossings have found their partners.
    ("an aggregate takes the passages in its window", [body(60, 3, 0)], [party(5), party(30)], ["surplus 1 count@60"]),
    ("its window is ten seconds wider", [body(60, 2, 0)], [party(-10), party(70)], []),
    ("but no more", [body(60, 1, 0)], [party(-11)], ["turned_back 1 passage@-11", "surplus 1 count@60"]),
    ("what a single crossing matched is taken", [body(5), body(60, 1, 0)], [party(5)], ["surplus 1 count@60"]),
    (
        "two aggregates share what is there",
        [body(60, 1, 0), body(90, 2, 30)],
        [party(40), party(41)],
        ["surplus 1 count@90"],
    ),
]


@pytest.mark.parametrize(("name", "counts", "parties", "expected"), CASES, ids=[case[0] for case in CASES])
def test_reconcile(name: str, counts: list[Count], parties: list[Party], expected: list[str]) -> None:
    assert told(reconcile(counts, parties).unmatched) == expected
