"""A scan, accepted end to end on PostgreSQL, beside pretix's check-in on the same cluster, in one interleaved run.

    python -m tests.bench.checkin [--json] [--quick] [--setup-peer]

Sixteen devices on sixteen connections each send one scan a request, both servers with two processes and the same light
client; every answer is looked at, and afterwards the tables. `--setup-peer` installs pretix (once, some minutes).

What differs in the work. Both find the device of a token, find whom a code stands for, keep the scan once however
often it is sent, and answer after the commit. Ours verifies an Ed25519 signature, keeps the whole report with marks for
the fold, and commits those that come at the same moment together; whether the person may enter was decided at the gate.
The fold (passages, visits, who is inside) runs in the same processes meanwhile; what it does after the last answer is
told apart. pretix looks a random code up, decides itself (order, product, dates, questions, rules: here only the first
three have something to say), locks the ticket, writes entry and log entry, queues a task for webhooks, which nobody
works on here, and answers with the whole ticket.
"""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from community_flow.adapters.sql.queries_passes import SqlPasses
from community_flow.adapters.sql.tables_flow import dirty
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.domain import passes
from community_flow.domain.places import Household, Pass, Person
from community_flow.ports.passes import PassRow
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.labelling import ROTATING
from community_flow.services.registry import Change
from community_flow.settings import Settings
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.bench import _pretix
from tests.bench._blast import blast, post
from tests.bench._figures import Figure, options, shown
from tests.bench._gates import MANAGER, cpu_s, parent
from tests.conftest import prepared, serving
from tests.factories import small_community
from tests.services import postgresql_server, redis_server, wait_until

DEVICES = 16
COMMUNITY = "garden"
BAR = 30
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
Streams = Sequence[Sequence[bytes]]


@dataclass(frozen=True)
class Sizes:
    """Scans of one device in one round, of ours and of the peer's, so that both rounds take some seconds."""

    rounds: int
    ours: int
    peer: int


@dataclass
class Measured:
    """One value a round; ``server`` and ``store`` are processor time of a request, in the server and in PostgreSQL, up
    to the last answer; ``after`` is that of both from there until nothing is left to do."""

    rates: list[float] = field(default_factory=list)
    median_ms: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)
    store_us: list[float] = field(default_factory=list)
    after_us: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def cpu_us(self) -> float:
        return statistics.median(map(sum, zip(self.server_us, self.store_us, strict=True)))

    @property
    def told(self) -> str:
        each = (self.median_ms, self.server_us, self.store_us, self.after_us)
        told = "half within {:.1f} ms; processor: {:.0f} us in the server, {:.0f} in PostgreSQL, {:.0f} afterwards"
        return told.format(*map(statistics.median, each))


@dataclass
class Side:
    """One of the two: where it listens, its first process and PostgreSQL's, how a round is made and settled."""

    port: int
    pid: int
    store_pid: int
    good: bytes
    make: Callable[[int], Streams]
    settle: Callable[[], None] = lambda: None
    found: Measured = field(default_factory=Measured)

    def round(self, turn: int) -> None:
        streams = self.make(turn)
        begun_s = self._cpu_s()
        shots = blast(self.port, streams, self.good)
        answered_s = self._cpu_s()
        self.settle()  # so that what is left of the work does not disturb the other side
        after_s = sum(self._cpu_s()) - sum(answered_s)
        server_us, store_us, after_us = (
            spent_s / len(shots.latencies_s) * 1e6
            for spent_s in (answered_s[0] - begun_s[0], answered_s[1] - begun_s[1], after_s)
        )
        self.found.rates.append(shots.rate)
        self.found.median_ms.append(shots.quantile_s(0.5) * 1e3)
        self.found.server_us.append(server_us)
        self.found.store_us.append(store_us)
        self.found.after_us.append(after_us)

    def _cpu_s(self) -> tuple[float, float]:
        return cpu_s(self.pid), cpu_s(self.store_pid)


def _postmaster(cluster: str) -> int:
    with psycopg.connect(cluster) as link:
        return parent(link.info.backend_pid)


# --- ours -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resident:
    person: str
    handle: bytes
    phone: Ed25519PrivateKey


def residents(core: Core, uid: bytes, many: int) -> list[Resident]:
    """People with a phone pass each."""
    made = [
        Resident(f"p_{_letters(number)}", secrets.token_bytes(8), Ed25519PrivateKey.generate())
        for number in range(many)
    ]
    keys = CommunityKeys(core.keys)
    refs = [keys.pass_ref(uid, each.handle) for each in made]
    rows = [
        PassRow(
            community=COMMUNITY, pass_id=passes.pass_id(ref), ref=ref, sealed_handle=None,
            public_key=each.phone.public_key().public_bytes_raw(), short_code=None, issued_ms=0, changed_ms=0,
        )
        for each, ref in zip(made, refs, strict=True)
    ]  # fmt: skip
    changes = [Change(COMMUNITY, "household", "h_1", 0, Household(unit="1-1-101", building="b1"))]
    changes += [Change(COMMUNITY, "person", each.person, 0, Person(household="h_1")) for each in made]
    changes += [
        Change(COMMUNITY, "pass", row.pass_id, 0, Pass(person=each.person, kind="phone", from_ms=0))
        for each, row in zip(made, rows, strict=True)
    ]
    with core.db.write() as tx:
        core.registry.record(tx, changes, "bench")
        SqlPasses().add(tx, rows)
    return made


def _letters(number: int) -> str:
    return "".join(LETTERS[number >> 5 * place & 31] for place in range(12))


@dataclass(frozen=True)
class Gate:
    """The devices of one gate, and the people who pass it: in at one round, out at the next."""

    uid: bytes
    tokens: list[str]
    people: list[Resident]

    def streams(self, turn: int, each: int) -> Streams:
        return [
            [self._request(turn, place, seq, self.people[place * each + seq]) for seq in range(each)]
            for place in range(DEVICES)
        ]

    def _request(self, turn: int, place: int, seq: int, who: Resident) -> bytes:
        at = int(time.time() * 1000)
        shown = passes.rotating(who.phone, self.uid, handle=who.handle, at_ms=at - 1000 * (seq % 15))
        scan = wire.Scan(
            boot=1_000 + turn, seq=seq + 1, at=at, gate="east", direction="in" if turn % 2 else "out",
            method="rotating", decision="allow", reason="ok", passed=True, pass_=shown,
        )  # fmt: skip
        return post(wire.PATH, wire.body(f"{turn}-{seq}", [scan.encode()]), self.tokens[place])


@contextmanager
def our_side(cluster: str, redis: str, folder: Path, sizes: Sizes) -> Iterator[Side]:
    """`serve` on a database of its own, as the guide has it for PostgreSQL: with Redis."""
    with psycopg.connect(cluster, autocommit=True) as link:
        link.execute("CREATE DATABASE ours")
    url = urlsplit(cluster)._replace(path="/ours").geturl()
    settings = Settings(data_dir=folder / "var", database_url=url, redis_url=redis)
    core = prepared(settings)
    small_community(core)
    parts = ingest_parts(core)
    tokens = [parts.devices.enrol(MANAGER, COMMUNITY, "gate_phone", "east").token for _ in range(DEVICES)]
    uid = parts.ingest.admit(tokens[0], 1).uid
    gate = Gate(uid, tokens, residents(core, uid, DEVICES * sizes.ours))

    def folded() -> bool:
        with core.db.read() as tx:
            return not tx.execute(select(func.count()).select_from(dirty)).scalar_one()

    with serving(settings) as server:
        yield Side(
            urlsplit(server.url).port or 0, server.pid, _postmaster(cluster), b'"accepted"',
            lambda turn: gate.streams(turn, sizes.ours if turn else 10),
            lambda: wait_until(folded, "the fold of these scans", 600),
        )  # fmt: skip
        _check_ours(core, DEVICES * (sizes.rounds * sizes.ours + 10))
    core.db.close()


def _check_ours(core: Core, sent: int) -> None:
    """Every scan is there once, its signature found good."""
    of_people = select(func.count()).where(reports.c.kind == "scan", reports.c.person.is_(None))
    with core.db.read() as tx:
        kept = tx.execute(of_people.where(reports.c.assurance == ROTATING)).scalar_one()
    if kept != sent:
        raise SystemExit(f"{sent} scans were accepted, {kept} of them are kept with a proven signature")


# --- the peer -------------------------------------------------------------------------------------------------------


@contextmanager
def peer_side(cluster: str, redis: str, sizes: Sizes) -> Iterator[Side]:
    warm, tickets = 10, DEVICES * sizes.rounds * sizes.peer
    with _pretix.serving_pretix(cluster, redis, DEVICES, tickets + DEVICES * warm) as pretix:

        def make(turn: int) -> Streams:
            first, each = (tickets, warm) if turn == 0 else (DEVICES * sizes.peer * (turn - 1), sizes.peer)
            return [
                [pretix.redeem(place, first + place * each + number) for number in range(each)]
                for place in range(DEVICES)
            ]

        yield Side(pretix.port, pretix.pid, _postmaster(cluster), b'"status":"ok"', make)
        sent, kept = len(pretix.secrets), _pretix.checked_in(cluster)
        if kept != sent:
            raise SystemExit(f"pretix said ok to {sent} tickets and has {kept} entries")


# --- both -----------------------------------------------------------------------------------------------------------


def run(folder: Path, sizes: Sizes) -> dict[str, Figure]:
    with ExitStack() as stack:
        cluster, redis = stack.enter_context(postgresql_server()), stack.enter_context(redis_server())
        ours = stack.enter_context(our_side(cluster, redis, folder, sizes))
        peer = stack.enter_context(peer_side(cluster, redis, sizes)) if _pretix.installed() else None
        sides = [side for side in (ours, peer) if side is not None]
        for side in sides:
            side.round(0)
            side.found = Measured()
        for turn in range(1, sizes.rounds + 1):  # interleaved: whatever else the machine does happens to both
            for side in sides:
                side.round(turn)
    return figures(ours.found, peer.found if peer else None)


def figures(ours: Measured, peer: Measured | None) -> dict[str, Figure]:
    name = _pretix.version()
    told = f"{name}: {peer.rate:.1f} scans/s; {peer.told}" if peer else f"pretix {_pretix.HOW_TO}"
    found = {
        "one scan a request, PostgreSQL": Figure(ours.rate, "scans/s", None, told),
        "one scan a request, PostgreSQL, CPU": Figure(ours.cpu_us, "us/scan", None, ours.told),
    }
    if peer:
        found["one scan a request, against pretix's check-in"] = Figure(ours.rate / peer.rate, "x", BAR, name)
        found["one scan a request, against pretix's, CPU"] = Figure(peer.cpu_us / ours.cpu_us, "x", None, name)
    return found


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--setup-peer", action="store_true", help="install pretix, then end")
    chosen = parser.parse_args()
    if chosen.setup_peer:
        _pretix.set_up()
        return
    sizes = Sizes(3, 100, 8) if chosen.quick else Sizes(5, 250, 20)
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), sizes)
    print(shown(found, chosen.json))


if __name__ == "__main__":
    main()
