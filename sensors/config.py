"""An agent's configuration file (TOML), parsed once into frozen types. docs/sensors.md lists every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sensors import config_gateway, config_lines
from sensors.config_gateway import GatewayConfig
from sensors.config_lines import FireConfig, LineSensorConfig, OutputConfig
from sensors.config_table import BadConfig, Table
from sensors.gate_line import BadLine, Direction, Line
from sensors.gate_zone import Zone
from sensors.seal import IngestKey, SealTrouble

VERSION = 1
DEVICE = re.compile(r"d_[a-z2-7]{12}")

__all__ = ["BadConfig"]  # where it is looked for


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


SensorConfig = CameraConfig | CheckpointConfig | LineSensorConfig | GatewayConfig


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
    outputs: tuple[OutputConfig, ...] = ()
    fire: FireConfig | None = None


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
    table = Table(found, "", folder)
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
        outputs=tuple(config_lines.output(each) for each in table.tables("output")),
        fire=_fire(table),
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
        gateways = [gate for each in self.sensors if isinstance(each, GatewayConfig) for gate in each.gates]
        others = [gate for each in self.sensors if (gate := getattr(each, "gate", ""))]
        return frozenset([*cameras, *gateways, *others])


def told_from(document: Any, folder: Path) -> Told:
    """Check what a server tells: the same keys as in the file, as JSON; raises BadConfig.

    A camera may be told its line later: until then it counts nothing and gives the picture to draw it on.
    """
    if not isinstance(document, dict):
        raise BadConfig('The configuration is no table: write {"sensor": […]}.')
    table = Table(document, "", folder)
    version = table.take("format", int, VERSION)
    if version > VERSION:
        raise BadConfig(f"format is {version}, this agent knows up to {VERSION}: update community-flow-sensors.")
    heartbeat_s = table.number("heartbeat_s", 60.0, 1, 3600)
    found = table.take("sensor", list, [])
    table.finish()
    return Told(tuple(_sensor(each, at, folder, drawn=False) for at, each in enumerate(found)), heartbeat_s)


def _token(table: Table) -> str:
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


def _fire(table: Table) -> FireConfig | None:
    found = table.take("fire", dict, {})
    return config_lines.fire(table.within(found, "fire.")) if found else None


def _ingest_key(table: Table, folder: Path) -> IngestKey | None:
    found = table.take("seal", dict, {})
    if not found:
        return None
    part = Table(found, "seal.", folder)
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
    table = Table(found, f"sensor {at + 1}: ", folder)
    kind = table.one_of("kind", tuple(KINDS))
    sensor = _camera(table, drawn) if kind == "camera" else KINDS[kind](table)
    table.finish()
    return sensor


def _camera(table: Table, drawn: bool) -> CameraConfig:
    return CameraConfig(
        source=table.source(),
        over=_overs(table, drawn),
        detector=table.one_of("detector", ("yolox", "motion"), "yolox"),
        model=table.path_or_none("model"),
        fps=table.number("fps", 10.0, 0.5, 60),
        pace=table.one_of("pace", ("real", "fast"), "real"),
        repeat=table.take("repeat", bool, False),
    )


def _overs(table: Table, drawn: bool) -> tuple[Over, ...]:
    """One line with ``line = "…"`` beside ``gate``, or any number of [[sensor.line]] and [[sensor.zone]]."""
    lines, zones = table.either("line", str, list, []), table.take("zone", list, [])
    if isinstance(lines, str):
        with _named(f"{table.where}line"):
            first = [Over(Line.parse(lines), table.gate(), table.take("flip", bool, False))]
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


def _over(found: Any, where: str, sensor: Table, kind: type[Line | Zone]) -> Over:
    if not isinstance(found, dict):
        raise BadConfig(f"{where}is no table: begin it with [[sensor.line]] or [[sensor.zone]].")
    table = sensor.within(found, where)
    with _named(f"{where}at"):
        over = Over(kind.parse(table.take("at", str)), table.gate(), table.take("flip", bool, False))
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


def _checkpoint(table: Table) -> CheckpointConfig:
    return CheckpointConfig(
        source=table.source(),
        gate=table.gate(),
        direction=table.one_of("direction", ("in", "out")),
        passed=table.take("passed", bool, True),
        cooldown_s=table.number("cooldown_s", 5.0, 0, 600),
        fps=table.number("fps", 10.0, 0.5, 60),
        pace=table.one_of("pace", ("real", "fast"), "real"),
        repeat=table.take("repeat", bool, False),
    )


KINDS: dict[str, Callable[[Table], SensorConfig]] = {
    "camera": lambda table: _camera(table, drawn=True),
    "checkpoint": _checkpoint,
    "beam": config_lines.beam,
    "thermometer": config_lines.thermometer,
    "wedge": config_lines.wedge,
    "gateway": config_gateway.gateway,
}
