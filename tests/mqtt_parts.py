"""A plain MQTT client for tests: speaks as a device does, or as an intruder would."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes

from community_flow.adapters.mqtt_client import new_properties
from tests.services import PATIENCE_S

REFUSED = "Not authorized"


class Talker:
    """One connection. What came is in ``heard``; ``cut`` is set when the broker ended it."""

    def __init__(self, url: str, name: str, password: str, will: str | None = None) -> None:
        parts = urlsplit(url)
        self.name = name
        self.heard: queue.Queue[MQTTMessage] = queue.Queue()
        self.cut = threading.Event()
        self._done: queue.Queue[str] = queue.Queue()
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id="", protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        self.client.username_pw_set(name, password)
        self.client.on_connect = lambda _c, _d, _f, reason, _p: self._done.put(str(reason))
        self.client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._done.put(str(reasons[0]))
        self.client.on_publish = lambda _c, _d, _m, reason, _p: self._done.put(str(reason))
        self.client.on_message = lambda _c, _d, message: self.heard.put(message)
        self.client.on_disconnect = lambda *_: self.cut.set()
        if will is not None:
            self.client.will_set(will, b"offline", 1, retain=True)
        self.client.connect(parts.hostname or "", parts.port or 1883, 30, clean_start=True)
        self.client.loop_start()
        self.welcome = self._done.get(timeout=PATIENCE_S)

    def subscribe(self, topic: str) -> str:
        """What the broker says to it."""
        self.client.subscribe(topic, 1)
        return self._done.get(timeout=PATIENCE_S)

    def publish(
        self, topic: str, body: bytes, *, retain: bool = False, correlation: bytes | None = None, encoding: str = ""
    ) -> str:
        """At least once; what the broker says to it."""
        properties = new_properties(PacketTypes.PUBLISH)
        if correlation is not None:
            properties.CorrelationData = correlation
        if encoding:
            properties.UserProperty = ("content-encoding", encoding)
        self.client.publish(topic, body, 1, retain, properties)
        return self._done.get(timeout=PATIENCE_S)

    def report(self, body: bytes, **properties: Any) -> str:
        return self.publish(f"flow/{self.name}/reports", body, **properties)

    def answer(self, seconds: float = PATIENCE_S) -> Any:
        """The next answer, parsed."""
        return json.loads(self.heard.get(timeout=seconds).payload)

    def drop(self) -> None:
        """End without a word, as a device does whose plug is pulled: the broker sends its last will."""
        socket: Any = self.client.socket()
        socket.shutdown(2)
        self.cut.wait(PATIENCE_S)
        self.client.loop_stop()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def _let_in(url: str, name: str, password: str, will: str | None) -> Talker:
    """Who was enrolled while the broker was slow is told to it a minute later."""
    end = time.monotonic() + PATIENCE_S
    while (talker := Talker(url, name, password, will)).welcome == REFUSED and time.monotonic() < end:
        talker.close()
        time.sleep(0.5)
    return talker


@contextmanager
def talking(url: str, name: str, password: str, will: str | None = None) -> Iterator[Talker]:
    """A device that was let in and listens for its answers."""
    talker = _let_in(url, name, password, will)
    try:
        assert talker.welcome == "Success", talker.welcome
        assert talker.subscribe(f"flow/{name}/acks") in ("Granted QoS 0", "Granted QoS 1")
        yield talker
    finally:
        talker.close()
