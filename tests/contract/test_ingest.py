"""Reports into the store, on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from community_flow.adapters.sql.tables_ingest import device_status, references, reports, through, tray
from community_flow.domain import passes, sealing
from community_flow.domain.errors import Invalid
from community_flow.domain.marks import Mark
from community_flow.domain.passages import report_key
from community_flow.domain.scope import Role, Scope
from community_flow.ports.ingest import Trusted
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.ingest import Untrusted
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import IngestParts, ingest_parts
from sensors import wire
from tests.factories import small_community
from tests.fold_queue import waiting
from tests.services import PATIENCE_S, wait_until

BOOT = 30514159265
DAY_MS = 86_400_000


class Desk:
    """One device of the small community, and short ways to send and look."""

    def __init__(self, core: Core, kind: Any = "gate_phone", gate: str | None = "east") -> None:
        self.core = core
        self.parts: IngestParts = ingest_parts(core)
        self.manager = Scope("m", Role.MANAGER, frozenset({"garden"}))
        self.enrolled = self.parts.devices.enrol(self.manager, "garden", kind, gate)
        self.device = self.parts.ingest.admit(self.enrolled.token, 1)
        self.now_ms = core.clock.now_ms()

    def count(self, seq: int, **members: Any) -> wire.Count:
        given: dict[str, Any] = {"boot": BOOT, "seq": seq, "at": self.now_ms, "gate": "east", "direction": "in", "n": 1}
        return wire.Count(**(given | members))

    def scan(self, seq: int, **members: Any) -> wire.Scan:
        given: dict[str, Any] = {
            "boot": BOOT, "seq": seq, "at": self.now_ms, "gate": "east", "direction": "in", "method": "rotating",
            "decision": "allow", "reason": "ok", "passed": True,
        }  # fmt: skip
        return wire.Scan(**(given | members))

    def send(self, *sent: wire.Report, device: Trusted | None = None) -> wire.Answer:
        return self.send_raw(*(each.encode() for each in sent), device=device)

    def send_raw(self, *texts: str, device: Trusted | None = None) -> wire.Answer:
        receipt = self.parts.ingest.accept(device or self.device, wire.body("b", texts))
        return wire.answer_from(msgspec.json.encode(receipt))  # as the device reads it

    def outcomes(self, *sent: wire.Report) -> list[str]:
        return [each.outcome for each in self.send(*sent).results]

    def rows(self) -> list[Any]:
        with self.core.db.read() as tx:
            return list(tx.execute(select(reports).order_by(reports.c.seq)))

    def tray(self) -> list[Any]:
        with self.core.db.read() as tx:
            return list(tx.execute(select(tray).order_by(tray.c.id)))

    def marks(self) -> list[Mark]:
        """Marks of reports; the registry's own are left out."""
        with self.core.db.read() as tx:
            return waiting(tx)

    def status(self) -> Any:
        with self.core.db.read() as tx:
            mine = device_status.c.device == self.device.device
            return tx.execute(select(device_status).where(mine)).one()


@pytest.fixture
def desk(core: Core) -> Desk:
    small_community(core)
    return Desk(core)


def test_every_kind_is_kept_and_answered(desk: Desk) -> None:
    head: dict[str, Any] = {"boot": BOOT, "at": desk.now_ms}
    sent: list[wire.Report] = [
        desk.scan(1, tag="04A2FF10", method="tag"),
        desk.count(2, confidence=0.94),
        wire.Visitor(**head, seq=3, gate="east", direction="in", class_="delivery", unit="7-3-1102", passed=True),
        wire.Correction(**head, seq=4, of=wire.Named(boot=BOOT, seq=1), note="scanned twice"),
        wire.Census(**head, seq=5, zone="b1", n=0),
        wire.Reading(**head, seq=6, subject=wire.Subject(bed="12"), quantity="body-temperature", value=36.6),
        wire.Gap(**head, seq=9, from_=7, to=8, reason="disk"),
        wire.Status(**head, seq=10, counters={"in": 3}, queue=0, version="1.2.0", config=7, faults=["dark"]),
    ]
    answer = desk.send(*sent)
    assert [each.outcome for each in answer.results] == ["accepted"] * 8
    assert answer.through == (wire.Through(BOOT, 10),)  # the gap report stands for 7 and 8
    assert [row.kind for row in desk.rows()] == [each.KIND for each in sent]
    assert [row.direction for row in desk.rows()][:3] == ["in", "in", "in"]
    bodies = {row.kind: json.loads(row.body) for row in desk.rows() if row.body}
    assert bodies["count"] == {"confidence": 0.94}
    assert bodies["visitor"] == {"class": "delivery", "unit": "7-3-1102"}
    assert bodies["correction"] == {"of": {"boot": BOOT, "seq": 1}, "note": "scanned twice"}
    assert bodies["census"] == {"zone": "b1"}
    assert bodies["reading"] == {"subject": {"bed": "12"}, "quantity": "body-temperature", "value": 36.6}
    assert bodies["gap"] == {"from": 7, "to": 8, "reason": "disk"}
    assert (desk.status().version, desk.status().counters, desk.status().faults) == ("1.2.0", {"in": 3}, ["dark"])


def test_the_same_report_gets_the_same_answer_and_one_row(desk: Desk) -> None:
    sent = [desk.count(seq) for seq in (1, 2, 3)]
    assert desk.outcomes(*sent) == ["accepted"] * 3
    assert desk.outcomes(*sent, desk.count(4)) == ["duplicate"] * 3 + ["accepted"]
    assert desk.outcomes(desk.count(5), desk.count(5)) == ["accepted", "duplicate"]
    assert [row.seq for row in desk.rows()] == [1, 2, 3, 4, 5]
    keys = [report_key(desk.now_ms, desk.device.device, BOOT, seq) for seq in range(1, 6)]
    assert [(bytes(each.lo), bytes(each.hi)) for each in desk.marks()] == [
        (keys[0], keys[2]), (keys[3], keys[3]), (keys[4], keys[4]),
    ]  # fmt: skip  # one mark a body, from its first report to its last
    assert (desk.status().accepted, desk.status().duplicates) == (5, 4)


def test_the_same_number_with_other_content_is_a_conflict_that_a_person_sees(desk: Desk) -> None:
    desk.send(desk.count(1))
    assert desk.outcomes(desk.count(1, n=2), desk.count(1, n=2)) == ["conflict", "conflict"]
    assert [row.n for row in desk.rows()] == [1]  # what was kept first stays
    assert [row.reason for row in desk.tray()] == ["conflict"]  # and the other lies in the tray once
    assert desk.status().mismatch_ms is not None
    assert desk.parts.devices.list(desk.manager)[0].state == "mismatch"
    desk.parts.devices.clear_mismatch(desk.manager, desk.device.device)
    assert desk.parts.devices.list(desk.manager)[0].state == "ok"


def test_a_conflict_is_found_among_repeats_of_the_same_number(desk: Desk) -> None:
    desk.send(desk.count(1))
    assert desk.outcomes(desk.count(1, n=2), desk.count(1), desk.count(2)) == ["conflict", "duplicate", "accepted"]


def test_a_cache_that_remembers_too_much_loses_nothing(desk: Desk) -> None:
    """As after a restore of the store: the cache knows reports that the store has no more."""
    desk.parts.ingest.recent.remember([(desk.device.device, [(BOOT, 1), (BOOT, 2)])])
    assert desk.outcomes(desk.count(1), desk.count(2)) == ["accepted", "accepted"]
    assert [row.seq for row in desk.rows()] == [1, 2]


def test_marks_name_the_subject_and_the_key_of_each_report(desk: Desk) -> None:
    desk.send(desk.count(1, skew_ms=-420), desk.scan(2, tag="04A2FF10", method="tag"))
    count, scan = desk.marks()
    key = report_key(desk.now_ms + 420, desk.device.device, BOOT, 1)
    assert (count.subject, bytes(count.lo), bytes(count.hi)) == ("gate:east:in", key, key)
    assert scan.subject == "tg_" + bytes(desk.rows()[1].tag_ref).hex()


def test_one_bad_report_never_holds_up_the_others(desk: Desk) -> None:
    bad = json.loads(desk.count(2).encode()) | {"n": -1}
    strange = json.loads(desk.count(3).encode()) | {"kind": "teleport"}
    more = json.loads(desk.count(4).encode()) | {"lens": "wide"}
    answer = desk.send_raw(desk.count(1).encode(), *(json.dumps(each) for each in (bad, strange, more)))
    assert [(each.outcome, each.reason) for each in answer.results] == [
        ("accepted", None), ("rejected", "malformed"), ("rejected", "unknown_kind"), ("accepted", None),
    ]  # fmt: skip
    assert answer.through == (wire.Through(BOOT, 4),)  # kept in the tray is kept
    assert [row.reason for row in desk.tray()] == ["malformed", "unknown_kind"]
    assert desk.status().unknown_fields == 1
    assert "n: give a whole number" in desk.tray()[0].detail


def test_what_lies_in_the_tray_is_sealed_and_can_be_opened(desk: Desk) -> None:
    desk.send_raw(json.dumps(json.loads(desk.scan(1, tag="04A2FF10").encode()) | {"note": "a\0b"}))
    (row,) = desk.tray()
    assert "04A2" not in json.dumps(row.body)
    assert json.loads(desk.parts.keys.open(row.body))["tag"] == "04A2FF10"


def test_the_tray_keeps_a_repeated_bad_report_once(desk: Desk) -> None:
    bad = json.dumps(json.loads(desk.count(2).encode()) | {"n": -1})
    for _ in range(3):
        assert [each.outcome for each in desk.send_raw(bad).results] == ["rejected"]
    assert len(desk.tray()) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gate": "west"}, "foreign_gate"),  # a gate of the community, not of this device
        ({"gate": "moon"}, "foreign_gate"),  # no gate at all
        ({"at": 1_000}, "past_retention"),  # 1970, skew unknown
    ],
)
def test_what_cannot_be_used_goes_to_the_tray(desk: Desk, change: dict[str, Any], reason: str) -> None:
    (result,) = desk.send(desk.count(1, **change)).results
    assert (result.outcome, result.reason) == ("rejected", reason)
    assert [row.reason for row in desk.tray()] == [reason]
    assert not desk.rows()
    assert not desk.marks()


def test_a_clock_that_started_in_1970_does_no_harm_once_its_error_is_measured(desk: Desk) -> None:
    assert desk.outcomes(desk.count(1, at=4_000, skew_ms=4_000 - desk.now_ms)) == ["accepted"]
    assert desk.rows()[0].t_ms == desk.now_ms
    assert desk.parts.devices.list(desk.manager)[0].state == "skewed"


def test_a_report_from_the_future_is_held_without_part_in_anything(desk: Desk) -> None:
    (result,) = desk.send(desk.count(1, at=desk.now_ms + 11 * 60_000)).results
    assert (result.outcome, result.reason) == ("accepted", "held")
    assert desk.rows()[0].held
    assert not desk.marks()
    assert [row.reason for row in desk.tray()] == ["future"]
    assert desk.outcomes(desk.count(2, at=desk.now_ms + 9 * 60_000)) == ["accepted"]
    assert not desk.rows()[1].held


def test_through_goes_over_numbers_that_an_aggregate_stands_for(desk: Desk) -> None:
    """A box that summed what waited goes on as if nothing were missing: its next bodies are plain ones again."""

    def total(seq: int, first: int, last: int, boot: int = BOOT) -> wire.Count:
        span = wire.Span(boot=boot, from_=first, to=last)
        return desk.count(seq, n=last - first + 1, from_ms=desk.now_ms - 60_000, replaces=span)

    assert desk.send(desk.count(1)).through == (wire.Through(BOOT, 1),)
    assert desk.send(total(9, 5, 8)).through == (wire.Through(BOOT, 1),)  # 2 to 4 are missing still
    assert desk.send(total(10, 2, 4)).through == (wire.Through(BOOT, 10),)
    assert desk.send(desk.count(11), desk.count(12)).through == (wire.Through(BOOT, 12),)
    # Of another start it fills nothing here, nor does one that would stand for itself or for what comes.
    assert desk.send(total(15, 13, 14, boot=8)).through == (wire.Through(BOOT, 12),)
    assert desk.send(total(16, 13, 20)).through == (wire.Through(BOOT, 12),)


def test_through_goes_over_a_gap_once_it_closes(desk: Desk) -> None:
    assert desk.send(desk.count(1), desk.count(2)).through == (wire.Through(BOOT, 2),)
    assert desk.send(desk.count(4), desk.count(5)).through == (wire.Through(BOOT, 2),)
    assert desk.send(desk.count(3)).through == (wire.Through(BOOT, 5),)
    assert desk.send(desk.count(7, boot=8)).through == (wire.Through(8, 0),)
    assert desk.send(wire.Gap(boot=8, seq=9, at=desk.now_ms, from_=1, to=6, reason="disk")).through == (
        wire.Through(8, 7),
    )


def test_scattered_numbers_are_recognised_as_well(desk: Desk) -> None:
    sent = [desk.count(seq) for seq in (1, 500, 100_000, 2**53 - 1)]
    assert desk.outcomes(*sent) == ["accepted"] * 4
    assert desk.outcomes(*sent) == ["duplicate"] * 4


def test_only_an_office_names_persons(desk: Desk) -> None:
    person = "p_abcdefgh2345"
    (result,) = desk.send(desk.scan(1, person=person, method="manual")).results
    assert (result.outcome, result.reason) == ("rejected", "person_not_allowed")
    office = Desk(desk.core, "office", None)
    assert office.outcomes(office.scan(1, person=person, method="manual")) == ["accepted"]
    assert (office.rows()[0].person, office.marks()[-1].subject) == (person, person)


def a_card(core: Core, handle: bytes = b"handle01") -> str:
    with core.db.read() as tx:
        uid = core.registry.uid(tx, "garden")
    number, signer = CommunityKeys(core.keys).card_signer(uid)
    return passes.card(signer, uid, key_id=number, handle=handle, expiry_day=900, serial=0)


def test_a_card_is_proven_and_only_its_reference_is_kept(desk: Desk) -> None:
    text = a_card(desk.core)
    desk.send(desk.scan(1, pass_=text, method="card"))
    (row,) = desk.rows()
    assert row.assurance == 1
    assert bytes(row.pass_ref) == CommunityKeys(desk.core.keys).pass_ref(desk.device.uid, b"handle01")
    assert text not in str(row)
    assert desk.status().forged == 0


def test_a_forged_card_is_a_passage_of_nobody_counted_on_its_device(desk: Desk) -> None:
    token = passes.decode(a_card(desk.core))
    assert isinstance(token, passes.Token)
    forged = passes.encode(
        passes.Token(token.type, b"handle99", token.signature, None, token.key_id, token.expiry_day, token.serial)
    )
    assert desk.outcomes(desk.scan(1, pass_=forged, method="card"), desk.scan(2, pass_="hello")) == ["accepted"] * 2
    assert [(row.pass_ref, row.assurance) for row in desk.rows()] == [(None, 0), (None, 0)]
    assert desk.status().forged == 1


def test_a_sealed_scan_is_opened_and_never_kept_in_clear(desk: Desk) -> None:
    kid, public = desk.parts.keys.public()
    content = {"pass": a_card(desk.core), "operator": "g12", "note": "bag"}
    from cryptography.hazmat.primitives.asymmetric import ec

    sealed = sealing.seal(content, kid, public, ec.generate_private_key(ec.SECP256R1()), b"n" * 12)
    desk.send(desk.scan(1, sealed=wire.Sealed(**sealed), method="card"))
    (row,) = desk.rows()
    assert (row.assurance, row.operator, json.loads(row.body)) == (1, "g12", {"note": "bag"})


def test_a_seal_for_another_key_goes_to_the_tray(desk: Desk) -> None:
    sealed = wire.Sealed(kid="99", epk="BPk", nonce="AAEC", ct="q83v")
    (result,) = desk.send(desk.scan(1, sealed=sealed)).results
    assert (result.outcome, result.reason) == ("rejected", "seal")


def give_reference(desk: Desk, ref: str, person: str, **changes: Any) -> None:
    row = {
        "ref_hash": hashlib.sha256(ref.encode()).digest(), "community": "garden", "person": person, "account": "g",
        "gate": "east", "device": desk.device.device, "issued_ms": desk.now_ms, "used_by": None,
    }  # fmt: skip
    with desk.core.db.write() as tx:
        tx.execute(references.insert().values(**(row | changes)))


def test_a_reference_names_the_person_once(desk: Desk) -> None:
    give_reference(desk, "s_12345678", "p_abcdefgh2345")
    first = desk.scan(1, ref="s_12345678", method="manual")
    assert desk.outcomes(first) == ["accepted"]
    assert desk.outcomes(first) == ["duplicate"]
    assert desk.outcomes(desk.scan(2, ref="s_12345678", method="manual")) == ["accepted"]
    assert [row.person for row in desk.rows()] == ["p_abcdefgh2345", None]


@pytest.mark.parametrize(
    "change", [{"gate": "west"}, {"device": "d_abcdefgh2345"}, {"issued_ms": 1}, {"ref_hash": b"x" * 32}]
)
def test_a_reference_of_elsewhere_or_long_ago_names_nobody(desk: Desk, change: dict[str, Any]) -> None:
    give_reference(desk, "s_12345678", "p_abcdefgh2345", **change)
    assert desk.outcomes(desk.scan(1, ref="s_12345678", method="manual")) == ["accepted"]
    assert desk.rows()[0].person is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b'{"batch":"b"}', b'{"batch":1,"reports":[]}', b'{"batch":"b","reports":{}}', b"\xff\xfe",
        b'{"batch":"b","reports":[{}]}', b'{"batch":"b","reports":[{"boot":1,"seq":NaN}]}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_body_is_refused_as_a_whole(desk: Desk, body: bytes) -> None:
    with pytest.raises(Invalid):
        desk.parts.ingest.accept(desk.device, body)
    assert not desk.rows()
    assert not desk.tray()


def test_an_empty_body_tells_the_time(desk: Desk) -> None:
    answer = desk.send()
    assert answer.results == ()
    assert desk.now_ms <= answer.server_ms <= desk.core.clock.now_ms()


def test_a_revoked_or_unknown_token_is_refused(desk: Desk) -> None:
    with pytest.raises(Untrusted):
        desk.parts.ingest.admit("cfd_nobody", 1)
    desk.parts.devices.revoke(desk.manager, desk.device.device)
    with pytest.raises(Untrusted):
        desk.parts.ingest.admit(desk.enrolled.token, 1)


def test_many_threads_keep_each_report_once(desk: Desk) -> None:
    """Every report is sent by two threads at once; each is accepted exactly once, and the commits are shared."""
    others = [Desk(desk.core) for _ in range(3)]
    answers: list[str] = []
    lock = threading.Lock()

    def work(device: Desk) -> None:
        for seq in range(1, 41):
            found = device.outcomes(device.count(seq))
            with lock:
                answers.extend(found)

    threads = [threading.Thread(target=work, args=(each,)) for each in others for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE_S)
    assert sorted(answers) == ["accepted"] * 120 + ["duplicate"] * 120
    with desk.core.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(reports)).scalar_one() == 120


def test_a_live_report_is_kept_while_what_came_late_cannot_be_written(desk: Desk) -> None:
    """Where the store lets two write; on SQLite one writes at a time, and live bodies only go first."""
    late, lines = Desk(desk.core), desk.parts.commits
    late.send(late.count(1))
    if desk.core.db.is_sqlite:
        assert lines.live is lines.late
        return
    with desk.core.db.write() as tx:
        tx.execute(select(device_status).where(device_status.c.device == late.device.device).with_for_update())
        flood = threading.Thread(target=late.send, args=[late.count(seq) for seq in range(2, 60)])
        flood.start()
        wait_until(lambda: lines.late.groups > 0, "the flood is being written")
        assert desk.outcomes(desk.count(1)) == ["accepted"]
        assert len(late.rows()) == 2, "what came late was written in spite of the lock"
    flood.join(PATIENCE_S)
    assert len(late.rows()) == 60


def test_a_digest_of_the_first_version_is_still_known(desk: Desk) -> None:
    desk.send(desk.count(1))
    sha = hashlib.sha256(desk.count(1).encode().encode()).digest()  # the canonical form, as it goes over the wire
    old = hmac.digest(desk.device.digest_key, sha, "sha256")
    with desk.core.db.write() as tx:
        tx.execute(reports.update().values(digest=old))
    assert desk.outcomes(desk.count(1)) == ["duplicate"]
    assert desk.outcomes(desk.count(1, n=2)) == ["conflict"]


def history(seed: int, now_ms: int) -> list[list[wire.Report]]:
    """Bodies as a bad day brings them: runs, gaps, repeats, other content, two boots, marks over an hour."""
    random = Random(seed)
    bodies: list[list[wire.Report]] = []
    sent: list[wire.Report] = []
    seqs = {BOOT: 0, BOOT + 1: 0}
    for _ in range(60):
        boot = random.choice(list(seqs))
        body: list[wire.Report] = []
        for _ in range(random.choice((1, 1, 2, 5, 40))):
            seqs[boot] += 1 if random.random() < 0.97 else 3
            at = now_ms - random.randrange(3_600_000)
            head: dict[str, Any] = {"boot": boot, "seq": seqs[boot], "at": at, "gate": "east", "direction": "in"}
            body.append(
                wire.Count(**head, n=random.randrange(3), confidence=random.choice((None, 0.5, 1.0)))
                if random.random() < 0.8
                else wire.Visitor(**head, class_="guest", passed=True)
            )
        if random.random() < 0.15 and sent:
            body += random.sample(sent, min(3, len(sent)))
        if random.random() < 0.1 and sent:
            body.append(replace(random.choice(sent), at=now_ms - 1))
        if random.random() < 0.1:
            seqs[boot] += 1
            body.append(wire.Status(boot=boot, seq=seqs[boot], at=now_ms, queue=len(sent)))
        sent += body
        bodies.append(body)
    return bodies


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_quick_way_keeps_exactly_what_the_careful_way_keeps(desk: Desk, seed: int) -> None:
    other = Desk(desk.core)
    bodies = history(seed, desk.now_ms)
    commits = desk.parts.commits
    quick = [desk.send(*body) for body in bodies]
    commits.live.careful_groups = commits.late.careful_groups = 10**6
    careful = [other.send(*body) for body in bodies]
    assert [each.results for each in quick] == [each.results for each in careful], f"seed {seed}"
    assert [each.through for each in quick] == [each.through for each in careful]
    assert everything_of(desk) == everything_of(other)


def test_each_count_of_a_mixed_body_keeps_its_own_values(desk: Desk) -> None:
    """Runs of counts that have much in common, and single ones between them, on both sides of a statement's length."""
    rng = Random(5)
    sent: list[wire.Count] = []
    while len(sent) < 200:
        common = {"direction": rng.choice(("in", "out")), "skew_ms": rng.choice((0, 0, -90))}
        for _ in range(rng.choice((1, 3, 4, 40))):
            at = desk.now_ms - rng.randrange(5_000)
            window = {"from_ms": at - 1_000} if rng.random() < 0.1 else {}
            sent.append(desk.count(
                len(sent) + 1, at=at, n=rng.randrange(9), confidence=rng.random(), **common, **window
            ))  # fmt: skip
    assert desk.outcomes(*sent) == ["accepted"] * len(sent)
    names = ("seq", "at_ms", "skew_ms", "gate", "direction", "n", "from_ms")
    told = [(each.seq, each.at, each.skew_ms or 0, each.gate, each.direction, each.n, each.from_ms) for each in sent]
    assert [tuple(getattr(row, name) for name in names) for row in desk.rows()] == told
    assert all(row.t_ms == row.at_ms - row.skew_ms and row.kind == "count" and not row.held for row in desk.rows())
    assert [json.loads(row.body)["confidence"] for row in desk.rows()] == [each.confidence for each in sent]


def everything_of(desk: Desk) -> dict[str, Any]:
    """What the store knows of a device, without its name and what is drawn at random."""
    with desk.core.db.read() as tx:
        mine = [*tx.execute(select(reports).where(reports.c.device == desk.device.device)).mappings()]
        boots = [*tx.execute(select(through).where(through.c.device == desk.device.device)).mappings()]
        laid = [*tx.execute(select(tray).where(tray.c.device == desk.device.device)).mappings()]
        status = dict(
            tx.execute(select(device_status).where(device_status.c.device == desk.device.device)).mappings().one()
        )
        spans = merged(
            (mark.subject, mark.cause, mark.lo[:8], mark.hi[:8])
            for mark in waiting(tx)
            if desk.device.device.encode() in mark.lo
        )
    return {
        "reports": sorted(without(row, "device", "received_ms") for row in mine),
        "boots": sorted(without(row, "device") for row in boots),
        "tray": sorted(without(row, "id", "device", "received_ms", "body") for row in laid),
        "status": without(status, "device", "last_ms", "mismatch_ms"),
        "marks": spans,
    }


def without(row: Any, *names: str) -> str:
    return repr(
        [
            (name, bytes(value) if isinstance(value, memoryview) else value)
            for name, value in row.items()
            if name not in names
        ]
    )


def merged(spans: Any) -> dict[tuple[str, str], tuple[bytes, bytes]]:
    """From the first to the last moment that each subject is marked for; how many marks say so is not compared."""
    found: dict[tuple[str, str], tuple[bytes, bytes]] = {}
    for subject, cause, lo, hi in spans:
        name = (subject.partition(":")[0] if subject.startswith("r:") else subject, cause)
        before = found.get(name, (lo, hi))
        found[name] = (min(before[0], lo), max(before[1], hi))
    return found
