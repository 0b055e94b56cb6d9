"""Limits, recent ids, live versions, wake-ups and one-time things shared by several processes through Redis.

Redis keeps nothing that is not elsewhere. When it is away each part goes on alone and is counted: limits hold per
process, recent ids are unknown, every version is new, workers look by themselves, one-time things are refused.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog

from community_flow.adapters.memory_traffic import MemoryLimits
from community_flow.ports.ingest import Id, IdsOfDevices

log = structlog.get_logger()

Count = Callable[[str], None]
"""Counts that a part went on without Redis."""

TIMEOUT_S = 0.25
REST_S = 2.0
"""After a failure Redis is left alone for a moment, so that an outage does not cost every request its timeout."""

BUCKET = """
local saved = redis.call('HMGET', KEYS[1], 'level', 'at')
local rate, burst, cost, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local level = tonumber(saved[1]) or burst
local at = tonumber(saved[2]) or now
level = math.min(burst, level + math.max(0, now - at) / 1000 * rate)
cost = math.min(cost, burst)
local missing = cost - level
if missing <= 0 then level = level - cost end
redis.call('HSET', KEYS[1], 'level', tostring(level), 'at', tostring(math.max(now, at)))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return tostring(math.max(0, missing / rate))
"""
TAKE = "local v = redis.call('GET', KEYS[1]); redis.call('DEL', KEYS[1]); return v"
RECENT_S = 3_600


class RedisLink:
    """One connection pool; remembers that Redis was away a moment ago."""

    def __init__(self, url: str, count: Count, prefix: str = "flow:") -> None:
        self.client: Any = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, decode_responses=True
        )
        self.count, self.prefix = count, prefix
        self._rest_until = 0.0

    def key(self, *parts: object) -> str:
        return self.prefix + ":".join(str(each) for each in parts)

    def attempt(self, part: str, call: Callable[[Any], Any], otherwise: Callable[[], Any]) -> Any:
        """``call`` with the client, or ``otherwise`` when Redis is away."""
        if time.monotonic() < self._rest_until:
            self.count(part)
            return otherwise()
        try:
            return call(self.client)
        except redis.RedisError as error:
            self._rest_until = time.monotonic() + REST_S
            log.warning("redis away", part=part, cause=type(error).__name__)
            self.count(part)
            return otherwise()

    def ping(self) -> str | None:
        """None when Redis answers, else what is wrong."""
        try:
            self.client.ping()
        except redis.RedisError as error:
            return f"Redis does not answer ({type(error).__name__}): slower, but nothing is lost."
        return None

    def close(self) -> None:
        self.client.close()


class RedisLimits:
    """The bucket of MemoryLimits, shared; per process while Redis is away.

    Where a bucket holds much, a process takes a little of it ahead: a gate's next reports then cost no question. What
    it has not used within a second is lost to the key, so the limit is never wider than it says.
    """

    LEASE_S = 1.0

    def __init__(self, link: RedisLink, rate: float, burst: float) -> None:
        self.link, self.rate, self.burst = link, rate, burst
        self.alone = MemoryLimits(rate, burst)
        self.lease = burst / 100
        self._ahead: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._script = link.client.register_script(BUCKET)

    def wait_s(self, key: str, cost: float, now_ms: int) -> float:
        if self._taken_ahead(key, cost):
            return 0.0
        if cost < self.lease and self._ask(key, self.lease, now_ms) == 0:
            self._put_ahead(key, self.lease - cost)
            return 0.0
        return self._ask(key, cost, now_ms)

    def _taken_ahead(self, key: str, cost: float) -> bool:
        with self._lock:
            left, until_s = self._ahead.get(key, (0.0, 0.0))
            if left < cost or until_s < time.monotonic():
                return False
            self._ahead[key] = (left - cost, until_s)
        return True

    def _put_ahead(self, key: str, left: float) -> None:
        with self._lock:
            if len(self._ahead) > self.alone.most_keys:
                self._ahead.clear()
            self._ahead[key] = (left, time.monotonic() + self.LEASE_S)

    def _ask(self, key: str, cost: float, now_ms: int) -> float:
        arguments = [self.rate, self.burst, cost, now_ms]
        found = self.link.attempt(
            "limits",
            lambda _: self._script(keys=[self.link.key("limit", key)], args=arguments),
            lambda: self.alone.wait_s(key, cost, now_ms),
        )
        return float(found)


class RedisRecentIds:
    """Of each device and boot the highest number of an hour. A device counts upwards, so what is not above it was
    probably kept; what overtook others is asked for in vain. One question and one word for all bodies of a group: an
    exact set of their numbers cost a quarter of all the work that a collected report makes."""

    least = 10

    def __init__(self, link: RedisLink) -> None:
        self.link = link

    def known(self, asked: IdsOfDevices) -> list[set[Id]]:
        boots = sorted({(device, boot) for device, ids in asked for boot, _ in ids})
        if not boots:
            return [set() for _ in asked]
        names = [self._key(*each) for each in boots]
        found = self.link.attempt("recent", lambda client: client.mget(names), list)
        highest = {each: int(seq) for each, seq in zip(boots, found, strict=False) if seq is not None}
        return [{each for each in ids if each[1] <= highest.get((device, each[0]), -1)} for device, ids in asked]

    def remember(self, kept: IdsOfDevices) -> None:
        highest: dict[tuple[str, int], int] = {}
        for device, ids in kept:
            for boot, seq in ids:
                highest[device, boot] = max(seq, highest.get((device, boot), 0))

        def tell(client: Any) -> None:
            with client.pipeline(transaction=False) as pipe:
                for each, seq in highest.items():
                    pipe.set(self._key(*each), seq, ex=RECENT_S)
                pipe.execute()

        if highest:
            self.link.attempt("recent", tell, lambda: None)

    def _key(self, device: str, boot: int) -> str:
        return self.link.key("recent", device, boot)


SAID_S = 0.02
"""A wake-up is said once in this time: whoever folds looks again when it has rested, which is longer."""


class RedisSignals:
    """Versions and wake-ups between processes."""

    def __init__(self, link: RedisLink) -> None:
        self.link = link
        self._unsaid: set[str] = set()
        self._woke_s: dict[str, float] = {}
        self._unique = itertools.count()
        self._epoch = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._listening: Any = None

    def version(self, community: str) -> str:
        self._say_again()
        # Without Redis nobody knows what others changed: every answer is new, which costs work and misleads nobody.
        fresh = f"{self._epoch}-{next(self._unique)}"
        found = self.link.attempt(
            "signals", lambda client: client.get(self.link.key("version", community)) or "0", lambda: fresh
        )
        return str(found)

    def bump(self, community: str) -> None:
        self._say_again()
        if not self._bump(community):
            with self._lock:
                self._unsaid.add(community)

    def wake(self, community: str) -> None:
        now_s = time.monotonic()
        if 0 <= now_s - self._woke_s.get(community, -SAID_S) < SAID_S:
            return
        self._woke_s[community] = now_s
        self.link.attempt("signals", lambda client: client.publish(self.link.key("wake"), community), lambda: None)

    def wait(self, timeout_s: float) -> set[str]:
        begun = time.monotonic()
        woken: set[str] = self.link.attempt("signals", lambda client: self._hear(client, timeout_s), set)
        if not woken and (rest_s := timeout_s - (time.monotonic() - begun)) > 0:
            time.sleep(rest_s)
        return woken

    def _bump(self, community: str) -> bool:
        key = self.link.key("version", community)
        # Random, not counted: a Redis that lost its memory must not give a version a second time.
        value = secrets.token_hex(8)
        return bool(self.link.attempt("signals", lambda client: client.set(key, value), lambda: False))

    def _say_again(self) -> None:
        """Bumps that Redis did not hear are told when it is back; until then pages would show old figures."""
        with self._lock:
            waiting, self._unsaid = self._unsaid, set()
        failed = {community for community in waiting if not self._bump(community)}
        if failed:
            with self._lock:
                self._unsaid |= failed

    def _hear(self, client: Any, timeout_s: float) -> set[str]:
        if self._listening is None:
            self._listening = client.pubsub(ignore_subscribe_messages=True)
            self._listening.subscribe(self.link.key("wake"))
        woken: set[str] = set()
        try:
            message = self._listening.get_message(timeout=timeout_s)
            while message is not None:  # the first may be waited for; the others are there already
                woken.add(str(message["data"]))
                message = self._listening.get_message(timeout=0)
        except redis.RedisError:
            self._listening = None
            raise
        return woken


class RedisOnce:
    """One-time things. While Redis is away nothing is kept and nothing found: refused rather than used twice."""

    def __init__(self, link: RedisLink) -> None:
        self.link = link

    def put(self, key: str, value: str, ttl_s: float) -> bool:
        name, ttl_ms = self.link.key("once", key), max(1, int(ttl_s * 1000))
        return bool(
            self.link.attempt("once", lambda client: client.set(name, value, nx=True, px=ttl_ms), lambda: False)
        )

    def look(self, key: str) -> str | None:
        return self._text(lambda client: client.get(self.link.key("once", key)))

    def take(self, key: str) -> str | None:
        return self._text(lambda client: client.eval(TAKE, 1, self.link.key("once", key)))

    def _text(self, call: Callable[[Any], Any]) -> str | None:
        found = self.link.attempt("once", call, lambda: None)
        return None if found is None else str(found)
