"""What the demo keeps beside the data: its plan, how far the loading is, the truth and the guards' demo devices."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from community_flow.demo.plan import Plan
from community_flow.demo.truth import plan_of

Stage = Literal["waiting", "people", "reports", "folding", "done", "failed"]


@dataclass(frozen=True)
class Status:
    """How far the loading is. ``done`` of ``total`` reports are kept; times are UTC milliseconds."""

    stage: Stage
    done: int = 0
    total: int = 0
    started_ms: int = 0
    finished_ms: int | None = None
    trouble: str = ""

    @property
    def busy(self) -> bool:
        return self.stage not in ("done", "failed")


class DemoFolder:
    """`var/demo`: small JSON files, each replaced whole, so that a crash leaves the old or the new one."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "demo"

    def plan(self) -> Plan | None:
        """The plan of the demo that is or will be loaded here; None when there is none."""
        found = self._read("plan.json")
        return Plan(**found) if found else None

    def keep_plan(self, plan: Plan) -> None:
        self._write("plan.json", plan_of(plan))

    def status(self) -> Status | None:
        found = self._read("status.json")
        return Status(**found) if found else None

    def keep_status(self, status: Status) -> None:
        self._write("status.json", asdict(status))

    def advance(self, **changes: Any) -> Status:
        """Change some fields of the status."""
        status = replace(self.status() or Status("waiting"), **changes)
        self.keep_status(status)
        return status

    def truth(self) -> dict[str, Any] | None:
        return self._read("truth.json")

    def keep_truth(self, truth: dict[str, Any]) -> None:
        self._write("truth.json", truth)

    def tokens(self) -> dict[str, str]:
        """Device tokens by the simulator's name of the device: what `demo play` and the tour report with."""
        return self._read("devices.json") or {}

    def keep_tokens(self, tokens: dict[str, str]) -> None:
        self._write("devices.json", tokens)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
        except FileNotFoundError:
            return None
        return found

    def _write(self, name: str, content: dict[str, Any]) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.path / f"{name}.new"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self.path / name)
