"""The fold against the slow model: any order, repetition, delay, batching, corrections, ties, and a journal written
after the fact."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from community_flow.domain.places import Community, Device, Gate, Household, Pass, Person, Zone
from tests.fakes_fold_store import MemoryFoldStore, MemoryRegistry, Row, memory_flow
from tests.model_fold import Model

EXAMPLES = 1_000
CROWDS = 300
T = 1_795_420_800_000
LIN, WANG, ZHAO = "p_lin", "p_wang", "p_zhao"
CARD, PHONE, TAG, STRAY = "ps_01", "ps_02", "tg_01", "ps_03"
DEVICES = ("d_aaaaaaaaaaaa", "d_bbbbbbbbbbbb")
CAMERA, OTHER_CAMERA = "d_cccccccccccc", "d_dddddddddddd"
GATES = ("east", "west", "b1-door", "clinic-door", "passage", "ghost")

FIRST_ROWS: list[tuple[str, str, Any]] = [
    ("community", "garden", Community(names={"en": "Garden"}, area="a")),
    ("zone", "compound", Zone(names={"en": "C"}, kind="compound")),
    ("zone", "b1", Zone(names={"en": "B"}, kind="building", parent="compound")),
    ("zone", "clinic", Zone(names={"en": "K"}, kind="room", parent="compound", closes_at="18:00")),
    ("gate", "east", Gate(names={"en": "E"}, inner="compound", walk={"b1-door": 60, "west": 240})),
    ("gate", "west", Gate(names={"en": "W"}, inner="compound", entries="scanned", exits="scanned")),
    ("gate", "b1-door", Gate(names={"en": "B"}, inner="b1", outer="compound", dedup_window_s=0)),
    ("gate", "clinic-door", Gate(names={"en": "K"}, inner="clinic", outer="compound", exits="free")),
    # From a building straight into the clinic: siblings, with the compound round both.
    ("gate", "passage", Gate(names={"en": "P"}, inner="clinic", outer="b1")),
    ("person", LIN, Person(household="h_1")),
    ("person", WANG, Person(household="h_1")),
    ("person", ZHAO, Person()),
    ("household", "h_1", Household(unit="1-1", quota_per_day=2)),
    ("pass", CARD, Pass(person=LIN)),
    ("pass", PHONE, Pass(person=LIN)),
    ("pass", TAG, Pass(person=WANG)),
    ("device", CAMERA, Device(names={"en": "W"}, gate="west", kind="camera")),
]

LATER_ROWS: list[tuple[str, str, Any]] = [
    ("pass", CARD, Pass(person=WANG)),
    ("pass", CARD, None),
    ("pass", STRAY, Pass(person=ZHAO)),
    ("pass", TAG, Pass(person=None)),
    ("person", WANG, Person(status="merged", merged_into=LIN)),
    ("person", LIN, Person(status="merged", merged_into=WANG)),
    ("person", ZHAO, Person(household="h_1")),
    ("household", "h_1", Household(unit="1-1", quota_per_day=1)),
    ("household", "h_1", Household(unit="1-1")),
    ("community", "garden", Community(names={"en": "Garden"}, area="a", quota_per_day=1)),
    ("gate", "east", Gate(names={"en": "E"}, inner="compound", dedup_window_s=300)),
    ("gate", "west", Gate(names={"en": "W"}, inner="b1", exits="counted")),
    ("gate", "clinic-door", None),
    ("gate", "ghost", Gate(names={"en": "G"}, inner="b1", outer="clinic")),
    ("zone", "clinic", Zone(names={"en": "K"}, kind="hall", longest_stay_s=1800)),
    ("zone", "b1", Zone(names={"en": "B"}, kind="building", closes_at="16:30")),
    ("device", CAMERA, Device(names={"en": "W"}, gate="west", kind="camera", status="revoked")),
    ("device", OTHER_CAMERA, Device(names={"en": "E"}, gate="east", kind="camera")),
    ("community", "garden", Community(names={"en": "Garden"}, area="a", timezone="Europe/Berlin")),
]

# Few moments, so that ties and windows' edges are common; some hours and days apart, so that closing times count.
seconds = st.one_of(
    st.sampled_from([0, 1, 5, 10, 11, 29, 30, 31, 60, 239, 240, 300]),
    st.integers(0, 12).map(lambda each: each * 600),
    st.integers(0, 72).map(lambda each: each * 3600),
)
moments = seconds.map(lambda each: T + each * 1000)
boots = st.sampled_from([1, 2])


@st.composite
def scans(draw: st.DrawFn) -> Row:
    kind = draw(st.sampled_from(["scan", "scan", "scan", "visitor"]))
    named: Row = {"who": draw(st.sampled_from([CARD, CARD, PHONE, TAG, STRAY, LIN, WANG, ZHAO, ""]))}
    named |= {"token_s": draw(st.sampled_from([None, None, (T - 1_767_225_600_000) // 1000]))}
    return {
        "kind": kind, "t_ms": draw(moments),
        "device": draw(st.sampled_from(DEVICES)), "boot": draw(boots), "gate": draw(st.sampled_from(GATES)),
        "direction": draw(st.sampled_from(["in", "out"])), "passed": draw(st.sampled_from([True, True, True, False])),
        "party": draw(st.sampled_from([1, 1, 2])),
        **(named if kind == "scan" else {"who": "", "token_s": None}),
    }  # fmt: skip


@st.composite
def counts(draw: st.DrawFn) -> Row:
    t_ms = draw(moments)
    aggregate = draw(st.sampled_from([False, False, True]))
    first = draw(st.integers(0, 20))
    replaces = (draw(boots), first, first + draw(st.integers(0, 20))) if aggregate and draw(st.booleans()) else None
    return {
        "kind": "count", "t_ms": t_ms, "device": draw(st.sampled_from([CAMERA, CAMERA, OTHER_CAMERA])),
        "boot": draw(boots), "gate": draw(st.sampled_from(["east", "west"])),
        "direction": draw(st.sampled_from(["in", "out"])), "n": draw(st.sampled_from([1, 1, 2, 5])),
        "from_ms": t_ms - draw(st.sampled_from([0, 60_000, 3_600_000])) if aggregate else None, "replaces": replaces,
    }  # fmt: skip


@st.composite
def corrections(draw: st.DrawFn) -> Row:
    return {
        "kind": "correction", "t_ms": draw(moments), "device": draw(st.sampled_from([*DEVICES, CAMERA])),
        "boot": draw(boots), "of": (draw(boots), draw(st.integers(0, 40))),
    }  # fmt: skip


censuses = st.builds(
    lambda t_ms, n: {"kind": "census", "t_ms": t_ms, "device": DEVICES[0], "boot": 1, "zone": "compound", "n": n},
    moments, st.integers(0, 9),
)  # fmt: skip
reports_ = st.lists(st.one_of(scans(), scans(), scans(), counts(), corrections(), censuses), max_size=28)
journal_rows = st.lists(st.tuples(st.sampled_from(LATER_ROWS), st.one_of(st.just(0), moments)), max_size=4)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[Any]], list[int]]:
    """Batches of reports and journal rows in any order, with repetitions; and the subjects of each slice."""
    rows = draw(reports_)
    for number, row in enumerate(rows):
        row["seq"] = number
    events: list[Any] = [*rows, *draw(journal_rows)]
    if rows:
        events += draw(st.lists(st.sampled_from(rows), max_size=6))
    events = draw(st.permutations(events))
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=8))
    batches, start, turn = [], 0, 0
    while start < len(events):
        size = sizes[turn % len(sizes)]
        batches.append(list(events[start : start + size]))
        start, turn = start + size, turn + 1
    return batches, draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))


def _scan(seq: int, who: str, *, passed: bool = True, after_s: int = 0, direction: str = "in") -> Row:
    return {
        "kind": "scan", "t_ms": T + after_s * 1000, "device": DEVICES[0], "boot": 1, "seq": seq, "gate": "east",
        "direction": direction, "passed": passed, "party": 1, "who": who, "token_s": None,
    }  # fmt: skip


# Two persons become one while a report of the one waits before the change's own mark: the attempt of the other is
# ascribed anew in a stretch that must not begin before the other's.
MERGED_BEFORE_ITS_MARK: tuple[list[list[Any]], list[int]] = (
    [
        [_scan(1, CARD)],
        [_scan(2, TAG, passed=False)],
        [_scan(3, CARD), (("person", WANG, Person(status="merged", merged_into=LIN)), 0)],
    ],
    [1],
)


# In, out and in again within the window: when the way out is taken back, the second way in is evidence of the first. A
# later scan that is folded before the mark of that must not resume at the passage which has lost its first report.
IN_OUT_IN = [
    _scan(1, PHONE),
    _scan(2, CARD, after_s=5, direction="out"),
    _scan(3, PHONE, after_s=10),
]
TAKEN_BACK: Row = {"kind": "correction", "t_ms": T, "device": DEVICES[0], "boot": 1, "seq": 9, "of": (1, 2)}
CORRECTED_BEFORE_ITS_MARK: tuple[list[list[Any]], list[int]] = (
    [IN_OUT_IN, [TAKEN_BACK, _scan(6, PHONE, after_s=8)]],
    [5],
)
GIVEN_AWAY_BEFORE_ITS_MARK: tuple[list[list[Any]], list[int]] = (
    [IN_OUT_IN, [(("pass", CARD, None), T), _scan(6, PHONE, after_s=8)]],
    [5],
)

# A card goes to somebody else in the past while reports of it wait: whose the later ones are must be settled for both
# at once, or the new holder gets a passage that the old one still has.
HANDED_OVER_WHILE_REPORTS_WAIT: tuple[list[list[Any]], list[int]] = (
    [
        [_scan(6, CARD), _scan(0, PHONE, after_s=1200), _scan(14, CARD, after_s=5400)],
        [_scan(12, CARD), _scan(5, CARD, after_s=300), (("pass", CARD, Pass(person=WANG)), T + 1000)],
    ],
    [1],
)

# Repeats closer together than the window, for longer than the window: each passage begins where the one before ends.
A_STUCK_SCANNER: tuple[list[list[Any]], list[int]] = (
    [[_scan(each, CARD, after_s=9 * each) for each in range(20)]],
    [3],
)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@example(MERGED_BEFORE_ITS_MARK)
@example(CORRECTED_BEFORE_ITS_MARK)
@example(GIVEN_AWAY_BEFORE_ITS_MARK)
@example(HANDED_OVER_WHILE_REPORTS_WAIT)
@example(A_STUCK_SCANNER)
@given(histories())
def test_any_history_folds_to_what_the_definitions_say(history: tuple[list[list[Any]], list[int]]) -> None:
    fold_and_compare(*history)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[list[Any]], list[int]]:
    """Two minutes at one gate, so full that the ledger is never silent: bodies, passages, now and then an aggregate or
    a correction, in any order and in small batches."""
    when = st.integers(0, 120_000).map(lambda each: T + each)
    body = st.fixed_dictionaries({"kind": st.just("count"), "t_ms": when, "n": st.sampled_from([1, 1, 1, 2])})
    passage = st.fixed_dictionaries({"kind": st.just("visitor"), "t_ms": when, "party": st.sampled_from([1, 1, 3])})
    wrong = st.fixed_dictionaries({"kind": st.just("correction"), "t_ms": when, "seq_of": st.integers(0, 40)})
    rows = draw(st.lists(st.one_of(body, body, passage, passage, wrong), min_size=5, max_size=60))
    made = [_crowded(seq, row, draw(st.integers(0, 15))) for seq, row in enumerate(rows)]
    events = draw(st.permutations(made))
    size = draw(st.integers(1, 10))
    return [list(events[start : start + size]) for start in range(0, len(events), size)], [draw(st.integers(1, 3))]


def _crowded(seq: int, row: Row, odd: int) -> Row:
    where = {"boot": 1, "seq": seq, "gate": "west", "direction": "in"}
    if row["kind"] == "count":
        told = {"n": 8, "from_ms": row["t_ms"] - 70_000} if odd < 2 else {"from_ms": None}
        return {**where, **row, **told, "device": CAMERA, "replaces": None}
    if row["kind"] == "visitor":
        return {**where, **row, "device": DEVICES[0], "passed": True, "who": "", "token_s": None}
    return {**where, **row, "device": CAMERA if odd % 2 else DEVICES[0], "of": (1, row["seq_of"])}


@settings(max_examples=CROWDS, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(crowds())
def test_a_gate_that_is_never_silent_is_settled_step_by_step(history: tuple[list[list[Any]], list[int]]) -> None:
    fold_and_compare(*history, each=True)


def fold_and_compare(batches: list[list[Any]], slices: list[int], *, each: bool = False) -> None:
    """Fold batch after batch, then all at once: the same rows as the model gives; with ``each`` after every batch."""
    store = MemoryFoldStore()
    registry = MemoryRegistry(store)
    flow = memory_flow(store, registry)
    journal: list[tuple[int, str, str, int, Any]] = []

    def record(kind: str, entity: str, valid_from_ms: int, data: Any) -> None:
        journal.append((len(journal) + 1, kind, entity, valid_from_ms, data))
        registry.record(kind, entity, valid_from_ms, None if data is None else msgspec.to_builtins(data))

    for kind, entity, data in FIRST_ROWS:
        record(kind, entity, 0, data)
    for number, batch in enumerate(batches):
        for event in batch:
            if isinstance(event, dict):
                store.keep(event)
            else:
                (kind, entity, data), valid_from_ms = event
                record(kind, entity, valid_from_ms, data)
        while flow._slice(None, "garden", slices[number % len(slices)]) is not None:
            pass
        if each:
            assert_equal(store, Model(journal, list(store.kept.values())))
    model = Model(journal, list(store.kept.values()))
    assert_equal(store, model)
    derived = contents(store)
    flow.rebuild(None, "garden")
    assert_equal(store, model)
    # Whatever later folds read, states and details included, is the same byte for byte.
    assert contents(store) == derived


def contents(store: MemoryFoldStore) -> list[dict[Any, Any]]:
    """Everything derived."""
    return [
        dict(each)
        for each in (store.passages_, store.attempts_, store.visits_, store.conflicts_, store.ledger_, store.censuses_,
                     store.replacements_, store.states_)
    ]  # fmt: skip


def assert_equal(store: MemoryFoldStore, model: Model) -> None:
    assert passages_in(store) == model.passages()
    assert {(row.id, row.subject) for row in store.attempts_.values()} == model.attempts()
    assert visits_in(store) == model.visits()
    assert {(row.kind, row.subject, frozenset(row.evidence)) for row in store.conflicts_.values()} == model.conflicts()
    assert {
        (each.gate, each.direction, each.row.kind, each.row.at_ms, each.row.n, each.row.source)
        for each in store.ledger_.values()
    } == model.ledger()
    assert {(zone, row.at_ms, row.n) for zone, row in store.censuses_.values()} == model.censuses()


def passages_in(store: MemoryFoldStore) -> set[tuple[Any, ...]]:
    return {
        (row.id, row.subject, row.gate, row.direction, row.at_ms, row.last_ms, row.party, row.evidence)
        for row in store.passages_.values()
    }


def visits_in(store: MemoryFoldStore) -> set[tuple[Any, ...]]:
    return {
        (
            row.passage, row.zone, row.subject, row.entered_ms, row.left_ms, row.left_earliest_ms, row.left_latest_ms,
            row.closed_by,
        )
        for row in store.visits_.values()
    }  # fmt: skip
