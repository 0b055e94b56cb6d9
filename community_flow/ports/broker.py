"""What the program needs of an MQTT broker: who may speak there, and of what."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from community_flow.domain.errors import FlowError


class BrokerAway(FlowError):
    """The broker does not answer, or does not do what it is asked."""

    status, code = 503, "broker-away"
    retry_s = 5


@dataclass(frozen=True)
class BrokerAccount:
    """Somebody at the broker, and the topics that this one may write and read; nothing else is allowed."""

    username: str
    password: str = field(repr=False)
    publishes: Sequence[str]
    receives: Sequence[str]
    # Changes whenever the password does: the broker gives it back and never the password.
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as it came; whether it is any good, nobody has looked yet."""

    topic: str
    body: bytes
    retained: bool
    encoding: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of ours."""

    topic: str
    body: bytes
    content_type: str
    correlation: bytes | None = None
    # Done when this has been handed to the broker.
    after: Callable[[], None] | None = None


class Broker(Protocol):
    def accounts(self) -> Mapping[str, str]:
        """Mark of every account by its name; raises BrokerAway, also for a broker that does not hold to its rules."""
        ...

    def allow(self, account: BrokerAccount) -> bool:
        """Let an account that is there write and read all of its topics, as one that was made by an earlier version may
        not; its password stays. True when there was something to change: whoever is connected by it is cut then."""
        ...

    def put(self, accounts: Sequence[BrokerAccount]) -> None:
        """Make these accounts, or give them their new password: who is connected with the old one is cut."""
        ...

    def remove(self, usernames: Collection[str]) -> None:
        """End these accounts; who is connected is cut at once. Those that are not there are no error."""
        ...
