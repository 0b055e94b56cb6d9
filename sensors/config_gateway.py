"""What is configured of a gateway: messages of others over MQTT, and what each of them means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sensors.config_table import BadConfig, Table
from sensors.gate_line import Direction

TOPIC = re.compile(r"[^\x00\s]{1,500}")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """Messages whose members are as ``when`` says are reports. A key that ends with _at names a member by its path."""

    report: Literal["count", "scan", "reading"]
    when: Mapping[str, Any]
    gate: str = ""
    direction: Direction | None = None
    direction_at: str = ""
    directions: Mapping[str, Any]
    n_at: str = ""
    tag_at: str = ""
    passed: bool = True
    bed: str = ""
    bed_at: str = ""
    quantity: str = "body-temperature"
    value_at: str = ""
    unit: str = "Cel"
    least: float = 30.0
    most: float = 45.0


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """Listens to a broker. ``id_at`` is the member that tells a message from every other, for what is sent twice."""

    source: str
    topic: str
    maps: tuple[Meaning, ...]
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    id_at: str = ""
    cooldown_s: float = 5.0

    @property
    def gates(self) -> tuple[str, ...]:
        return tuple(each.gate for each in self.maps if each.gate)


def gateway(table: Table) -> GatewayConfig:
    maps = tuple(_mapping(each) for each in table.tables("map"))
    if not maps:
        raise BadConfig(f"{table.where}map is missing: add a [[sensor.map]] that says what a message means.")
    source = table.source()
    if not source.startswith(("mqtt://", "mqtts://")):
        raise BadConfig(f"{table.where}source is {source!r}: give a broker, as mqtt://192.168.1.50:1883.")
    return GatewayConfig(
        source=source,
        topic=table.matching("topic", TOPIC, "a topic, as ble/+/seen"),
        maps=maps,
        username=table.take("username", str, ""),
        password_file=table.path_or_none("password_file"),
        ca_file=table.path_or_none("ca_file"),
        id_at=table.take("id_at", str, ""),
        cooldown_s=table.number("cooldown_s", 5.0, 0, 3600),
    )


def _mapping(table: Table) -> Meaning:
    report = table.one_of("report", ("count", "scan", "reading"))
    found = Meaning(
        report=report, when=table.take("when", dict, {}),
        gate="" if report == "reading" else table.gate(),
        direction=table.one_of("direction", ("in", "out", ""), "") or None,
        direction_at=table.take("direction_at", str, ""), directions=table.take("directions", dict, {}),
        n_at=table.take("n_at", str, ""), tag_at=table.take("tag_at", str, ""),
        passed=table.take("passed", bool, True), bed=table.take("bed", str, ""), bed_at=table.take("bed_at", str, ""),
        quantity=table.matching("quantity", re.compile(r"[a-z][a-z0-9_-]{0,39}"), "a word", "body-temperature"),
        value_at=table.take("value_at", str, ""), unit=table.take("unit", str, "Cel"),
        least=table.number("least", 30.0, -1e6, 1e6), most=table.number("most", 45.0, -1e6, 1e6),
    )  # fmt: skip
    table.finish()
    _complete(found, table.where)
    return found


def _complete(found: Meaning, where: str) -> None:
    """Each kind of report needs members of its own."""
    if found.report != "reading" and bool(found.direction) == bool(found.direction_at):
        raise BadConfig(f"{where}give either direction or direction_at.")
    if found.direction_at and not set(found.directions.values()) <= {"in", "out"}:
        raise BadConfig(f'{where}directions: give in and out, as directions = {{enter = "in", leave = "out"}}.')
    if found.report == "scan" and not found.tag_at:
        raise BadConfig(f"{where}tag_at is missing: say where the tag's number is.")
    if found.report == "reading" and not found.value_at:
        raise BadConfig(f"{where}value_at is missing: say where the value is.")
    if found.report == "reading" and (bool(found.tag_at) + bool(found.bed) + bool(found.bed_at)) != 1:
        raise BadConfig(f"{where}whose reading is it? Give one of tag_at, bed, bed_at.")
