"""The description of every /v1/ address, made from the routes themselves so that it cannot lie about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Flask, current_app
from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from community_flow.entrypoints.access import access_of, public
from community_flow.entrypoints.answers import json_response

PROBLEM = {"$ref": "#/components/responses/Problem"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def blueprint(raw_routes: Mapping[str, Callable[..., Any]], version: str) -> Blueprint:
    bp = Blueprint("openapi", __name__)

    @bp.get("/v1/openapi.json")
    @public
    def description() -> Response:
        """This description."""
        return json_response(describe(current_app, raw_routes, version))

    return bp


def describe(app: Flask, raw_routes: Mapping[str, Callable[..., Any]], version: str) -> dict[str, Any]:
    """An OpenAPI 3.1 document of all routes under /v1/, those beside Flask included."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: each.rule):
        if rule.rule.startswith("/v1/"):
            shown = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            for method in sorted(set(METHODS) & set(rule.methods or ())):
                paths.setdefault(shown, {})[method.lower()] = _operation(app, rule, method)
    for path, handler in raw_routes.items():
        paths[path] = {"post": _raw(handler)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Community Flow", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "personal": {"type": "http", "scheme": "bearer", "description": "cfp_…: `token create`"},
                "session": {"type": "apiKey", "in": "cookie", "name": "flow"},
                "device": {"type": "http", "scheme": "bearer", "description": "from enrolment or claim"},
            },
            "responses": {"Problem": {"description": "RFC 9457", "content": {"application/problem+json": {}}}},
        },
    }


def _operation(app: Flask, rule: Rule, method: str) -> dict[str, Any]:
    access = access_of(app, rule.endpoint)
    view = app.view_functions[rule.endpoint]
    words = (view.__doc__ or "").strip().splitlines()
    return {
        "operationId": f"{rule.endpoint}.{method.lower()}",
        "summary": words[0] if words else rule.endpoint.replace(".", ": ").replace("_", " "),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in sorted(rule.arguments)
        ],
        "security": _security(access),
        "x-roles": sorted(access) if isinstance(access, frozenset) else access,
        "responses": {"200": {"description": "done", "content": {"application/json": {}}}, "default": PROBLEM},
    }


def _security(access: Any) -> list[dict[str, list[str]]]:
    if access == "public":
        return []
    return [{"device": []}] if access == "device" else [{"personal": []}, {"session": []}]


def _raw(handler: Callable[..., Any]) -> dict[str, Any]:
    words = (handler.__doc__ or "Take reports from a device.").strip().splitlines()
    return {
        "operationId": "reports.post",
        "summary": words[0],
        "security": [{"device": []}],
        "x-roles": "device",
        "requestBody": {"required": True, "content": {"application/json": {}}},
        "responses": {"200": {"description": "every report in the body is kept"}, "default": PROBLEM},
    }
