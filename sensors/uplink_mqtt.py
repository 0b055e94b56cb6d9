"""Reports to the server over an MQTT broker: a batch out, its answer back on the device's own topic.

The broker's own acknowledgement is not waited for and deletes nothing: only the server's answer to the batch does.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from paho.mqtt.client import MQTTMessage

from sensors.mqtt_line import MqttLine, NotLetIn
from sensors.wire import TOPICS, Answer, Refusal, answer_from, refusal_from
from sensors.wire_rules import WireError

ANSWER_S = 30.0
"""A batch without an answer for so long is sent again."""
BATCH = re.compile(rb'\{"batch":"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,64})"')


class MqttUplink:
    """One connection to the broker; the same to the agent as HttpUplink."""

    def __init__(
        self, address: str, device: str, token: str, ca_file: Path | None = None, answer_s: float = ANSWER_S
    ) -> None:
        self._reports, acks, status = (
            TOPICS.format(device=device, part=part) for part in ("reports", "acks", "status")
        )
        self._line = MqttLine(address, device, token, ca_file, answers=acks, status=status)
        self._answer_s = answer_s

    def send(self, body: bytes) -> Answer | Refusal:
        """Publish one body and wait for its answer; raises NoAnswer."""
        found = BATCH.match(body)
        if found is None:
            raise ValueError("a body begins with the name of its batch: make it with sensors.wire.pack")
        batch, packed = found[1].decode(), gzip.compress(body, 6, mtime=0)
        try:
            answer: Answer | Refusal = self._line.ask(
                self._reports, packed, lambda message: _read(message, batch), self._answer_s
            )
            return answer
        except NotLetIn:
            return Refusal(401, "The broker does not let this device in.", "Enrol it, or give it its new token.")

    def close(self) -> None:
        """Say good-bye: the broker then keeps the last will to itself."""
        self._line.close()


def _read(message: MQTTMessage, batch: str) -> Answer | Refusal | None:
    """The answer to this batch; None for a late one to an earlier batch, and for what is no answer at all."""
    text = bytes(message.payload)
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("batch") != batch:
        return None
    status = found.get("status")
    if isinstance(status, int):
        return refusal_from(status, text, str(found.get("retry_s", "")))
    try:
        return answer_from(text)
    except WireError:
        return None
