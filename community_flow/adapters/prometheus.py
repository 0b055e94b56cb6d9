"""Counters for /metrics, in a registry of our own so that two applications in one process do not collide."""

from __future__ import annotations

from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class PrometheusMeter:
    """Every figure is declared here; a name that is not is an error of ours and raises KeyError."""

    COUNTERS: ClassVar[dict[str, tuple[str, tuple[str, ...]]]] = {
        "reports_total": ("Reports answered, by outcome", ("outcome",)),
        "bodies_total": ("Bodies of reports answered with 200", ()),
        "refused_total": ("Requests of devices refused, by cause", ("cause",)),
        "forged_total": ("Passes with a wrong signature under a known key", ()),
        "unknown_fields_total": ("Members of reports that this version does not know", ()),
        "twin_down_total": ("Times that Redis was away and this process went on without it, by part", ("part",)),
    }
    GAUGES: ClassVar[dict[str, str]] = {
        "fold_waiting": "Marks waiting to be folded",
        "tray_open": "Reports in the tray that wait for a person",
        "store_up": "1 when the store answers",
    }
    TIMES: ClassVar[dict[str, str]] = {"commit_seconds": "From a decoded body to its commit"}

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"flow_{name}", text, labels, registry=self.registry)
            for name, (text, labels) in self.COUNTERS.items()
        }
        self._gauges = {name: Gauge(f"flow_{name}", text, registry=self.registry) for name, text in self.GAUGES.items()}
        self._times = {
            name: Histogram(f"flow_{name}", text, registry=self.registry) for name, text in self.TIMES.items()
        }

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def observe(self, name: str, value: float) -> None:
        if name in self._gauges:
            self._gauges[name].set(value)
        else:
            self._times[name].observe(value)

    def text(self) -> bytes:
        """What /metrics answers."""
        return generate_latest(self.registry)
