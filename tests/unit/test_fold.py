"""Passages, visits and conflicts, case by case."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from community_flow.domain.fold import Folded, fold
from community_flow.domain.journal import Entry, Journal
from community_flow.domain.passages import Scan, key_at, key_t_ms, key_triple, report_key
from community_flow.domain.places import Community, Gate, Pass, Person, Zone
from community_flow.domain.rulebook import Rulebook
from community_flow.domain.visits import Visit, decoded, duration_class, encoded

SHANGHAI = ZoneInfo("Asia/Shanghai")
DEVICE = "d_aaaaaaaaaaaa"
LIN = "p_lin"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

ROWS: list[tuple[str, str, int, Any]] = [
    ("community", "garden", 0, Community(names={"en": "Garden"}, area="a")),
    ("zone", "compound", 0, Zone(names={"en": "Compound"}, kind="compound")),
    ("zone", "b1", 0, Zone(names={"en": "Building"}, kind="building", parent="compound")),
    ("zone", "home", 0, Zone(names={"en": "Home"}, kind="home", parent="b1")),
    ("zone", "clinic", 0, Zone(names={"en": "Clinic"}, kind="room", parent="compound")),
    ("zone", "market", 0, Zone(names={"en": "Market"}, kind="hall", parent="compound", closes_at="22:00")),
    ("gate", "east", 0, Gate(names={"en": "E"}, inner="compound", walk={"west": 120})),
    ("gate", "west", 0, Gate(names={"en": "W"}, inner="compound", exits="free")),
    ("gate", "b1-door", 0, Gate(names={"en": "B"}, inner="b1", outer="compound")),
    ("gate", "clinic-door", 0, Gate(names={"en": "K"}, inner="clinic", outer="compound")),
    ("gate", "market-door", 0, Gate(names={"en": "M"}, inner="market", outer="compound")),
]


def rules(*more: tuple[str, str, int, Any]) -> Rulebook:
    entries = [
        Entry(number, "garden", kind, entity, since, None if data is None else msgspec.to_builtins(data))
        for number, (kind, entity, since, data) in enumerate([*ROWS, *more], 1)
    ]
    return Rulebook(Journal("garden", entries))


def at(clock: str, day: int = 23) -> int:
    """A moment by Shanghai's clock on a day of November 2026."""
    moment = datetime.fromisoformat(f"2026-11-{day:02}T{clock}").replace(tzinfo=SHANGHAI)
    return int(moment.timestamp() * 1000)


def walk(*steps: tuple[str, str, str], book: Rulebook | None = None, day: int = 23) -> Folded:
    """Fold steps (clock, gate, direction) of one person; a "?" after the direction makes an attempt."""
    scans = [
        Scan(
            report_key(at(clock, day), DEVICE, 1, seq),
            at(clock, day),
            DEVICE,
            1,
            seq,
            gate,
            way.rstrip("?"),
            way[-1] != "?",
        )
        for seq, (clock, gate, way) in enumerate(steps)
    ]
    return fold(sorted(scans, key=lambda scan: scan.key), book or rules(), LIN)


def told(visits: list[Visit]) -> list[str]:
    """zone entered-left, or zone entered-[earliest, latest]."""

    def clock(ms: int | None) -> str:
        return "…" if ms is None else datetime.fromtimestamp(ms / 1000, SHANGHAI).strftime("%H:%M")

    return sorted(
        f"{visit.zone} {clock(visit.entered_ms)}-"
        + (
            clock(visit.left_ms)
            if visit.left_ms is not None
            else f"[{clock(visit.left_earliest_ms)}, {clock(visit.left_latest_ms)}]"
        )
        for visit in visits
    )


VISITS: list[tuple[str, list[tuple[str, str, str]], list[str]]] = [
    ("in and out", [("08:00", "east", "in"), ("09:00", "east", "out")], ["compound 08:00-09:00"]),
    ("still inside, and people live here", [("08:00", "east", "in")], ["compound 08:00-[08:00, …]"]),
    (
        "a door inside opens its zone; the compound goes on",
        [("08:00", "east", "in"), ("08:05", "clinic-door", "in"), ("08:30", "clinic-door", "out")],
        ["clinic 08:05-08:30", "compound 08:00-[08:30, …]"],
    ),
    (
        "entering a building from nowhere opens what it lies in",
        [("08:00", "b1-door", "in")],
        ["b1 08:00-[08:00, …]", "compound 08:00-[08:00, …]"],
    ),
    (
        "entering again ends the visit at the latest then, and what lay inside it",
        [("08:00", "east", "in"), ("08:10", "b1-door", "in"), ("12:00", "west", "in")],
        ["b1 08:10-[08:10, 12:00]", "compound 08:00-[08:10, 12:00]", "compound 12:00-[12:00, …]"],
    ),
    (
        "leaving the compound closes the building, whose exit nobody saw",
        [("08:00", "east", "in"), ("08:10", "b1-door", "in"), ("12:00", "east", "out")],
        ["b1 08:10-[08:10, 12:00]", "compound 08:00-12:00"],
    ),
    (
        "from one building to the next: the first exit was not seen",
        [("08:00", "b1-door", "in"), ("09:00", "clinic-door", "in")],
        ["b1 08:00-[08:00, 09:00]", "clinic 09:00-[09:00, 21:00]", "compound 08:00-[09:00, …]"],
    ),
    ("an exit from where one was not makes no visit", [("08:00", "east", "out"), ("09:00", "east", "out")], []),
    (
        "a public room is left after twelve hours",
        [("08:00", "clinic-door", "in")],
        ["clinic 08:00-[08:00, 20:00]", "compound 08:00-[08:00, …]"],
    ),
    (
        "or when it closes",
        [("18:00", "market-door", "in")],
        ["compound 18:00-[18:00, …]", "market 18:00-[18:00, 22:00]"],
    ),
    (
        "in after closing time: out by the next one or after twelve hours",
        [("23:00", "market-door", "in")],
        ["compound 23:00-[23:00, …]", "market 23:00-[23:00, 11:00]"],
    ),
    ("an attempt ends nothing", [("08:00", "east", "in"), ("09:00", "east", "out?")], ["compound 08:00-[08:00, …]"]),
    (
        "a gate nobody knows leads nowhere",
        [("08:00", "east", "in"), ("09:00", "ghost", "out")],
        ["compound 08:00-[08:00, …]"],
    ),
]


@pytest.mark.parametrize(("name", "steps", "expected"), VISITS, ids=[case[0] for case in VISITS])
def test_visits(name: str, steps: list[tuple[str, str, str]], expected: list[str]) -> None:
    assert told(walk(*steps).visits) == expected


REPEATS: list[tuple[str, list[tuple[str, str, str]], list[int]]] = [
    ("thirty seconds later it is the same passage", [("08:00:00", "east", "in"), ("08:00:30", "east", "in")], [2]),
    ("thirty-one are another", [("08:00:00", "east", "in"), ("08:00:31", "east", "in")], [1, 1]),
    (
        "the window counts from the first scan, it does not slide",
        [("08:00:00", "east", "in"), ("08:00:20", "east", "in"), ("08:00:40", "east", "in")],
        [2, 1],
    ),
    ("the other direction is another passage", [("08:00:00", "east", "in"), ("08:00:05", "east", "out")], [1, 1]),
    (
        "and ends the window of the first",
        [("08:00:00", "east", "in"), ("08:00:05", "east", "out"), ("08:00:10", "east", "in")],
        [1, 1, 1],
    ),
    (
        "another gate does so too",
        [("08:00:00", "east", "in"), ("08:00:05", "b1-door", "in"), ("08:00:10", "east", "in")],
        [1, 1, 1],
    ),
    (
        "an attempt does not",
        [("08:00:00", "east", "in"), ("08:00:05", "b1-door", "in?"), ("08:00:10", "east", "in")],
        [2],
    ),
]


@pytest.mark.parametrize(("name", "steps", "expected"), REPEATS, ids=[case[0] for case in REPEATS])
def test_repeats(name: str, steps: list[tuple[str, str, str]], expected: list[int]) -> None:
    assert [len(passage.evidence) for passage in walk(*steps).passages] == expected


CONFLICTS: list[tuple[str, list[tuple[str, str, str]], list[str]]] = [
    ("before the first passage nothing is known", [("08:00", "clinic-door", "out")], []),
    (
        "in twice where every exit is scanned",
        [("08:00", "clinic-door", "in"), ("09:00", "clinic-door", "in")],
        ["passback"],
    ),
    ("in twice where an exit is free says nothing", [("08:00", "east", "in"), ("09:00", "east", "in")], []),
    ("out of a room one never entered", [("08:00", "east", "in"), ("09:00", "clinic-door", "out")], ["unseen_entry"]),
    (
        "into a building while outside the compound",
        [("08:00", "east", "out"), ("09:00", "b1-door", "in")],
        ["unseen_entry"],
    ),
    ("from gate to gate in two minutes", [("08:00", "east", "in"), ("08:02", "west", "out")], []),
    ("in less", [("08:00:00", "east", "in"), ("08:01:59", "west", "out")], ["impossible_travel"]),
    (
        "counted from the last evidence, not from the first",
        [("08:00:00", "east", "in"), ("08:00:30", "east", "in"), ("08:02:10", "west", "out")],
        ["impossible_travel"],
    ),
    ("no walking time, no judgement", [("08:00:00", "east", "in"), ("08:00:01", "b1-door", "in")], []),
]


@pytest.mark.parametrize(("name", "steps", "expected"), CONFLICTS, ids=[case[0] for case in CONFLICTS])
def test_conflicts(name: str, steps: list[tuple[str, str, str]], expected: list[str]) -> None:
    assert [conflict.kind for conflict in walk(*steps).conflicts] == expected


def test_a_conflict_is_named_after_its_scans_alone() -> None:
    twice = walk(("08:00", "clinic-door", "in"), ("09:00", "clinic-door", "in")).conflicts[0]
    later = walk(
        ("08:00", "clinic-door", "in"), ("09:00", "clinic-door", "in"), ("09:30", "clinic-door", "out")
    ).conflicts[0]
    assert twice.id == later.id
    assert twice.evidence == ((DEVICE, 1, 0), (DEVICE, 1, 1))


def test_the_party_is_the_largest_reported_and_one_of_them_has_the_visit() -> None:
    key = report_key
    scans = [
        Scan(key(at("08:00") + n, DEVICE, 1, n), at("08:00") + n, DEVICE, 1, n, "east", "in", True, party=n + 1)
        for n in range(3)
    ]
    passage = fold(scans, rules(), LIN).passages[0]
    assert (passage.party, passage.unnamed) == (3, 2)
    nobody = fold(scans[:1], rules(), "r:" + scans[0].id)
    assert (nobody.passages[0].unnamed, nobody.visits, nobody.conflicts) == (1, [], [])


def test_certainty_says_how_well_the_exit_is_known() -> None:
    def certainty(*steps: tuple[str, str, str]) -> list[str]:
        return [visit.certainty for visit in walk(*steps).visits if visit.zone == "compound"]

    assert certainty(("08:00", "east", "in"), ("09:00", "east", "out")) == ["seen"]
    assert certainty(("08:00", "east", "in"), ("12:00", "east", "in")) == ["likely", "possible"]
    assert certainty(("08:00", "east", "in"), ("12:01", "east", "in")) == ["possible", "possible"]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(0, 0), (14, 0), (15, 1), (29, 1), (30, 2), (59, 2), (60, 3), (120, 4), (240, 5), (480, 6), (1439, 6), (1440, 7)],
)
def test_duration_class(minutes: int, expected: int) -> None:
    assert duration_class(minutes * MINUTE_MS) == expected


def test_closing_time_follows_the_clock_through_the_end_of_summer_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    book = rules(("community", "garden", 1, Community(names={"en": "G"}, area="a", timezone="Europe/Berlin")))
    # The night of 25 October 2026 has 25 hours; 22:00 is still 22:00 by the clock on the wall.
    entered_ms = int(datetime(2026, 10, 24, 23, 0, tzinfo=berlin).timestamp() * 1000)
    closing_ms = book.places(entered_ms).closing_ms("22:00", entered_ms)
    assert closing_ms == int(datetime(2026, 10, 25, 22, 0, tzinfo=berlin).timestamp() * 1000)
    assert closing_ms - entered_ms == 24 * HOUR_MS


def test_days_begin_at_the_cut_off_hour() -> None:
    book = rules(("community", "garden", 1, Community(names={"en": "G"}, area="a", cutoff_hour=4)))
    places = book.places(at("12:00"))
    assert places.day(at("03:59")) == places.day(at("12:00")) - 1
    first_ms, after_ms = places.day_span_ms(places.day(at("12:00")))
    assert (first_ms, after_ms) == (at("04:00"), at("04:00", 24))


def test_a_record_merged_into_another_is_that_person_and_circles_end() -> None:
    one, other = "p_one", "p_two"
    book = rules(
        ("pass", "ps_01", 0, Pass(person=one)),
        ("person", one, 0, Person()),
        ("person", one, 100, Person(status="merged", merged_into=other)),
        ("person", other, 200, Person(status="merged", merged_into=one)),
    )
    assert [book.subject("ps_01", t_ms) for t_ms in (50, 150, 250)] == [one, other, one]
    assert book.subject("ps_01", 250) == book.subject(other, 250)
    assert book.kin("ps_01") == book.kin(other) == {"ps_01", one, other}


def test_a_circle_of_parents_ends() -> None:
    book = rules(("zone", "compound", 1, Zone(names={"en": "C"}, kind="compound", parent="home")))
    assert book.places(at("08:00")).gates["b1-door"].inner_chain == ("b1", "compound", "home")


def test_states_are_equal_exactly_when_their_texts_are() -> None:
    passages = walk(("08:00", "east", "in"), ("09:00", "b1-door", "in"), ("10:00", "b1-door", "out")).passages
    for passage in passages:
        assert encoded(decoded(passage.before)) == passage.before
    assert len({passage.before for passage in passages}) == 3


def test_keys_sort_like_time_then_device_then_start_then_number() -> None:
    rows = [(5, "d_b", 1, 1), (5, "d_a", 2, 1), (4, "d_z", 9, 9), (5, "d_a", 1, 300), (5, "d_a", 1, 2)]
    assert sorted(rows) == sorted(rows, key=lambda row: report_key(*row))
    key = report_key(1_795_420_800_000, DEVICE, 2**53 - 1, 7)
    assert key_t_ms(key) == 1_795_420_800_000
    assert key_triple(key) == (DEVICE, 2**53 - 1, 7)
    assert key_at(1_795_420_800_000) < key < key_at(1_795_420_800_001)
