"""Operator JSON of the fold: shapes, pages, pseudonyms, scope, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from community_flow.domain.places import Gate, Pass, Person
from community_flow.services.registry import Change
from community_flow.wiring.core import Core
from tests.factories import small_community
from tests.fakes_flow import CAMERA, MORNING_MS, FlowKit, count, identity, report, scan

T = MORNING_MS
MINUTE_MS = 60_000
LIN = "p_" + "l" * 12
CARD = "ps_" + "01" * 16
Client = Callable[..., FlaskClient]


@pytest.fixture
def kit(flow: Core) -> FlowKit:
    kit = FlowKit(flow)
    kit.register(Change("garden", "person", LIN, 0, Person()), Change("garden", "pass", CARD, 0, Pass(person=LIN)))
    kit.flow.drain()
    return kit


def listed(client: FlaskClient, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/{path}", query_string=query)
    assert answer.status_code == 200, answer.text
    body = told(answer)
    assert set(body) == {"items", "next"}
    found: list[dict[str, Any]] = body["items"]
    return found


def told(answer: Any) -> dict[str, Any]:
    """The JSON object of an answer."""
    found: dict[str, Any] = answer.json
    return found


def test_a_passage_and_its_visit_as_the_contract_says(kit: FlowKit, client_as: Client) -> None:
    entry, again = scan(T, CARD, received_ms=T + 500), scan(T + 9000, CARD)
    leaving = scan(T + 20 * MINUTE_MS, CARD, direction="out")
    kit.fold(entry, again, leaving)
    steward = client_as("steward")
    first, second = listed(steward, "passages", community="garden")
    assert first["id"] == identity(entry)
    assert first["evidence"] == [[row["device"], row["boot"], row["seq"]] for row in (entry, again)]
    assert (first["gate"], first["direction"], first["at_ms"], first["received_ms"]) == ("east", "in", T, T + 500)
    assert second["at_ms"] == leaving["t_ms"]
    (visit,) = listed(steward, "visits", zone="compound")
    assert (visit["entered_ms"], visit["left_ms"], visit["certainty"]) == (T, leaving["t_ms"], "seen")
    assert visit["left_earliest_ms"] == visit["left_latest_ms"] == visit["left_ms"]


def test_persons_are_pseudonyms_that_can_be_asked_for_and_the_look_is_logged(kit: FlowKit, client_as: Client) -> None:
    kit.fold(scan(T, CARD), scan(T + MINUTE_MS, ""))
    steward = client_as("steward")
    named, nobody = listed(steward, "passages")
    assert named["person"].startswith("P-")
    assert LIN not in str(named)
    assert nobody["person"] is None
    assert listed(steward, "passages", person=named["person"]) == [named]
    assert listed(steward, "visits", person=LIN)[0]["person"] == named["person"]
    assert listed(steward, "visits", person="P-2222-2222") == []
    looks = [(row["action"], row["person"]) for row in told(client_as("manager").get("/v1/audit"))["items"]]
    assert ("look.passages", LIN) in looks
    assert ("look.visits", LIN) in looks


def test_pages_follow_each_other_without_gap_or_repetition(kit: FlowKit, client_as: Client) -> None:
    kit.fold(
        *(scan(T + each * MINUTE_MS, CARD, "clinic-door", direction=("in", "out")[each % 2]) for each in range(9)),
        *(scan(T + each * MINUTE_MS, CARD, "clinic-door", "out", passed=False) for each in range(5)),
    )
    steward = client_as("steward")
    for path in ("passages", "visits", "attempts", "conflicts"):
        whole = listed(steward, path)
        pages: list[dict[str, Any]] = []
        following: str | None = ""
        while following is not None:
            answer = told(steward.get(f"/v1/{path}", query_string={"limit": 2, "cursor": following}))
            pages += answer["items"]
            following = answer["next"]
        assert pages == whole
    assert [row["at_ms"] for row in listed(steward, "passages")] == [T + each * MINUTE_MS for each in range(9)]


def test_filters(kit: FlowKit, client_as: Client) -> None:
    kit.fold(scan(T, CARD), scan(T + MINUTE_MS, CARD, "clinic-door"), scan(T + 9 * MINUTE_MS, CARD, "clinic-door"))
    manager = client_as("manager")
    assert [row["gate"] for row in listed(manager, "passages", gate="east")] == ["east"]
    assert len(listed(manager, "passages", from_ms=T + 1, to_ms=T + 9 * MINUTE_MS)) == 1
    assert [row["zone"] for row in listed(manager, "visits", zone="clinic")] == ["clinic", "clinic"]
    (conflict,) = listed(manager, "conflicts", kind="passback")
    assert len(conflict["evidence"]) == 2
    assert conflict["detail"]["zone"] == "clinic"
    assert listed(manager, "conflicts", kind="quota") == []


def test_occupancy_says_how_sure_it_is(kit: FlowKit, client_as: Client) -> None:
    now_ms = kit.core.clock.now_ms()
    kit.fold(
        scan(now_ms - 9000, CARD), scan(now_ms - 8000, CARD, "clinic-door"),
        report("visitor", now_ms - 7000, gate="east", direction="in", passed=True, party=2, body={"class": "guest"}),
        *(count(now_ms - 6000 + each, device=CAMERA) for each in range(3)),
    )  # fmt: skip
    zones = {row["zone"]: row for row in listed(client_as("official"), "occupancy", community="garden")}
    compound = zones["compound"]
    assert compound["inside"] == 1 + 2 + 3
    assert compound["low"] <= compound["inside"] < compound["high"]
    assert compound["as_of_ms"] >= now_ms
    assert zones["clinic"]["inside"] == 1
    assert zones["b1"]["inside"] == 0
    kit.fold(report("census", now_ms - 1000, n=50, body={"zone": "compound"}))
    (compound,) = listed(client_as("steward"), "occupancy", zone="compound")
    assert (compound["inside"], compound["low"], compound["high"]) == (50, 50, 50)


def test_somebody_seen_leaving_by_a_camera_is_not_subtracted_again_when_coming_back(
    kit: FlowKit, client_as: Client
) -> None:
    now_ms = kit.core.clock.now_ms()

    def inside() -> int:
        (row,) = listed(client_as("steward"), "occupancy", zone="compound")
        found: int = row["inside"]
        return found

    kit.fold(scan(now_ms - 50 * MINUTE_MS, CARD))
    assert inside() == 1
    kit.fold(count(now_ms - 30 * MINUTE_MS, direction="out"))
    assert inside() == 0
    kit.fold(scan(now_ms - 10 * MINUTE_MS, CARD))
    assert inside() == 1


def test_a_foreign_community_is_empty_and_roles_are_kept(kit: FlowKit, client_as: Client) -> None:
    small_community(kit.core, "orchard")
    kit.register(Change("orchard", "person", "p_" + "z" * 12, 0, Person()))
    kit.fold(scan(T, CARD), scan(T, "p_" + "z" * 12, community="orchard", device="d_oooooooooooo"))
    steward = client_as("steward")
    assert listed(steward, "passages", community="orchard") == []
    assert {row["community"] for row in listed(steward, "passages")} == {"garden"}
    assert {row["community"] for row in listed(steward, "occupancy")} == {"garden"}
    for path in ("passages", "visits", "conflicts", "attempts"):
        assert client_as("admin").get(f"/v1/{path}").status_code == 403
        assert client_as("official").get(f"/v1/{path}").status_code == 403


def test_a_guard_reads_only_the_passages_of_the_own_gate(kit: FlowKit, client_as: Client) -> None:
    kit.register(Change("garden", "gate", "north", 0, Gate(names={"en": "N"}, inner="compound")))
    kit.fold(scan(T, CARD), scan(T + MINUTE_MS, CARD, "north", "out"))
    assert {row["gate"] for row in listed(client_as("guard", gates=("north",)), "passages")} == {"north"}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "1001"}, {"limit": "many"}, {"from_ms": "-1"}, {"to_ms": str(2**70)},
        {"cursor": "???"}, {"cursor": "WyJ6eiJd"}, {"cursor": "e30"}, {"cursor": "WzEsMiwzXQ"}, {"from_ms": "NaN"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["passages", "visits", "attempts", "conflicts"])
def test_what_cannot_be_used_is_refused_with_a_remedy(
    kit: FlowKit, client_as: Client, path: str, query: dict[str, str]
) -> None:
    answer = client_as("steward").get(f"/v1/{path}", query_string=query)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
