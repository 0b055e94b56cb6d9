"""What the fold and its readers need of a store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from community_flow.domain.conflicts import Conflict, Shown
from community_flow.domain.ledger import Party, Unmatched
from community_flow.domain.marks import Mark
from community_flow.domain.occupancy import GateFlow, ZoneVisits
from community_flow.domain.passages import Attempt, Passage, Scan, Triple
from community_flow.domain.scope import Scope
from community_flow.domain.visits import Visit
from community_flow.ports import Transaction


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """Rows of one name between two event times, both included."""

    name: str
    from_ms: int
    to_ms: int


Side: TypeAlias = tuple[str, str]
"""(gate, direction)."""


class SideSpan(msgspec.Struct, frozen=True, gc=False):
    """Rows of one gate and direction between two event times, both included."""

    gate: str
    direction: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class StoredEnds:
    """Of the passages kept of a subject: the last that begins before a key, and the last of all.

    ``anchor`` is the passage that retention left of the time behind its horizon: nothing before it is kept.
    """

    resume: bytes | None
    last: bytes | None
    anchor: bytes | None = None


class CountRow(msgspec.Struct, frozen=True, gc=False):
    """A live count report as it was kept; ``from_ms``, of an aggregate only, is event time like ``t_ms``."""

    key: bytes
    t_ms: int
    triple: Triple
    n: int
    from_ms: int | None


@dataclass(frozen=True, slots=True)
class Census:
    """Heads counted in a zone."""

    key: bytes
    at_ms: int
    n: int


@dataclass(frozen=True, slots=True)
class Replacement:
    """An aggregate stands for counts of the same device, gate and direction."""

    by: Triple
    gate: str
    direction: str
    boot: int
    from_seq: int
    to_seq: int


@dataclass(frozen=True, slots=True)
class Named:
    """What a report that a correction names is about: the subject, its key, and since when it speaks (an aggregate)."""

    subject: str
    key: bytes
    from_ms: int | None = None


@dataclass(slots=True)
class Rows:
    """Derived rows of people."""

    passages: list[Passage] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.passages or self.attempts or self.visits or self.conflicts)


class LedgerRow(msgspec.Struct, frozen=True, gc=False):
    gate: str
    direction: str
    row: Unmatched


class StateRow(NamedTuple):
    """What waited at one step of a gate and direction."""

    gate: str
    direction: str
    step_ms: int
    state: str


@dataclass(slots=True)
class Changed:
    """What one fold changed: the difference, not the work. Hooks after a fold look at this."""

    community: str
    removed: Rows = field(default_factory=Rows)
    added: Rows = field(default_factory=Rows)
    ledger_removed: list[LedgerRow] = field(default_factory=list)
    ledger_added: list[LedgerRow] = field(default_factory=list)
    waits: bool = False
    """More is marked already, by this fold itself or because there was more than a slice takes."""

    def __bool__(self) -> bool:
        return bool(self.removed or self.added or self.ledger_removed or self.ledger_added)


AfterFold: TypeAlias = Callable[[Transaction, Changed], None]
"""Called in the fold's transaction, so that what follows from a fold is committed with it or not at all."""


Kin: TypeAlias = Callable[[str], frozenset[str]]
"""Everybody whom the journal ties to a subject, itself included: `Rulebook.kin`."""


class FoldQueue(Protocol):
    """The queue of marks."""

    def lock(self, tx: Transaction, community: str) -> bool:
        """Whether this transaction is the only one that folds the community."""
        ...

    def waiting(self, tx: Transaction) -> list[str]:
        """Communities with something to fold."""
        ...

    def unpack(self, tx: Transaction, community: str) -> bool:
        """Get ready for `take` what ingest has written since, as much as a slice can have; True when more is left."""
        ...

    def take(
        self, tx: Transaction, community: str, subjects: int, kin: Kin, without: Collection[str] = ()
    ) -> list[Mark]:
        """Remove the marks of the next few subjects, and of all their kin, and give them: one per subject, from its
        least to its greatest key; of a gate and direction the earliest, each as it is. Subjects ``without``, and those
        who have one of them as kin, stay.

        While marks of the journal wait, only those are taken. Whoever reads the journal before the marks so knows of
        every subject which of its time the journal has changed, and never folds one part of a change without the other.
        """
        ...

    def put(self, tx: Transaction, community: str, marks: Iterable[Mark]) -> None: ...

    def put_last(self, tx: Transaction, community: str, marks: Iterable[Mark]) -> None:
        """Marks whose turn comes after all that ingest has written by now."""
        ...

    def exceeds(self, tx: Transaction, community: str, marks: int) -> bool:
        """Whether more than so many rows of marks wait; what ingest wrote in one commit is one until unpacked."""
        ...


class FoldReports(Protocol):
    """Live reports: kept, not held back, not corrected."""

    def newest_ms(self, tx: Transaction, community: str) -> int | None: ...

    def oldest_ms(self, tx: Transaction, community: str) -> int | None: ...

    def scans(self, tx: Transaction, community: str, stretches: Sequence[Stretch]) -> list[tuple[str, Scan]]:
        """Scans by credential or person, as (name, scan), in no order."""
        ...

    def alone(self, tx: Transaction, triples: Sequence[Triple]) -> list[Scan]:
        """Scans and visitors that name nobody."""
        ...

    def tokens(self, tx: Transaction, stretches: Sequence[Stretch]) -> set[tuple[str, int]]:
        """(credential, token_s) of rotating codes shown, corrected or not."""
        ...

    def shown(self, tx: Transaction, codes: Collection[tuple[str, int]]) -> list[tuple[str, Shown]]: ...

    def names_between(self, tx: Transaction, community: str, from_ms: int, to_ms: int) -> set[str]:
        """Subjects that reports of a stretch of time name, as marks name them."""
        ...

    def named(self, tx: Transaction, triple: Triple) -> Named | None:
        """What a report is about, corrected or not; None when it is not there or held back."""
        ...

    def counts(self, tx: Transaction, community: str, spans: Sequence[SideSpan]) -> list[tuple[Side, CountRow]]:
        """Live single counts in these spans, in no order."""
        ...

    def aggregates(self, tx: Transaction, community: str, spans: Sequence[SideSpan]) -> list[tuple[Side, CountRow]]:
        """Live aggregates that lie in, or reach into, these spans, in no order."""
        ...

    def replacing(self, tx: Transaction, community: str, spans: Sequence[SideSpan]) -> list[Replacement]:
        """What live counts of these spans stand for."""
        ...

    def counted(self, tx: Transaction, community: str, spans: Sequence[SideSpan]) -> set[Side]:
        """Gates and directions of which any count lies in, or reaches into, these spans."""
        ...

    def censuses(self, tx: Transaction, community: str, zone: str, span_ms: tuple[int, int]) -> list[Census]:
        """Live censuses of a zone."""
        ...


class FoldRows(Protocol):
    """Derived rows, read and replaced by the fold."""

    def ends(self, tx: Transaction, community: str, wanted: Sequence[tuple[str, bytes]]) -> dict[str, StoredEnds]: ...

    def passages(self, tx: Transaction, community: str, stretches: Sequence[Stretch]) -> list[Passage]: ...

    def attempts(self, tx: Transaction, community: str, stretches: Sequence[Stretch]) -> list[Attempt]: ...

    def visits(self, tx: Transaction, community: str, stretches: Sequence[Stretch]) -> list[Visit]:
        """Visits of subjects that began in a stretch."""
        ...

    def conflicts(self, tx: Transaction, community: str, stretches: Sequence[Stretch]) -> list[Conflict]: ...

    def replace(self, tx: Transaction, community: str, removed: Rows, added: Rows) -> None: ...

    def void(self, tx: Transaction, community: str, triples: Sequence[Triple]) -> None: ...

    def set_censuses(
        self, tx: Transaction, community: str, zone: str, span_ms: tuple[int, int], rows: Sequence[Census]
    ) -> None:
        """Put these in the place of what is kept of a zone in a span."""
        ...

    def add_replacements(self, tx: Transaction, community: str, rows: Sequence[Replacement]) -> None: ...

    def replaced_span(self, tx: Transaction, community: str, row: Replacement) -> tuple[int, int] | None:
        """First and last event time of the counts that an aggregate stands for."""
        ...

    def replacements(self, tx: Transaction, community: str, sides: Sequence[Side]) -> list[Replacement]:
        """What live aggregates of these gates and directions stand for."""
        ...

    def replacement_of(self, tx: Transaction, triple: Triple) -> Replacement | None: ...

    def forget_replacement(self, tx: Transaction, triple: Triple) -> None: ...

    def parties(self, tx: Transaction, community: str, spans: Sequence[SideSpan]) -> list[tuple[Side, Party]]:
        """Bodies of passages in these spans, in no order."""
        ...

    def ledger(self, tx: Transaction, community: str, spans: Sequence[SideSpan]) -> list[LedgerRow]: ...

    def replace_ledger(
        self, tx: Transaction, community: str, removed: Sequence[LedgerRow], added: Sequence[LedgerRow]
    ) -> None: ...

    def ledger_states(self, tx: Transaction, community: str, spans: Sequence[SideSpan]) -> list[StateRow]:
        """States of the ledger at the steps in these spans."""
        ...

    def replace_states(
        self, tx: Transaction, community: str, removed: Sequence[StateRow], added: Sequence[StateRow]
    ) -> None: ...

    def add_hours(self, tx: Transaction, changed: Changed) -> None:
        """Bring the hourly sums in step with a change."""
        ...

    def note_fold(self, tx: Transaction, community: str, newest_ms: int, now_ms: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class RowQuery:
    """What an operator may filter a list by."""

    gate: str | None = None
    zone: str | None = None
    person: str | None = None
    kind: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    after: Sequence[Any] | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """A derived row with its community and when its first report was received."""

    community: str
    row: Any
    received_ms: int | None = None


class FlowReader(Protocol):
    """Derived rows for operators, ascending in time; every method stays within the scope."""

    def passages(self, tx: Transaction, scope: Scope, query: RowQuery) -> list[Kept]: ...

    def attempts(self, tx: Transaction, scope: Scope, query: RowQuery) -> list[Kept]: ...

    def visits(self, tx: Transaction, scope: Scope, query: RowQuery) -> list[Kept]: ...

    def conflicts(self, tx: Transaction, scope: Scope, query: RowQuery) -> list[Kept]: ...

    def censuses(self, tx: Transaction, scope: Scope, community: str, as_of_ms: int) -> dict[str, tuple[int, int]]:
        """Zone → (at_ms, n) of its last census."""
        ...

    def open_visits(self, tx: Transaction, scope: Scope, community: str, as_of_ms: int) -> dict[str, ZoneVisits]:
        """Open and stale visits and how the last day's ended, by zone."""
        ...

    def open_count(self, tx: Transaction, scope: Scope, community: str, zone: str, at_ms: int) -> int:
        """Visits of a zone open at a moment."""
        ...

    def unseen_exits(
        self, tx: Transaction, scope: Scope, community: str, zone: str, since_ms: int, as_of_ms: int
    ) -> int: ...

    def first_seen(
        self, tx: Transaction, scope: Scope, community: str, ways: Collection[tuple[str, str]], since_ms: int,
        as_of_ms: int,
    ) -> int:  # fmt: skip
        """Passages through these (gate, direction) by subjects of whom nothing was known before."""
        ...

    def gate_flows(
        self, tx: Transaction, scope: Scope, community: str, since_ms: int, as_of_ms: int
    ) -> list[GateFlow]: ...

    def last_seen(self, tx: Transaction, scope: Scope, community: str) -> dict[str, int]:
        """Device → when it was last heard of."""
        ...

    def last_fold_ms(self, tx: Transaction, scope: Scope, community: str) -> int | None: ...
