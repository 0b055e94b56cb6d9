"""Which of several communities a page is about: one choice for the whole office, kept in the session."""

from __future__ import annotations

from collections.abc import Mapping

from flask import session


def chosen_community(asked: str | None, communities: Mapping[str, object]) -> str | None:
    """The community asked for, else the one looked at last, else the first; None when the one asked for is foreign."""
    if asked:
        found = asked if asked in communities else None
    else:
        last = session.get("community")
        found = last if last in communities else next(iter(communities), None)
    if found is not None and session.get("community") != found:
        session["community"] = found
    return found
