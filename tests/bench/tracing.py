"""Contacts of one person and of 1,000: sorted arrays against a plain SQL join over the same visits.

python -m tests.bench.tracing [--json] [--quick] [--visits N]

The peer is SQLite in memory with a covering index on (zone, entered_ms, …) and the overlap written as two comparisons,
as one would write it at first. Both sides answer the same question (overlap of 15 minutes or more) and must find the
same pairs.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Literal

import numpy as np

from community_flow.domain.contacts import pair_scores, zone_sizes
from community_flow.domain.exposures import MINUTE_MS, Engine, Index, Ints, Visits

HOUR_MS, DAY_MS = 60 * MINUTE_MS, 24 * 60 * MINUTE_MS
LEAST_MS = 15 * MINUTE_MS
PER_PERSON = 55
LEFT_RIGHT: tuple[Literal["left"], Literal["right"]] = ("left", "right")
ONE_BAR, MANY_BAR = 5.0, 8.0
"""How many times faster than the plain join the arrays have to be."""


def invented(visits: int, seed: int = 11) -> Visits:
    """14 days; one zone per 11,000 visits; one exit in fifty forgotten, for two days at the most."""
    rng = np.random.default_rng(seed)
    people, zones = max(1001, visits // PER_PERSON), max(27, visits // 11_000)
    entered = rng.integers(0, 14 * DAY_MS, visits)
    known = np.minimum(rng.lognormal(np.log(25 * MINUTE_MS), 1.0, visits), 12 * HOUR_MS).astype(np.int64)
    slack = np.where(rng.random(visits) < 0.02, rng.integers(0, 49 * HOUR_MS, visits), 0)
    certain = entered + known
    certainty = np.where(slack == 0, 0, np.where(slack <= 4 * HOUR_MS, 1, 2))
    return Visits(
        rng.integers(0, people, visits), rng.integers(0, zones, visits), entered, certain, certain + slack, certainty
    )


def plain_sql(visits: Visits) -> sqlite3.Connection:
    """The same visits in a table, with the index one would make."""
    store = sqlite3.connect(":memory:")
    store.execute("CREATE TABLE visits (person INTEGER, zone INTEGER, entered_ms INTEGER, left_ms INTEGER)")
    columns = (visits.person, visits.zone, visits.entered_ms, visits.possible_ms)
    store.executemany("INSERT INTO visits VALUES (?, ?, ?, ?)", zip(*(each.tolist() for each in columns), strict=True))
    store.execute("CREATE INDEX by_zone ON visits (zone, entered_ms, left_ms, person)")
    store.execute("CREATE INDEX by_person ON visits (person)")
    store.execute("CREATE TABLE asked (person INTEGER PRIMARY KEY)")
    store.execute("ANALYZE")
    return store


JOIN = """
SELECT count(*) FROM asked CROSS JOIN visits a ON a.person = asked.person CROSS JOIN visits b ON b.zone = a.zone
WHERE b.entered_ms <= a.left_ms - :least AND b.left_ms >= a.entered_ms + :least AND b.person <> a.person
  AND min(a.left_ms, b.left_ms) - max(a.entered_ms, b.entered_ms) >= :least
"""


def joined(store: sqlite3.Connection, people: Ints) -> int:
    store.execute("DELETE FROM asked")
    store.executemany("INSERT INTO asked VALUES (?)", [(each,) for each in people.tolist()])
    found: int = store.execute(JOIN, {"least": LEAST_MS}).fetchone()[0]
    return found


def of_people(by_person: Visits, people: Ints) -> Visits:
    """Rows of some people; ``by_person`` is sorted by person, as SQL has an index on it."""
    low, high = (np.searchsorted(by_person.person, people, side=side) for side in LEFT_RIGHT)
    return by_person.take(np.concatenate([np.arange(a, b) for a, b in zip(low, high, strict=True)]))


def searched(index: Index, by_person: Visits, people: Ints, engine: Engine) -> int:
    return len(index.search(of_people(by_person, people), LEAST_MS, engine))


def ranked_contacts(index: Index, by_person: Visits, sizes: dict[int, float], people: Ints) -> int:
    """What a user waits for: search and rank."""
    probes = of_people(by_person, people)
    overlaps = index.search(probes, LEAST_MS)
    return len(pair_scores(probes, overlaps, index.visits, sizes)[0])


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def measured(size: int) -> dict[str, dict[str, Any]]:
    """Figures in CPU time: the machine is shared."""
    visits = invented(size)
    visits = visits.take(np.argsort(visits.person, kind="stable"))
    build_s, index = timed(lambda: Index(visits))
    sizes = zone_sizes(visits)
    store = plain_sql(visits)
    many = np.arange(1000)
    people = [np.array([each]) for each in random.Random(3).sample(range(1000), 15)]
    one_sql = median(timed(lambda each=each: joined(store, each))[0] for each in people)  # type: ignore[misc]
    one = median(timed(lambda each=each: searched(index, visits, each, "numpy"))[0] for each in people)  # type: ignore[misc]
    many_sql, expected = timed(lambda: joined(store, many))
    many_s, found = timed(lambda: searched(index, visits, many, "numpy"))
    searched(index, visits, people[0], "numba")  # compiles
    compiled_s, compiled = timed(lambda: searched(index, visits, many, "numba"))
    ranked_s, pairs = timed(lambda: ranked_contacts(index, visits, sizes, many))
    if not found == compiled == expected:
        raise SystemExit(f"the engines disagree: {found} by NumPy, {compiled} by numba, {expected} by SQL")
    return {
        "visits": figure(len(visits), "rows"),
        "index_build": figure(round(build_s, 2), "s"),
        "pairs_found": figure(expected, "overlaps"),
        "contacts_ranked": figure(pairs, "pairs of persons"),
        "one_person": figure(round(one * 1000, 2), "ms", ONE_BAR, round(one_sql * 1000, 2), one_sql / one),
        "thousand_persons": figure(round(many_s, 2), "s", MANY_BAR, round(many_sql, 2), many_sql / many_s),
        "thousand_persons_numba": figure(
            round(compiled_s, 2), "s", MANY_BAR, round(many_sql, 2), many_sql / compiled_s
        ),
        "thousand_persons_ranked": figure(round(ranked_s, 2), "s"),
    }


def figure(
    value: float, unit: str, bar: float | None = None, peer: float | None = None, ratio: float | None = None
) -> dict[str, Any]:
    """``bar`` is how many times faster than the ``peer`` it must be."""
    holds = None if bar is None or ratio is None else bool(ratio >= bar)
    return {"value": value, "unit": unit, "bar": bar, "peer": peer, "ratio": ratio and round(ratio, 1), "holds": holds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="300,000 visits")
    parser.add_argument("--visits", type=int, default=2_000_000)
    asked = parser.parse_args()
    figures = measured(300_000 if asked.quick else asked.visits)
    if asked.json:
        print(json.dumps(figures))
        return
    print(f"{'figure':<26}{'value':>12}  {'unit':<18}{'plain SQL':>10}{'times':>8}  holds")
    for name, each in figures.items():
        peer, ratio = ("" if each[key] is None else each[key] for key in ("peer", "ratio"))
        print(f"{name:<26}{each['value']:>12}  {each['unit']:<18}{peer:>10}{ratio:>8}  {each['holds'] or ''}")


if __name__ == "__main__":
    main()
