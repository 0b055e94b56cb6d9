"""Reports over a real Mosquitto into a real `serve`: what is taken, what is dropped, what blocks nothing."""

from __future__ import annotations

import gzip
import json
import queue
import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from community_flow.adapters import mosquitto_control, mqtt_client
from community_flow.adapters.figures import _read_file
from community_flow.adapters.sql.tables_ingest import reports, tray
from community_flow.domain.scope import Role, Scope
from community_flow.services.devices import Enrolled
from community_flow.settings import Settings
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.ingest import IngestParts, ingest_parts
from community_flow.wiring.traffic import FIGURES_FOLDER
from sensors import wire
from tests.conftest import LiveServer, prepared, serving
from tests.factories import small_community
from tests.mqtt_parts import Talker, talking
from tests.processes import processes_of
from tests.services import PATIENCE_S, mosquitto_broker, wait_until

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))


@dataclass
class Site:
    """A server that takes reports from a broker, and a second look into its store."""

    server: LiveServer
    core: Core
    url: str

    @property
    def parts(self) -> IngestParts:
        return ingest_parts(self.core)

    def enrol(self) -> Enrolled:
        return self.parts.devices.enrol(MANAGER, "garden", "camera", "east")

    def kept(self, device: str) -> list[int]:
        with self.core.db.read() as tx:
            mine = select(reports.c.seq).where(reports.c.device == device).order_by(reports.c.seq)
            return list(tx.execute(mine).scalars())

    def trayed(self, device: str) -> int:
        with self.core.db.read() as tx:
            return int(tx.execute(select(func.count()).where(tray.c.device == device)).scalar_one())

    def figure(self, name: str) -> float:
        with urllib.request.urlopen(f"{self.server.url}/metrics", timeout=PATIENCE_S) as answer:
            found = re.search(rf"^flow_{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def state(self, device: str) -> tuple[str, str | None]:
        (found,) = [each for each in self.parts.devices.list(MANAGER) if each.device == device]
        return found.state, found.status.link if found.status else None


@pytest.fixture(scope="module", autouse=True)
def patience_with_the_broker() -> Iterator[None]:
    """What a broker is told too slowly it is told again a minute later: so long a device that was enrolled here is not
    let in, and one that was revoked is not cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mosquitto_control, "ANSWER_S", PATIENCE_S)
        patch.setattr(mqtt_client, "CONNECT_S", PATIENCE_S)
        yield


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, mqtt_url: str) -> Iterator[Site]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("mqtt") / "var", mqtt_url=mqtt_url)
    core = prepared(settings)
    small_community(core)
    with closing(core.db), serving(settings) as server:
        site = Site(server, core, mqtt_url)
        wait_until(lambda: site.figure("mqtt_up") == 1, "the server's connection to the broker")
        yield site


@pytest.fixture
def camera(site: Site) -> Enrolled:
    return site.enrol()


@pytest.fixture
def talker(site: Site, camera: Enrolled) -> Iterator[Talker]:
    with talking(site.url, camera.device, camera.token) as talker:
        yield talker


def count(seq: int, **members: Any) -> str:
    now_ms = int(time.time() * 1000)
    given: dict[str, Any] = {"boot": 7, "seq": seq, "at": now_ms, "gate": "east", "direction": "in", "n": 1}
    return wire.Count(**(given | members)).encode()


def body(*seqs: int, batch: str = "b") -> bytes:
    return wire.body(batch, [count(seq) for seq in seqs])


def test_reports_are_kept_and_answered_with_their_batch(site: Site, camera: Enrolled, talker: Talker) -> None:
    assert talker.report(body(1, 2, 3, batch="first"), correlation=b"c-1") == "Success"
    heard = talker.heard.get(timeout=PATIENCE_S)
    answer = wire.answer_from(bytes(heard.payload))
    assert (answer.batch, [each.outcome for each in answer.results]) == ("first", ["accepted"] * 3)
    assert heard.topic == f"flow/{camera.device}/acks"
    assert not heard.retain
    found: Any = heard.properties
    assert found.CorrelationData == b"c-1"
    assert found.ContentType == "application/json"
    assert site.kept(camera.device) == [1, 2, 3]  # before the answer came, so now


def test_the_same_reports_again_are_duplicates(site: Site, camera: Enrolled, talker: Talker) -> None:
    sent = body(1, 2)
    for outcome in ("accepted", "duplicate"):
        talker.report(sent)
        assert [each["outcome"] for each in talker.answer()["results"]] == [outcome] * 2
    assert site.kept(camera.device) == [1, 2]


@pytest.mark.parametrize("encoding", ["gzip", ""])
def test_gzip_is_understood_named_or_not(talker: Talker, encoding: str) -> None:
    talker.report(gzip.compress(body(1)), encoding=encoding)
    assert talker.answer()["results"][0]["outcome"] == "accepted"


POISON = {
    "nothing": (b"", 422), "cut off": (b"{", 422), "a list": (b"[]", 422), "not UTF-8": (b"\xff\xfe\x00", 422),
    "no reports": (b'{"batch":"p"}', 422), "brackets": (b"[" * 50_000, 422), "broken gzip": (b"\x1f\x8b\x08zzz", 400),
    "a bomb": (gzip.compress(b" " * 50_000_000), 413), "a mebibyte and one": (b" " * (wire.MAX_BYTES + 1), 413),
    "too many": (wire.body("p", [count(seq) for seq in range(1, 1_002)]), 413),
}  # fmt: skip


@pytest.mark.parametrize("name", POISON)
def test_poison_gets_its_answer_and_never_blocks_the_next(
    site: Site, camera: Enrolled, talker: Talker, name: str
) -> None:
    poison, status = POISON[name]
    talker.report(poison, correlation=b"p")
    talker.report(body(1, batch="good"))
    answers = [talker.answer(), talker.answer()]
    problem = next(each for each in answers if "status" in each)
    assert (problem["status"], problem["batch"]) == (status, "p")
    assert problem["detail"]
    assert next(each for each in answers if "results" in each)["batch"] == "good"
    assert site.kept(camera.device) == [1]


def test_what_cannot_be_used_is_in_the_tray_and_answered(site: Site, camera: Enrolled, talker: Talker) -> None:
    talker.report(wire.body("t", [count(1, gate="west"), '{"boot":7,"seq":2,"at":1,"kind":"teleport"}']))
    assert [each["reason"] for each in talker.answer()["results"]] == ["foreign_gate", "unknown_kind"]
    assert site.trayed(camera.device) == 2


def test_a_retained_publish_is_dropped_and_counted(site: Site, camera: Enrolled, talker: Talker) -> None:
    name = 'mqtt_dropped_total{cause="retained"}'
    before = site.figure(name)
    talker.report(body(1), retain=True)
    talker.report(body(2, batch="live"))
    assert talker.answer()["batch"] == "live"
    wait_until(lambda: site.figure(name) == before + 1, "the count of what was dropped")
    assert site.kept(camera.device) == [2]


def test_a_device_speaks_for_no_other(site: Site, camera: Enrolled, talker: Talker) -> None:
    other = site.enrol()
    assert talker.publish(f"flow/{other.device}/reports", body(1)) == "Not authorized"
    talker.report(body(1))
    assert talker.answer()["results"][0]["outcome"] == "accepted"
    assert (site.kept(other.device), site.kept(camera.device)) == ([], [1])


def test_a_revoked_device_is_cut_at_once_and_not_let_in_again(site: Site, camera: Enrolled, talker: Talker) -> None:
    talker.report(body(1))
    talker.answer()
    site.parts.devices.revoke(MANAGER, camera.device)
    assert talker.cut.wait(PATIENCE_S)
    again = Talker(site.url, camera.device, camera.token)
    again.close()
    assert again.welcome == "Not authorized"


def test_a_last_will_shows_a_device_as_down_and_cannot_touch_another(site: Site) -> None:
    mine, other = site.enrol(), site.enrol()
    for each in (mine, other):
        with talking(site.url, each.device, each.token) as talker:
            talker.report(body(1))
            talker.answer()
            assert talker.publish(f"flow/{each.device}/status", b"online", retain=True) == "Success"
    wait_until(lambda: site.state(other.device) == ("ok", "online"), "both are online")
    forger = Talker(site.url, mine.device, mine.token, will=f"flow/{other.device}/status")
    forger.drop()
    honest = Talker(site.url, mine.device, mine.token, will=f"flow/{mine.device}/status")
    honest.drop()
    wait_until(lambda: site.state(mine.device) == ("down", "offline"), "the will is read")
    assert site.state(other.device) == ("ok", "online")


def test_a_device_that_floods_is_told_when_to_come_back(site: Site, camera: Enrolled, talker: Talker) -> None:
    dear = b'{"batch":"f","reports":[]}' + b" " * 1_000_000
    topic = f"flow/{talker.name}/reports"
    for _ in range(20):  # always on the way, so that what is taken is as much as the server can, on a slow machine too
        talker.client.publish(topic, dear, 1)
    for _ in range(400):
        answer = talker.answer()
        if "status" in answer:
            break
        talker.client.publish(topic, dear, 1)
    assert (answer["status"], answer["batch"]) == (429, "f")
    assert answer["retry_s"] >= 1


def test_large_bodies_in_a_flood_wait_with_the_broker_and_not_in_memory(site: Site) -> None:
    """360 MB from five devices that wait for nothing: the server holds a small part of that at a time."""
    devices = [site.enrol() for _ in range(5)]
    large = b'{"batch":"l","reports":[]}' + b" " * 900_000
    talkers = [Talker(site.url, each.device, each.token) for each in devices]
    before = memory_of(site)
    try:
        for talker in talkers:
            talker.subscribe(f"flow/{talker.name}/acks")
        for _ in range(80):
            for talker in talkers:
                talker.client.publish(f"flow/{talker.name}/reports", large, 1)
        for talker in talkers:
            assert {talker.answer()["batch"] for _ in range(80)} == {"l"}
    finally:
        for talker in talkers:
            talker.close()
    assert peak_of(site) - before < 150 * 2**20


def memory_of(site: Site) -> int:
    return sum(_memory(pid, "VmRSS") for pid in processes_of(site.server.pid))


def peak_of(site: Site) -> int:
    return sum(_memory(pid, "VmHWM") for pid in processes_of(site.server.pid))


def _memory(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def test_a_flood_of_ten_thousand_reports_gives_exact_rows(site: Site) -> None:
    """Sent twice over by ten devices at once, without waiting for any answer."""
    devices = [site.enrol() for _ in range(10)]
    bodies = [body(*range(start, start + 20), batch=f"n{start}") for start in range(1, 1_001, 20)]
    talkers = [Talker(site.url, each.device, each.token) for each in devices]
    try:
        for talker in talkers:
            talker.subscribe(f"flow/{talker.name}/acks")
        for sent in bodies * 2:
            for talker in talkers:
                talker.client.publish(f"flow/{talker.name}/reports", sent, 1)
        answered = [{talker.answer()["batch"] for _ in range(len(bodies) * 2)} for talker in talkers]
    finally:
        for talker in talkers:
            talker.close()
    assert answered == [{json.loads(each)["batch"] for each in bodies}] * 10
    assert all(site.kept(each.device) == list(range(1, 1_001)) for each in devices)


def answers_by_process(folder: Path) -> list[float]:
    """Bodies that each process answered with 200 over MQTT."""
    read = [each for path in sorted(folder.glob("*.figures")) for each in _read_file(path)]
    return [each.value for each in read if each.name.startswith("mqtt_answers_total") and "200" in each.name]


def bodies_of_ten(last: int) -> dict[str, bytes]:
    """Bodies by batch, with the numbers from 1."""
    return {f"n{at}": body(*range(at, at + 10), batch=f"n{at}") for at in range(1, last, 10)}


def report_until_answered(talker: Talker, bodies: dict[str, bytes]) -> None:
    """As a device does: what nobody answered is sent again, since a message may be lost with a connection."""
    missing = dict(bodies)
    while missing:
        for sent in missing.values():
            talker.report(sent)
        with suppress(queue.Empty):
            while missing:
                missing.pop(talker.answer(30)["batch"], None)


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_two_processes_on_postgresql_share_the_load(settings: Settings) -> None:
    core = prepared(settings)
    small_community(core)
    with closing(core.db), mosquitto_broker() as broker:
        second = build_core(replace(settings, mqtt_url=broker.url))
        with closing(second.db), serving(second.settings) as server:
            site = Site(server, second, broker.url)
            wait_until(lambda: site.figure("mqtt_connected_total") >= 2, "both processes at the broker")
            devices = [site.enrol() for _ in range(2)]
            for each in devices:
                with talking(site.url, each.device, each.token) as talker:
                    report_until_answered(talker, bodies_of_ten(400))
            assert all(site.kept(each.device) == list(range(1, 401)) for each in devices)
            found = answers_by_process(settings.data_dir / FIGURES_FOLDER)
    assert len(found) == 2
    assert sum(found) >= 80
    assert min(found) >= 10
