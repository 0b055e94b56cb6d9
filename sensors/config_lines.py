"""What is configured beside cameras: sensors that speak in lines, readers that type, outputs, the fire input."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from sensors.config_table import BadConfig, Table
from sensors.gate_line import Direction

Beam = Literal["outer", "inner"]
BOUNCE_S = 0.05
Press = Literal["passed", "fire"]


@dataclass(frozen=True)
class LinePattern:
    """Lines that mean somebody went through (``direction``; a group ``n`` says how many), or that one beam of two was
    cut."""

    match: re.Pattern[str]
    direction: Direction | None = None
    beam: Beam | None = None


@dataclass(frozen=True, kw_only=True)
class BeamConfig:
    """A light barrier, a turnstile, a mat: whatever writes a line for each person, or for each cut of a beam."""

    source: str
    gate: str
    patterns: tuple[LinePattern, ...]
    within_s: float = 2.0
    debounce_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ThermometerConfig:
    """A reader of body temperature, or of any other quantity, that writes a line for each reading."""

    source: str
    match: re.Pattern[str]
    bed: str = ""
    quantity: str = "body-temperature"
    unit: str = "Cel"
    units: dict[str, str] = field(default_factory=dict)
    least: float = 30.0
    most: float = 45.0
    error: float | None = None


@dataclass(frozen=True, kw_only=True)
class WedgeConfig:
    """A QR or card reader that types like a keyboard."""

    source: str
    gate: str
    direction: Direction
    passed: bool = True
    cooldown_s: float = 5.0
    tags: bool = False


@dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """A relay, barrier or buzzer."""

    to: str
    on: Press = "passed"
    gate: str = ""
    open: str = "1"
    close: str = "0"
    pulse_s: float = 1.0
    hold_on_fire: bool = True


@dataclass(frozen=True, kw_only=True)
class FireConfig:
    """The fire alarm's contact as lines of text. Whatever is not known to be quiet is a fire."""

    source: str
    active: re.Pattern[str]
    quiet: re.Pattern[str]
    silence_s: float = 10.0


LineSensorConfig = BeamConfig | ThermometerConfig | WedgeConfig


def beam(table: Table) -> BeamConfig:
    found = tuple(_pattern(each) for each in table.tables("pattern"))
    if not found:
        raise BadConfig(f"{table.where}pattern is missing: add a [[sensor.pattern]] with match and direction or beam.")
    beams = {each.beam for each in found if each.beam}
    if len(beams) == 1:
        raise BadConfig(f"{table.where}pattern: one beam tells no direction: give both outer and inner, or direction.")
    return BeamConfig(
        source=table.source(),
        gate=table.gate(),
        patterns=found,
        within_s=table.number("within_s", 2.0, 0.05, 30),
        # What writes a line for each person has settled its contacts itself; two lines at once are two people.
        debounce_s=table.number("debounce_s", BOUNCE_S if beams else 0.0, 0, 10),
    )


def _pattern(table: Table) -> LinePattern:
    match = table.pattern("match")
    direction = table.one_of("direction", ("in", "out", ""), "")
    beam = table.one_of("beam", ("outer", "inner", ""), "")
    table.finish()
    if bool(direction) == bool(beam):
        raise BadConfig(f"{table.where}give either direction or beam.")
    return LinePattern(match, direction or None, beam or None)


def thermometer(table: Table) -> ThermometerConfig:
    match, bed = table.pattern("match", groups=("value",)), table.take("bed", str, "")
    if bool(bed) == bool({"tag", "pass", "bed"} & set(match.groupindex)):
        raise BadConfig(
            f"{table.where}whose reading is it? Give bed, or a group (?P<tag>…), (?P<pass>…) or (?P<bed>…)."
        )
    units = table.take("units", dict, {})
    if not all(isinstance(each, str) for each in units.values()):
        raise BadConfig(f'{table.where}units: give texts, as units = {{C = "Cel", F = "[degF]"}}.')
    least, most = table.number("least", 30.0, -1e6, 1e6), table.number("most", 45.0, -1e6, 1e6)
    if least >= most:
        raise BadConfig(f"{table.where}most is {most:g}: give a number above least.")
    error = table.number("error", -1.0, -1.0, 1e6)
    return ThermometerConfig(
        source=table.source(), match=match, bed=bed,
        quantity=table.matching("quantity", re.compile(r"[a-z][a-z0-9_-]{0,39}"), "a word", "body-temperature"),
        unit=table.take("unit", str, "Cel"), units=units, least=least, most=most, error=None if error < 0 else error,
    )  # fmt: skip


def wedge(table: Table) -> WedgeConfig:
    return WedgeConfig(
        source=table.source(),
        gate=table.gate(),
        direction=table.one_of("direction", ("in", "out")),
        passed=table.take("passed", bool, True),
        cooldown_s=table.number("cooldown_s", 5.0, 0, 600),
        tags=table.take("tags", bool, False),
    )


def output(table: Table) -> OutputConfig:
    found = OutputConfig(
        to=table.source("to"),
        on=table.one_of("on", ("passed", "fire"), "passed"),
        gate=table.take("gate", str, ""),
        open=table.take("open", str, "1"),
        close=table.take("close", str, "0"),
        pulse_s=table.number("pulse_s", 1.0, 0.01, 600),
        hold_on_fire=table.take("hold_on_fire", bool, True),
    )
    table.finish()
    if found.to.startswith(("http://", "https://")) and not found.open.startswith("/"):
        raise BadConfig(
            f"{table.where}open is {found.open!r}: give the path of the request that opens, as /relay/0?turn=on."
        )
    return found


def fire(table: Table) -> FireConfig:
    found = FireConfig(
        source=table.source(),
        active=table.pattern("active"),
        quiet=table.pattern("quiet"),
        silence_s=table.number("silence_s", 10.0, 0.5, 3600),
    )
    table.finish()
    return found
