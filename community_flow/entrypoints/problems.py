"""Refusals: RFC 9457 problem+json for programs, a page for people. Each says what would make it right."""

from __future__ import annotations

import secrets

import structlog
from flask import Flask, Response, jsonify, make_response, render_template, request
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from community_flow.domain.errors import Busy, FlowError, TooMany
from community_flow.ports.ingest import StoreAway

log = structlog.get_logger()

HTTP_REMEDIES = {
    400: "The request could not be read: check its form and send it again.",
    404: "There is nothing at this address: go back to the first page.",
    405: "This address does not take that kind of request.",
    413: "That is too large: send less at once.",
    415: "Send application/json.",
    429: "Too many requests: wait a moment and try again.",
}


class Problem(Exception):
    """A refusal that no service raised: the request itself is wrong."""

    def __init__(self, status: int, code: str, title: str, remedy: str = "", retry_s: int | None = None) -> None:
        super().__init__(title)
        self.status, self.code, self.title, self.remedy, self.retry_s = status, code, title, remedy, retry_s


def wants_json() -> bool:
    """True for programs: /v1/ addresses, JSON bodies, or an Accept header that prefers JSON."""
    if request.path.startswith("/v1/") or request.is_json:
        return True
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], default="text/html")
    return best == "application/json"


def translate_errors(app: Flask) -> None:
    """Register the one place where refusals become answers."""
    app.register_error_handler(FlowError, _refused)
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _broken)


def _refused(error: FlowError) -> BaseResponse:
    title = gettext(error.remedy, **error.values)
    retry_s = error.retry_s if isinstance(error, Busy | TooMany | StoreAway) else None
    return _answer(error.status, error.code, title, "", retry_s, error.field)


def _problem(error: Problem) -> BaseResponse:
    return _answer(
        error.status, error.code, gettext(error.title), gettext(error.remedy) if error.remedy else "", error.retry_s
    )


def _csrf(error: CSRFError) -> BaseResponse:
    remedy = gettext("Reload the page and try again.")
    return _answer(400, "csrf", gettext("This form is too old or came from elsewhere."), remedy)


def _http(error: HTTPException) -> BaseResponse:
    status = error.code or 500
    if status < 400 and error.response is not None:
        return error.get_response()
    remedy = HTTP_REMEDIES.get(status)
    return _answer(status, "http", gettext(remedy) if remedy else (error.name or ""), "")


def _broken(error: Exception) -> BaseResponse:
    """The outermost handler: an error nobody named. Logged with a reference that the page shows."""
    reference = secrets.token_hex(4)
    route = request.url_rule.rule if request.url_rule else "unknown"  # an address itself may name somebody
    log.exception("request failed", reference=reference, method=request.method, route=route, exc_info=error)
    title = gettext("Something broke on our side.")
    remedy = gettext("Nothing that was accepted is lost. Tell the admin the reference %(ref)s.", ref=reference)
    return _answer(500, "broken", title, remedy)


def _answer(
    status: int, code: str, title: str, remedy: str, retry_s: int | None = None, field: str | None = None
) -> BaseResponse:
    response: Response
    if wants_json():
        body = {"type": f"about:blank#{code}", "title": title, "status": status, "detail": remedy or title}
        response = jsonify({**body, "field": field} if field else body)
        response.content_type = "application/problem+json"
    else:
        page = render_template("errors/problem.html", status=status, code=code, title=title, remedy=remedy)
        response = make_response(page)
    response.status_code = status
    if retry_s is not None:
        response.headers["Retry-After"] = str(retry_s)
    return response
