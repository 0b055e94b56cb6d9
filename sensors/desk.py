"""What a sensor writes to: counts, scans, readings and faults go in, whole reports go to the outbox."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from sensors import __version__, faults
from sensors.device_clock import DeviceClock
from sensors.gate_line import Direction
from sensors.outbox import Outbox
from sensors.seal import IngestKey, seal
from sensors.wire import Count, Reading, Scan, Status, Subject


class Sensor(Protocol):
    """Something that watches a gate. `run` returns when its source is at its end or ``stop`` is set."""

    def run(self, desk: Desk, stop: threading.Event) -> None: ...


class Desk:
    """Safe to use from several sensors' threads."""

    def __init__(
        self, outbox: Outbox, clock: DeviceClock, config: int = 1, ingest_key: IngestKey | None = None
    ) -> None:
        self._outbox, self._clock, self._config, self._key = outbox, clock, config, ingest_key
        self._faults: set[str] = set()
        self.on_passed: list[Callable[[str], None]] = []
        """Called with the gate when a scan says that somebody goes through."""
        self._lock = threading.Lock()
        self.news = threading.Event()
        """Set when there is something to send."""

    def count(
        self, gate: str, direction: Direction, n: int = 1, confidence: float | None = None, at_ms: int | None = None
    ) -> bool:
        """``n`` bodies went over; False when the disk had no room for it (which is told as a gap later)."""
        return self._keep(
            lambda boot, seq, now, skew: Count(
                boot=boot, seq=seq, at=now if at_ms is None else at_ms, skew_ms=skew,
                gate=gate, direction=direction, n=n,
                confidence=None if confidence is None else round(min(max(confidence, 0.0), 1.0), 3),
            )
        )  # fmt: skip

    def scan(
        self,
        gate: str,
        direction: Direction,
        method: Any,
        passed: bool,
        content: dict[str, str],
        at_ms: int | None = None,
    ) -> bool:
        """A pass was shown where nobody decides. ``content`` is {pass} or {tag}, sealed when there is a key."""
        if self._key is None:
            carrier: dict[str, Any] = {f"{name}_" if name == "pass" else name: value for name, value in content.items()}
        else:
            carrier = {"sealed": seal(content, self._key)}
        kept = self._keep(
            lambda boot, seq, now, skew: Scan(
                boot=boot, seq=seq, at=now if at_ms is None else at_ms, skew_ms=skew, gate=gate, direction=direction,
                method=method, decision="allow", reason="free_flow", passed=passed, **carrier,
            )
        )  # fmt: skip
        for tell in self.on_passed if passed else ():
            tell(gate)  # a full disk does not keep anybody out
        return kept

    def reading(
        self, subject: dict[str, str], quantity: str, value: float, unit: str | None = None, error: float | None = None
    ) -> bool:
        """A measured value, as a body temperature, give or take ``error``; ``subject`` is {pass}, {bed} or {tag}."""
        named = Subject(**{f"{name}_" if name == "pass" else name: text for name, text in subject.items()})
        return self._keep(
            lambda boot, seq, now, skew: Reading(
                boot=boot, seq=seq, at=now, skew_ms=skew, subject=named, quantity=quantity, value=value, unit=unit,
                error=error,
            )
        )  # fmt: skip

    def status(self) -> bool:
        """How the device is, now."""
        with self._lock:
            wrong = tuple(sorted(self._faults))
        waiting = self._outbox.size()
        return self._keep(
            lambda boot, seq, now, skew: Status(
                boot=boot, seq=seq, at=now, skew_ms=skew, counters=self._outbox.tallies(), queue=waiting,
                version=__version__, config=self._config, faults=wrong,
            )
        )  # fmt: skip

    def fault(self, name: str, on: bool = True) -> None:
        """Begin or end a fault; the next status tells it, at once when it is new."""
        with self._lock:
            before = set(self._faults)
            (self._faults.add if on else self._faults.discard)(name)
            changed = before != self._faults
        if changed and name != faults.OUTBOX_FULL:
            self.status()

    @property
    def device(self) -> str:
        return self._outbox.device

    def faults(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._faults)

    def moment(self, steady_s: float) -> int:
        """UTC milliseconds of a moment that `time.monotonic` gave."""
        return self._clock.ago(steady_s)

    def _keep(self, make: Any) -> bool:
        kept = self._outbox.add(make)
        self.fault(faults.OUTBOX_FULL, not kept)
        self.news.set()
        return kept


class Again:
    """Waits that grow while something stays broken, cut short by ``stop``."""

    def __init__(self, stop: threading.Event, first_s: float = 1.0, most_s: float = 30.0) -> None:
        self._stop, self._first, self._most, self._wait = stop, first_s, most_s, first_s

    def went_well(self) -> None:
        self._wait = self._first

    def wait(self) -> None:
        self._stop.wait(self._wait)
        self._wait = min(self._most, self._wait * 2)
