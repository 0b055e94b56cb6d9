"""Counters for /metrics. Whichever process answers, the answer counts what all processes of the installation did."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from community_flow.adapters.figures import Figures
from community_flow.ports.health import Reading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "flow_"
MOST_SERIES = 600
"""Of one figure. What comes after is counted as `other`: a figure must not grow with what strangers send."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)


@dataclass(frozen=True)
class Figure:
    """What /metrics says of one figure. ``kind``: counter, gauge (added up over living processes), histogram, or
    asked (a gauge that is looked up when somebody asks)."""

    kind: str
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


FIGURES: dict[str, Figure] = {
    "reports_total": Figure("counter", "Reports answered, by outcome", ("outcome",)),
    "bodies_total": Figure("counter", "Bodies of reports answered with 200"),
    "refused_total": Figure("counter", "Requests of devices refused, by cause", ("cause",)),
    "reads_shed_total": Figure("counter", "Reads refused because reports waited too long for their commit"),
    "forged_total": Figure("asked", "Passes with a wrong signature under a known key, of all devices"),
    "unknown_fields_total": Figure("asked", "Members of reports that this version does not know, of all devices"),
    "twin_down_total": Figure("counter", "Times that Redis was away and a process went on without it", ("part",)),
    "mqtt_answers_total": Figure("counter", "Bodies of reports answered over MQTT, by status", ("status",)),
    "mqtt_dropped_total": Figure("counter", "Messages over MQTT that nobody answers, by cause", ("cause",)),
    "mqtt_connected_total": Figure("counter", "Times that a process was connected to the MQTT broker"),
    "mqtt_accounts_waiting_total": Figure(
        "counter", "Devices enrolled or revoked while the MQTT broker was away: made up for when it is back"
    ),
    "ingest_request_seconds": Figure("histogram", "Requests of the ingest route, from head to answer", (), SECONDS),
    "commit_seconds": Figure("histogram", "From a decoded body to its commit, waiting included", (), SECONDS),
    "commit_write_seconds": Figure("histogram", "One commit of the store", (), SECONDS),
    "commit_group_reports": Figure("histogram", "Reports that one commit kept together", (), SIZES),
    "commits_waiting": Figure("gauge", "Bodies that wait for a commit"),
    "fold_marks_total": Figure("counter", "Marks that the fold took up"),
    "http_requests_total": Figure("counter", "Answers, by route and status", ("method", "route", "status")),
    "http_request_seconds": Figure("histogram", "Requests of pages and JSON, ingest left out", (), SECONDS),
    "log_lines_total": Figure("counter", "Lines logged as a warning or worse", ("level",)),
    "fold_waiting": Figure("asked", "Rows of marks that wait to be folded: those of a commit are one"),
    "fold_oldest_mark_seconds": Figure("asked", "Age of the oldest mark that waits to be folded"),
    "tray_open": Figure("asked", "Reports in the tray that wait for a person", ("reason",)),
    "devices": Figure("asked", "Devices by how they are", ("state",)),
    "clock_believed": Figure("asked", "1 while the server's own clock is believed"),
    "clock_off_seconds": Figure("asked", "How far the machine's clock is ahead of what it should say, when it is not"),
    "notices": Figure("asked", "Messages about notices that wait, or were given up after three days", ("state",)),
    "store_up": Figure("asked", "1 when the store answers"),
    "redis_up": Figure("asked", "1 when Redis answers; missing when none is set"),
    "mqtt_up": Figure("asked", "1 when the MQTT broker answers; missing when none is set"),
    "data_free_bytes": Figure("asked", "Free on the disk of the data folder"),
    "backup_timestamp_seconds": Figure(
        "asked", "When the newest backup in FLOW_BACKUP_DIR was begun; 0: there is none"
    ),
    "build_info": Figure("asked", "Always 1; the labels say what runs", ("python", "revision", "version")),
    "process_cpu_seconds_total": Figure("asked", "Processor time of each living process", ("process",)),
    "process_resident_memory_bytes": Figure("asked", "Memory of each living process", ("process",)),
    "process_open_fds": Figure("asked", "Open files of each living process", ("process",)),
    "process_threads": Figure("asked", "Threads of each living process", ("process",)),
    "process_start_time_seconds": Figure("asked", "When each living process started", ("process",)),
}
"""Every figure is declared here; a name that is not is an error of ours and raises KeyError."""


class PrometheusMeter:
    """Counts into `Figures`, and writes what Prometheus reads."""

    def __init__(self) -> None:
        self.figures = Figures()
        self._series: dict[tuple[Any, ...], str] = {}
        self._counted: dict[str, int] = defaultdict(int)
        self._bounds = {
            name: [f"{name}\tle={bound}" for bound in (*figure.buckets, "+Inf")]
            for name, figure in FIGURES.items()
            if figure.kind == "histogram"
        }
        for name, figure in FIGURES.items():
            if not figure.labels and figure.kind == "counter":
                self.add(name, 0)

    def share(self, folder: Path, role: str) -> None:
        """Let the other processes of the installation read what this one counts, from now on."""
        self.figures.share(folder, role)
        for name, figure in FIGURES.items():
            if figure.kind == "gauge":
                self.put(name, 0)  # a process before this one may have ended in the middle of something

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        series = self._series.get((name, *labels.items()))
        self.figures.add(self._begin(name, labels) if series is None else series, amount)

    def put(self, name: str, value: float) -> None:
        self.figures.put(name, value)

    def observe(self, name: str, value: float) -> None:
        place = bisect_left(FIGURES[name].buckets, value)
        self.figures.add_all(((self._bounds[name][place], 1), (f"{name}\tsum", value)))

    def text(self, asked: Iterable[Reading] = ()) -> bytes:
        """What /metrics answers; ``asked`` are the figures that are looked up for it."""
        registry = CollectorRegistry()
        registry.register(_Collected(lambda: self._families(asked)))
        return generate_latest(registry)

    def _begin(self, name: str, labels: dict[str, str]) -> str:
        figure = FIGURES[name]
        if figure.labels != tuple(sorted(labels)):
            raise KeyError(f"{name} has the labels {figure.labels}")
        if self._counted[name] >= MOST_SERIES:
            return _series(name, dict.fromkeys(labels, "other"))
        self._counted[name] += 1
        series = self._series[(name, *labels.items())] = _series(name, labels)
        return series

    def _families(self, asked: Iterable[Reading]) -> Iterator[Metric]:
        kept: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for each in self.figures.read():
            name, _, rest = each.name.partition("\t")
            if name in FIGURES and (each.live or FIGURES[name].kind != "gauge"):
                kept[name][rest] += each.value
        for reading in asked:
            kept[reading.name][_series("", reading.labels)[1:]] = reading.value
        for name, figure in FIGURES.items():
            # What never happened is there without a number, or with 0: a rule can look at it.
            if name in kept or figure.kind != "asked":
                yield _family(name, figure, kept[name])


class _Collected:
    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self.collect = collect


def _series(name: str, labels: dict[str, str]) -> str:
    return "".join([name, *(f"\t{label}={value}" for label, value in sorted(labels.items()))])


def _family(name: str, figure: Figure, values: dict[str, float]) -> Metric:
    shown = name if name.startswith("process_") else PREFIX + name
    if figure.kind == "histogram":
        return _histogram(shown, figure, values)
    family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    found = family(shown, figure.text, labels=figure.labels)
    for series, value in sorted(values.items()):
        labels = dict(part.partition("=")[::2] for part in series.split("\t") if part)
        found.add_metric([labels.get(label, "") for label in figure.labels], value)
    return found


def _histogram(shown: str, figure: Figure, values: dict[str, float]) -> Metric:
    bounds = [*(str(each) for each in figure.buckets), "+Inf"]
    counts = accumulate(values.get(f"le={bound}", 0.0) for bound in bounds)
    found = HistogramMetricFamily(shown, figure.text)
    found.add_metric([], list(zip(bounds, counts, strict=True)), values.get("sum", 0.0))
    return found
