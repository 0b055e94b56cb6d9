"""Counts of many gates are read together; each gate still gets exactly its own."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from sqlalchemy import insert

from community_flow.adapters.sql.queries_fold_reports import SqlFoldReports
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.ports.flow import SideSpan
from community_flow.wiring.core import Core
from tests.fakes_flow import MORNING_MS, count, scan

READER = SqlFoldReports()
GATES = ("east", "north", "south", "west")
MINUTE_MS = 60_000


def day(rng: Random) -> list[dict[str, Any]]:
    """Counts, aggregates that replace some, and scans, of an hour."""
    rows: list[dict[str, Any]] = []
    for _ in range(400):
        at_ms = MORNING_MS + rng.randrange(60 * MINUTE_MS)
        gate, way = rng.choice(GATES), rng.choice(("in", "out"))
        kind = rng.random()
        if kind < 0.2:
            rows.append(scan(at_ms, "p_a", gate=gate, direction=way))
        elif kind < 0.3:
            window = {"from_ms": at_ms - rng.randrange(10 * MINUTE_MS)}
            body = {"replaces": {"boot": 1, "from": 1, "to": 3}} if rng.random() < 0.5 else None
            rows.append(count(at_ms, gate=gate, direction=way, body=body, **window))
        else:
            rows.append(count(at_ms, gate=gate, direction=way))
    return rows


def spans(rng: Random) -> list[SideSpan]:
    """Some that meet one another, of one side and of several, and some apart."""
    found = []
    for _ in range(rng.choice((1, 3, 12))):
        from_ms = MORNING_MS + rng.randrange(60 * MINUTE_MS)
        to_ms = from_ms + rng.choice((0, MINUTE_MS, 5 * MINUTE_MS))
        found.append(SideSpan(rng.choice(GATES), rng.choice(("in", "out")), from_ms, to_ms))
    return found


def within(row: dict[str, Any], asked: list[SideSpan]) -> bool:
    return any(
        (row["gate"], row["direction"]) == (each.gate, each.direction) and each.from_ms <= row["t_ms"] <= each.to_ms
        for each in asked
    )


def triple(row: dict[str, Any]) -> tuple[str, int, int]:
    return row["device"], row["boot"], row["seq"]


@pytest.mark.parametrize("seed", range(12))
def test_each_side_gets_the_counts_of_its_own_spans(core: Core, seed: int) -> None:
    rng = Random(seed)
    rows = day(rng)
    counts = [row for row in rows if row["kind"] == "count"]
    with core.db.write() as tx:
        tx.execute(insert(reports), rows)
    asked = spans(rng)
    with core.db.read() as tx:
        singles = READER.counts(tx, "garden", asked)
        replacing = READER.replacing(tx, "garden", asked)
        elsewhere = READER.counts(tx, "plaza", asked)
    single = [row for row in counts if row["from_ms"] is None and within(row, asked)]
    assert sorted((*side, *each.triple) for side, each in singles) == sorted(
        (row["gate"], row["direction"], *triple(row)) for row in single
    ), f"seed {seed}"
    wanted = [row for row in counts if row["body"] and "replaces" in json.loads(row["body"]) and within(row, asked)]
    assert sorted(each.by for each in replacing) == sorted(map(triple, wanted)), f"seed {seed}"
    assert elsewhere == []


@pytest.mark.parametrize("seed", range(4))
def test_sides_are_counted_where_a_count_lies_in_or_reaches_into_a_span(core: Core, seed: int) -> None:
    rng = Random(seed)
    rows = day(rng)
    with core.db.write() as tx:
        tx.execute(insert(reports), rows)
    asked = spans(rng)
    with core.db.read() as tx:
        found = READER.counted(tx, "garden", asked)
    counts = [row for row in rows if row["kind"] == "count"]
    assert found == {
        (each.gate, each.direction)
        for each in asked
        for row in counts
        if (row["gate"], row["direction"]) == (each.gate, each.direction)
        and row["t_ms"] >= each.from_ms
        and (row["t_ms"] if row["from_ms"] is None else row["from_ms"]) <= each.to_ms
    }, f"seed {seed}"


def test_the_first_and_the_last_report_are_of_either_kind(core: Core) -> None:
    def ends() -> tuple[int | None, int | None]:
        with core.db.read() as tx:
            return READER.oldest_ms(tx, "garden"), READER.newest_ms(tx, "garden")

    assert ends() == (None, None)
    for row, wanted in (
        (count(MORNING_MS), (0, 0)),
        (scan(MORNING_MS + 5, "p_a"), (0, 5)),
        (count(MORNING_MS + 9), (0, 9)),
        (scan(MORNING_MS - 3, "p_a"), (-3, 9)),
    ):
        with core.db.write() as tx:
            tx.execute(insert(reports), [row])
        assert ends() == (MORNING_MS + wanted[0], MORNING_MS + wanted[1])


def test_an_aggregate_is_found_however_long_it_counted(core: Core) -> None:
    """Also where the device's clock is wrong; what another gate counted for long changes nothing."""
    hours = [(1, "west"), (26, "west"), (0.5, "west"), (24 * 40, "north")]
    skews_ms = (0, -90_000, 240_000, 0)
    rows = [
        count(MORNING_MS, gate=gate, from_ms=int(MORNING_MS - hour * 60 * MINUTE_MS + skew_ms), skew_ms=skew_ms)
        for (hour, gate), skew_ms in zip(hours, skews_ms, strict=True)
    ]
    with core.db.write() as tx:
        tx.execute(insert(reports), rows)

    def reaching(before_min: float) -> list[int]:
        at_ms = int(MORNING_MS - before_min * MINUTE_MS)
        with core.db.read() as tx:
            found = READER.aggregates(tx, "garden", [SideSpan("west", "in", at_ms - 1_000, at_ms)])
        seqs = [row["seq"] for row in rows]
        return sorted(seqs.index(row.triple[2]) for _, row in found)

    assert [reaching(each) for each in (0, 30, 31, 60, 60.1, 26 * 60, 26 * 60 + 0.1)] == [
        [0, 1, 2], [0, 1, 2], [0, 1], [0, 1], [1], [1], [],
    ]  # fmt: skip
