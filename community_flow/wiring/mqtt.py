"""Reports over MQTT, and accounts at the broker, when FLOW_MQTT_URL is set."""

from __future__ import annotations

import random
import threading
import time

import structlog
from flask import Flask

from community_flow.adapters.sql.queries_devices import SqlDevices
from community_flow.ports.broker import BrokerAway
from community_flow.services.device_links import (
    ALL_STATUS,
    MOST_PACKET_BYTES,
    SHARED_ASKS,
    SHARED_REPORTS,
    DeviceLinks,
)
from community_flow.services.device_tokens import DeviceTokens
from community_flow.wiring.core import Core

log = structlog.get_logger()

LOOK_S = 60.0
"""How often the accounts are compared when nothing else asks for it: a command may have changed a device unheard."""


def device_links(core: Core) -> DeviceLinks | None:
    """Who may speak over MQTT; None when no broker is set. Made once for each core."""
    address = core.settings.mqtt
    if address is None:
        return None
    if "device_links" not in core.parts:
        from community_flow.adapters.mosquitto_control import MosquittoControl
        from community_flow.adapters.mqtt_client import Server

        server = Server(
            address.host, address.port, address.username, address.password, address.tls, address.ca_file
        )  # fmt: skip
        core.parts["broker"] = server
        core.parts["device_links"] = DeviceLinks(
            core.db, SqlDevices(), DeviceTokens(core.keys), MosquittoControl(server),
            core.signals, core.traffic.meter, core.clock,
        )  # fmt: skip
    found: DeviceLinks = core.parts["device_links"]
    return found


def wire(core: Core, app: Flask) -> None:
    links = device_links(core)
    if links is None:
        return
    from community_flow.adapters.mqtt_link import MqttLink
    from community_flow.entrypoints.box_mqtt import TOPIC, MqttAsks
    from community_flow.entrypoints.ingest_mqtt import MqttReports
    from community_flow.wiring.ingest import ingest_parts, told_ms

    parts = ingest_parts(core)
    reports = MqttReports(parts.ingest, links, core.traffic.meter)
    asks = MqttAsks(parts.ingest, parts.settings, parts.pictures, told_ms(core), core.traffic.meter)
    heard = lambda arrived: (asks if TOPIC.fullmatch(arrived.topic) else reports)(arrived)  # noqa: E731 - handed on
    topics = (SHARED_REPORTS, SHARED_ASKS, ALL_STATUS)
    link = MqttLink(core.parts["broker"], topics, heard, core.traffic.meter, MOST_PACKET_BYTES, before=links.agree)
    core.traffic.checks["mqtt"] = link.trouble
    core.background += [lambda: _look_again(links), link.start]


def _look_again(links: DeviceLinks) -> None:
    threading.Thread(target=_watch, args=(links,), name="mqtt accounts", daemon=True).start()


def _watch(links: DeviceLinks) -> None:
    """The thread's outermost loop; at each new connection the accounts are looked at as well."""
    while True:
        # Jitter, so that several processes do not all look in the same moment.
        time.sleep(LOOK_S * random.uniform(0.75, 1.25))
        try:
            links.agree()
        except BrokerAway as error:
            log.warning("mqtt accounts wait", cause=str(error))
        except Exception:
            log.exception("mqtt accounts failed")
