"""An agent's configuration file (TOML), parsed once into frozen types. docs/sensors.md lists every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from sensors.gate_line import BadLine, Direction, Line
from sensors.gate_zone import Zone
from sensors.seal import IngestKey, SealTrouble

VERSION = 1
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
DEVICE = re.compile(r"d_[a-z2-7]{12}")

T = TypeVar("T")
U = TypeVar("U")


class BadConfig(ValueError):
    """A configuration that cannot be used; the message names the key and the remedy."""


@dataclass(frozen=True)
class Over:
    """A line or zone of a camera's picture and the gate that it stands for; ``flip`` swaps in and out."""

    shape: Line | Zone
    gate: str
    flip: bool = False


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """Counts people over lines and into zones, one gate each."""

    source: str
    over: tuple[Over, ...]
    detector: Literal["yolox", "motion"] = "yolox"
    model: Path | None = None
    fps: float = 10.0
    pace: Literal["real", "fast"] = "real"
    repeat: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """Reads passes at a lane without a keyboard."""

    source: str
    gate: str
    direction: Direction
    passed: bool = True
    cooldown_s: float = 5.0
    fps: float = 10.0
    pace: Literal["real", "fast"] = "real"
    repeat: bool = False


SensorConfig = CameraConfig | CheckpointConfig


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """One device."""

    device: str
    server: str
    token: str
    outbox: Path
    sensors: tuple[SensorConfig, ...]
    heartbeat_s: float = 60.0
    ca_file: Path | None = None
    # A broker's address: reports go there instead of to the server.
    mqtt: str = ""
    config: int = 1
    ingest_key: IngestKey | None = None


def load(path: Path) -> AgentConfig:
    """Read and check a configuration; raises BadConfig. Relative paths are beside the file."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfig(f"The configuration {path} cannot be read ({error.strerror}): check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"The configuration {path} is not TOML in UTF-8 ({error}).") from error
    return agent_from(found, path.parent)


def agent_from(found: Mapping[str, Any], folder: Path) -> AgentConfig:
    """Check a parsed configuration; raises BadConfig."""
    table = _Table(found, "", folder)
    version = table.take("format", int, VERSION)
    if version > VERSION:
        raise BadConfig(f"format is {version}, this agent knows up to {VERSION}: update community-flow-sensors.")
    mqtt = table.take("mqtt", str, "")
    parsed = AgentConfig(
        device=table.matching("device", DEVICE, "d_ and 12 letters or digits, as `device enrol` printed it"),
        server=table.take("server", str, "" if mqtt else None),
        mqtt=mqtt,
        token=_token(table),
        outbox=table.path("outbox", "outbox.sqlite"),
        heartbeat_s=table.number("heartbeat_s", 60.0, 1, 3600),
        ca_file=table.path_or_none("ca_file"),
        config=table.take("config", int, 1),
        ingest_key=_ingest_key(table, folder),
        sensors=tuple(_sensor(each, at, folder) for at, each in enumerate(table.take("sensor", list, []))),
    )
    table.finish()
    return parsed


@dataclass(frozen=True)
class Told:
    """What a server tells a device to do: the part of a configuration that is not the device's own."""

    sensors: tuple[SensorConfig, ...]
    heartbeat_s: float = 60.0

    @property
    def gates(self) -> frozenset[str]:
        """Every gate that it reports of."""
        cameras = [over.gate for each in self.sensors if isinstance(each, CameraConfig) for over in each.over]
        return frozenset([*cameras, *(each.gate for each in self.sensors if not isinstance(each, CameraConfig))])


def told_from(document: Any, folder: Path) -> Told:
    """Check what a server tells: the same keys as in the file, as JSON; raises BadConfig.

    A camera may be told its line later: until then it counts nothing and gives the picture to draw it on.
    """
    if not isinstance(document, dict):
        raise BadConfig('The configuration is no table: write {"sensor": […]}.')
    table = _Table(document, "", folder)
    version = table.take("format", int, VERSION)
    if version > VERSION:
        raise BadConfig(f"format is {version}, this agent knows up to {VERSION}: update community-flow-sensors.")
    heartbeat_s = table.number("heartbeat_s", 60.0, 1, 3600)
    found = table.take("sensor", list, [])
    table.finish()
    return Told(tuple(_sensor(each, at, folder, drawn=False) for at, each in enumerate(found)), heartbeat_s)


def _token(table: _Table) -> str:
    file = table.path_or_none("token_file")
    token = table.take("token", str, "")
    if file is not None:
        try:
            token = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfig(f"token_file {file} cannot be read ({error}): put the device's token there.") from error
    if not token or not token.isascii() or not token.isprintable():
        raise BadConfig("token is missing or not plain text: put what `device enrol` printed in token or token_file.")
    return token


def _ingest_key(table: _Table, folder: Path) -> IngestKey | None:
    found = table.take("seal", dict, {})
    if not found:
        return None
    part = _Table(found, "seal.", folder)
    kid, key = part.take("kid", str), part.take("key", str)
    part.finish()
    try:
        return IngestKey.parse(kid, key)
    except SealTrouble as error:
        raise BadConfig(f"seal.key: {error}") from error


def _sensor(found: Any, at: int, folder: Path, drawn: bool = True) -> SensorConfig:
    """One sensor; a camera needs a line or a zone when it is to be ``drawn`` by now."""
    if not isinstance(found, dict):
        raise BadConfig(f"sensor {at + 1} is no table: begin it with [[sensor]].")
    table = _Table(found, f"sensor {at + 1}: ", folder)
    kind = table.one_of("kind", ("camera", "checkpoint"))
    sensor = _camera(table, drawn) if kind == "camera" else _checkpoint(table)
    table.finish()
    return sensor


def _camera(table: _Table, drawn: bool) -> CameraConfig:
    return CameraConfig(
        source=table.source(),
        over=_overs(table, drawn),
        detector=table.one_of("detector", ("yolox", "motion"), "yolox"),
        model=table.path_or_none("model"),
        fps=table.number("fps", 10.0, 0.5, 60),
        pace=table.one_of("pace", ("real", "fast"), "real"),
        repeat=table.take("repeat", bool, False),
    )


def _overs(table: _Table, drawn: bool) -> tuple[Over, ...]:
    """One line with ``line = "…"`` beside ``gate``, or any number of [[sensor.line]] and [[sensor.zone]]."""
    lines, zones = table.either("line", str, list, []), table.take("zone", list, [])
    if isinstance(lines, str):
        with _named(f"{table.where}line"):
            first = [Over(Line.parse(lines), _gate(table), table.take("flip", bool, False))]
        lines = []
    else:
        first = []
    found = [
        *first,
        *(_over(each, f"{table.where}line {at}: ", table, Line) for at, each in enumerate(lines, 1)),
        *(_over(each, f"{table.where}zone {at}: ", table, Zone) for at, each in enumerate(zones, 1)),
    ]
    if drawn and not found:
        raise BadConfig(f"{table.where}line is missing: add it, or a [[sensor.line]] or [[sensor.zone]].")
    _own_gates(found, table.where)
    return tuple(found)


def _over(found: Any, where: str, sensor: _Table, kind: type[Line | Zone]) -> Over:
    if not isinstance(found, dict):
        raise BadConfig(f"{where}is no table: begin it with [[sensor.line]] or [[sensor.zone]].")
    table = sensor.within(found, where)
    with _named(f"{where}at"):
        over = Over(kind.parse(table.take("at", str)), _gate(table), table.take("flip", bool, False))
    table.finish()
    return over


def _own_gates(found: list[Over], where: str) -> None:
    """Two lines for one gate would count everybody twice, silently."""
    gates = [each.gate for each in found]
    twice = next((gate for gate in gates if gates.count(gate) > 1), None)
    if twice is not None:
        raise BadConfig(f"{where}gate {twice!r} has two lines or zones: give each its own gate.")


@contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except BadLine as error:
        raise BadConfig(f"{where}: {error}") from error


def _checkpoint(table: _Table) -> CheckpointConfig:
    return CheckpointConfig(
        source=table.source(),
        gate=_gate(table),
        direction=table.one_of("direction", ("in", "out")),
        passed=table.take("passed", bool, True),
        cooldown_s=table.number("cooldown_s", 5.0, 0, 600),
        fps=table.number("fps", 10.0, 0.5, 60),
        pace=table.one_of("pace", ("real", "fast"), "real"),
        repeat=table.take("repeat", bool, False),
    )


def _gate(table: _Table) -> str:
    return table.matching("gate", SLUG, "the gate's short name, small letters, digits and hyphens")


class _Table:
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

    def within(self, found: Mapping[str, Any], where: str) -> _Table:
        """A table inside this one, with paths beside the same file."""
        return _Table(found, where, self._folder)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        value = self._left.pop(name, default)
        if type(value) not in (int, float) or not least <= value <= most:
            raise BadConfig(f"{self.where}{name} is {value!r}: give a number from {least:g} to {most:g}.")
        return float(value)

    def matching(self, name: str, pattern: re.Pattern[str], meaning: str) -> str:
        value = self.take(name, str)
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

    def source(self) -> str:
        """A camera's address as it is, a file's path beside the configuration."""
        value = self.take("source", str)
        if "://" in value or re.match(r"(usb|scene):", value):
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
