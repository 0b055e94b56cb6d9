"""The processes of an installation, each of which can be killed, stopped for a while and started again as it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from community_flow.settings import Settings
from tests.processes import family, send, working_in
from tests.services import PATIENCE_S, Missing, _own, _postgresql_programs, free_port, listens, wait_until

ROOT = Path(__file__).parents[2]


class Part:
    """One process with its children. It comes back on the same port, folder and settings."""

    name = "part"

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None, user: int | None = None):
        self.command, self.environment, self.user = list(command), environment, user
        self.process: subprocess.Popen[bytes] | None = None
        self.output = tempfile.NamedTemporaryFile("w+b", prefix=f"flow-{self.name}-", suffix=".log")  # noqa: SIM115
        self.kills = 0

    def ready(self) -> bool:
        return True

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, env={**os.environ, **(self.environment or {})}, cwd=ROOT if self.user is None else "/",
            stdout=self.output, stderr=subprocess.STDOUT, start_new_session=True, user=self.user,
        )  # fmt: skip
        wait_until(lambda: self.ended() or self.ready(), f"{self.name} is ready", 60)
        assert not self.ended(), f"{self.name} ended: {self.log()[-2000:]}"

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def pids(self) -> list[int]:
        return [] if self.process is None else family(self.process.pid)

    def kill_9(self) -> None:
        """The whole of it at once, as when the power of its machine goes."""
        send(self.pids(), signal.SIGKILL)
        self.gone()
        self.kills += 1

    def freeze(self) -> list[int]:
        """It answers nothing and closes nothing, as a machine that hangs."""
        stopped = self.pids()
        send(stopped, signal.SIGSTOP)
        return stopped

    def thaw(self) -> None:
        send(self.pids(), signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and not self.ended():
            send(self.pids(), signal.SIGCONT)
            self.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        send(self.pids(), signal.SIGKILL)
        self.gone()
        self.output.close()

    def gone(self) -> None:
        if self.process is not None:
            self.process.wait(PATIENCE_S)
            wait_until(lambda: not self.pids(), f"the end of {self.name}")

    def log(self) -> str:
        return Path(self.output.name).read_text(errors="replace")


def environment_of(settings: Settings) -> dict[str, str]:
    """What the program reads, for these settings."""
    given = {"FLOW_DATABASE_URL": settings.database_url, "FLOW_REDIS_URL": settings.redis_url,
             "FLOW_MQTT_URL": settings.mqtt_url}  # fmt: skip
    return {
        "FLOW_DATA_DIR": str(settings.data_dir.resolve()), "PYTHONUNBUFFERED": "1",
        **{name: value for name, value in given.items() if value},
    }  # fmt: skip


class Web(Part):
    """`serve` on a port of its own."""

    name = "web"

    def __init__(self, settings: Settings, **more: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "community_flow", "serve", "--port", str(self.port)]
        super().__init__(command, {**environment_of(settings), **more})

    def ready(self) -> bool:
        return listens(self.port)


class Worker(Part):
    """`worker`: folds beside the web processes."""

    name = "worker"

    def __init__(self, settings: Settings) -> None:
        super().__init__([sys.executable, "-m", "community_flow", "worker"], environment_of(settings))


class RedisPart(Part):
    """A Redis that keeps nothing on disk: after a kill it has forgotten everything."""

    name = "redis"

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if not program:
            raise Missing("redis-server is not installed: apt-get install redis-server")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        super().__init__([program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""])

    def ready(self) -> bool:
        return listens(self.port)


class PostgresPart(Part):
    """A PostgreSQL cluster in a folder that outlives its processes."""

    name = "postgresql"

    def __init__(self, folder: Path, *options: str) -> None:
        programs = _postgresql_programs()
        user = _own(folder)
        self.port, self.folder = free_port(), folder
        self.url = f"postgresql://flow@127.0.0.1:{self.port}/postgres"
        self._is_ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        subprocess.run(
            [str(programs / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "flow", "-E", "UTF8",
             "--locale=C.UTF-8"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        command = [
            str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(self.port), "-k", str(folder),
            "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=100", *options,
        ]  # fmt: skip
        super().__init__(command, user=user)

    def pids(self) -> list[int]:
        """By the folder they work in: what the postmaster forked in its last moment has no parent when it is dead."""
        return sorted({*super().pids(), *working_in(self.folder / "data")})

    def kill_9(self) -> None:
        """The postmaster first, so that nothing is forked any more, then all others, until none is left."""
        assert self.process is not None
        send([self.process.pid], signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        while left := self.pids():
            send(left, signal.SIGKILL)
            time.sleep(0.01)
        self.kills += 1

    def ready(self) -> bool:
        return subprocess.run(self._is_ready, check=False).returncode == 0

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        super().stop(number)

    def kill_a_backend(self) -> None:
        """One connection's process: the postmaster then ends all others and recovers."""
        assert self.process is not None
        wait_until(lambda: any(map(_is_connection, self.pids())), "a connection")
        backends = [pid for pid in self.pids() if _is_connection(pid)]
        send(backends[:1], signal.SIGKILL)
        self.kills += bool(backends)


def _is_connection(pid: int) -> bool:
    """False also for one that has ended meanwhile."""
    with suppress(OSError):
        return b"flow postgres 127" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@contextmanager
def running(*parts: Part) -> Iterator[None]:
    """Start in this order, end in the other; when something fails inside, print what they said."""
    begun: list[Part] = []
    try:
        for part in parts:
            begun.append(part)
            part.start()
        yield
    except BaseException:
        for part in begun:
            print(f"--- {part.name} said:\n{part.log()[-6000:]}")
        raise
    finally:
        for part in reversed(begun):
            part.stop()


@contextmanager
def postgresql_folder() -> Iterator[Path]:
    """Not below pytest's folder, which the postgres user may not enter."""
    folder = Path(tempfile.mkdtemp(prefix="flow-survival-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
