"""The fold and what operators read of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from flask import Flask

from community_flow.domain.marks import Mark
from community_flow.ports import Transaction
from community_flow.ports.flow import FoldQueue, Kin
from community_flow.services.flow import LIVE_SLICE_S, RESTS, SHARED_SLICE_S, Flow, FoldWorker
from community_flow.services.footfall import Footfall
from community_flow.services.passages import Passages
from community_flow.services.pseudonyms import Pseudonyms
from community_flow.wiring.core import Core
from community_flow.wiring.notices import notices_of


@dataclass(frozen=True)
class FlowParts:
    """The fold and what reads its tables; shared by routes, commands and the demo."""

    flow: Flow
    passages: Passages


def flow_parts(core: Core) -> FlowParts:
    """Made once for each core."""
    if "flow" not in core.parts:
        from community_flow.adapters.sql.queries_fold_bulk import SqlFoldBulk
        from community_flow.adapters.sql.queries_fold_queue import SqlFoldQueue
        from community_flow.adapters.sql.queries_fold_reports import SqlFoldReports
        from community_flow.adapters.sql.queries_fold_rows import SqlFoldRows
        from community_flow.adapters.sql.queries_passages import SqlPassages
        from community_flow.adapters.sql.queries_statistics import SqlFootfall

        flow = Flow(
            core.db, core.registry, _counted(core, SqlFoldQueue()), SqlFoldReports(), SqlFoldRows(), SqlFoldBulk(),
            core.signals, core.clock,
        )  # fmt: skip
        # Statistics learn in the fold's own transaction from which hour on they are out of date.
        flow.after_fold.append(Footfall(core.db, SqlFootfall(), core.clock).folded)
        # What somebody is to be told of is written down with what it follows from, or not at all.
        flow.after_fold.append(notices_of(core).folded)
        pseudonyms = Pseudonyms(core.keys.all("community")[0].secret, core.registry.uid)
        passages = Passages(core.db, SqlPassages(), flow.rules, pseudonyms, core.audit, core.clock)
        core.parts["flow"] = FlowParts(flow, passages)
    found: FlowParts = core.parts["flow"]
    return found


def _counted(core: Core, queue: FoldQueue) -> FoldQueue:
    """The queue, with a tally of the marks that are taken from it for /metrics."""
    take, meter = queue.take, core.traffic.meter

    def counted(tx: Transaction, community: str, subjects: int, kin: Kin, without: Collection[str] = ()) -> list[Mark]:
        marks = take(tx, community, subjects, kin, without)
        meter.add("fold_marks_total", len(marks))
        return marks

    queue.take = counted  # type: ignore[method-assign]
    return queue


def wire(core: Core, app: Flask) -> None:
    from community_flow.entrypoints import passages

    parts = flow_parts(core)
    app.register_blueprint(passages.blueprint(parts.passages))
    if core.settings.fold or core.db.is_sqlite:  # on SQLite nobody else could
        core.background.append(fold_worker(core, lambda: _rests(core)).start)


def fold_worker(core: Core, rests: Callable[[], int] = lambda: 0) -> FoldWorker:
    slice_s = LIVE_SLICE_S if core.db.is_sqlite else SHARED_SLICE_S
    return FoldWorker(flow_parts(core).flow, core.signals, rests=rests, slice_s=slice_s)


def _rests(core: Core) -> int:
    """After a slice of a flood: most while it still comes in, which takes time enough; some where others had to wait
    for the writer."""
    from community_flow.wiring.ingest import ingest_parts

    waited = core.db.crowded()
    if ingest_parts(core).ingest.lanes.flooded():
        return RESTS
    return 2 if waited else 0
