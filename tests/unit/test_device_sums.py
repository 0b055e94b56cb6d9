"""Sums between two statuses, whichever of raw counts and aggregates arrived."""

from __future__ import annotations

from typing import Any

import pytest

from community_flow.domain.device_sums import Aggregate, Arrived, arrived_between, differences


def counts(*seqs: int, direction: str = "in", gate: str = "east") -> list[Arrived]:
    return [Arrived(seq, "count", gate, direction, 1) for seq in seqs]


MINUTE = Aggregate("east", "in", 5, 3, 9)


@pytest.mark.parametrize(
    ("after", "before", "reports", "aggregates", "found"),
    [
        (0, 20, counts(3, 4, 5, 8, 9), [], {"in": 5}),  # raw counts alone
        (0, 20, [], [MINUTE], {"in": 5}),  # their sum alone
        (0, 20, counts(3, 4, 5, 8, 9), [MINUTE], {"in": 5}),  # both: the raw ones were answered, the answer was lost
        (0, 20, counts(4, 9), [MINUTE], {"in": 5}),  # some of the raw ones had come
        (0, 20, counts(4, 12), [MINUTE], {"in": 6}),  # and one beyond the sum
        (0, 20, counts(4, direction="out"), [MINUTE], {"in": 5, "out": 1}),  # the other direction between them
        (0, 20, counts(4, gate="west"), [MINUTE], {"in": 6}),  # another gate between them
        (5, 20, counts(3, 4, 5), [MINUTE], {"in": 2}),  # three had come before the first status
        (9, 20, counts(12), [MINUTE], {"in": 1}),  # the sum tells nothing that was not known at the first status
        (0, 6, counts(3), [MINUTE], None),  # it lies across the second status: how much belongs before?
        (0, 5, [*counts(3, 5), Arrived(4, "scan", "east", "in", None)], [], {"in": 1, "scans": 1}),  # 5 is the status
    ],
)
def test_sums_between_two_statuses(
    after: int, before: int, reports: list[Arrived], aggregates: list[Aggregate], found: dict[str, int] | None
) -> None:
    sums = arrived_between(after, before, reports, aggregates)
    assert (None if sums is None else {name: n for name, n in sums.items() if n}) == found


def test_only_what_a_device_tells_is_compared() -> None:
    told: dict[str, Any] = {"in": 12, "out": 4, "rain": 7}
    assert differences(told, {"in": 10, "out": 3}, {"in": 2, "out": 1, "scans": 9}, {}) == {}
    assert differences(told, {"in": 10, "out": 3}, {"in": 1, "out": 3}, {}) == {"in": 1, "out": -2}
    assert differences(told, {"in": 10, "out": 4}, {"in": 2}, {"out": 3}) == {"out": 3}
