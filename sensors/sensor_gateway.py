"""Messages that a BLE, Wi-Fi or Zigbee gateway publishes over MQTT become reports, as the configuration maps them.

The session with the broker outlives this program, and a message is acknowledged when its report is on the disk: so
nothing is lost between the two. What the broker delivers twice is known by ``id_at``.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sensors import faults
from sensors.config_gateway import GatewayConfig, Meaning
from sensors.desk import Again, Desk
from sensors.qr import Shown

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

MISSING = object()
MOST_IDS = 10_000
MOST_BYTES = 65_536
MOST_AT_ONCE = 10_000
KEEP_ALIVE_S = 30
SESSION_S = 86_400
LOOK_S = 0.5

log = logging.getLogger("sensors")


class GatewaySensor:
    def __init__(self, config: GatewayConfig) -> None:
        self._config, self._shown = config, Shown(config.cooldown_s)
        self._ids: OrderedDict[str, None] = OrderedDict()

    def run(self, desk: Desk, stop: threading.Event) -> None:
        again = Again(stop)
        while not stop.is_set():
            try:
                self._listen(desk, stop, again)
            except OSError as error:
                log.error("%s does not answer (%s): it is tried again.", self._config.source, error)
            if not stop.is_set():
                desk.fault(faults.SOURCE_LOST)
                again.wait()

    def _listen(self, desk: Desk, stop: threading.Event, again: Again) -> None:
        """Until the connection ends."""
        ended = threading.Event()
        client = self._client(desk, ended, again)
        try:
            client.loop_start()
            while not stop.wait(LOOK_S) and not ended.is_set():
                pass
        finally:
            client.disconnect()
            client.loop_stop()

    def _client(self, desk: Desk, ended: threading.Event, again: Again) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        def connected(client: Client, _d: Any, _f: Any, reason: Any, _p: Any) -> None:
            if reason.is_failure:
                log.error("%s does not let us in (%s): check username and password.", self._config.source, reason)
                ended.set()
            else:
                client.subscribe(self._config.topic, 1)

        def subscribed(_c: Any, _d: Any, _m: Any, reasons: Any, _p: Any) -> None:
            if any(each.is_failure for each in reasons):
                log.error("%s lets us read nothing of %s.", self._config.source, self._config.topic)
                ended.set()
            else:
                again.went_well()
                desk.fault(faults.SOURCE_LOST, on=False)

        parts = urlsplit(self._config.source)
        name = f"community-flow-{desk.device}"
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        if self._config.username:
            client.username_pw_set(self._config.username, self._password())
        if parts.scheme == "mqtts":
            ca_file = str(self._config.ca_file) if self._config.ca_file else None
            client.tls_set_context(ssl.create_default_context(cafile=ca_file))
        client.on_connect, client.on_subscribe = connected, subscribed
        client.on_disconnect = lambda *_: ended.set()
        client.on_message = lambda _c, _d, message: self.heard(desk, message)
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = SESSION_S
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        client.connect(parts.hostname or "", port, KEEP_ALIVE_S, clean_start=False, properties=lasting)
        return client

    def _password(self) -> str:
        return self._config.password_file.read_text().strip() if self._config.password_file else ""

    def heard(self, desk: Desk, message: MQTTMessage) -> None:
        """One message. A retained one tells how something was, not that it happens now."""
        if not message.retain:
            self.take(desk, bytes(message.payload))

    def take(self, desk: Desk, payload: bytes) -> None:
        """Report what the message means by the first mapping that fits."""
        found = _parsed(payload)
        if found is MISSING or self._is_known(found):
            return
        for meaning in self._config.maps:
            if all(_at(found, path) == value for path, value in meaning.when.items()) and self._report(
                desk, meaning, found
            ):
                return

    def _is_known(self, found: Any) -> bool:
        identity = _at(found, self._config.id_at) if self._config.id_at else MISSING
        if identity is MISSING:
            return False
        if str(identity) in self._ids:
            return True
        self._ids[str(identity)] = None
        if len(self._ids) > MOST_IDS:
            self._ids.popitem(last=False)
        return False

    def _report(self, desk: Desk, meaning: Meaning, found: Any) -> bool:
        """Whether the message holds what this mapping needs."""
        if meaning.report == "reading":
            return self._reading(desk, meaning, found)
        direction = meaning.direction or meaning.directions.get(str(_at(found, meaning.direction_at)))
        if direction is None:
            return False
        if meaning.report == "scan":
            return self._scan(desk, meaning, found, direction)
        n = _at(found, meaning.n_at) if meaning.n_at else 1
        if type(n) is not int or not 0 < n <= MOST_AT_ONCE:
            return False
        desk.count(meaning.gate, direction, n)
        return True

    def _scan(self, desk: Desk, meaning: Meaning, found: Any, direction: Any) -> bool:
        tag = _text(found, meaning.tag_at)
        if not tag:
            return False
        # A tag is heard many times while it is carried past.
        if self._shown.fresh([f"{meaning.gate}/{direction}/{tag}"], time.monotonic()):
            desk.scan(meaning.gate, direction, "tag", meaning.passed, {"tag": tag})
        return True

    def _reading(self, desk: Desk, meaning: Meaning, found: Any) -> bool:
        value = _at(found, meaning.value_at)
        tag, bed = _text(found, meaning.tag_at), meaning.bed or _text(found, meaning.bed_at)
        if type(value) not in (int, float) or not (tag or bed):
            return False
        is_plausible = meaning.least <= value <= meaning.most
        desk.fault(faults.READING_IMPLAUSIBLE, not is_plausible)
        if is_plausible:
            desk.reading({"tag": tag} if tag else {"bed": bed}, meaning.quantity, value, meaning.unit)
        return True


def _parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload) if len(payload) <= MOST_BYTES else MISSING
    except (ValueError, RecursionError):
        return MISSING


def _at(found: Any, path: str) -> Any:
    """The member at a path as ``objects.0.kind``; MISSING where there is none."""
    for name in path.split("."):
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return MISSING
    return found


def _text(found: Any, path: str) -> str:
    """A short text or number at a path; empty for anything else."""
    value = _at(found, path) if path else MISSING
    return str(value) if isinstance(value, str | int) and 0 < len(str(value)) <= 64 else ""
