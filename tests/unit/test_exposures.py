"""The contact search against every pair looked at one by one."""

from __future__ import annotations

import gzip
import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from community_flow.domain.contacts import (
    Exposure,
    expected_ms,
    exposures_of,
    pair_scores,
    ranked,
    told_apart,
    typical_stays,
    zone_sizes,
)
from community_flow.domain.exposures import COLUMNS, Index, Overlaps, Visits, duration_class, no_visits

MINUTE = 60_000
HOUR = 60 * MINUTE
CONTACTS = Path(os.environ.get("FLOW_SHARED_DATA", "../shared/data")) / "contacts" / "workplace_InVS15_tij.dat.gz"

Row = tuple[int, int, int, int, int, int]


def visits_of(rows: list[Row]) -> Visits:
    """Rows (person, zone, entered, certain, possible, certainty)."""
    return Visits(*np.array(rows, np.int64).reshape(-1, 6).T.copy()) if rows else no_visits()


def rows_of(visits: Visits) -> list[Row]:
    return list(zip(*(getattr(visits, name).tolist() for name in COLUMNS), strict=True))


def brute_force(probes: Visits, visits: Visits, least: int) -> Counter[tuple[Row, Row, int, int, int]]:
    """Every pair of rows: (probe, visit, start, certain, possible)."""
    found: Counter[tuple[Row, Row, int, int, int]] = Counter()
    for probe in rows_of(probes):
        for visit in rows_of(visits):
            start = max(probe[2], visit[2])
            possible = min(probe[4], visit[4]) - start
            certain = max(min(probe[3], visit[3]) - start, 0)
            if probe[1] == visit[1] and probe[0] != visit[0] and possible >= least:
                found[probe, visit, start, certain, possible] += 1
    return found


def answered(probes: Visits, index: Index, found: Overlaps) -> Counter[tuple[Row, Row, int, int, int]]:
    left, right = rows_of(probes), rows_of(index.visits)
    columns = (found.probe, found.visit, found.from_ms, found.certain_ms, found.possible_ms)
    return Counter((left[p], right[v], s, c, o) for p, v, s, c, o in zip(*(x.tolist() for x in columns), strict=True))


@st.composite
def a_visit(draw: st.DrawFn) -> Row:
    entered = draw(st.integers(0, 40)) * 5 * MINUTE
    known = draw(st.sampled_from([0, 1, 5, 15, 29, 30, 60, 125, 300, 1500])) * MINUTE
    slack = draw(st.sampled_from([0, 0, 0, 1, 30, 240, 3000])) * MINUTE
    certainty = 0 if slack == 0 else 1 if slack <= 4 * HOUR else 2
    return (
        draw(st.integers(0, 4)),
        draw(st.integers(0, 2)),
        entered,
        entered + known,
        entered + known + slack,
        certainty,
    )


@given(
    st.lists(a_visit(), max_size=25),
    st.lists(a_visit(), max_size=6),
    st.sampled_from([0, 1, 5 * MINUTE, 15 * MINUTE, HOUR]),
)
@settings(max_examples=400, deadline=None)
@example([(1, 0, 0, 10, 10, 0)], [(2, 0, 10, 20, 20, 0)], 0)  # touching ends meet when no length is asked
@example([(1, 0, 0, 0, 0, 0)], [(2, 0, 0, 0, 0, 0)], 0)  # two visits without length at the same moment
def test_the_search_finds_exactly_what_looking_at_every_pair_finds(
    visits: list[Row], probes: list[Row], least: int
) -> None:
    index, asked = Index(visits_of(visits)), visits_of(probes)
    found = index.search(asked, least, engine="numpy")
    assert answered(asked, index, found) == brute_force(asked, visits_of(visits), least)


def test_the_compiled_search_gives_the_same_rows_in_the_same_order() -> None:
    rng = np.random.default_rng(5)
    entered = rng.integers(0, 14 * 24 * HOUR, 5000)
    known = rng.exponential(HOUR, 5000).astype(np.int64)
    slack = np.where(rng.random(5000) < 0.1, rng.integers(0, 49 * HOUR, 5000), 0)
    visits = Visits(
        rng.integers(0, 300, 5000),
        rng.integers(0, 20, 5000),
        entered,
        entered + known,
        entered + known + slack,
        (slack > 0) * 1,
    )
    index, probes = Index(visits), visits.take(visits.person < 10)
    plain, compiled = (index.search(probes, 15 * MINUTE, engine=engine) for engine in ("numpy", "numba"))
    assert len(plain) > 500
    for name in ("probe", "visit", "from_ms", "certain_ms", "possible_ms", "certainty"):
        assert np.array_equal(getattr(plain, name), getattr(compiled, name)), name


def test_duration_classes_begin_at_their_edges() -> None:
    minutes = np.array([0, 14, 15, 29, 30, 60, 120, 240, 480, 1439, 1440, 10_000])
    assert duration_class(minutes * MINUTE).tolist() == [0, 0, 1, 1, 2, 3, 4, 5, 6, 6, 7, 7]


@pytest.mark.parametrize(
    ("certain_end", "possible_end", "kind", "expected"),
    [
        (60, 60, 0, (0, 30, 30)),  # exit seen: all of it is certain
        (40, 60, 1, (1, 10, 30)),  # ten minutes certain, the rest only likely
        (50, 60, 1, (0, 20, 30)),  # the least overlap is reached by what is certain
        (20, 600, 2, (2, 0, 60)),  # last seen before the other came
    ],
)
def test_an_overlap_says_what_is_certain_and_what_is_only_possible(
    certain_end: int, possible_end: int, kind: int, expected: tuple[int, int, int]
) -> None:
    index = Index(visits_of([(1, 0, 0, certain_end * MINUTE, possible_end * MINUTE, kind)]))
    found = index.search(visits_of([(2, 0, 30 * MINUTE, 90 * MINUTE, 90 * MINUTE, 0)]), 15 * MINUTE)
    assert (found.certainty[0], found.certain_ms[0] // MINUTE, found.possible_ms[0] // MINUTE) == expected


def test_clipping_keeps_the_bounds_in_order() -> None:
    visits = visits_of([(1, 0, 0, 10, 100, 2), (1, 0, 50, 60, 60, 0), (1, 0, 0, 5, 20, 1)])
    assert rows_of(visits.clipped(20, 55)) == [(1, 0, 20, 20, 55, 2), (1, 0, 50, 55, 55, 0)]


def test_a_minute_in_a_small_room_outranks_a_minute_in_a_crowd() -> None:
    small = Exposure(0, 0, 30 * MINUTE, 30 * MINUTE, "seen", 2.0)
    crowd = Exposure(1, 0, 30 * MINUTE, 30 * MINUTE, "seen", 31.0)
    assert [contact.person for contact in ranked({1: [crowd], 2: [small]})] == [2, 1]
    assert ranked({1: [crowd], 2: [small]}, top=1)[0].score == pytest.approx(30)
    assert (ranked({2: [small]})[0].level, ranked({1: [crowd]})[0].level) == ("medium", "low")


@given(
    st.tuples(st.integers(0, 60), st.integers(0, 40), st.integers(0, 200)),
    st.tuples(st.integers(0, 60), st.integers(0, 40), st.integers(0, 200)),
    st.sampled_from([5.0, 45.0, 400.0]),
)
@settings(max_examples=150, deadline=None)
def test_the_expected_time_together_is_the_integral_of_both_still_being_there(
    one: tuple[int, int, int], other: tuple[int, int, int], stay: float
) -> None:
    rows = [(n, 0, e * MINUTE, (e + k) * MINUTE, (e + k + s) * MINUTE, 2) for n, (e, k, s) in enumerate((one, other))]
    index, probes = Index(visits_of(rows[:1])), visits_of(rows[1:])
    found = index.search(probes, MINUTE)
    if not len(found):
        return
    t = np.arange(max(one[0], other[0]), min(sum(one), sum(other)), 0.01) + 0.005
    there = [np.where(t <= e + k, 1, np.exp(-(t - e - k) / stay)) for e, k, _ in (one, other)]
    expected = expected_ms(found, probes, index.visits, {0: stay * MINUTE})[0] / MINUTE
    assert expected == pytest.approx((there[0] * there[1]).sum() * 0.01, abs=0.05)
    assert found.certain_ms[0] <= expected * MINUTE + 1 <= found.possible_ms[0] + 2


def test_a_short_typical_stay_beside_a_long_seen_one_does_not_overflow() -> None:
    index = Index(visits_of([(1, 0, 0, 50 * MINUTE, 50 * MINUTE, 0)]))
    probes = visits_of([(2, 0, 0, 5000 * MINUTE, 6000 * MINUTE, 2)])
    found = index.search(probes, MINUTE)
    assert expected_ms(found, probes, index.visits, {0: 1.0 * MINUTE}).tolist() == [50 * MINUTE]


def test_where_no_stay_is_typical_half_of_the_open_time_is_expected() -> None:
    index, probes = Index(visits_of([(1, 0, 0, 10, 110, 2)])), visits_of([(2, 0, 0, 200, 200, 0)])
    assert expected_ms(index.search(probes, 1), probes, index.visits, {}).tolist() == [60]


def test_a_typical_stay_is_the_mean_of_enough_seen_ones() -> None:
    few: list[Row] = [(n, 0, 0, 10, 10, 0) for n in range(19)]
    assert typical_stays(visits_of(few), {0: 45.0, 1: 45.0}) == {0: 45.0, 1: 45.0}
    unseen: list[Row] = [(99, 0, 0, 1, 999, 2)] * 30
    assert typical_stays(visits_of([*few, (20, 0, 0, 30, 30, 0), *unseen]), {0: 45.0}) == {0: pytest.approx(11)}


def test_a_minute_that_is_only_possible_counts_half() -> None:
    assert Exposure(0, 0, 0, 60 * MINUTE, "possible", 2.0).weight == pytest.approx(30)


def test_time_in_a_room_inside_a_hall_counts_once_at_the_room() -> None:
    hall = Exposure(1, 0, 100, 120, "likely", 50.0)
    room = Exposure(2, 40, 20, 20, "seen", 3.0)
    parts = [(each.zone, each.from_ms, each.certain_ms, each.possible_ms) for each in told_apart([hall, room])]
    assert parts == [(1, 0, 40, 40), (2, 40, 20, 20), (1, 60, 40, 60)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 30), st.integers(0, 30)), max_size=8))
@settings(max_examples=200, deadline=None)
def test_told_apart_exposures_cover_the_same_moments_once(rows: list[tuple[int, int, int, int]]) -> None:
    given_rows = [Exposure(z, s, c, c + p, "seen", 2.0 + z) for z, s, c, p in rows]
    moments = {t for each in given_rows for t in range(each.from_ms, each.until_ms)}
    parts = told_apart(given_rows)
    assert sum(each.possible_ms for each in parts) == len(moments)
    assert moments == {t for each in parts for t in range(each.from_ms, each.until_ms)}
    assert all(0 <= each.certain_ms <= each.possible_ms for each in parts)


def test_the_size_of_a_place_is_how_many_are_there_at_once() -> None:
    rows: list[Row] = [(p, 7, 0, HOUR, HOUR, 0) for p in range(10)] + [
        (1, 8, 0, HOUR, HOUR, 0),
        (2, 8, 5 * HOUR, 6 * HOUR, 6 * HOUR, 0),
    ]
    assert zone_sizes(visits_of(rows)) == {7: pytest.approx(10), 8: 2.0}


def test_scores_of_many_index_persons_agree_with_the_ranked_list_of_each() -> None:
    rng = np.random.default_rng(11)
    entered = rng.integers(0, 24 * HOUR, 400)
    left = entered + rng.integers(1, 3 * HOUR, 400)
    # one zone a person at a time: nothing is nested, so nothing is cut
    visits = Visits(np.arange(400) % 80, rng.integers(0, 4, 400), entered, left, left, np.zeros(400, np.int64))
    index, sizes = Index(visits), zone_sizes(visits)
    for person in range(5):
        probes = visits.take(visits.person == person)
        found = index.search(probes, 10 * MINUTE)
        _, contacts, scores = pair_scores(probes, found, index.visits, sizes)
        total = {p: sum(e.weight for e in each) for p, each in exposures_of(found, index.visits, sizes).items()}
        assert dict(zip(contacts.tolist(), scores.tolist(), strict=True)) == pytest.approx(total)


@pytest.mark.shared_data
def test_face_to_face_contacts_of_an_office_are_found_to_the_second() -> None:
    """SocioPatterns InVS15: runs of 20-second slots become visits of both to a place of their own; sums must agree."""
    if not CONTACTS.exists():
        pytest.skip(f"{CONTACTS} is not here: set FLOW_SHARED_DATA")
    slots: dict[tuple[int, int], list[int]] = defaultdict(list)
    with gzip.open(CONTACTS, "rt") as lines:
        for line in lines:
            t, i, j = map(int, line.split())
            slots[min(i, j), max(i, j)].append(t)
    rows: list[Row] = []
    for zone, ((i, j), times) in enumerate(sorted(slots.items())):
        for start, end in runs(sorted(times)):
            rows += [(who, zone, start * 1000, end * 1000, end * 1000, 0) for who in (i, j)]
    index = Index(visits_of(rows))
    met: Counter[tuple[int, int]] = Counter()
    found = index.search(index.visits, 20_000)
    people = index.visits.person
    for probe, visit, length in zip(found.probe.tolist(), found.visit.tolist(), found.certain_ms.tolist(), strict=True):
        met[int(people[probe]), int(people[visit])] += length
    expected = {pair: 20_000 * len(times) for pair, times in slots.items()}
    assert {pair: total for pair, total in met.items() if pair[0] < pair[1]} == expected
    assert all(met[j, i] == total for (i, j), total in expected.items())


def runs(times: list[int]) -> list[tuple[int, int]]:
    """(start, end) of stretches of consecutive 20-second slots."""
    found: list[tuple[int, int]] = []
    for t in times:
        if found and found[-1][1] == t:
            found[-1] = (found[-1][0], t + 20)
        else:
            found.append((t, t + 20))
    return found
