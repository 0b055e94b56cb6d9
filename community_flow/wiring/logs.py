"""Log lines for machines or for people, in which nobody is named.

What an error says may quote what somebody typed, a row of the store, or a token. So a line says which error it was and
where in the code it came from, never the error's own words; and never the values of variables. Addresses of requests
and of those who ask are left out: a line carries a request's id, which the answer carries too.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any

import structlog

from community_flow.entrypoints.request_ids import request_id

Event = MutableMapping[str, Any]
MOST_FRAMES = 25
LEVELS = ("warning", "error", "critical")
OWN = "community_flow"


def configure(wanted: str | None, count: Callable[[str], None] | None = None) -> None:
    """``wanted``: json, text, or None for text on a terminal and JSON elsewhere. ``count`` hears of warnings."""
    as_json = wanted == "json" or (wanted is None and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_request,
        _without_words,
        _counted(count),
    ]
    # Without sort_keys: the moment and the event come first, as people read.
    render = structlog.processors.JSONRenderer() if as_json else _Text()
    structlog.configure(
        processors=[*shared, render], logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )  # fmt: skip
    _take_standard_logging(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_first_line, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    ))  # fmt: skip


def catch_uncaught() -> None:
    """What ends a thread or the process is logged in the same way. For processes that serve."""
    sys.excepthook = lambda kind, error, trace: _uncaught("the process ends", kind, error, trace)
    threading.excepthook = lambda args: _uncaught("a thread ended", args.exc_type, args.exc_value, args.exc_traceback)


class _Stderr(logging.Handler):
    """Writes to what is standard error at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def _take_standard_logging(formatter: logging.Formatter) -> None:
    """Lines of libraries go the same way, from warnings on."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Stderr)]:
        root.removeHandler(handler)
    handler = _Stderr()
    handler.setFormatter(formatter)
    root.addHandler(handler)
    logging.getLogger(OWN).setLevel(logging.INFO)


def _uncaught(
    what: str, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> None:
    if kind is not None and issubclass(kind, SystemExit | KeyboardInterrupt):
        return
    structlog.get_logger().critical(what, exc_info=(kind, error, trace))


def _first_line(_: Any, __: str, event: Event) -> Event:
    """A library's line: without what it may quote. Ours are written without such things in the first place."""
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    if not record.name.startswith(OWN):
        # The text before it was filled in; a server written in another language sends it filled in, with a traceback.
        event["event"] = re.split(r"[\n:]", str(record.msg), maxsplit=1)[0][:200]
    if record.exc_info:
        event["exc_info"] = record.exc_info
    return event


def _with_request(_: Any, __: str, event: Event) -> Event:
    found = request_id()
    if found is not None:
        event["request"] = found
    return event


def _without_words(_: Any, __: str, event: Event) -> Event:
    given = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if given is True:
        given = sys.exc_info()
    error = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else None
    if error is not None:
        event["error"] = list(_kinds(error))
        event["at"] = _places(error.__traceback__)
    return event


def _kinds(error: BaseException | None) -> list[str]:
    """The error and what it came from, by their types."""
    found: list[str] = []
    while error is not None and len(found) < 8:
        found.append(f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _places(trace: TracebackType | None) -> list[str]:
    frames = [(frame.f_globals.get("__name__", "?"), line, frame.f_code.co_name)
              for frame, line in traceback.walk_tb(trace)]  # fmt: skip
    return [f"{module}:{line} {function}" for module, line, function in frames[-MOST_FRAMES:]]


def _counted(count: Callable[[str], None] | None) -> Callable[[Any, str, Event], Event]:
    def processor(_: Any, __: str, event: Event) -> Event:
        if count is not None and event.get("level") in LEVELS:
            count(event["level"])
        return event

    return processor


class _Text:
    """One line for a person, and where an error came from below it."""

    def __call__(self, _: Any, __: str, event: Event) -> str:
        moment, level, what = event.pop("timestamp", ""), event.pop("level", ""), event.pop("event", "")
        places, kinds = event.pop("at", []), event.pop("error", [])
        line = f"{moment} {level:8} {what}" + "".join(f" {name}={value!r}" for name, value in event.items())
        return "\n".join([line, *(f"    {each}" for each in places), *(f"  {each}" for each in kinds)])
