"""Accounts at a real Mosquitto follow the devices of either store, whatever was away meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from community_flow.adapters import mosquitto_control, mqtt_client
from community_flow.adapters.mosquitto_control import MosquittoControl
from community_flow.adapters.mqtt_client import Server
from community_flow.adapters.sql.queries_devices import SqlDevices
from community_flow.domain.scope import Role, Scope
from community_flow.ports.broker import BrokerAway
from community_flow.ports.ingest import SilentMeter
from community_flow.services.device_links import BACKEND, Agreed, DeviceLinks, backend_account
from community_flow.services.device_tokens import DeviceTokens
from community_flow.services.devices import Devices, Enrolled
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import ingest_parts
from tests.conftest import REQUIRED
from tests.factories import small_community
from tests.mqtt_parts import REFUSED, Talker, talking
from tests.services import PATIENCE_S, Missing, Mosquitto, mosquitto_broker

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is slow is not away."""
    monkeypatch.setattr(mosquitto_control, "ANSWER_S", PATIENCE_S)
    monkeypatch.setattr(mqtt_client, "CONNECT_S", PATIENCE_S)


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    try:
        with mosquitto_broker() as broker:
            yield broker
    except Missing as missing:
        if REQUIRED:
            raise
        pytest.skip(str(missing))


@pytest.fixture
def links(sqlite_core: Core, broker: Mosquitto) -> DeviceLinks:
    return linked(sqlite_core, broker)


def linked(core: Core, broker: Mosquitto) -> DeviceLinks:
    """The broker follows this installation, and it alone."""
    small_community(core)
    control = MosquittoControl(Server("127.0.0.1", broker.port, BACKEND, broker.password))
    links = DeviceLinks(
        core.db, SqlDevices(), DeviceTokens(core.keys), control, core.signals, SilentMeter(), core.clock
    )
    links.agree()  # devices of the test before are gone from the store, so from the broker
    ingest_parts(core).devices.after_change.append(links.changed)
    return links


@pytest.fixture
def devices(sqlite_core: Core, links: DeviceLinks) -> Devices:
    return ingest_parts(sqlite_core).devices


def enrol(devices: Devices) -> Enrolled:
    return devices.enrol(MANAGER, "garden", "camera", "east")


def welcome(broker: Mosquitto, name: str, password: str) -> str:
    talker = Talker(broker.url, name, password)
    talker.close()
    return talker.welcome


def test_an_enrolled_device_may_speak_at_once_and_only_of_itself(devices: Devices, broker: Mosquitto) -> None:
    made, other = enrol(devices), enrol(devices)
    with talking(broker.url, made.device, made.token) as talker:
        assert talker.report(b"{}") in ("Success", "No matching subscribers")
        assert talker.publish(f"flow/{other.device}/reports", b"{}") == REFUSED
        assert talker.publish(f"flow/{other.device}/status", b"offline", retain=True) == REFUSED
        assert talker.publish(f"flow/{made.device}/acks", b"{}") == REFUSED
        assert talker.publish("$CONTROL/dynamic-security/v1", b'{"commands":[]}') == REFUSED
        assert talker.publish(f"flow/{other.device}/asks", b"{}") == REFUSED
        assert talker.publish(f"flow/{made.device}/told", b"{}") == REFUSED
        assert talker.publish(f"flow/{made.device}/asks", b"{}") in ("Success", "No matching subscribers")
        assert talker.subscribe(f"flow/{made.device}/told") == "Granted QoS 1"
        for topic in (
            f"flow/{other.device}/told",
            "$share/flow/flow/+/asks",
            f"flow/{other.device}/acks",
            f"flow/{made.device}/reports",
            "flow/+/acks",
            "#",
            "$SYS/#",
        ):
            assert talker.subscribe(topic) == REFUSED, topic
        assert talker.subscribe("$share/flow/flow/+/reports") == REFUSED


@pytest.mark.parametrize("password", ["", "cfd_wrong"])
def test_strangers_are_not_let_in(devices: Devices, broker: Mosquitto, password: str) -> None:
    assert welcome(broker, enrol(devices).device, password) == REFUSED
    assert welcome(broker, "nobody", "x") == REFUSED


def test_the_broker_keeps_no_token_in_clear(devices: Devices, broker: Mosquitto) -> None:
    made = enrol(devices)
    kept = (broker.folder / "dynamic-security.json").read_text()
    assert made.device in kept
    assert made.token not in kept
    assert broker.password not in kept


def test_a_revoked_device_is_cut_at_once(devices: Devices, broker: Mosquitto) -> None:
    made = enrol(devices)
    with talking(broker.url, made.device, made.token) as talker:
        devices.revoke(MANAGER, made.device)
        assert talker.cut.wait(60)
    assert welcome(broker, made.device, made.token) == REFUSED


def test_a_rotated_token_ends_the_old_one_at_once(devices: Devices, broker: Mosquitto) -> None:
    old = enrol(devices)
    with talking(broker.url, old.device, old.token) as talker:
        new = devices.rotate(MANAGER, old.device)
        assert talker.cut.wait(60)
    assert welcome(broker, old.device, old.token) == REFUSED
    assert welcome(broker, new.device, new.token) == "Success"


def test_a_claimed_token_is_known_to_the_broker(devices: Devices, broker: Mosquitto) -> None:
    made = devices.claim(devices.invite(MANAGER, "garden", "gate_phone", "east").code)
    assert welcome(broker, made.device, made.token) == "Success"


def test_what_changed_while_the_broker_was_away_is_made_up_for(core: Core, broker: Mosquitto) -> None:
    links, devices = linked(core, broker), ingest_parts(core).devices
    stays, goes, turns = (enrol(devices) for _ in range(3))
    broker.end()
    try:
        devices.revoke(MANAGER, goes.device)
        turned = devices.rotate(MANAGER, turns.device)
        fresh = enrol(devices)
        with pytest.raises(BrokerAway, match="does not answer"):
            links.agree()
    finally:
        broker.start()
    assert links.agree() == Agreed(made=2, ended=1)
    assert links.agree() == Agreed(made=0, ended=0)
    assert welcome(broker, goes.device, goes.token) == REFUSED
    assert welcome(broker, turns.device, turns.token) == REFUSED
    for good in (stays, turned, fresh):
        assert welcome(broker, good.device, good.token) == "Success"


def test_looking_again_cuts_nobody(devices: Devices, links: DeviceLinks, broker: Mosquitto) -> None:
    made = enrol(devices)
    with talking(broker.url, made.device, made.token) as talker:
        links.agree()
        links.changed(made.device)  # as when two processes hear of the same change
        assert talker.report(b"{}") in ("Success", "No matching subscribers")
        assert not talker.cut.is_set()


def test_a_broker_that_forgot_everybody_is_told_again(devices: Devices, links: DeviceLinks, broker: Mosquitto) -> None:
    made = [enrol(devices) for _ in range(60)]  # more than fit into one message
    links.broker.remove([each.device for each in made])
    assert welcome(broker, made[7].device, made[7].token) == REFUSED
    assert links.agree() == Agreed(made=60, ended=0)
    assert welcome(broker, made[7].device, made[7].token) == "Success"


def test_accounts_that_are_no_devices_are_left_alone(links: DeviceLinks, broker: Mosquitto) -> None:
    control = links.broker
    from community_flow.ports.broker import BrokerAccount

    control.put([BrokerAccount("grafana", "x", (), ("flow/+/status",))])
    assert links.agree() == Agreed(made=0, ended=0)
    assert welcome(broker, "grafana", "x") == "Success"
    control.remove(["grafana"])


def test_a_broker_that_lets_anybody_speak_for_anybody_is_not_listened_to(links: DeviceLinks, broker: Mosquitto) -> None:
    assert isinstance(links.broker, MosquittoControl)
    with links.broker._line() as line:
        rule = {"acltype": "publishClientSend", "allow": True}
        line.ask([{"command": "setDefaultACLAccess", "acls": [rule]}])
        try:
            with pytest.raises(BrokerAway, match="mqtt setup"):
                links.agree()
        finally:
            line.ask([{"command": "setDefaultACLAccess", "acls": [rule | {"allow": False}]}])
    links.agree()


def test_a_wrong_password_of_our_own_names_the_setting(broker: Mosquitto) -> None:
    control = MosquittoControl(Server("127.0.0.1", broker.port, BACKEND, "wrong"))
    with pytest.raises(BrokerAway, match="FLOW_MQTT_URL"):
        control.accounts()


def test_what_a_device_says_of_its_connection_is_shown(core: Core, broker: Mosquitto) -> None:
    links, devices = linked(core, broker), ingest_parts(core).devices
    made, other = enrol(devices), enrol(devices)
    assert links.said(made.device, b"online")
    assert links.said(made.device, b"offline")
    assert not links.said(made.device, b"\xffdestroyed")
    found = {each.device: each.status for each in devices.list(MANAGER)}
    shown, untouched = found[made.device], found[other.device]
    assert shown is not None
    assert untouched is not None
    assert (shown.link, untouched.link) == ("offline", None)
    assert links.said("d_aaaaaaaaaaaa", b"online")  # nobody by that name: nothing happens


def forget(control: MosquittoControl, username: str, kind: str, topic: str) -> None:
    """Take a permission back. The broker cuts whoever has it, so the answer may not be heard."""
    with suppress(BrokerAway), control._line() as line:
        named = {"rolename": f"flow-{username}", "acltype": kind, "topic": topic}
        line.ask([{"command": "removeRoleACL", **named}])


def test_a_broker_that_was_set_up_by_an_earlier_version_learns_the_new_topics(core: Core, broker: Mosquitto) -> None:
    links = linked(core, broker)
    made = enrol(ingest_parts(core).devices)
    assert isinstance(links.broker, MosquittoControl)
    forget(links.broker, BACKEND, "subscribeLiteral", "$share/flow/flow/+/asks")  # as version 1 of the rules left it
    forget(links.broker, BACKEND, "publishClientReceive", "flow/+/asks")
    forget(links.broker, BACKEND, "publishClientSend", "flow/+/told")
    forget(links.broker, made.device, "publishClientSend", f"flow/{made.device}/asks")
    assert len(links.broker._missing(backend_account(""))) == 3
    with links.broker._line() as line:
        line.ask([{"command": "modifyClient", "username": made.device, "textname": "1-" + "0" * 16}])
    with talking(broker.url, made.device, made.token) as talker:
        assert talker.publish(f"flow/{made.device}/asks", b"{}") == REFUSED
    assert links.agree() == Agreed(made=1, ended=0)
    assert links.agree() == Agreed(made=0, ended=0)
    assert not links.broker.allow(backend_account(""))
    backend = Talker(broker.url, BACKEND, broker.password)
    assert backend.subscribe("$share/flow/flow/+/asks") == "Granted QoS 1"
    with talking(broker.url, made.device, made.token) as talker:
        assert talker.subscribe(f"flow/{made.device}/told") == "Granted QoS 1"
        assert talker.publish(f"flow/{made.device}/asks", b"?") == "Success"
        assert backend.heard.get(timeout=60).payload == b"?"
        assert backend.publish(f"flow/{made.device}/told", b"!") == "Success"
        assert talker.heard.get(timeout=60).payload == b"!"
    backend.close()


def test_the_broker_keeps_the_old_token_until_the_device_has_the_new_one(core: Core, broker: Mosquitto) -> None:
    linked(core, broker)
    parts = ingest_parts(core)
    old = enrol(parts.devices)
    parts.settings.ask_rotation(MANAGER, old.device)
    trusted = parts.trust.of_token(old.token)
    assert trusted is not None
    with talking(broker.url, old.device, old.token) as talker:
        _lost, new = (parts.settings.next_token(trusted) for _ in range(2))
        assert not talker.cut.wait(0.3)
        assert welcome(broker, old.device, new) == REFUSED
        parts.settings.took_token(trusted, new)
        assert not talker.cut.is_set()  # the answer goes first
        parts.settings.ended_tokens(trusted)
        assert talker.cut.wait(60)
    assert welcome(broker, old.device, old.token) == REFUSED
    assert welcome(broker, old.device, new) == "Success"
