"""Reading a TOML table key by key, so that every mistake is named with its place and its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

T = TypeVar("T")
U = TypeVar("U")


class BadConfig(ValueError):
    """A configuration that cannot be used; the message names the key and the remedy."""


class Table:
    """Takes keys out of a TOML table with their types, and finds what nobody took."""

    def __init__(self, found: Mapping[str, Any], where: str, folder: Path) -> None:
        self._left, self.where, self._folder = dict(found), where, folder

    def take(self, name: str, kind: type[T], default: T | None = None) -> T:
        value = self._left.pop(name, default)
        if value is None:
            raise BadConfig(f"{self.where}{name} is missing: add it.")
        if type(value) is not kind:
            raise BadConfig(f"{self.where}{name} is {value!r}: give a {_KINDS[kind]}.")
        return value

    def either(self, name: str, kind: type[T], other: type[U], default: U) -> T | U:
        value = self._left.pop(name, default)
        if type(value) not in (kind, other):
            raise BadConfig(f"{self.where}{name} is {value!r}: give a {_KINDS[kind]} or a {_KINDS[other]}.")
        return cast("T | U", value)

    def within(self, found: Mapping[str, Any], where: str) -> Table:
        """A table inside this one, with paths beside the same file."""
        return Table(found, where, self._folder)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        value = self._left.pop(name, default)
        if type(value) not in (int, float) or not least <= value <= most:
            raise BadConfig(f"{self.where}{name} is {value!r}: give a number from {least:g} to {most:g}.")
        return float(value)

    def matching(self, name: str, pattern: re.Pattern[str], meaning: str, default: str | None = None) -> str:
        value = self.take(name, str, default)
        if not pattern.fullmatch(value):
            raise BadConfig(f"{self.where}{name} is {value!r}: give {meaning}.")
        return value

    def one_of(self, name: str, choices: tuple[Any, ...], default: str | None = None) -> Any:
        value = self.take(name, str, default)
        if value not in choices:
            raise BadConfig(f"{self.where}{name} is {value!r}: give one of {', '.join(choices)}.")
        return value

    def path_or_none(self, name: str) -> Path | None:
        value = self.take(name, str, "")
        return self._folder / value if value else None

    def path(self, name: str, default: str) -> Path:
        return self._folder / self.take(name, str, default)

    def gate(self) -> str:
        return self.matching("gate", SLUG, "the gate's short name, small letters, digits and hyphens")

    def pattern(self, name: str, default: str | None = None, groups: tuple[str, ...] = ()) -> re.Pattern[str]:
        """A regular expression that knows these groups."""
        value = self.take(name, str, default)
        try:
            found = re.compile(value)
        except re.error as error:
            raise BadConfig(f"{self.where}{name} is {value!r}: give a regular expression ({error}).") from error
        missing = [each for each in groups if each not in found.groupindex]
        if missing:
            raise BadConfig(f"{self.where}{name} is {value!r}: give it a group (?P<{missing[0]}>…).")
        return found

    def tables(self, name: str) -> Iterator[Table]:
        """The tables of a list, [[sensor.name]], each with its place for messages."""
        for at, each in enumerate(self.take(name, list, []), 1):
            where = f"{self.where}{name} {at}: "
            if not isinstance(each, dict):
                raise BadConfig(f"{where}is no table: begin it with [[…{name}]].")
            yield self.within(each, where)

    def source(self, name: str = "source") -> str:
        """An address as it is, a file's path beside the configuration."""
        value = self.take(name, str)
        if "://" in value or re.match(r"(usb|scene|serial):", value):
            return value
        return str(self._folder / value)

    def finish(self) -> None:
        if self._left:
            raise BadConfig(f"{self.where}{', '.join(sorted(self._left))}: no such key; docs/sensors.md lists them.")


_KINDS: dict[type, str] = {
    int: "whole number",
    str: "text in quotes",
    bool: "true or false",
    list: "list of tables, as [[sensor]]",
    dict: "table",
}
