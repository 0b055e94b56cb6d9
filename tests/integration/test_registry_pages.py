"""People, passes, places, import and visitors through HTTP, by role; foreign ids are 404."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role
from community_flow.wiring.core import Core
from community_flow.wiring.registry import RegistryParts
from tests.registry_parts import ADMIN

Clients = Callable[..., FlaskClient]


@pytest.fixture
def lin(parts: RegistryParts) -> str:
    return parts.people.add(ADMIN, "garden", Resident(name="林晓梅", phone="13800138000", unit="1-1-101"))


@pytest.fixture
def foreign(parts: RegistryParts) -> str:
    return parts.people.add(ADMIN, "court", Resident(name="王五", unit="1-1-101"))


def test_every_page_answers_the_office(client_as: Clients, lin: str, parts: RegistryParts) -> None:
    manager = client_as("manager")
    parts.passes.issue_card(ADMIN, lin)
    for path in ("/people", "/people?q=lxm", "/people/new", f"/people/{lin}", "/people/cards", "/people/import",
                 "/people/import/template.csv", "/people/import/template.xlsx", "/visitors", "/setup"):  # fmt: skip
        answer = manager.get(path)
        assert answer.status_code == 200, path


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("guard", "/people", 403),
        ("guard", "/v1/people", 403),
        ("guard", "/setup", 403),
        ("guard", "/v1/gates", 200),
        ("steward", "/people", 403),
        ("steward", "/v1/people", 200),
        ("steward", "/visitors", 200),
        ("steward", "/v1/passes", 403),
        ("official", "/v1/people", 403),
        ("official", "/v1/communities", 200),
        ("manager", "/v1/people", 200),
        ("admin", "/v1/people", 200),
    ],
)
def test_roles(client_as: Clients, parts: RegistryParts, role: str, path: str, status: int) -> None:
    assert client_as(role).get(path).status_code == status


def test_names_are_for_the_office_and_each_is_in_the_log(
    client_as: Clients, parts: RegistryParts, lin: str, foreign: str
) -> None:
    people = client_as("manager").get("/v1/people").get_json()["items"]
    assert [(each["person"], each["name"], each["unit"]) for each in people] == [(lin, "林晓梅", "1-1-101")]
    assert "person.look" in {row.action for row in parts.people.who_looked(ADMIN, lin)}
    assert "person.look" not in {row.action for row in parts.people.who_looked(ADMIN, foreign)}
    steward = client_as("steward").get("/v1/people?q=林").get_data(as_text=True)
    for secret in ("林", "138", lin, "1-1-101"):
        assert secret not in steward
    assert "P-" in steward


def test_the_list_masks_names_and_writes_no_look(client_as: Clients, parts: RegistryParts, lin: str) -> None:
    page = client_as("manager").get("/people").get_data(as_text=True)
    assert "林*梅" in page
    assert "林晓梅" not in page
    assert {row.action for row in parts.people.who_looked(ADMIN, lin)} == {"person.add"}


def test_foreign_people_and_passes_are_404_everywhere(client_as: Clients, parts: RegistryParts, foreign: str) -> None:
    manager = client_as("manager")
    card = parts.passes.issue_card(ADMIN, foreign).pass_id
    asks: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"/v1/people/{foreign}", {}),
        ("GET", f"/people/{foreign}", {}),
        ("GET", f"/v1/people/{foreign}/hold", {}),
        ("GET", f"/v1/passes?person={foreign}", {}),
        ("PATCH", f"/v1/people/{foreign}", {"name": "x王"}),
        ("POST", f"/v1/people/{foreign}/move", {"unit": "1-1-102"}),
        ("POST", f"/v1/people/{foreign}/move-out", {}),
        ("POST", f"/v1/people/{foreign}/merge", {"into": foreign}),
        ("POST", f"/v1/people/{foreign}/split", {"name": "王", "passes": [card]}),
        ("POST", f"/v1/people/{foreign}/hold", {"kind": "office"}),
        ("POST", f"/v1/people/{foreign}/release", {}),
        ("POST", f"/v1/people/{foreign}/erase", {}),
        ("POST", "/v1/passes", {"person": foreign}),
        ("POST", f"/v1/passes/{card}/revoke", {}),
        ("POST", f"/v1/passes/{card}/reissue", {}),
        ("POST", f"/v1/passes/{card}/hand-over", {"to": foreign}),
        ("POST", "/v1/people", {"community": "court", "name": "王"}),
        ("POST", "/v1/zones", {"community": "court", "zone": "x", "names": {"en": "X"}, "kind": "room"}),
        ("PATCH", "/v1/gates/court/east", {"lane": "bike"}),
        ("POST", "/v1/visitors", {"community": "court", "name": "王", "unit": "1-1-101"}),
        ("GET", f"/visitors/{card}", {}),
    ]
    for method, path, body in asks:
        answer = manager.open(path, method=method, json=body or ({} if method != "GET" else None))
        assert answer.status_code == 404, (method, path, answer.get_data(as_text=True))


def test_a_person_through_json(client_as: Clients, parts: RegistryParts) -> None:
    manager = client_as("manager")
    made = manager.post("/v1/people", json={"community": "garden", "name": "林晓梅", "unit": "7号楼3单元1102"})
    assert made.status_code == 201
    person = made.get_json()["person"]
    assert manager.get(f"/v1/people/{person}").get_json()["unit"] == "7-3-1102"
    card = manager.post("/v1/passes", json={"person": person}).get_json()
    assert len(card["short_code"]) == 8
    held = manager.get(f"/v1/passes?person={person}").get_json()["items"]
    assert [(each["pass"], each["status"], each["kind"]) for each in held] == [(card["pass"], "active", "card")]
    assert "handle" not in str(held)
    assert manager.post(f"/v1/passes/{card['pass']}/revoke", json={"copied": True}).status_code == 200
    assert manager.get(f"/v1/passes?person={person}").get_json()["items"][0]["status"] == "copied"
    assert manager.post(f"/v1/people/{person}/hold", json={"kind": "health"}).status_code == 200
    assert manager.get(f"/v1/people/{person}/hold").get_json()["hold"]["kind"] == "health"
    assert client_as("guard").get(f"/v1/people/{person}/hold").status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"community": "garden", "name": "林", "id_number": "110101199003070013"},  # a field outside the list
        {"community": "garden", "name": "林", "note": "110101199003070013"},
        {"community": "garden", "name": "林", "phone": "1.38E+10"},
        {"community": "garden", "name": ""},
        {"community": "garden", "name": 7},
        {"community": "garden", "name": "林", "unit": "in der Nähe"},
        {"community": "garden", "name": "林", "type": "robot"},
        [],
        "x",
    ],
)
def test_what_is_not_kept_is_refused_with_a_remedy(client_as: Clients, parts: RegistryParts, body: Any) -> None:
    answer = client_as("manager").post("/v1/people", json=body)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert len(answer.get_json()["title"]) > 10


def test_gates_in_the_words_of_the_contract(client_as: Clients, parts: RegistryParts) -> None:
    gates = {each["gate"]: each for each in client_as("manager").get("/v1/gates?community=garden").get_json()["items"]}
    door = gates["clinic-door"]
    assert (door["community"], door["outer_zone"], door["inner_zone"]) == ("garden", "compound", "clinic")
    assert gates["east"]["walk"] == {"west": 240}


def test_places_are_made_changed_and_checked(client_as: Clients, parts: RegistryParts) -> None:
    manager = client_as("manager")
    hall = {"community": "garden", "zone": "hall", "names": {"zh": "礼堂"}, "kind": "hall", "parent": "compound"}
    gate = {
        "community": "garden",
        "gate": "hall-door",
        "names": {"en": "Hall"},
        "inner_zone": "hall",
        "outer_zone": "compound",
    }
    assert manager.post("/v1/zones", json=hall).status_code == 201
    assert manager.post("/v1/zones", json=hall).status_code == 409
    assert manager.post("/v1/gates", json=gate).status_code == 201
    assert manager.patch("/v1/gates/garden/hall-door", json={"walk": {"east": 60}}).status_code == 200
    assert manager.patch("/v1/zones/garden/compound", json={"parent": "hall"}).status_code == 422  # a ring of zones
    ring = {"inner_zone": "compound", "outer_zone": "hall"}
    for wrong in (
        ring, {"inner_zone": "nowhere"}, {"inner_zone": "compound"}, {"walk": {"nowhere": 5}}, {"walk": {"east": 0}},
        {"error_rate": 7}, {"lane": "boat"}, {"colour": "red"},
    ):  # fmt: skip
        assert manager.patch("/v1/gates/garden/hall-door", json=wrong).status_code == 422, wrong
    assert manager.post("/v1/areas", json={"area": "x", "names": {"en": "X"}}).status_code == 403
    admin = client_as("admin")
    assert (
        admin.post("/v1/areas", json={"area": "north", "names": {"en": "North"}, "parent": "district"}).status_code
        == 201
    )
    about = {"community": "third", "names": {"en": "Third"}, "area": "north", "timezone": "Mars/Base"}
    assert admin.post("/v1/communities", json=about).status_code == 422
    assert admin.post("/v1/communities", json={**about, "timezone": "Asia/Shanghai"}).status_code == 201
    assert "third" in {each["community"] for each in admin.get("/v1/communities").get_json()["items"]}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'{"zone": 5}', b'{"zone": "x", "from_ms": NaN}', b'{"from_ms": 1e400}']
)
def test_malformed_places(client_as: Clients, parts: RegistryParts, body: bytes) -> None:
    answer = client_as("manager").post("/v1/zones", data=body, content_type="application/json")
    assert answer.status_code in (400, 404, 422)
    assert answer.content_type == "application/problem+json"


def test_setting_up_an_empty_installation(app_factory: Callable[..., Flask]) -> None:
    app = app_factory()
    core: Core = app.extensions["flow"]
    from tests.factories import an_account

    account = an_account(core, Role.ADMIN).account
    admin = app.test_client()
    admin.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {core.accounts.make_token(account, 'test', 'test')}"
    for path in ("/setup", "/people", "/visitors", "/people/cards", "/people/import", "/people/new"):
        assert admin.get(path).status_code == 200, path
    form = {"zh": "锦绣花园", "area_zh": "星河街道", "timezone": "Asia/Shanghai", "language": "zh", "buildings": "3"}
    made = admin.post("/setup/community", data=form)
    assert made.status_code == 303
    zones = admin.get("/v1/zones").get_json()["items"]
    assert [(each["zone"], each["parent"]) for each in zones] == [
        ("b1", "compound"), ("b2", "compound"), ("b3", "compound"), ("compound", None),
    ]  # fmt: skip
    gate = {"zh": "东门", "en": "East gate", "inner": "compound", "outer": "outside", "walk": ""}
    assert admin.post("/setup/community/gate", data=gate).status_code == 303
    assert [each["gate"] for each in admin.get("/v1/gates").get_json()["items"]] == ["east-gate"]
    assert admin.get("/setup?community=community").status_code == 200


def test_a_refused_form_goes_back_and_says_why(client_as: Clients, parts: RegistryParts, lin: str) -> None:
    manager = client_as("manager")
    headers = {"Referer": f"http://localhost/people/{lin}"}
    answer = manager.post(f"/people/{lin}/move", data={"unit": "??"}, headers=headers)
    assert (answer.status_code, answer.location) == (303, f"/people/{lin}")
    away = manager.post(f"/people/{lin}/move", data={"unit": "??"}, headers={"Referer": "https://evil.example/x"})
    assert away.location == "/"


def test_an_import_through_the_pages(client_as: Clients, parts: RegistryParts) -> None:
    manager = client_as("manager")
    text = "姓名,电话,住在哪\n林晓梅,13800138000,1-1-101\n坏的,12,1-1-102\n"
    data = {"community": "garden", "file": (io.BytesIO(text.encode("gb18030")), "people.csv")}
    sent = manager.post("/people/import", data=data, content_type="multipart/form-data")
    assert sent.status_code == 303
    assert "Choose the column that holds the address" in manager.get(sent.location).get_data(as_text=True)
    columns = {"column-0": "name", "column-1": "phone", "column-2": "address"}
    manager.post(f"{sent.location}/columns", data=columns)
    page = manager.get(sent.location).get_data(as_text=True)
    assert "林晓梅" in page
    assert manager.post(f"{sent.location}/keep", headers={"HX-Request": "true"}).status_code == 200
    assert "Imported" in manager.get(sent.location).get_data(as_text=True)
    errors = manager.get(f"{sent.location}/errors.csv").get_data().decode("utf-8-sig")
    assert "坏的" in errors
    assert "林晓梅" not in errors
    corrected = errors.replace('"12"', '"13900139000"').replace("住在哪", "地址")
    again = {"community": "garden", "file": (io.BytesIO(corrected.encode()), "errors.csv")}
    counts = manager.post("/v1/people/import", data=again, content_type="multipart/form-data").get_json()["counts"]
    assert (counts["rows"], counts["added"], counts["faulty"]) == (1, 1, 0)


@pytest.mark.parametrize(
    "data", [b"", "名前,住所\nさとう,ひがし\n".encode("shift-jis"), b"\x89PNG\r\n\x1a\n" + b"\0" * 99]
)
def test_a_file_that_cannot_be_used(client_as: Clients, parts: RegistryParts, data: bytes) -> None:
    form = {"community": "garden", "file": (io.BytesIO(data), "people.csv")}
    answer = client_as("manager").post("/v1/people/import", data=form, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert answer.get_json()["field"] == "file"


def test_fifty_megabytes_are_refused_while_reading(client_as: Clients, parts: RegistryParts) -> None:
    kind = "multipart/form-data; boundary=x"
    answer = client_as("manager").post("/v1/people/import", data=b"x" * 50_000_000, content_type=kind)
    assert answer.status_code == 413


def test_cards_come_as_pdf_for_one_for_a_building_and_for_all(
    client_as: Clients, parts: RegistryParts, lin: str
) -> None:
    manager = client_as("manager")
    for form in ({"person": lin, "paper": "cr80"}, {"building": "1"}, {}):
        answer = manager.post("/people/cards.pdf", data={"community": "garden", **form})
        assert answer.status_code == 200
        assert answer.data.startswith(b"%PDF")
        assert answer.headers["Cache-Control"] == "no-store"


def test_slips_come_as_pdf_and_expiring_cards_only_where_there_are_any(
    client_as: Clients, parts: RegistryParts, lin: str
) -> None:
    manager = client_as("manager")
    for form in ({"person": lin}, {"building": "1"}, {}):
        slips = manager.post("/people/slips.pdf", data={"community": "garden", **form})
        assert slips.status_code == 200
        assert slips.data.startswith(b"%PDF")
        assert slips.headers["Cache-Control"] == "no-store"
    none = manager.post("/people/cards/expiring.pdf", data={"community": "garden"})
    assert not none.data.startswith(b"%PDF")
    for path in ("/people/slips.pdf", "/people/cards/expiring.pdf"):
        assert not manager.post(path, data={"community": "elsewhere"}).data.startswith(b"%PDF")
        assert client_as("guard").post(path, data={"community": "garden"}).status_code == 403


def test_a_large_set_comes_as_a_zip_by_building(
    client_as: Clients, parts: RegistryParts, lin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    monkeypatch.setattr("community_flow.entrypoints.passes.AT_ONCE", 0)
    answer = client_as("manager").post("/people/cards.pdf", data={"community": "garden"})
    with zipfile.ZipFile(io.BytesIO(answer.data)) as packed:
        assert packed.namelist() == ["cards-garden-1.pdf"]
        assert packed.read("cards-garden-1.pdf").startswith(b"%PDF")


def test_a_visitor_is_expected_and_the_visit_ends(client_as: Clients, parts: RegistryParts) -> None:
    steward = client_as("steward")
    made = steward.post("/v1/visitors", json={"community": "garden", "name": "赵客", "unit": "1-1-101", "hours": 2})
    assert made.status_code == 201
    pass_id = made.get_json()["pass"]
    listed = steward.get("/v1/visitors").get_json()["items"]
    assert [(each["name"], each["state"], each["unit"]) for each in listed] == [("赵*", "expected", "1-1-101")]
    page = steward.get(f"/visitors/{pass_id}").get_data(as_text=True)
    assert "<path" in page
    assert "赵客" in page
    assert steward.post(f"/visitors/{pass_id}/end", data={}).status_code == 303
    assert steward.get("/v1/visitors").get_json()["items"] == []
    for wrong in ({"hours": 0}, {"unit": ""}, {"until_ms": 5}, {"hours": 100_000}):
        body = {"community": "garden", "name": "赵客", "unit": "1-1-101", **wrong}
        assert steward.post("/v1/visitors", json=body).status_code == 422, wrong
