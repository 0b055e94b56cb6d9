"""Boxes that are claimed by the code they show, what they are told, how long they may be silent, on both stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select, update

from community_flow.adapters.sql.tables_access import audit as audit_table
from community_flow.adapters.sql.tables_devices import device_requests
from community_flow.adapters.sql.tables_ingest import device_status
from community_flow.adapters.sql.tables_notices import notices as notice_table
from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.scope import Role, Scope
from community_flow.ports.ingest import Trusted
from community_flow.services.device_requests import Wanted
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.ingest import IngestParts, ingest_parts
from community_flow.wiring.notices import notices_of
from sensors import wire
from tests.factories import small_community

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))
STRANGER = Scope("x", Role.MANAGER, frozenset({"elsewhere"}))
WEST = Wanted("garden", "camera", "west", {"en": "West camera"})
MINUTE_MS = 60_000
LINE = {"sensor": [{"kind": "camera", "source": "usb:0", "gate": "west", "line": "0.5,0,0.5,1"}]}


class HandClock:
    def __init__(self, now_ms: int) -> None:
        self.at_ms = now_ms

    def now_ms(self) -> int:
        return self.at_ms


@dataclass
class World:
    core: Core
    parts: IngestParts
    clock: HandClock

    def claimed(self) -> tuple[str, str]:
        """(device, token) of a box that a manager claimed."""
        shown = self.parts.requests.open("0.1.0")
        self.parts.requests.approve(MANAGER, shown.code, WEST)
        made = self.parts.requests.poll(shown.secret)
        assert made is not None
        return made.device, made.token

    def trusted(self, token: str) -> Trusted:
        found = self.parts.trust.of_token(token)
        assert found is not None
        return found

    def heard(self, token: str) -> None:
        """A body of the device comes in."""
        self.parts.ingest.accept(self.parts.ingest.admit(token, 1), wire.body("b", []))


@pytest.fixture
def world(core: Core) -> Iterator[World]:
    small_community(core)
    clock = HandClock(1_795_420_800_000)
    timed = build_core(core.settings, clock)
    yield World(timed, ingest_parts(timed), clock)
    timed.db.close()


# --- claim ------------------------------------------------------------------------------------------------------------


def test_a_box_that_shows_a_code_gets_its_token_when_a_manager_enters_it(world: World) -> None:
    shown = world.parts.requests.open("0.1.0")
    assert world.parts.requests.poll(shown.secret) is None
    device = world.parts.requests.approve(MANAGER, f" {shown.code.lower()} ", WEST)
    made = world.parts.requests.poll(shown.secret)
    assert made is not None
    assert (made.device, made.community) == (device, "garden")
    assert world.trusted(made.token).gates == {"west"}
    (listed,) = world.parts.devices.list(MANAGER)
    assert (listed.names, listed.gate, listed.kind, listed.state) == ({"en": "West camera"}, "west", "camera", "never")


def test_an_answer_that_was_lost_is_given_again_until_the_device_has_spoken(world: World) -> None:
    shown = world.parts.requests.open("0.1.0")
    world.parts.requests.approve(MANAGER, shown.code, WEST)
    lost, again = world.parts.requests.poll(shown.secret), world.parts.requests.poll(shown.secret)
    assert lost is not None
    assert again is not None
    assert world.parts.trust.of_token(lost.token) is None  # only the last one given is good
    world.heard(again.token)
    with pytest.raises(NotFound):
        world.parts.requests.poll(shown.secret)
    assert world.parts.trust.of_token(again.token) is not None


def test_a_shown_code_works_once_and_for_a_quarter_of_an_hour(world: World) -> None:
    shown, late = world.parts.requests.open("0.1.0"), world.parts.requests.open("0.1.0")
    world.parts.requests.approve(MANAGER, shown.code, WEST)
    with pytest.raises(Conflict, match="used already"):
        world.parts.requests.approve(MANAGER, shown.code, WEST)
    assert len(world.parts.devices.list(MANAGER)) == 1  # nothing of the second try stays
    world.clock.at_ms += 15 * MINUTE_MS
    for call in (lambda: world.parts.requests.approve(MANAGER, late.code, WEST),
                 lambda: world.parts.requests.poll(late.secret)):  # fmt: skip
        with pytest.raises(NotFound):
            call()


def test_a_code_that_nobody_shows_is_not_known(world: World) -> None:
    for code in ("", "AAAAA-AAAAA", "'; --"):
        with pytest.raises(NotFound):
            world.parts.requests.approve(MANAGER, code, WEST)
        with pytest.raises(NotFound):
            world.parts.requests.poll(code)


def test_neither_code_nor_secret_lies_in_the_store_and_what_ended_is_forgotten(world: World) -> None:
    shown = world.parts.requests.open("0.1.0")
    with world.core.db.read() as tx:
        (row,) = tx.execute(select(device_requests)).all()
    assert shown.code.encode() not in bytes(row.code_hash)
    assert len(row.code_hash) == len(row.secret_hash) == 32
    world.clock.at_ms += 15 * MINUTE_MS
    world.parts.requests.open("0.1.0")
    with world.core.db.read() as tx:
        assert len(tx.execute(select(device_requests)).all()) == 1


def test_a_manager_claims_for_the_own_communities_only(world: World) -> None:
    shown = world.parts.requests.open("0.1.0")
    with pytest.raises(NotFound):
        world.parts.requests.approve(STRANGER, shown.code, WEST)
    world.parts.requests.approve(MANAGER, shown.code, WEST)  # the refusal did not use the code up


# --- what a device is told --------------------------------------------------------------------------------------------


def test_a_claimed_camera_is_told_to_look_and_later_where_its_line_is(world: World) -> None:
    device, token = world.claimed()
    newest, _ = world.parts.settings.wanted(world.trusted(token))
    assert newest is not None
    assert (newest.version, newest.document) == (1, {"sensor": [{"kind": "camera", "source": "usb:0"}]})
    assert world.parts.settings.save(MANAGER, device, LINE, after=1) == 2
    world.parts.settings.told(world.trusted(token), 2, "running", None)
    world.parts.settings.told(world.trusted(token), 2, "failed", "the camera does not answer")
    assert [(each.version, each.outcome, each.reason) for each in world.parts.settings.history(MANAGER, device)] == [
        (2, "failed", "the camera does not answer"), (1, None, None),
    ]  # fmt: skip


def test_going_back_is_a_version_of_its_own_with_its_author(world: World) -> None:
    device, _ = world.claimed()
    world.parts.settings.save(MANAGER, device, LINE, after=1)
    assert world.parts.settings.back(MANAGER, device, 1) == 3
    newest = world.parts.settings.history(MANAGER, device)[0]
    assert (newest.back_to, newest.created_by, newest.document["sensor"][0]["kind"]) == (1, "m", "camera")
    assert "line" not in newest.document["sensor"][0]
    with pytest.raises(NotFound):
        world.parts.settings.back(MANAGER, device, 99)
    with world.core.db.read() as tx:
        rows = tx.execute(select(audit_table.c.action, audit_table.c.account, audit_table.c.detail)).all()
    configs = [(row.account, row.detail) for row in rows if row.action == "device.config"]
    assert configs == [("m", {"version": 2}), ("m", {"version": 3, "back_to": 1})]


def test_of_two_who_change_the_same_version_the_second_is_told(world: World) -> None:
    device, _ = world.claimed()
    world.parts.settings.save(MANAGER, device, LINE, after=1)
    with pytest.raises(Conflict, match="meanwhile"):
        world.parts.settings.save(MANAGER, device, LINE, after=1)
    assert len(world.parts.settings.history(MANAGER, device)) == 2


def one(**camera: Any) -> dict[str, Any]:
    return {"sensor": [{"kind": "camera", "source": "usb:0"} | camera]}


REFUSED = [
    (one(gate="west", line="0.5,0,0.5"), "not x1,y1,x2,y2"),
    (one(gate="west", line="0.5,0,0.5,7"), "outside the picture"),
    (one(gate="east", line="0.5,0,0.5,1"), "does not stand at the gate east"),
    (one(line=[{"gate": "moon", "at": "0.5,0,0.5,1"}]), "does not stand at the gate moon"),
    (one(fps=900), "fps"),
    (one(colour="red"), "colour"),
    ({"format": 99}, "update community-flow-sensors"),
    ({"sensor": "all"}, "sensor"),
    ({"token": "stolen"}, "token"),
    (one(source="x" * 30_000), "20 kB"),
]


def test_what_a_device_could_not_run_is_refused_in_its_own_words(world: World) -> None:
    device, _ = world.claimed()
    for document, words in REFUSED:
        with pytest.raises(Invalid, match=words):
            world.parts.settings.save(MANAGER, device, document, after=1)
    assert len(world.parts.settings.history(MANAGER, device)) == 1


def test_another_community_sees_and_changes_nothing(world: World) -> None:
    device, _ = world.claimed()
    settings = world.parts.settings
    for call in (
        lambda: settings.save(STRANGER, device, LINE, after=1),
        lambda: settings.back(STRANGER, device, 1),
        lambda: settings.history(STRANGER, device),
        lambda: settings.set_silence(STRANGER, device, 10 * MINUTE_MS),
        lambda: settings.ask_rotation(STRANGER, device),
        lambda: world.parts.pictures.ask(STRANGER, device, 0),
        lambda: world.parts.devices.replace(STRANGER, device),
        lambda: world.parts.devices.one(STRANGER, device),
    ):
        with pytest.raises(NotFound):
            call()
    assert settings.newest(STRANGER) == {}


def test_a_new_token_ends_the_old_one_only_when_it_is_used(world: World) -> None:
    device, old = world.claimed()
    settings = world.parts.settings
    with pytest.raises(Conflict):
        settings.next_token(world.trusted(old))  # nobody asked
    settings.ask_rotation(MANAGER, device)
    assert settings.wanted(world.trusted(old))[1]
    lost, new = settings.next_token(world.trusted(old)), settings.next_token(world.trusted(old))
    settings.took_token(world.trusted(new), new)
    settings.ended_tokens(world.trusted(new))
    assert [world.parts.trust.of_token(each) is not None for each in (old, lost, new)] == [False, False, True]
    assert not settings.wanted(world.trusted(new))[1]


def test_a_device_that_replaces_another_takes_its_place(world: World) -> None:
    for way in ("code it shows", "code it is given"):
        _replaced(world, way)


def _replaced(world: World, way: str) -> None:
    old, old_token = world.claimed()
    world.parts.settings.save(MANAGER, old, LINE, after=1)
    world.parts.settings.set_silence(MANAGER, old, 30 * MINUTE_MS)
    if way == "code it shows":
        shown = world.parts.requests.open("0.2.0")
        new = world.parts.requests.replace(MANAGER, shown.code, old)
        made = world.parts.requests.poll(shown.secret)
    else:
        code = world.parts.devices.replace(MANAGER, old)
        new, made = code.device, world.parts.devices.claim(code.code)
    assert made is not None
    assert made.device == new != old
    assert world.parts.trust.of_token(old_token) is None
    listed = {each.device: each for each in world.parts.devices.list(MANAGER)}
    assert listed[old].state == "revoked"
    assert (listed[new].names, listed[new].gate, listed[new].kind) == ({"en": "West camera"}, "west", "camera")
    status = listed[new].status
    assert status is not None
    assert status.silence_ms == 30 * MINUTE_MS
    (version,) = world.parts.settings.history(MANAGER, new)
    assert (version.version, version.document) == (1, LINE)
    with pytest.raises(Conflict):
        world.parts.devices.replace(MANAGER, old)


# --- silence ----------------------------------------------------------------------------------------------------------


def told(world: World) -> list[str]:
    """Kinds of notices so far, after the watch looked once more."""
    world.clock.at_ms += MINUTE_MS + 1
    outbox = notices_of(world.core)
    outbox.watch()
    with world.core.db.read() as tx:
        return list(tx.execute(select(notice_table.c.kind).order_by(notice_table.c.id)).scalars())


def test_one_notice_for_each_silence_and_one_when_it_is_back(world: World) -> None:
    device, token = world.claimed()
    world.heard(token)
    assert told(world) == []
    world.clock.at_ms += 15 * MINUTE_MS
    assert told(world) == told(world) == ["device_silent"]
    world.core.parts.pop("notices")  # a restart
    assert told(world) == ["device_silent"]
    world.heard(token)
    assert told(world) == told(world) == ["device_silent", "device_back"]
    world.clock.at_ms += 15 * MINUTE_MS
    assert told(world) == ["device_silent", "device_back", "device_silent"]
    world.parts.devices.revoke(MANAGER, device)
    assert told(world) == ["device_silent", "device_back", "device_silent"]  # nobody waits for it any more


def test_a_server_that_was_off_itself_calls_nobody_silent_at_once(world: World) -> None:
    _, token = world.claimed()
    world.heard(token)
    world.clock.at_ms += 60 * MINUTE_MS
    assert told(world) == []  # it has just begun to listen
    world.clock.at_ms += 15 * MINUTE_MS
    assert told(world) == ["device_silent"]


def test_a_device_is_silent_after_the_time_that_was_set_for_it(world: World) -> None:
    device, token = world.claimed()
    world.heard(token)
    world.parts.settings.set_silence(MANAGER, device, 60 * MINUTE_MS)
    assert told(world) == []
    world.clock.at_ms += 57 * MINUTE_MS
    assert [each.state for each in world.parts.devices.list(MANAGER)] == ["late"]
    assert told(world) == []
    world.clock.at_ms += MINUTE_MS
    assert told(world) == ["device_silent"]  # an hour after its last word, and longer after this server began to listen
    assert [each.state for each in world.parts.devices.list(MANAGER)] == ["down"]
    for wrong in (0, 4 * MINUTE_MS, 8 * 24 * 60 * MINUTE_MS):
        with pytest.raises(Invalid):
            world.parts.settings.set_silence(MANAGER, device, wrong)


def test_a_phone_may_sleep_longer_than_a_camera(world: World) -> None:
    for kind in ("gate_phone", "camera"):
        made = world.parts.devices.enrol(MANAGER, "garden", kind, "east")
        world.heard(made.token)
    with world.core.db.write() as tx:
        tx.execute(update(device_status).values(last_ms=world.clock.at_ms - 20 * MINUTE_MS))
    assert {each.kind: each.state for each in world.parts.devices.list(MANAGER)} == {
        "gate_phone": "late", "camera": "down",
    }  # fmt: skip
