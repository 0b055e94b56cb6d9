"""What is true after a series: nothing answered is missing, nothing is there twice, a rebuild changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select

from community_flow.adapters.sql.tables_flow import dirty, passages
from community_flow.adapters.sql.tables_ingest import device_status, reports, through, tray
from community_flow.settings import Settings
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.flow import flow_parts
from tests.services import wait_until
from tests.survival.senders import Heard, Key


@dataclass(frozen=True)
class Verdict:
    """Figures of one series."""

    kept: int
    lost: int
    doubled: int
    differing: list[str]

    def __str__(self) -> str:
        differing = self.differing or "nothing"
        return f"{self.kept} kept, {self.lost} lost, {self.doubled} doubled, rebuild differs in {differing}"


def judge(settings: Settings, heard: Heard, wait_s: float = 60) -> Verdict:
    """Wait until the server has folded everything, then look. Stops at the first thing that is not as it should be."""
    core = build_core(settings)
    try:
        wait_until(lambda: _waiting(core) == 0, "folding of everything", wait_s)
        return _judged(core, heard)
    finally:
        core.db.close()


def _judged(core: Core, heard: Heard) -> Verdict:
    kept = _kept(core)
    lost = heard.answered - set(kept)
    doubled = sum(count - 1 for count in kept.values()) + _evidence_twice(core)
    assert not heard.wrong, heard.wrong[:5]
    assert set(kept) <= heard.sent, "there are reports that nobody sent"
    assert not _in_tray(core), "a report of this load lies in the tray"
    _tallies_are_exact(core, kept)
    _no_gap_is_left(core, kept)
    return Verdict(len(kept), len(lost), doubled, flow_parts(core).flow.check("garden"))


def _waiting(core: Core) -> int:
    with core.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(dirty)).scalar_one())


def _kept(core: Core) -> Counter[Key]:
    with core.db.read() as tx:
        return Counter((row.device, row.boot, row.seq) for row in tx.execute(
            select(reports.c.device, reports.c.boot, reports.c.seq)))  # fmt: skip


def _in_tray(core: Core) -> int:
    with core.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(tray)).scalar_one())


def _evidence_twice(core: Core) -> int:
    """Reports that stand behind more than one passage."""
    with core.db.read() as tx:
        evidence = Counter(
            tuple(triple) for found in tx.execute(select(passages.c.evidence)).scalars() for triple in found
        )
    return sum(count - 1 for count in evidence.values())


def _tallies_are_exact(core: Core, kept: Counter[Key]) -> None:
    """A device's own figures are written in the same transaction: they cannot be ahead of its reports or behind."""
    by_device = Counter(device for device, _, _ in kept)
    with core.db.read() as tx:
        told = {row.device: row.accepted for row in tx.execute(select(device_status)) if row.accepted}
    assert told == dict(by_device)


def _no_gap_is_left(core: Core, kept: Counter[Key]) -> None:
    """Numbers of a boot are dense (a gap report stands for what it names), so `through` must have reached the last."""
    last: dict[tuple[str, int], int] = {}
    for device, boot, seq in kept:
        last[device, boot] = max(seq, last.get((device, boot), 0))
    with core.db.read() as tx:
        reached = {(row.device, row.boot): row.through for row in tx.execute(select(through))}
    assert reached == last
