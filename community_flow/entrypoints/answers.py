"""Requests into frozen types, results into answers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from flask import Request, Response

from community_flow.domain.errors import Invalid

T = TypeVar("T")
LIMIT = 1000


def parse(form: type[T], request: Request) -> T:
    """The body (JSON or form fields) or, for GET, the query as ``form`` (a msgspec Struct); raises Invalid."""
    try:
        if request.is_json and request.method not in ("GET", "HEAD"):
            return msgspec.json.decode(request.get_data(), type=form)
        fields = request.args if request.method in ("GET", "HEAD") else request.form
        values = {name: _value(form, name, fields.getlist(name)) for name in fields if fields.getlist(name) != [""]}
        return msgspec.convert(values, form, strict=False)
    except msgspec.DecodeError as error:
        raise Invalid("The request cannot be used: %(why)s.", why=str(error)) from error
    except RecursionError as error:
        raise Invalid("The request cannot be used: %(why)s.", why="it is nested too deeply") from error


def items(rows: Sequence[Any], following: str | None) -> Response:
    """A page of a list: {"items": […], "next": cursor or null}."""
    return json_response({"items": rows, "next": following})


def json_response(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, content_type="application/json")


def cursor(*parts: int | str) -> str:
    """An opaque place in a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def place(text: str | None) -> list[Any] | None:
    """The parts of a cursor; raises Invalid for one that we did not make."""
    if not text:
        return None
    try:
        parts = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Invalid("This cursor was not made here: start from the first page.", field="cursor") from error
    if not isinstance(parts, list) or not all(_is_part(part) for part in parts):
        raise Invalid("This cursor was not made here: start from the first page.", field="cursor")
    return parts


def _is_part(part: Any) -> bool:
    """Only what `cursor` puts in: texts, and numbers that a database can hold."""
    return isinstance(part, str) or (type(part) is int and abs(part) < 2**63)


def _value(form: type[Any], name: str, values: list[str]) -> Any:
    annotation = str(getattr(form, "__annotations__", {}).get(name, ""))
    return values if annotation.startswith(("tuple", "list")) else values[-1]
