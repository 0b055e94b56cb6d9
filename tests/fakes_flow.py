"""Reports put straight into the store, marked as ingest marks them: for tests and benches of the fold."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import insert

from community_flow.adapters.memory_traffic import MemorySignals
from community_flow.adapters.sql.queries_fold_bulk import SqlFoldBulk
from community_flow.adapters.sql.queries_fold_queue import SqlFoldQueue
from community_flow.adapters.sql.queries_fold_reports import SqlFoldReports
from community_flow.adapters.sql.queries_fold_rows import SqlFoldRows
from community_flow.adapters.sql.queries_passages import SqlPassages
from community_flow.adapters.sql.store import insert_ignore
from community_flow.adapters.sql.tables_flow import dirty
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.domain.marks import report_subject
from community_flow.domain.passages import report_key
from community_flow.domain.scope import Scope
from community_flow.ports.flow import Kept, RowQuery, SideSpan
from community_flow.services.flow import Flow
from community_flow.services.registry import Change
from community_flow.wiring.core import Core

DEVICE = "d_aaaaaaaaaaaa"
CAMERA = "d_cccccccccccc"
DAY_MS = 86_400_000
MORNING_MS = 1_795_420_800_000
"""2026-11-23 08:00 UTC, 16:00 in Shanghai."""

_seqs = itertools.count(100_000)
"""Above every number that a test chooses itself."""
_DEFAULTS: dict[str, Any] = {
    "gate": None, "direction": None, "pass_ref": None, "tag_ref": None, "person": None, "token_s": None,
    "assurance": 0, "method": None, "decision": None, "reason": None, "passed": False, "forced": False,
    "operator": None, "party": 1, "n": None, "from_ms": None, "body": None, "held": False, "skew_ms": 0, "boot": 1,
    "digest": b"", "device": DEVICE, "community": "garden",
}  # fmt: skip


def report(kind: str, t_ms: int, **members: Any) -> dict[str, Any]:
    """A row of `reports`; ``body`` may be given as an object."""
    row = {**_DEFAULTS, "kind": kind, "t_ms": t_ms, "at_ms": t_ms, "received_ms": t_ms, **members}
    row.setdefault("seq", next(_seqs))
    if row["body"] is not None and not isinstance(row["body"], str):
        row["body"] = msgspec.json.encode(row["body"]).decode()
    return row


def scan(t_ms: int, who: str, gate: str = "east", direction: str = "in", **members: Any) -> dict[str, Any]:
    """Somebody passed: ``who`` is a person, or "ps_…" / "tg_…" for a credential, or "" for nobody."""
    named: dict[str, Any] = {}
    if who.startswith("ps_"):
        named = {"pass_ref": bytes.fromhex(who[3:])}
    elif who.startswith("tg_"):
        named = {"tag_ref": bytes.fromhex(who[3:])}
    elif who:
        named = {"person": who}
    told = {"passed": True, "method": "card", "decision": "allow", "reason": "ok", **named, **members}
    return report("scan", t_ms, gate=gate, direction=direction, **told)


def count(t_ms: int, n: int = 1, gate: str = "west", direction: str = "in", **members: Any) -> dict[str, Any]:
    return report("count", t_ms, gate=gate, direction=direction, n=n, **{"device": CAMERA, **members})


def correction(of: dict[str, Any], t_ms: int | None = None, **members: Any) -> dict[str, Any]:
    body = {"of": {"boot": of["boot"], "seq": of["seq"]}}
    return report("correction", of["t_ms"] if t_ms is None else t_ms, body=body, device=of["device"], **members)


def identity(row: dict[str, Any]) -> str:
    return f"{row['device']}:{row['boot']}:{row['seq']}"


def subject_of(row: dict[str, Any]) -> str | None:
    body = msgspec.json.decode(row["body"]) if row["body"] else {}
    of = body.get("of")
    return report_subject(
        row["kind"], (row["device"], row["boot"], row["seq"]), gate=row["gate"], direction=row["direction"],
        person=row["person"], pass_ref=row["pass_ref"], tag_ref=row["tag_ref"], zone=body.get("zone"),
        of=(of["boot"], of["seq"]) if of else None,
    )  # fmt: skip


def mark_of(row: dict[str, Any]) -> dict[str, Any] | None:
    subject = subject_of(row)
    key = report_key(row["t_ms"], row["device"], row["boot"], row["seq"])
    if subject is None:
        return None
    return {"community": row["community"], "subject": subject, "lo": key, "hi": key, "cause": row["kind"]}


@dataclass
class FlowKit:
    """The fold over a real store."""

    core: Core
    community: str = "garden"
    flow: Flow = field(init=False)
    reader: SqlPassages = field(default_factory=SqlPassages)
    signals: MemorySignals = field(default_factory=MemorySignals)

    def __post_init__(self) -> None:
        core = self.core
        self.flow = Flow(
            core.db,
            core.registry,
            SqlFoldQueue(),
            SqlFoldReports(),
            SqlFoldRows(),
            SqlFoldBulk(),
            self.signals,
            core.clock,
        )

    def keep(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep reports as ingest does: seen before means nothing happens."""
        kept = list(rows)
        with self.core.db.write() as tx:
            for row in kept:
                if insert_ignore(tx, reports, [row]) and (mark := mark_of(row)):
                    tx.execute(insert(dirty), [mark])

    def keep_many(self, rows: list[dict[str, Any]]) -> None:
        """Fresh reports, in bulk."""
        with self.core.db.write() as tx:
            tx.execute(insert(reports), rows)
            marks = [mark for row in rows if (mark := mark_of(row))]
            if marks:
                tx.execute(insert(dirty), marks)

    def fold(self, *rows: dict[str, Any]) -> None:
        """Keep these reports and fold everything that is marked."""
        self.keep(rows)
        self.flow.drain()

    def register(self, *changes: Change) -> None:
        with self.core.db.write() as tx:
            self.core.registry.record(tx, changes, "test")

    def listed(self, what: str, **query: Any) -> list[Any]:
        """Rows of one kind, ascending in time."""
        with self.core.db.read() as tx:
            found: list[Kept] = getattr(self.reader, what)(tx, self.scope(), RowQuery(limit=100_000, **query))
        return [each.row for each in found]

    def ledger(self, gate: str = "west", direction: str = "in") -> list[tuple[str, int, int]]:
        """(kind, at_ms, n), in order."""
        with self.core.db.read() as tx:
            rows = SqlFoldRows().ledger(tx, "garden", [SideSpan(gate, direction, 0, 2**62)])
        return sorted((each.row.kind, each.row.at_ms, each.row.n) for each in rows)

    def fingerprint(self) -> dict[str, tuple[int, str]]:
        with self.core.db.read() as tx:
            return self.flow.fingerprint(tx, self.community)

    def scope(self) -> Scope:
        return Scope.system({self.community})
