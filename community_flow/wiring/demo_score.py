"""What the product found in the demo, held against its ground truth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from community_flow.adapters.sql.queries_review import SqlReview
from community_flow.adapters.sql.queries_tracing import SqlMovements
from community_flow.demo import cast
from community_flow.demo.folder import DemoFolder
from community_flow.demo.places import FULL
from community_flow.demo.registering import COMMUNITIES
from community_flow.demo.score import Finding, Score, score_anomalies, score_contacts, score_passages
from community_flow.domain.anomalies import Anomaly
from community_flow.domain.errors import NotFound
from community_flow.domain.journal import Journal
from community_flow.domain.places import Pass
from community_flow.domain.scope import Scope
from community_flow.ports.cases import Case
from community_flow.services.contact_search import DEFAULT_KINDS, ContactSearch
from community_flow.wiring.core import Core

TOP = 50
LEAST_MIN = 15
STATES = ("open", "decided", "withdrawn")


def scores(core: Core) -> list[Score]:
    """Passages, anomalies by class, contacts of the planted cluster; raises NotFound without a loaded demo."""
    truth = DemoFolder(core.settings.data_dir).truth()
    if truth is None:
        raise NotFound("There is no demo here: run `demo load` in an empty FLOW_DATA_DIR.")
    store, scope = SqlReview(), Scope.system(COMMUNITIES)
    with core.db.read() as tx:
        passed = [each for community in COMMUNITIES for each in store.passed(tx, community, 0, None)]
        cards = store.cards(tx, scope, STATES, 100_000, None)
        journal = core.registry.journal(tx, FULL)
    rows = [(each.person, each.gate, each.direction, each.at_ms) for each in passed if each.person]
    found = [
        Finding(each.kind, each.person or _holder(journal, each), each.gate, each.from_ms, each.to_ms)
        for each in (card.anomaly for card in cards)
    ]
    contacts = list(_contacts(core, truth["cases"])) if truth["cases"] else []
    return [score_passages(truth["passages"], rows), *score_anomalies(truth["anomalies"], found), *contacts]


def _holder(journal: Journal, found: Anomaly) -> str | None:
    """Whose pass it is, where an anomaly speaks of a pass."""
    named = re.search(r"(ps|tg)_[0-9a-f]{32}", found.subject)
    state = journal.at("pass", named.group(), found.from_ms) if named else None
    return state.person if isinstance(state, Pass) else None


def _contacts(core: Core, cases: dict[str, Any]) -> Iterator[Score]:
    """The search that a case makes, for the planted index case; without its audit, as nobody looks at persons."""
    case = Case(
        case_id="score", number="score", community=FULL, order_id="", authority=cast.AUTHORITY, purpose="score",
        index_person=cases["index"], from_ms=cases["from_ms"], to_ms=cases["to_ms"], least_min=LEAST_MIN, queue_s=30,
        kinds=DEFAULT_KINDS, opened_by="demo", opened_ms=core.clock.now_ms(),
    )  # fmt: skip
    search = ContactSearch(SqlMovements(), core.registry)
    with core.db.read() as tx:
        found = search.search(tx, Scope.system({FULL}), case, core.clock.now_ms())
    people = [found.people[each.person] for each in found.contacts]
    yield from score_contacts(cases, people, LEAST_MIN * 60_000)
    met = score_contacts(cases, people[:TOP], LEAST_MIN * 60_000)
    yield replace(met[1], name=f"infected among first {TOP}")
