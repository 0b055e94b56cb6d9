"""Anomalies: derived from what the fold says, ranked by what is usual for each person, settled by people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from community_flow.domain.anomalies import (
    DAY_MS,
    HOUR_MS,
    REPEATED_WITHIN_MS,
    Anomaly,
    Passed,
    Reason,
    Surplus,
    anomaly,
    holds_broken,
    impossible_travels,
    overstays,
    relayed,
    shared_passes,
    surpluses,
)
from community_flow.domain.behaviour import (
    LEARN_DAYS,
    Movements,
    PersonDays,
    budget_threshold,
    foremost,
    is_silent,
    surprises,
)
from community_flow.domain.errors import NotFound
from community_flow.domain.journal import Journal
from community_flow.domain.local_days import LocalDays, local_days
from community_flow.domain.places import OUTSIDE, Hold, Pass
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.review import Card, Evidence, Progress, Ranker, ReviewStore, Verdict
from community_flow.services.registry import Registry

EXACT = ("hold_broken", "impossible_travel", "pass_shared", "visitor_overstay", "ledger_surplus", "relayed_code")
HABITS = ("unusual_hour", "unusual_frequency", "unusual_behaviour", "silent_resident")
HISTORY_MS = 60 * DAY_MS
"""Behaviour is kept for 60 days (DESIGN: Roles, orders, scope)."""
ALARMS_PER_500 = 1.0
"""Statistical alarms a day for 500 people: what a steward reads with a coffee."""

Said = Literal["confirmed", "false_alarm", "known"]


@dataclass(frozen=True)
class Learning:
    """How much of the past the ranking of behaviour has; it promises nothing before ``needed`` days."""

    days: int
    needed: int = LEARN_DAYS

    @property
    def done(self) -> bool:
        return self.days >= self.needed


@dataclass(frozen=True)
class InboxView:
    open: tuple[Card, ...]
    settled: tuple[Card, ...]
    evidence: tuple[Evidence, ...]
    learning: Learning


class Review:
    def __init__(
        self, db: Database, store: ReviewStore, registry: Registry, ranker: Ranker, audit: AuditLog, clock: Clock
    ) -> None:
        self.db, self.store, self.registry = db, store, registry
        self.ranker, self.audit, self.clock = ranker, audit, clock
        self.after_find: list[Callable[[Transaction, Sequence[Anomaly]], None]] = []

    def examine(self, community: str, from_ms: int) -> int:
        """Derive the exact anomalies again whose time may touch ``from_ms`` or later; gives how many are new."""
        with self.db.read() as tx:  # looking takes long enough for somebody at a gate to notice: nobody waits for it
            journal = self.registry.journal(tx, community)
            found = list(self._exact(tx, journal, from_ms - REPEATED_WITHIN_MS))
        with self.db.write() as tx:
            self._tell(tx, found)
            return self.store.replace(tx, community, EXACT, from_ms - REPEATED_WITHIN_MS, found, self.clock.now_ms())

    def rank_behaviour(self, community: str, days: int = 2) -> int:
        """Rank the last ``days`` finished and running days of everybody against their past; gives how many are new."""
        now_ms = self.clock.now_ms()
        with self.db.read() as tx:
            journal = self.registry.journal(tx, community)
            passages = self.store.passed(tx, community, now_ms - HISTORY_MS, None)
        named = [each for each in passages if each.person]
        local = _calendar(journal)
        first = local.day(named[0].at_ms) if named else local.day(now_ms)
        history = local.day(named[-1].at_ms) - first + 1 if named else 0
        # Days before the past is long enough are for learning: they calibrate and are never judged.
        from_ms = local.start_ms(max(local.day(now_ms) - days + 1, first + LEARN_DAYS))
        # Ranking takes seconds: nobody must wait for it with the store's write lock in hand.
        found = list(self._habits(journal, local, named, from_ms)) if history > LEARN_DAYS else []
        with self.db.write() as tx:
            self.store.set_progress(tx, community, Progress(now_ms, history))
            self._tell(tx, found)
            return self.store.replace(tx, community, HABITS, from_ms, found, now_ms)

    def _tell(self, tx: Transaction, found: Sequence[Anomaly]) -> None:
        """In the transaction that writes them: whoever is to be told of an anomaly is told of no other."""
        for hook in self.after_find:
            hook(tx, found)

    def inbox(self, scope: Scope, limit: int = 100) -> InboxView:
        """What waits for a person, what was settled lately, and single contradictions of the last day."""
        with self.db.read() as tx:
            waiting = self.store.cards(tx, scope, ("open",), limit, None)
            settled = self.store.cards(tx, scope, ("decided", "withdrawn"), 30, None)
            evidence = self.store.evidence(tx, scope, self.clock.now_ms() - DAY_MS, 60)
            history = [self.store.progress(tx, name) for name in sorted(scope.communities)]
        known = [each.history_days for each in history if each]
        ordered = sorted(waiting, key=lambda card: (_pressing(card.anomaly), -card.anomaly.to_ms))
        return InboxView(tuple(ordered), tuple(settled), tuple(evidence), Learning(min(known, default=0)))

    def cards(self, scope: Scope, states: Sequence[str], limit: int, before: tuple[int, str] | None) -> list[Card]:
        with self.db.read() as tx:
            return self.store.cards(tx, scope, states, limit, before)

    def open_count(self, scope: Scope) -> int:
        with self.db.read() as tx:
            return self.store.open_count(tx, scope)

    def give_verdict(self, scope: Scope, anomaly_id: str, said: Said, note: str | None) -> Card:
        """Keep what somebody decided; a false alarm is said once. Raises NotFound outside the scope."""
        with self.db.write() as tx:
            card = self.store.card(tx, scope, anomaly_id)
            if card is None:
                raise NotFound("There is no such anomaly here: it may have been withdrawn by a late report.")
            self._keep(tx, scope, card.anomaly, said, note)
            settled = self.store.card(tx, scope, anomaly_id)
        assert settled is not None
        return settled

    def _keep(self, tx: Transaction, scope: Scope, found: Anomaly, said: Said, note: str | None) -> None:
        verdict = Verdict(
            found.id, found.community, found.kind, found.subject, said, note, scope.account, self.clock.now_ms(),
            found.evidence,
        )  # fmt: skip
        self.store.decide(tx, verdict, "decided")
        look = Look(
            account=scope.account, role=scope.role, action="anomaly.verdict", community=found.community,
            person=found.person, subject=found.id, detail={"verdict": said, "kind": found.kind},
        )  # fmt: skip
        self.audit.append(tx, look)

    def _exact(self, tx: Transaction, journal: Journal, from_ms: int) -> Iterator[Anomaly]:
        community, now_ms = journal.community, self.clock.now_ms()
        holds = _holds(journal)
        yield from holds_broken(community, self.store.passed(tx, community, from_ms, sorted(holds)), holds)
        stays = self.store.stays(tx, community, _visitors(journal), _outermost(journal, now_ms))
        yield from (each for each in overstays(community, stays, now_ms) if each.to_ms >= from_ms)
        conflicts = self.store.contradictions(tx, community, from_ms)
        yield from impossible_travels(community, conflicts)
        yield from relayed(community, conflicts)
        inner = {gate: data.inner for gate, data in journal.all_at("gate", now_ms).items()}
        passages = self.store.passed(tx, community, from_ms - HOUR_MS, None)
        yield from (each for each in shared_passes(community, passages, inner) if each.to_ms >= from_ms)
        rows = self.store.surplus(tx, community, from_ms - 14 * DAY_MS)
        recent = [row for row in rows if row.hour_ms + HOUR_MS >= from_ms and row.n]
        yield from surpluses(community, recent, _usual(rows), partial(self.store.named, tx, community))

    def _habits(
        self, journal: Journal, local: LocalDays, passages: Sequence[Passed], from_ms: int
    ) -> Iterator[Anomaly]:
        people = sorted({each.person for each in passages if each.person})
        moves = _movements(passages, people, local)
        yield from self._silent(journal, people, moves, local)
        days = surprises(moves, int(moves.day.min()) + 3)
        scores = self.ranker.rank(days.surprise)
        today = local.day(from_ms)
        past = scores[days.day < today]
        per_day = len(past) / max(1, len(np.unique(days.day[days.day < today])))
        threshold = budget_threshold(past, per_day, ALARMS_PER_500 * len(people) / 500)
        for row in np.flatnonzero((days.day >= today) & (scores > threshold)):
            mine = _of_day(passages, people[days.person[row]], int(days.day[row]), local)
            yield _unusual(journal.community, mine, days, int(row), float(scores[row]))

    def _silent(self, journal: Journal, people: Sequence[str], moves: Movements, local: LocalDays) -> Iterator[Anomaly]:
        now_ms = self.clock.now_ms()
        today = local.day(now_ms)
        alone = _living_alone(journal, now_ms)
        for number, person in enumerate(people):
            days = np.unique(moves.day[moves.person == number])
            if person in alone and is_silent(days, today):
                silent = int(today - days[-1] - 1)
                span = (local.start_ms(int(days[-1]) + 1), now_ms)
                reason = Reason("silent_resident", {"days": silent})
                yield anomaly("silent_resident", journal.community, person, span, [reason], (), person=person)


def _calendar(journal: Journal) -> LocalDays:
    data = journal.at("community", journal.community, 2**52)
    return local_days(data.timezone, data.cutoff_hour)


def _movements(passages: Sequence[Passed], people: Sequence[str], local: LocalDays) -> Movements:
    number = {person: place for place, person in enumerate(people)}
    gates = {gate: place for place, gate in enumerate(sorted({each.gate for each in passages}))}
    columns = np.array(
        [
            (number[each.person or ""], local.day(each.at_ms), local.minute(each.at_ms), gates[each.gate])
            for each in passages
        ],
        dtype=np.int64,
    ).reshape(-1, 4)
    order = np.lexsort((columns[:, 1], columns[:, 0]))
    person, day, minute, gate = (columns[order, place] for place in range(4))
    return Movements(person, day, minute, gate, len(people), len(gates))


def _of_day(passages: Sequence[Passed], person: str, day: int, local: LocalDays) -> list[Passed]:
    return [each for each in passages if each.person == person and local.day(each.at_ms) == day]


def _unusual(community: str, mine: Sequence[Passed], days: PersonDays, row: int, score: float) -> Anomaly:
    surprise = days.surprise[row]
    kind = foremost(surprise)
    values = {
        "passages": len(mine), "gates": sorted({each.gate for each in mine}),
        "first_ms": mine[0].at_ms, "last_ms": mine[-1].at_ms,
    }  # fmt: skip
    return anomaly(
        kind, community, mine[0].person or "", (mine[0].at_ms, mine[-1].at_ms), [Reason(kind, values)],
        [each.triple for each in mine], person=mine[0].person, score=score,
    )  # fmt: skip


def _holds(journal: Journal) -> dict[str, list[Hold]]:
    """Every hold that ever was, ended when its row was."""
    found: dict[str, list[Hold]] = {}
    for person in journal.entities("hold"):
        for _, until_ms, hold in journal.timeline("hold", person).spans():
            if hold is not None:
                ends = [each for each in (hold.until_ms, until_ms) if each is not None]
                found.setdefault(person, []).append(
                    Hold(kind=hold.kind, from_ms=hold.from_ms, until_ms=min(ends, default=None))
                )
    return found


def _visitors(journal: Journal) -> dict[str, int]:
    """When the pass of each visitor ends."""
    found: dict[str, int] = {}
    for name in journal.entities("pass"):
        for data in journal.timeline("pass", name).states:
            if isinstance(data, Pass) and data.type == "visitor" and data.person and data.until_ms:
                found[data.person] = max(found.get(data.person, 0), data.until_ms)
    return found


def _outermost(journal: Journal, now_ms: int) -> list[str]:
    gates = journal.all_at("gate", now_ms).values()
    return sorted({gate.inner for gate in gates if gate.outer == OUTSIDE})


def _living_alone(journal: Journal, now_ms: int) -> set[str]:
    """Residents whose household has no other member: nobody else would notice."""
    members: dict[str, list[str]] = {}
    for person, data in journal.all_at("person", now_ms).items():
        if data.household and data.status == "active" and data.type == "resident":
            members.setdefault(data.household, []).append(person)
    return {people[0] for people in members.values() if len(people) == 1}


def _usual(rows: Sequence[Surplus]) -> Mapping[tuple[str, str], float]:
    """Surplus per counted body by gate and direction: the median hour, so that one group does not hide the next."""
    shares: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        shares.setdefault((row.gate, row.direction), []).append(row.n / row.crossings)
    return {key: max(0.02, float(np.median(values))) for key, values in shares.items()}


def _pressing(found: Anomaly) -> int:
    return ("high", "medium", "low").index(found.severity)
