"""What ingest needs of the outside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import msgspec

from community_flow.domain.errors import FlowError
from community_flow.domain.reports import Hold, KeptReport, Outcome, TrayItem
from community_flow.ports import Transaction


class StoreAway(FlowError):
    """The store cannot commit now (disk full, database away). Nothing of the body is promised."""

    status, code = 503, "store-away"
    retry_s = 5


@dataclass(frozen=True)
class Trusted:
    """The device behind a good token, and what it may speak of."""

    device: str
    community: str
    uid: bytes
    kind: str
    gates: frozenset[str]
    zones: frozenset[str]
    # Of what is kept at all: older reports go to the tray.
    horizon_ms: int
    digest_key: bytes


class Label(msgspec.Struct, frozen=True, gc=False):
    """Whose a scan is, as far as it can be proven."""

    pass_ref: bytes | None = None
    tag_ref: bytes | None = None
    person: str | None = None
    token_s: int | None = None
    assurance: int = 0
    forged: bool = False
    # Hash of the one-time reference that named the person.
    ref_hash: bytes | None = None


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A report ready to be kept. ``subject`` is what its mark in the fold's queue names, None when nothing folds it."""

    row: KeptReport
    subject: str | None
    # Canonical form, for the tray when the same number was kept with other content.
    form: bytes
    # Reports of this boot that will not come any more, as (from, to): a gap report or an aggregate stands for them.
    lost: tuple[int, int] | None = None
    # Hash of the one-time reference that named the person.
    ref_hash: bytes | None = None
    # A wrong signature under a known key: kept as a passage of nobody, counted on the device.
    forged: bool = False
    # Why it is held back from the fold, None when it is not.
    hold: Hold | None = None


class SeenBefore(msgspec.Struct, frozen=True, gc=False):
    """A report that the store has already with the same content."""

    device: str
    boot: int
    seq: int


class DeviceNews(msgspec.Struct, frozen=True, gc=False):
    """What a body says about its device."""

    skew_ms: int | None = None
    last_report_ms: int | None = None
    unknown_fields: int = 0
    # False for what a person does with its reports later: the device itself was not heard.
    heard: bool = True
    # Members of the newest status report: queue, version, config, faults, counters.
    status: Mapping[str, Any] | None = None


class Submission(msgspec.Struct, frozen=True, gc=False):
    """A body on its way into the store: every report of it at its place."""

    device: str
    community: str
    received_ms: int
    entries: Sequence[Prepared | TrayItem | SeenBefore]
    news: DeviceNews
    # (canonical form, digest that is kept) -> whether the one is of the other; digests were made otherwise once.
    same: Callable[[bytes, bytes], bool]


class Kept(msgspec.Struct, frozen=True, gc=False):
    """What the store did with a submission: outcomes in its order, and the highest seq without a gap per boot."""

    outcomes: list[Outcome]
    through: dict[int, int]
    # How many reports had each outcome.
    tally: Mapping[str, int] = {}

    @property
    def fresh(self) -> int:
        return self.tally.get("accepted", 0)


class Reached(msgspec.Struct, frozen=True, gc=False):
    """The highest seq of a boot below which the server misses nothing."""

    boot: int
    seq: int


class Receipt(msgspec.Struct, frozen=True):
    """The answer to a body, as it is encoded; `sensors/wire.py: Answer` is how a device reads it."""

    batch: str
    server_ms: int
    through: Sequence[Reached]
    results: Sequence[Outcome]


class ReportStore(Protocol):
    def keep(self, tx: Transaction, submissions: Sequence[Submission], *, careful: bool) -> list[Kept]:
        """Keep bodies, with their marks for the fold and the news of their devices. Without ``careful`` the store may
        take reports for new and end the transaction with an error of its own when they were not."""
        ...

    def keep_at_once(self, line: Transaction, submissions: Sequence[Submission]) -> list[Kept] | None:
        """The same in one statement that commits itself; None for bodies that need more. PostgreSQL only."""
        ...

    def keep_with(self, tx: Transaction, submissions: Sequence[Submission]) -> list[Kept]:
        """The same, carefully, beside other work of an ordinary transaction."""
        ...

    def digests(self, tx: Transaction, device: str, ids: Collection[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Digests of those (boot, seq) of a device that are kept."""
        ...

    def public_keys(self, tx: Transaction, refs: Collection[bytes]) -> dict[bytes, bytes]:
        """Public keys of phone passes by pass_ref."""
        ...

    def references(self, tx: Transaction, hashes: Collection[bytes]) -> dict[bytes, Reference]:
        """One-time references by their hash."""
        ...


class HeldReports(Protocol):
    """Reports from the future that wait to take part."""

    def release(self, tx: Transaction, triple: tuple[str, int, int]) -> KeptReport | None:
        """A held report is held no longer; gives it back for its mark, None when it was not held."""
        ...

    def mark(self, tx: Transaction, row: KeptReport) -> None:
        """Note a report for the fold."""
        ...


@dataclass(frozen=True, slots=True)
class Reference:
    """A person that a guard found by an online search: good for one scan at one gate on one device, 60 seconds."""

    ref_hash: bytes
    community: str
    person: str
    account: str
    gate: str
    device: str
    issued_ms: int
    used_by: str | None = None


class Committer(Protocol):
    def commit(self, submissions: Sequence[Submission]) -> list[Kept | FlowError]:
        """Returns once the submissions are on disk; those that are not have StoreAway, or what refused them, in their
        place."""
        ...


class TrustReader(Protocol):
    def stamp(self, tx: Transaction) -> object:
        """Another value after every change of a device token or of the registry."""
        ...

    def of_token(self, tx: Transaction, token_hash: bytes, now_ms: int) -> tuple[str, str] | None:
        """(device, community) of a token that is good at ``now_ms``."""
        ...

    def of_name(self, tx: Transaction, device: str, now_ms: int) -> tuple[str, str] | None:
        """(device, community) of a device that has any token that is good at ``now_ms``."""
        ...


class Meter(Protocol):
    """Counters for /metrics; names are Prometheus names without the prefix."""

    def add(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, value: float) -> None: ...

    def put(self, name: str, value: float) -> None: ...


@dataclass
class SilentMeter:
    """Keeps tallies in memory: for command lines and tests."""

    tallies: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        self.tallies[name] = self.tallies.get(name, 0) + amount

    def observe(self, name: str, value: float) -> None:
        self.tallies[name] = value

    put = observe


class Limits(Protocol):
    def wait_s(self, key: str, cost: float, now_ms: int) -> float:
        """Take ``cost`` out of the bucket of ``key``; 0 when there was enough, else the seconds until there is."""
        ...


Id: TypeAlias = tuple[int, int]
"""Boot and number: a report of one device."""

IdsOfDevices: TypeAlias = Sequence[tuple[str, Sequence[Id]]]


class RecentIds(Protocol):
    """Reports that were probably kept. Only saves work: the store decides."""

    @property
    def least(self) -> int:
        """Bodies of fewer reports are not looked up: asking would cost more than it saves."""
        ...

    def known(self, asked: IdsOfDevices) -> list[set[Id]]:
        """Of each body what was probably kept before."""
        ...

    def remember(self, kept: IdsOfDevices) -> None: ...


class Signals(Protocol):
    """Live versions and wake-ups between threads and processes."""

    def version(self, community: str) -> str:
        """Changes whenever something that pages show has changed."""
        ...

    def bump(self, community: str) -> None:
        """Something that pages show has changed."""
        ...

    def wake(self, community: str) -> None:
        """There is something to fold."""
        ...

    def wait(self, timeout_s: float) -> set[str]:
        """Communities woken since the last call of this waiter; waits for the first, at most ``timeout_s``."""
        ...


class Once(Protocol):
    """Things that may be used once, for a while: challenges, nonces."""

    def put(self, key: str, value: str, ttl_s: float) -> bool:
        """Keep ``value`` unless something is there still; False says that there was, or that nothing can be kept."""
        ...

    def look(self, key: str) -> str | None:
        """What is kept, without using it up."""
        ...

    def take(self, key: str) -> str | None:
        """What is kept; nobody gets it a second time."""
        ...
