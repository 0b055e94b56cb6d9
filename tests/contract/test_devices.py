"""Enrolment, codes, tokens and states of devices, on both stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from community_flow.domain.errors import Conflict, FlowError, Invalid, NotFound
from community_flow.domain.places import Device
from community_flow.domain.scope import Role, Scope
from community_flow.ports.devices import DeviceStatus
from community_flow.services.devices import Devices, state_of
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.ingest import IngestParts, ingest_parts
from tests.factories import small_community

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))
STRANGER = Scope("x", Role.MANAGER, frozenset({"elsewhere"}))


class HandClock:
    """Time that stands still until a test moves it."""

    def __init__(self, now_ms: int) -> None:
        self.at_ms = now_ms

    def now_ms(self) -> int:
        return self.at_ms


@pytest.fixture
def clock() -> HandClock:
    return HandClock(1_795_420_800_000)


@pytest.fixture
def parts(core: Core, clock: HandClock) -> Iterator[IngestParts]:
    small_community(core)
    timed = build_core(core.settings, clock)
    yield ingest_parts(timed)
    timed.db.close()


@pytest.fixture
def devices(parts: IngestParts) -> Devices:
    return parts.devices


def test_a_device_is_named_after_its_gate_and_kind(devices: Devices) -> None:
    made = devices.enrol(MANAGER, "garden", "camera", "east")
    (found,) = devices.list(MANAGER)
    assert (found.device, found.state, found.gate) == (made.device, "never", "east")
    assert found.names == {"zh": "东门摄像头", "en": "East gate camera"}
    office = devices.enrol(MANAGER, "garden", "office", None, names={"en": "Desk"})
    assert {each.device: each.names for each in devices.list(MANAGER)}[office.device] == {"en": "Desk"}


@pytest.mark.parametrize(
    ("kind", "gate", "community", "refusal"),
    [
        ("camera", None, "garden", Invalid),  # a camera stands somewhere
        ("camera", "moon", "garden", NotFound),
        ("office", None, "nowhere", NotFound),
    ],
)
def test_what_cannot_be_enrolled_is_refused_with_a_remedy(
    devices: Devices, kind: Any, gate: str | None, community: str, refusal: type[FlowError]
) -> None:
    with pytest.raises(refusal):
        devices.enrol(MANAGER, community, kind, gate)
    assert devices.list(MANAGER) == []


def test_an_id_may_be_given_once(devices: Devices) -> None:
    assert devices.enrol(MANAGER, "garden", "camera", "east", device="d_abcdefgh2345").device == "d_abcdefgh2345"
    with pytest.raises(Conflict):
        devices.enrol(MANAGER, "garden", "camera", "east", device="d_abcdefgh2345")
    with pytest.raises(Invalid):
        devices.enrol(MANAGER, "garden", "camera", "east", device="camera-1")


def test_a_code_works_once_and_for_a_quarter_of_an_hour(parts: IngestParts, clock: HandClock) -> None:
    code = parts.devices.invite(MANAGER, "garden", "gate_phone", "east")
    made = parts.devices.claim(code.code)
    assert parts.trust.of_token(made.token) is not None
    with pytest.raises(Conflict, match="used already"):
        parts.devices.claim(code.code)
    late = parts.devices.new_code(MANAGER, made.device)
    clock.at_ms += 15 * 60_000
    with pytest.raises(Conflict, match="15 minutes"):
        parts.devices.claim(late.code)
    with pytest.raises(NotFound):
        parts.devices.claim("AAAAA-AAAAA")


def test_a_new_code_ends_the_one_before_and_its_use_signs_the_old_phone_out(parts: IngestParts) -> None:
    first = parts.devices.invite(MANAGER, "garden", "gate_phone", "east")
    old = parts.devices.claim(parts.devices.new_code(MANAGER, first.device).code)
    with pytest.raises(NotFound):
        parts.devices.claim(first.code)
    new = parts.devices.claim(parts.devices.new_code(MANAGER, first.device).code)
    assert parts.trust.of_token(old.token) is None
    assert parts.trust.of_token(new.token) is not None


def test_rotating_ends_the_old_token_at_once(parts: IngestParts) -> None:
    old = parts.devices.enrol(MANAGER, "garden", "camera", "east")
    assert parts.trust.of_token(old.token) is not None
    new = parts.devices.rotate(MANAGER, old.device)
    assert parts.trust.of_token(old.token) is None
    assert parts.trust.of_token(new.token) is not None


def test_a_revoked_device_is_out_for_good(parts: IngestParts) -> None:
    made = parts.devices.enrol(MANAGER, "garden", "camera", "east")
    parts.devices.revoke(MANAGER, made.device)
    assert parts.trust.of_token(made.token) is None
    assert [each.state for each in parts.devices.list(MANAGER)] == ["revoked"]
    for call in (parts.devices.rotate, parts.devices.new_code):
        with pytest.raises(Conflict):
            call(MANAGER, made.device)


def test_a_device_of_another_community_looks_like_none(devices: Devices) -> None:
    made = devices.enrol(MANAGER, "garden", "camera", "east")
    for call in (devices.rotate, devices.revoke, devices.new_code, devices.clear_mismatch):
        with pytest.raises(NotFound):
            call(STRANGER, made.device)
    assert devices.list(STRANGER) == []


def test_a_guard_sees_the_devices_of_the_own_gates(devices: Devices) -> None:
    made = devices.enrol(MANAGER, "garden", "camera", "east")
    devices.enrol(MANAGER, "garden", "camera", "west")
    guard = Scope("g", Role.GUARD, frozenset({"garden"}), gates=frozenset({"east"}))
    assert [each.device for each in devices.list(guard)] == [made.device]


def test_a_device_that_was_moved_still_delivers_what_it_saw_before(parts: IngestParts) -> None:
    made = parts.devices.enrol(MANAGER, "garden", "camera", "east")
    from community_flow.services.registry import Change

    moved = Device(names={"en": "Camera"}, gate="west", kind="camera")
    with parts.devices.db.write() as tx:
        later_ms = parts.devices.clock.now_ms() + 1
        parts.devices.registry.record(tx, [Change("garden", "device", made.device, later_ms, moved)], "m")
    parts.trust.forget()
    trusted = parts.trust.of_token(made.token)
    assert trusted is not None
    assert trusted.gates == {"east", "west"}


def test_a_device_reads_what_concerns_it(parts: IngestParts) -> None:
    made = parts.devices.enrol(MANAGER, "garden", "camera", "east")
    trusted = parts.trust.of_token(made.token)
    assert trusted is not None
    config = parts.devices.config(trusted)
    assert (config.kind, list(config.gates), config.about.timezone) == ("camera", ["east"], "Asia/Shanghai")


NOW_MS = 1_795_420_800_000
MINUTE_MS = 60_000
FINE = DeviceStatus(
    "d", NOW_MS - MINUTE_MS, None, 0, 0, "1", 1, (), {}, None, 0, 0, 0, 0, 0, 0, 0, None
)  # fmt: skip
CAMERA = Device(names={"en": "Camera"}, gate="east", kind="camera")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (None, "never"),
        (
            replace(FINE, link="offline", link_ms=NOW_MS),
            "down",
        ),  # its last will says so: nobody waits a quarter of an hour
        (replace(FINE, link="offline", link_ms=FINE.last_ms - 1), "ok"),  # heard since, over HTTP
        (replace(FINE, link="online", link_ms=NOW_MS), "ok"),
        (replace(FINE, last_ms=0), "never"),  # enrolled, not heard yet
        (FINE, "ok"),
        (replace(FINE, last_ms=NOW_MS - 3 * MINUTE_MS), "ok"),  # three minutes are still in time
        (replace(FINE, last_ms=NOW_MS - 3 * MINUTE_MS - 1), "late"),
        (replace(FINE, last_ms=NOW_MS - 15 * MINUTE_MS - 1, mismatch_ms=1), "down"),  # silence is worse than all else
        (replace(FINE, skew_ms=-5 * MINUTE_MS - 1), "skewed"),
        (replace(FINE, skew_ms=5 * MINUTE_MS), "ok"),
        (replace(FINE, mismatch_ms=1, skew_ms=10 * MINUTE_MS), "mismatch"),
        (replace(FINE, faults=("dark",)), "fault"),
    ],
)
def test_a_device_is_as_its_worst_trouble(status: DeviceStatus | None, state: str) -> None:
    assert state_of(CAMERA, status, NOW_MS) == state
