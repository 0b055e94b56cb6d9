"""FLOW_MQTT_URL: its parts, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from community_flow.settings import BadSetting, MqttAddress, Settings


def parsed(url: str) -> MqttAddress:
    found = Settings.from_env({"FLOW_MQTT_URL": url}).mqtt
    assert found is not None
    return found


def test_an_address_in_its_parts() -> None:
    found = parsed("mqtts://flow:p%40ss@broker:9000?ca=/etc/ca.pem&devices=mqtts://flow.example:8883")
    assert (found.host, found.port, found.tls, found.ca_file) == ("broker", 9000, True, Path("/etc/ca.pem"))
    assert (found.username, found.password) == ("flow", "p@ss")
    assert found.for_devices == "mqtts://flow.example:8883"


@pytest.mark.parametrize(("url", "port"), [("mqtt://a:b@h", 1883), ("mqtts://a:b@h", 8883)])
def test_ports_and_the_address_for_devices_have_defaults(url: str, port: int) -> None:
    found = parsed(url)
    assert (found.port, found.for_devices) == (port, f"{url.split(':', maxsplit=1)[0]}://h:{port}")


def test_its_password_is_in_no_text_about_it() -> None:
    assert "secret" not in repr(parsed("mqtt://a:secret@h"))


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("broker:1883", "mqtts://name:password"),
        ("http://a:b@broker", "mqtts://name:password"),
        ("mqtt://", "mqtts://name:password"),
        ("mqtt://broker", "name and password"),
        ("mqtt://a@broker", "name and password"),
        ("mqtt://a:b@broker:port", "no usable port"),
        ("mqtt://a:b@broker:99999", "no usable port"),
        ("mqtt://a:b@broker?tls=1", "only ca and devices"),
        ("mqtt://a:b@broker?devices=flow.example", "write devices=mqtts://"),
    ],
)
def test_an_address_that_cannot_be_used_names_the_remedy(url: str, remedy: str) -> None:
    with pytest.raises(BadSetting, match=remedy):
        parsed(url)


def test_without_it_there_is_no_broker() -> None:
    assert Settings.from_env({}).mqtt is None
    assert Settings.from_env({"FLOW_MQTT_URL": ""}).mqtt is None
