"""Marks that lie close together are one."""

from __future__ import annotations

from community_flow.domain.marks import TOGETHER_MS, Mark, joined
from community_flow.domain.passages import report_key


def mark(subject: str, first_ms: int, last_ms: int, cause: str = "count") -> Mark:
    lo, hi = (report_key(t_ms, "d_aaaaaaaaaaaa", 1, 2) for t_ms in (first_ms, last_ms))
    return Mark(subject, lo, hi, cause)


def test_marks_of_one_subject_become_one_in_any_order() -> None:
    marks = [mark("a", 5, 6), mark("b", 1, 1), mark("a", 1, 2), mark("a", 3, 9)]
    assert joined(marks) == [mark("a", 1, 9), mark("b", 1, 1)]
    assert sorted(joined(reversed(marks)), key=str) == sorted(joined(marks), key=str)


def test_an_old_mark_and_a_new_one_stay_apart() -> None:
    marks = [mark("a", 1, 1), mark("a", TOGETHER_MS, TOGETHER_MS)]
    assert joined(marks) == marks


def test_marks_of_different_causes_stay_apart() -> None:
    marks = [mark("a", 1, 1), mark("a", 1, 1, "correction")]
    assert joined(marks) == marks
