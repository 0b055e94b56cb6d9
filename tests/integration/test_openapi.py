"""The description of the interface names what there is."""

from __future__ import annotations

from flask import Flask

from community_flow.wiring.core import Core


def test_every_address_is_described(app: Flask, flow: Core) -> None:
    described = app.test_client().get("/v1/openapi.json").json
    assert described
    rules = [rule.rule.replace("<", "{").replace(">", "}") for rule in app.url_map.iter_rules()]
    wanted = {rule for rule in rules if rule.startswith("/v1/")} | set(flow.raw_routes)
    assert set(described["paths"]) == wanted
    assert "/v1/reports" in wanted


def test_operations_have_names_of_their_own(app: Flask) -> None:
    described = app.test_client().get("/v1/openapi.json").json
    assert described
    names = [each["operationId"] for path in described["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


def test_what_needs_a_role_says_so(app: Flask) -> None:
    described = app.test_client().get("/v1/openapi.json").json
    assert described
    assert described["paths"]["/v1/accounts"]["get"]["x-roles"] == ["admin", "manager"]
    assert described["paths"]["/v1/reports"]["post"]["security"] == [{"device": []}]
