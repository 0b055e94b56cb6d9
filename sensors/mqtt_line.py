"""A device's connection to an MQTT broker: something goes out, its answer comes back on one of the device's topics.

The broker's own acknowledgement is not waited for and means nothing: only the server's answer does.
"""

from __future__ import annotations

import queue
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from sensors.uplink_http import BadAddress, NoAnswer

CONNECT_S = 20.0
KEEP_ALIVE_S = 30
ONLINE, OFFLINE = b"online", b"offline"
PORTS = {"mqtt": 1883, "mqtts": 8883}
NOT_LET_IN = frozenset({134, 135, 138})
"""Bad user name or password, not authorized, banned."""
NOBODY_LISTENS, NOBODY_S = 16, 5.0
"""What the broker says when no server reads what was sent. It is not believed at once, only waited for less."""

Heard = tuple[str, Any]


class NotLetIn(Exception):
    """The broker knows no such device, or not with this token."""


class MqttLine:
    """One connection, opened when it is needed and again when it breaks. Not to be used by several threads."""

    def __init__(
        self, address: str, device: str, token: str, ca_file: Path | None, answers: str, status: str | None = None
    ) -> None:
        """``answers`` is the topic that is listened to; on ``status`` it is told whether this connection is there."""
        parts = urlsplit(address)
        if parts.scheme not in PORTS or not parts.hostname:
            raise BadAddress(f"The broker {address!r} is no address: give one like mqtts://flow.example:8883.")
        self.address, self._host, self._tls = address, parts.hostname, parts.scheme == "mqtts"
        self._port = parts.port or PORTS[parts.scheme]
        self._device, self._token, self._ca_file = device, token, ca_file
        self._answers, self._status = answers, status
        self._heard: queue.Queue[Heard] = queue.Queue()
        self._client: Client | None = None

    def ask(self, topic: str, body: bytes, read: Callable[[MQTTMessage], Any], answer_s: float) -> Any:
        """Publish one body; gives what ``read`` makes of its answer, which is None for any other message.

        Raises NoAnswer and NotLetIn.
        """
        try:
            if not self._is_open():
                self._connect()
            return self._exchange(topic, body, read, answer_s)
        except NoAnswer:
            self._drop()
            raise
        except OSError as error:
            self._drop()
            raise NoAnswer(f"{self.address} does not answer ({error or type(error).__name__})") from error

    def close(self) -> None:
        """Say good-bye: the broker then keeps the last will to itself."""
        client = self._client
        if client is not None and client.is_connected() and self._status:
            client.publish(self._status, OFFLINE, 1, retain=True).wait_for_publish(2)
        self._drop()

    def _is_open(self) -> bool:
        return self._client is not None and self._client.is_connected()

    def _connect(self) -> None:
        """A connection that listens for answers."""
        self._drop()
        self._heard = queue.Queue()
        client = self._client = self._new_client(self._heard)
        client.connect(self._host, self._port, KEEP_ALIVE_S, clean_start=True)
        client.loop_start()
        reason = self._await("connected", CONNECT_S)
        if reason.is_failure:
            self._drop()
            if reason.value not in NOT_LET_IN:
                raise NoAnswer(f"{self.address} does not take connections now ({reason})")
            raise NotLetIn(f"{self.address} does not let this device in ({reason})")
        client.subscribe(self._answers, 1)
        refused = [each for each in self._await("subscribed", CONNECT_S) if each.is_failure]
        if refused:
            raise NoAnswer(f"{self.address} lets this device read no answers ({refused[0]})")
        if self._status:
            client.publish(self._status, ONLINE, 1, retain=True)

    def _new_client(self, heard: queue.Queue[Heard]) -> Client:
        """What a connection hears goes to its own queue: the next one hears nothing of it."""
        client = Client(
            CallbackAPIVersion.VERSION2, client_id="", protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        client.username_pw_set(self._device, self._token)
        client.connect_timeout = CONNECT_S
        client.on_socket_open = _send_at_once
        if self._status:
            client.will_set(self._status, OFFLINE, 1, retain=True)
        if self._tls:
            client.tls_set_context(ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None))
        client.on_connect = lambda _c, _d, _f, reason, _p: heard.put(("connected", reason))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: heard.put(("subscribed", reasons))
        client.on_disconnect = lambda _c, _d, _f, reason, _p: heard.put(("ended", reason))
        client.on_publish = lambda _c, _d, _m, reason, _p: heard.put(("taken", reason))
        client.on_message = lambda _c, _d, message: heard.put(("answer", message))
        return client

    def _exchange(self, topic: str, body: bytes, read: Callable[[MQTTMessage], Any], answer_s: float) -> Any:
        assert self._client is not None
        if self._client.publish(topic, body, 1).rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise NoAnswer(f"{self.address}: the connection has ended")
        until_s = time.monotonic() + answer_s
        while (left_s := until_s - time.monotonic()) > 0:
            kind, heard = self._next(left_s)
            if kind == "taken" and heard.value == NOBODY_LISTENS:
                until_s = min(until_s, time.monotonic() + NOBODY_S)
            found = read(heard) if kind == "answer" and not heard.retain else None
            if found is not None:
                return found
        raise self._silent()

    def _await(self, wanted: str, seconds: float) -> Any:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            kind, found = self._next(left_s)
            if kind == wanted:
                return found
        raise self._silent()

    def _next(self, seconds: float) -> Heard:
        try:
            kind, found = self._heard.get(timeout=seconds)
        except queue.Empty:
            raise self._silent() from None
        if kind == "ended":
            raise NoAnswer(f"{self.address}: the connection has ended ({found})")
        return kind, found

    def _silent(self) -> NoAnswer:
        return NoAnswer(f"{self.address}: no answer to what was sent; it is sent again")

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()


def _send_at_once(_client: Client, _data: Any, opened: Any) -> None:
    """Small packets do not wait for company."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
