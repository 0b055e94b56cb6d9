"""Anomalies: derived after each fold, ranked once an hour, settled in the inbox."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask

from community_flow.adapters.forest import ForestRanker
from community_flow.adapters.sql.queries_review import SqlReview
from community_flow.domain.passages import key_t_ms
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints import review as review_pages
from community_flow.entrypoints import tray as tray_pages
from community_flow.ports import Transaction
from community_flow.ports.flow import Changed
from community_flow.services.pseudonyms import Pseudonyms
from community_flow.services.review import Review
from community_flow.services.watch import Watch
from community_flow.wiring.core import Core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.ingest import ingest_parts
from community_flow.wiring.notices import notices_of
from community_flow.wiring.registry import registry_parts


@dataclass(frozen=True)
class ReviewParts:
    """What derives and keeps anomalies; shared by pages, the demo's score and the worker."""

    review: Review
    watch: Watch


def review_parts(core: Core) -> ReviewParts:
    """Made once for each core."""
    if "review" not in core.parts:
        review = Review(core.db, SqlReview(), core.registry, ForestRanker(), core.audit, core.clock)
        review.after_find.append(notices_of(core).reviewed)
        core.parts["review"] = ReviewParts(review, Watch(review, lambda: _communities(core), lambda: True))
    found: ReviewParts = core.parts["review"]
    return found


def watch_folds(core: Core) -> Watch:
    """Whoever folds looks at what it changed; the watch is to be started by the caller."""
    watch = review_parts(core).watch
    flow_parts(core).flow.after_fold.append(lambda tx, changed: _folded(watch, tx, changed))
    return watch


def wire(core: Core, app: Flask) -> None:
    parts = review_parts(core)
    core.background.append(watch_folds(core).start)
    pseudonyms = Pseudonyms(core.keys.all("community")[0].secret, core.registry.uid)
    names = review_pages.Names(core.db, core.registry, pseudonyms)
    tray = ingest_parts(core).tray
    app.register_blueprint(tray_pages.blueprint(tray, names))
    core.parts["inbox"] = review_pages.WordedInbox(parts.review, names)
    core.parts["open_items"] = lambda scope: _open_items(parts.review, scope)
    requests = registry_parts(core).requests.count_open
    app.register_blueprint(
        review_pages.blueprint(parts.review, names, tray.count_open, notices_of(core).recent, requests)
    )


def _folded(watch: Watch, _: Transaction, changed: Changed) -> None:
    """Called in the fold's transaction: only remembers, the work is done by the watch's own thread."""
    rows = (changed.removed, changed.added)
    moved = [each.key for some in rows for each in some.passages] + [
        each.key for some in rows for each in some.conflicts
    ]
    bodies = [each.row.key for each in (*changed.ledger_removed, *changed.ledger_added)]
    if moved or bodies:
        watch.changed(changed.community, key_t_ms(min(moved + bodies)))


def _communities(core: Core) -> list[str]:
    with core.db.read() as tx:
        return core.registry.store.communities(tx)


def _open_items(review: Review, scope: Scope) -> int:
    return review.open_count(scope) if scope.role in (Role.STEWARD, Role.MANAGER) else 0
