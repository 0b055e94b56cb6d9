"""A thermometer that writes a line for each reading: what is plausible is reported, with the error that it states."""

from __future__ import annotations

import logging
import threading

from sensors import faults
from sensors.config_lines import ThermometerConfig
from sensors.desk import Desk
from sensors.line_source import each_line


class ThermometerSensor:
    def __init__(self, config: ThermometerConfig) -> None:
        self._config = config

    def run(self, desk: Desk, stop: threading.Event) -> None:
        each_line(self._config.source, desk, stop, lambda line: self.take(desk, line))

    def take(self, desk: Desk, line: str | None) -> None:
        """Report the reading of a line. One beyond what a body can have is a fault of the sensor, not of the body."""
        found = self._config.match.search(line) if line else None
        if found is None:
            return
        groups = {name: value for name, value in found.groupdict().items() if value}
        value, unit = _number(groups["value"]), self._unit(groups)
        if value is None or unit is None or not self._config.least <= value <= self._config.most:
            logging.getLogger("sensors").warning("A reading beyond what is plausible was left out.")
            desk.fault(faults.READING_IMPLAUSIBLE)
            return
        desk.fault(faults.READING_IMPLAUSIBLE, on=False)
        error = _number(groups["error"]) if "error" in groups else self._config.error
        desk.reading(self._subject(groups), self._config.quantity, value, unit, error)

    def _unit(self, groups: dict[str, str]) -> str | None:
        """The unit that the line states, by its name in the configuration; None for one that is not listed there."""
        return self._config.units.get(groups["unit"]) if "unit" in groups else self._config.unit

    def _subject(self, groups: dict[str, str]) -> dict[str, str]:
        if self._config.bed:
            return {"bed": self._config.bed}
        return next({name: groups[name]} for name in ("tag", "pass", "bed") if name in groups)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
