"""kill -9 of a gate's process in the middle of its work, with a real server: no number of any start is missing."""

from __future__ import annotations

import random
import signal
import sqlite3
import sys
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from community_flow.adapters.sql.tables_ingest import reports, tray
from community_flow.settings import Settings
from community_flow.wiring.core import build_core
from community_flow.wiring.flow import flow_parts
from sensors.scene import Scene
from tests.services import PATIENCE_S, wait_until
from tests.survival.parts import Part, Web, running
from tests.survival.world import made

KILLS = [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]

CONFIG = """
device = "{device}"
server = "http://127.0.0.1:{port}"
token = "{token}"
heartbeat_s = 2

[[sensor]]
kind = "camera"
source = "{video}"
gate = "west"
line = "0.5,0,0.5,1"
detector = "motion"
pace = "fast"
repeat = true
"""

Number = tuple[int, int]


class AgentPart(Part):
    """`python -m sensors agent`; ready once this start has its number."""

    name = "agent"

    def __init__(self, folder: Path) -> None:
        self.outbox, self.starts = folder / "outbox.sqlite", 0
        super().__init__([sys.executable, "-m", "sensors", "agent", str(folder / "agent.toml")])

    def start(self) -> None:
        self.starts += 1
        super().start()

    def ready(self) -> bool:
        return len(self._asked("SELECT boot FROM boots")) >= self.starts

    def boot(self) -> int:
        """The number of its last start."""
        return self._asked("SELECT boot FROM boots ORDER BY begun_ms DESC LIMIT 1")[0][0]

    def waiting(self) -> set[Number]:
        """What it has counted and nobody has answered."""
        return {(boot, seq) for boot, seq in self._asked("SELECT boot, seq FROM reports")}

    def _asked(self, sql: str) -> list[tuple[int, ...]]:
        if not self.outbox.exists():
            return []
        with closing(sqlite3.connect(self.outbox, timeout=PATIENCE_S)) as store:
            try:
                return store.execute(sql).fetchall()
            except sqlite3.OperationalError:  # its tables are just being made
                return []


@pytest.mark.parametrize("kills", KILLS)
def test_the_agent(settings: Settings, tmp_path: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    world, web, agent = made(settings, phones=0, cameras=1, offices=0), Web(settings), AgentPart(tmp_path)
    me = world.devices[0]
    Scene(5, "single", 25).render(tmp_path / "scene.mp4")
    text = CONFIG.format(device=me.device, token=me.token, port=web.port, video=tmp_path / "scene.mp4")
    (tmp_path / "agent.toml").write_text(text)
    waiting: set[Number] = set()
    with running(web, agent):
        for _ in range(kills):
            time.sleep(rng.uniform(0.5, 3))
            agent.kill_9()
            waiting |= agent.waiting()
            agent.start()
        wait_until(lambda: counted(settings, agent.boot()), "a count of its last start")
        assert agent.process is not None
        agent.process.send_signal(signal.SIGTERM)
        assert agent.process.wait(PATIENCE_S) == 0, agent.log()
        assert not agent.waiting()
    judge_numbers(settings, agent.starts, waiting)


def counted(settings: Settings, boot: int) -> bool:
    core = build_core(settings)
    try:
        with core.db.read() as tx:
            return bool(
                tx.execute(select(reports.c.n).where(reports.c.kind == "count", reports.c.boot == boot).limit(1)).all()
            )
    finally:
        core.db.close()


def judge_numbers(settings: Settings, starts: int, waiting: set[Number]) -> None:
    core = build_core(settings)
    try:
        with core.db.read() as tx:
            kept = [(row.boot, row.seq) for row in tx.execute(select(reports.c.boot, reports.c.seq))]
            counts = tx.execute(select(reports.c.n).where(reports.c.kind == "count")).all()
            assert not tx.execute(select(tray.c.reason, tray.c.detail)).all()
        by_boot: dict[int, list[int]] = defaultdict(list)
        for boot, seq in kept:
            by_boot[boot].append(seq)
        lost = sum(max(seqs) - len(set(seqs)) for seqs in by_boot.values()) + len(waiting - set(kept))
        print(f"{starts - 1} kills, {len(kept)} kept, {len(counts)} counts, {lost} lost, "
              f"{len(kept) - len(set(kept))} doubled; {len(waiting)} waited in the outbox")  # fmt: skip
        assert (lost, len(kept) - len(set(kept))) == (0, 0)
        assert counts
        flow = flow_parts(core).flow
        flow.drain()
        assert flow.check("garden") == []
    finally:
        core.db.close()
