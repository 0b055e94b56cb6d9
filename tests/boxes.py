"""A real box: the agent's own process on a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.services import PATIENCE_S, wait_until


class BoxProcess:
    def __init__(self, folder: Path, server: str = "", *more: str) -> None:
        self.folder, self.server, self.more = folder, server, more
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.parent / f"{folder.name}.log"

    def __enter__(self) -> BoxProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "sensors",
            "agent",
            str(self.folder),
            "--trial-s",
            "15",
            "--poll-s",
            "0.5",
            *self.more,
        ]
        command += ["--server", self.server] if self.server else []
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(PATIENCE_S)

    def words(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def code(self) -> str:
        """The code that it shows."""
        pattern = re.compile(r"Its code is  ([A-Z2-9]{5}-[A-Z2-9]{5})")
        wait_until(lambda: pattern.search(self.words()) is not None, "a code", 60)
        return str(pattern.findall(self.words())[-1])
