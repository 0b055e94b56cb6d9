"""Reports to the server over an MQTT broker: a batch out, its answer back on the device's own topic.

The broker's own acknowledgement is not waited for and deletes nothing: only the server's answer to the batch does.
"""

from __future__ import annotations

import gzip
import json
import queue
import re
import socket
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from sensors.uplink_http import BadAddress, NoAnswer
from sensors.wire import TOPICS, Answer, Refusal, answer_from, refusal_from
from sensors.wire_rules import WireError

ANSWER_S = 30.0
"""A batch without an answer for so long is sent again."""
CONNECT_S = 20.0
KEEP_ALIVE_S = 30
ONLINE, OFFLINE = b"online", b"offline"
PORTS = {"mqtt": 1883, "mqtts": 8883}
BATCH = re.compile(rb'\{"batch":"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,64})"')
NOT_LET_IN = frozenset({134, 135, 138})
"""Bad user name or password, not authorized, banned."""
NOBODY_LISTENS, NOBODY_S = 16, 5.0
"""What the broker says when no server reads reports. It is not believed at once, only waited for less."""

Heard = tuple[str, Any]


class MqttUplink:
    """One connection to the broker, opened again when it breaks; the same to the agent as HttpUplink."""

    def __init__(
        self, address: str, device: str, token: str, ca_file: Path | None = None, answer_s: float = ANSWER_S
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in PORTS or not parts.hostname:
            raise BadAddress(f"The broker {address!r} is no address: give one like mqtts://flow.example:8883.")
        self._address, self._host, self._tls = address, parts.hostname, parts.scheme == "mqtts"
        self._port = parts.port or PORTS[parts.scheme]
        self._device, self._token, self._ca_file, self._answer_s = device, token, ca_file, answer_s
        self._reports, self._acks, self._status = (
            TOPICS.format(device=device, part=part) for part in ("reports", "acks", "status")
        )
        self._heard: queue.Queue[Heard] = queue.Queue()
        self._client: Client | None = None

    def send(self, body: bytes) -> Answer | Refusal:
        """Publish one body and wait for its answer; raises NoAnswer."""
        found = BATCH.match(body)
        if found is None:
            raise ValueError("a body begins with the name of its batch: make it with sensors.wire.pack")
        try:
            refused = None if self._is_open() else self._connect()
            return refused or self._exchange(gzip.compress(body, 6, mtime=0), found[1].decode())
        except NoAnswer:
            self._drop()
            raise
        except OSError as error:
            self._drop()
            raise NoAnswer(f"{self._address} does not answer ({error or type(error).__name__})") from error

    def close(self) -> None:
        """Say good-bye: the broker then keeps the last will to itself."""
        client = self._client
        if client is not None and client.is_connected():
            client.publish(self._status, OFFLINE, 1, retain=True).wait_for_publish(2)
        self._drop()

    def _is_open(self) -> bool:
        return self._client is not None and self._client.is_connected()

    def _connect(self) -> Refusal | None:
        """A connection that listens for answers; a refusal when the broker does not let us in."""
        self._drop()
        self._heard = queue.Queue()
        client = self._client = self._new_client(self._heard)
        client.connect(self._host, self._port, KEEP_ALIVE_S, clean_start=True)
        client.loop_start()
        reason = self._await("connected", CONNECT_S)
        if reason.is_failure:
            self._drop()
            if reason.value not in NOT_LET_IN:
                raise NoAnswer(f"{self._address} does not take connections now ({reason})")
            return Refusal(401, "The broker does not let this device in.", "Enrol it, or give it its new token.")
        client.subscribe(self._acks, 1)
        refused = [each for each in self._await("subscribed", CONNECT_S) if each.is_failure]
        if refused:
            raise NoAnswer(f"{self._address} lets this device read no answers ({refused[0]})")
        client.publish(self._status, ONLINE, 1, retain=True)
        return None

    def _new_client(self, heard: queue.Queue[Heard]) -> Client:
        """What a connection hears goes to its own queue: the next one hears nothing of it."""
        client = Client(
            CallbackAPIVersion.VERSION2, client_id="", protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        client.username_pw_set(self._device, self._token)
        client.connect_timeout = CONNECT_S
        client.on_socket_open = _send_at_once
        client.will_set(self._status, OFFLINE, 1, retain=True)
        if self._tls:
            client.tls_set_context(ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None))
        client.on_connect = lambda _c, _d, _f, reason, _p: heard.put(("connected", reason))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: heard.put(("subscribed", reasons))
        client.on_disconnect = lambda _c, _d, _f, reason, _p: heard.put(("ended", reason))
        client.on_publish = lambda _c, _d, _m, reason, _p: heard.put(("taken", reason))
        client.on_message = lambda _c, _d, message: heard.put(("answer", message))
        return client

    def _exchange(self, packed: bytes, batch: str) -> Answer | Refusal:
        assert self._client is not None
        if self._client.publish(self._reports, packed, 1).rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise NoAnswer(f"{self._address}: the connection has ended")
        until_s = time.monotonic() + self._answer_s
        while (left_s := until_s - time.monotonic()) > 0:
            kind, heard = self._next(left_s)
            if kind == "taken" and heard.value == NOBODY_LISTENS:
                until_s = min(until_s, time.monotonic() + NOBODY_S)
            found = _read(heard, batch) if kind == "answer" else None
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
            raise NoAnswer(f"{self._address}: the connection has ended ({found})")
        return kind, found

    def _silent(self) -> NoAnswer:
        return NoAnswer(f"{self._address}: no answer to what was sent; it is sent again")

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()


def _send_at_once(_client: Client, _data: Any, opened: Any) -> None:
    """Small packets do not wait for company."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _read(message: MQTTMessage, batch: str) -> Answer | Refusal | None:
    """The answer to this batch; None for a late one to an earlier batch, and for what is no answer at all."""
    text = bytes(message.payload)
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("batch") != batch or message.retain:
        return None
    status = found.get("status")
    if isinstance(status, int):
        return refusal_from(status, text, str(found.get("retry_s", "")))
    try:
        return answer_from(text)
    except WireError:
        return None
