"""Members of a report that have no column of their own, as its row keeps them."""

from __future__ import annotations

import msgspec


class _Named(msgspec.Struct, frozen=True):
    boot: int
    seq: int


class _Span(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    boot: int
    from_: int
    to: int


class _Body(msgspec.Struct, frozen=True):
    """Members of a report that have no column."""

    zone: str | None = None
    of: _Named | None = None
    replaces: _Span | None = None


_EMPTY = _Body()
_decode_body = msgspec.json.Decoder(_Body).decode


def body_of(text: str | None) -> _Body:
    return _decode_body(text) if text else _EMPTY


def named_in(text: str | None) -> tuple[int, int] | None:
    """(boot, seq) of what a correction corrects."""
    of = body_of(text).of
    return None if of is None else (of.boot, of.seq)
