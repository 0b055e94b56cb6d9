"""The registry as it was at any moment: rows with an effective time, read as of event time."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from community_flow.domain.places import KINDS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. ``data`` None means that the entity ended. ``number`` was fixed when the row was written: it settles
    which of two rows with the same ``valid_from_ms`` holds (the later one)."""

    number: int
    community: str
    kind: str
    entity: str
    valid_from_ms: int
    data: Mapping[str, Any] | None


class Timeline:
    """The states of one entity, oldest first."""

    __slots__ = ("starts_ms", "states")

    def __init__(self, entries: Iterable[Entry], kind: str) -> None:
        rows = sorted(entries, key=lambda entry: (entry.valid_from_ms, entry.number))
        self.starts_ms = [row.valid_from_ms for row in rows]
        self.states = [None if row.data is None else msgspec.convert(row.data, KINDS[kind]) for row in rows]

    def at(self, t_ms: int) -> Any:
        """The state that holds at ``t_ms``, or None before the first row and after the end."""
        index = bisect_right(self.starts_ms, t_ms)
        return self.states[index - 1] if index else None

    def next_change_ms(self, t_ms: int) -> int | None:
        """When the state after the one that holds at ``t_ms`` begins."""
        index = bisect_right(self.starts_ms, t_ms)
        return self.starts_ms[index] if index < len(self.starts_ms) else None

    def spans(self) -> Iterator[tuple[int, int | None, Any]]:
        """(from_ms, until_ms or None, state or None) of every row."""
        ends: list[int | None] = [*self.starts_ms[1:], None]
        return zip(self.starts_ms, ends, self.states, strict=True)


class Journal:
    """All timelines of one community. Immutable: a new row makes a new Journal (`with_entries`)."""

    def __init__(self, community: str, entries: Iterable[Entry]) -> None:
        self.community = community
        self._entries: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._timelines: dict[tuple[str, str], Timeline] = {}
        for entry in entries:
            self._entries[entry.kind, entry.entity].append(entry)

    def with_entries(self, entries: Iterable[Entry]) -> Journal:
        """This journal and some more rows."""
        rows = [row for rows in self._entries.values() for row in rows]
        return Journal(self.community, [*rows, *entries])

    def timeline(self, kind: str, entity: str) -> Timeline:
        """All states of one entity; empty when unknown."""
        key = (kind, entity)
        if key not in self._timelines:
            self._timelines[key] = Timeline(self._entries.get(key, ()), kind)
        return self._timelines[key]

    def at(self, kind: str, entity: str, t_ms: int) -> Any:
        """The state of an entity at ``t_ms`` (a type of `domain/places.py`), or None."""
        return self.timeline(kind, entity).at(t_ms)

    def entities(self, kind: str) -> list[str]:
        """Ids of every entity of that kind that ever had a row, sorted."""
        return sorted(entity for (each, entity) in self._entries if each == kind)

    def all_at(self, kind: str, t_ms: int) -> dict[str, Any]:
        """Entities of that kind that exist at ``t_ms``."""
        found = ((entity, self.at(kind, entity, t_ms)) for entity in self.entities(kind))
        return {entity: state for entity, state in found if state is not None}
