"""Limits, recent ids, live versions, wake-ups and one-time things inside one process. Twin of `redis_traffic.py`."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence

from community_flow.ports.ingest import Id, IdsOfDevices


class MemoryLimits:
    """A token bucket per key: ``rate`` a second, at most ``burst`` saved up."""

    def __init__(self, rate: float, burst: float, most_keys: int = 10_000) -> None:
        self.rate, self.burst, self.most_keys = rate, burst, most_keys
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, key: str, cost: float, now_ms: int) -> float:
        with self._lock:
            level, since_ms = self._buckets.pop(key, (self.burst, now_ms))
            level = min(self.burst, level + max(0, now_ms - since_ms) / 1000 * self.rate)
            missing = min(cost, self.burst) - level  # a body dearer than a whole bucket waits for a full one
            self._buckets[key] = (level if missing > 0 else level - min(cost, self.burst), max(now_ms, since_ms))
            if len(self._buckets) > self.most_keys:
                self._buckets.popitem(last=False)
        return max(0.0, missing / self.rate)


class MemoryRecentIds:
    """The last reports that were surely kept: ``most`` of them and up to twice as many, in two generations."""

    least = 1

    def __init__(self, most: int = 100_000) -> None:
        self.most = most
        self._young: defaultdict[str, set[Id]] = defaultdict(set)
        self._old: Mapping[str, set[Id]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def known(self, asked: IdsOfDevices) -> list[set[Id]]:
        with self._lock:
            return [self._known(device, ids) for device, ids in asked]

    def _known(self, device: str, ids: Sequence[Id]) -> set[Id]:
        kept = (self._young.get(device), self._old.get(device))
        return {each for known in kept if known for each in known.intersection(ids)}

    def remember(self, kept: IdsOfDevices) -> None:
        with self._lock:
            for device, ids in kept:
                self._young[device].update(ids)
                self._count += len(ids)
            if self._count > self.most:
                self._young, self._old, self._count = defaultdict(set), self._young, 0


class MemorySignals:
    """Versions and wake-ups between threads."""

    def __init__(self) -> None:
        # A restart must not give a page the version that it showed before other changes.
        self._epoch = secrets.token_hex(4)
        self._versions: dict[str, int] = defaultdict(int)
        self._woken: set[str] = set()
        self._changed = threading.Condition()

    def version(self, community: str) -> str:
        with self._changed:
            return f"{self._epoch}-{self._versions[community]}"

    def bump(self, community: str) -> None:
        with self._changed:
            self._versions[community] += 1

    def restart(self) -> None:
        """Every version is new: others may have changed anything."""
        with self._changed:
            self._epoch = secrets.token_hex(4)

    def wake(self, community: str) -> None:
        with self._changed:
            self._woken.add(community)
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> set[str]:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._woken), timeout_s)
            woken, self._woken = self._woken, set()
        return woken


class MemoryOnce:
    """Things that may be used once, for a while: challenges, nonces, shown codes."""

    def __init__(self, most: int = 100_000) -> None:
        self.most = most
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, key: str, value: str, ttl_s: float) -> bool:
        """Keep ``value`` unless something is there still; False says that there was."""
        now = time.monotonic()
        with self._lock:
            ends, _ = self._kept.get(key, (0.0, ""))
            if ends > now:
                return False
            self._kept[key] = (now + ttl_s, value)
            self._kept.move_to_end(key)
            if len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return True

    def look(self, key: str) -> str | None:
        """What is kept, without using it up."""
        with self._lock:
            ends, value = self._kept.get(key, (0.0, ""))
        return value if ends > time.monotonic() else None

    def take(self, key: str) -> str | None:
        """What is kept; nobody gets it a second time."""
        with self._lock:
            ends, value = self._kept.pop(key, (0.0, ""))
        return value if ends > time.monotonic() else None
