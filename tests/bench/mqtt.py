"""How fast reports come in over MQTT, beside HTTP, into one server in one interleaved run.

    python -m tests.bench.mqtt [--json] [--quick]

Eight devices on each way send a body and wait for its answer, as a real device does. The processor time is that of the
server's own processes per report; the broker's is told beside it. The fold runs meanwhile, in the same processes.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from community_flow.domain.scope import Role, Scope
from community_flow.services.devices import Enrolled
from community_flow.settings import Settings
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import prepared, serving
from tests.factories import small_community
from tests.mqtt_parts import Talker
from tests.processes import processes_of
from tests.services import Mosquitto, mosquitto_broker, wait_until

DEVICES = 8
SIZES = (1, 100)
MANAGER = Scope("bench", Role.MANAGER, frozenset({"garden"}))
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Measured:
    """Rounds of one way at one size."""

    rates: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)
    broker_us: list[float] = field(default_factory=list)


def bodies(boot: int, count: int, size: int) -> list[bytes]:
    at = int(time.time() * 1000)

    def report(seq: int) -> str:
        return wire.Count(boot=boot, seq=seq, at=at, gate="east", direction="in", n=1, confidence=0.94).encode()

    return [
        wire.body(f"{boot}-{part}", [report(part * size + seq + 1) for seq in range(size)]) for part in range(count)
    ]


def cpu_s(pids: list[int]) -> float:
    """Processor time that these processes have used so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK_S


class Bench:
    """One server, one broker, eight devices that can speak both ways."""

    def __init__(self, port: int, server: list[int], broker: Mosquitto, devices: list[Enrolled]) -> None:
        self.port, self.server, self.broker, self.devices = port, server, broker, devices
        self.boot = 1_000
        self.talkers = [Talker(broker.url, each.device, each.token) for each in devices]
        for talker in self.talkers:
            talker.subscribe(f"flow/{talker.name}/acks")

    def close(self) -> None:
        for talker in self.talkers:
            talker.close()

    def over_http(self, place: int, sent: list[bytes]) -> None:
        headers = {"Authorization": f"Bearer {self.devices[place].token}", "Content-Type": "application/json"}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as line:
            for body in sent:
                line.request("POST", wire.PATH, body, headers)
                self.check(line.getresponse().read())

    def over_mqtt(self, place: int, sent: list[bytes]) -> None:
        talker = self.talkers[place]
        for body in sent:
            talker.client.publish(f"flow/{talker.name}/reports", body, 1)
            self.check(bytes(talker.heard.get(timeout=60).payload))

    def folded(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as answer:
            return b"flow_fold_waiting 0.0" in answer.read()

    def check(self, answer: bytes) -> None:
        if b'"accepted"' not in answer:
            raise SystemExit(f"refused: {answer[:200]!r}")

    def round(self, way: Callable[[int, list[bytes]], None], count: int, size: int, into: Measured) -> None:
        self.boot += DEVICES
        sent = [bodies(self.boot + place, count, size) for place in range(DEVICES)]
        threads = [threading.Thread(target=way, args=(place, sent[place])) for place in range(DEVICES)]
        pid = self.broker.process.pid if self.broker.process else 0
        begun, server_s, broker_s = time.perf_counter(), cpu_s(self.server), cpu_s([pid])
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reports = DEVICES * count * size
        into.rates.append(reports / (time.perf_counter() - begun))
        wait_until(self.folded, "the fold of these reports", 300)  # its work counts for them, and for no others
        into.server_us.append((cpu_s(self.server) - server_s) / reports * 1e6)
        into.broker_us.append((cpu_s([pid]) - broker_s) / reports * 1e6)


@contextlib.contextmanager
def benched(folder: Path) -> Iterator[Bench]:
    with mosquitto_broker() as broker:
        settings = Settings(data_dir=folder / "var", mqtt_url=broker.url)
        core = prepared(settings)
        small_community(core)
        with serving(settings) as server:
            devices = [ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "east") for _ in range(DEVICES)]
            core.db.close()
            bench = Bench(urlsplit(server.url).port or 0, processes_of(server.pid), broker, devices)
            wait_until(lambda: "community-flow" in broker.log, "the server at the broker")
            time.sleep(1)
            yield bench
            bench.close()


def run(folder: Path, rounds: int, counts: dict[int, int]) -> dict[str, dict[str, Any]]:
    found = {(way, size): Measured() for way in ("HTTP", "MQTT") for size in SIZES}
    with benched(folder) as bench:
        ways = {"HTTP": bench.over_http, "MQTT": bench.over_mqtt}
        for send in ways.values():
            bench.round(send, 3, 1, Measured())  # whatever is done once is done
        for _ in range(rounds):
            for (name, size), measured in found.items():
                bench.round(ways[name], counts[size], size, measured)
    return dict(figures(found))


def figures(found: dict[tuple[str, int], Measured]) -> Iterator[tuple[str, dict[str, Any]]]:
    for size in SIZES:
        mqtt, http_ = found["MQTT", size], found["HTTP", size]
        rate, cpu = statistics.median(mqtt.rates), statistics.median(mqtt.server_us)
        peer_rate, peer_cpu = statistics.median(http_.rates), statistics.median(http_.server_us)
        broker = statistics.median(mqtt.broker_us)
        yield f"MQTT, {size} a body", figure(rate, "reports/s", f"HTTP: {peer_rate:.0f} reports/s")
        yield f"MQTT, {size} a body, of HTTP's rate", figure(rate / peer_rate, "x", "HTTP in the same run")
        yield f"MQTT, {size} a body, CPU", figure(cpu, "us/report", f"HTTP: {peer_cpu:.1f} us; broker: {broker:.1f} us")


def figure(value: float, unit: str, peer: str) -> dict[str, Any]:
    """No bar was set for MQTT."""
    return {"value": round(value, 3), "unit": unit, "bar": None, "peer": peer, "holds": None}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true")
    chosen = options.parse_args()
    rounds, counts = (3, {1: 60, 100: 15}) if chosen.quick else (5, {1: 400, 100: 60})
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), rounds, counts)
    if chosen.json:
        print(json.dumps(found))
        return
    for name, each in found.items():
        print(f"{name:34} {each['value']:10.2f} {each['unit']:10} {each['peer']}")


if __name__ == "__main__":
    main()
