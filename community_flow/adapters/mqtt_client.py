"""How this program connects to an MQTT broker: MQTT 5, a name and a password, TLS when the address says so."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties

KEEP_ALIVE_S = 30
CONNECT_S = 5.0


@dataclass(frozen=True)
class Server:
    """Where the broker is and who we are there."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    tls: bool = False
    ca_file: Path | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def new_client(server: Server) -> Client:
    """A client for one connection: what a connection left undone must not reach the next."""
    # The broker gives each connection an id of its own: processes never throw one another out.
    client = Client(
        CallbackAPIVersion.VERSION2, client_id="", protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
    )
    client.username_pw_set(server.username, server.password)
    client.connect_timeout = CONNECT_S
    client.on_socket_open = _send_at_once
    if server.tls:
        trust = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
        client.tls_set_context(trust)
    return client


def _send_at_once(_client: Client, _data: Any, opened: Any) -> None:
    """Small packets do not wait for company: an answer would be 40 ms late, and those behind it too."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def new_properties(packet: int) -> Any:
    """Of a packet of that type; members are set by name, and one that does not belong there raises MQTTException."""
    return Properties(packet)  # type: ignore[no-untyped-call]


def open_client(client: Client, server: Server, properties: Any = None) -> None:
    """Connect and start the client's thread; raises OSError. Whether we are let in, `on_connect` says."""
    client.connect(server.host, server.port, KEEP_ALIVE_S, clean_start=True, properties=properties)
    client.loop_start()


def close_client(client: Client) -> None:
    client.disconnect()
    client.loop_stop()
