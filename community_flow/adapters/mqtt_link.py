"""A connection to the broker that comes back: messages in, answers out, never more at once than can be held.

When as many messages wait here as may, the connection is not read any further. Then they wait with the broker, up to
its own bounds, beyond which it drops them: a device sends again what nobody answered. Messages come at most once from
the broker to us, because an acknowledgement to it would promise nothing to anybody (docs/decisions/0070).
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.subscribeoptions import SubscribeOptions

from community_flow.adapters.mqtt_client import Server, close_client, new_client, new_properties, open_client
from community_flow.ports.broker import Arrived, BrokerAway, Sent
from community_flow.ports.ingest import Meter

log = structlog.get_logger()

WORKERS = 8
HELD = 32
"""Messages that wait for a worker, each of at most ``most_bytes``."""

FIRST_S, MOST_S = 0.5, 30.0
GIVEN_S = 2.0


class MqttLink:
    """Holds the connection in threads of its own. ``handle`` is called by several workers at once."""

    def __init__(
        self,
        server: Server,
        topics: Sequence[str],
        handle: Callable[[Arrived], Sent | None],
        meter: Meter,
        most_bytes: int,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        """``before`` is called ahead of each connection; a BrokerAway that it raises is as good as none."""
        self.server, self.topics, self.handle, self.meter = server, topics, handle, meter
        self.most_bytes, self.before = most_bytes, before
        self._waiting: queue.Queue[tuple[Client, MQTTMessage]] = queue.Queue(HELD)
        self._up, self._over = threading.Event(), threading.Event()
        self._why = "not connected yet"

    def start(self) -> None:
        """Begin; returns at once, whether the broker is there or not."""
        for _ in range(WORKERS):
            threading.Thread(target=self._work, name="mqtt worker", daemon=True).start()
        threading.Thread(target=self._hold, name="mqtt", daemon=True).start()

    def trouble(self) -> str | None:
        """None while connected and subscribed."""
        return None if self._up.is_set() else f"{self.server}: {self._why}"

    # --- the connection -------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        """The thread's outermost loop: connect, wait for the end, connect again."""
        failures = 0
        while True:
            try:
                was_up = self._once()
            except Exception:
                log.exception("mqtt connection broke")
                was_up = False
            failures = 0 if was_up else failures + 1
            # Jitter, so that processes that lost the same broker do not all come back in the same moment.
            time.sleep(min(MOST_S, FIRST_S * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0))

    def _once(self) -> bool:
        """One connection from its beginning to its end; whether it ever was good."""
        self._over.clear()
        client = self._client()
        was_up = False
        try:
            self.before()
            open_client(client, self.server, self._terms())
            self._over.wait()
            was_up = self._up.is_set()
        except (OSError, BrokerAway) as error:
            self._why = str(error) or type(error).__name__
        finally:
            self._up.clear()
            close_client(client)
        log.warning("mqtt broker away", broker=str(self.server), cause=self._why)
        return was_up

    def _client(self) -> Client:
        client = new_client(self.server)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_subscribe, client.on_message = self._subscribed, self._arrived
        return client

    def _terms(self) -> Any:
        terms = new_properties(PacketTypes.CONNECT)
        terms.MaximumPacketSize = self.most_bytes
        return terms

    def _connected(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._why = f"{reason}: see FLOW_MQTT_URL"
            self._over.set()
            return
        # Kept as published: a message that the broker also keeps for whoever comes is told apart from a live one.
        client.subscribe([(topic, SubscribeOptions(qos=0, retainAsPublished=True)) for topic in self.topics])

    def _subscribed(self, _client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        failed = [each for each in reasons if each.is_failure]
        if failed:
            self._why = f"{failed[0]} to read reports: `python -m community_flow mqtt setup` makes the account that may"
            self._over.set()
            return
        self._why = "the connection ended"
        self._up.set()
        self.meter.add("mqtt_connected_total")
        log.info("mqtt broker connected", broker=str(self.server))

    def _disconnected(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure and self._up.is_set():
            self._why = str(reason)
        self._over.set()

    # --- messages -------------------------------------------------------------------------------------------------

    def _arrived(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        """In the network's thread, which reads on when there is room."""
        self._waiting.put((client, message))

    def _work(self) -> None:
        """A worker's outermost loop: one message that breaks something does not stop the next."""
        while True:
            client, message = self._waiting.get()
            try:
                self._answer(client, self.handle(_arrived(message)))
            except Exception:
                log.exception("mqtt message failed")
                self.meter.add("mqtt_dropped_total", cause="broken")

    def _answer(self, client: Client, sent: Sent | None) -> None:
        """At most once: an answer that is lost is asked for again by sending the reports again."""
        if sent is None:
            return
        properties = new_properties(PacketTypes.PUBLISH)
        properties.ContentType = sent.content_type
        if sent.correlation is not None:
            properties.CorrelationData = sent.correlation
        given = client.publish(sent.topic, sent.body, 0, False, properties)
        if sent.after is not None:
            _wait_for(given)
            sent.after()


def _wait_for(given: MQTTMessageInfo) -> None:
    """Until it is on the wire, or never will be."""
    try:
        given.wait_for_publish(GIVEN_S)
    except (RuntimeError, ValueError) as error:  # the connection has ended
        log.info("mqtt answer lost", cause=str(error))


def _arrived(message: MQTTMessage) -> Arrived:
    properties = message.properties
    pairs = dict(getattr(properties, "UserProperty", ()))
    correlation = getattr(properties, "CorrelationData", None)
    return Arrived(message.topic, bytes(message.payload), message.retain, pairs.get("content-encoding"), correlation)
