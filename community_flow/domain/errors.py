"""What a service may refuse, each with the sentence that says what would make it right."""

from __future__ import annotations


class FlowError(Exception):
    """Base of refusals. `remedy` is a whole sentence for the person who asked; it is translated where it is shown."""

    status = 400
    code = "refused"

    def __init__(self, remedy: str, *, field: str | None = None, **values: object) -> None:
        if "%(field)s" in remedy:
            values = {"field": field, **values}
        super().__init__(remedy % values if values else remedy)
        self.remedy = remedy
        self.field = field
        self.values = values


class Invalid(FlowError):
    """The request can be understood but not used as it is."""

    status, code = 422, "invalid"


class NotFound(FlowError):
    """Nothing by that name in the asker's scope: a foreign id looks the same as none."""

    status, code = 404, "not-found"


class Forbidden(FlowError):
    """The asker's role or the mode (no order in force) does not allow it."""

    status, code = 403, "forbidden"


class Conflict(FlowError):
    """Somebody else was first, or the thing is in another state."""

    status, code = 409, "conflict"


class Busy(FlowError):
    """The server has more to do than it can; `retry_s` says when to come again."""

    status, code = 503, "busy"

    def __init__(self, remedy: str, *, retry_s: int, **values: object) -> None:
        super().__init__(remedy, field=None, **values)
        self.retry_s = retry_s


class TooMany(FlowError):
    """Slow down; `retry_s` says how long."""

    status, code = 429, "too-many"

    def __init__(self, remedy: str, *, retry_s: int, **values: object) -> None:
        super().__init__(remedy, field=None, **values)
        self.retry_s = retry_s
