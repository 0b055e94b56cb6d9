"""What `doctor` says of Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from community_flow.ports.health import Finding, mend, ok

TIMEOUT_S = 2.0


def look(url: str) -> Iterator[Finding]:
    client: Any = redis.Redis.from_url(
        url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, decode_responses=True
    )
    try:
        client.ping()
        yield ok("Redis answers.")
        yield from _memory(client)
        yield _rights(client)
    except redis.RedisError as error:
        yield mend(
            f"Redis does not answer ({type(error).__name__}): look at FLOW_REDIS_URL. Slower meanwhile, not wrong."
        )
    finally:
        client.close()


def _memory(client: Any) -> Iterator[Finding]:
    try:
        policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except NoPermissionError:
        yield mend("This account of Redis may not ask INFO: allow it with +info, so that its memory can be looked at.")
        return
    if policy == "noeviction":
        yield ok("Redis drops nothing when its memory is full (maxmemory-policy noeviction).")
    else:
        yield mend(f"maxmemory-policy of Redis is {policy}: a code that was used could be used again. Set noeviction.")


def _rights(client: Any) -> Finding:
    """An account that may read the configuration may do anything."""
    try:
        client.execute_command("CONFIG", "GET", "maxmemory")
    except NoPermissionError:
        return ok("This account of Redis may do nothing dangerous.")
    return mend("This account of Redis may do anything to it: give it an ACL without @dangerous (docs/operations.md).")
