"""The same words between a box and its server over an MQTT broker, and the choice between the two ways.

An ask is one message on `flow/<device>/asks`: a line of JSON with `ask` and `id`, then the bytes of a picture where one
is given. Its answer comes on `flow/<device>/told`, with that `id`, the `status` that HTTP would give, and `body`.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensors.box_link import MOST_REASON, Link, Said, table
from sensors.uplink_http import NoAnswer
from sensors.wire import TOPICS

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

ANSWER_S = 15.0


class BoxOverMqtt:
    """A connection of its own, beside the one for reports: neither waits for the other's answers."""

    def __init__(self, address: str, device: str, token: str, ca_file: Path | None = None) -> None:
        from sensors.mqtt_line import MqttLine

        self._asks, told = (TOPICS.format(device=device, part=part) for part in ("asks", "told"))
        self._line = MqttLine(address, device, token, ca_file, answers=told)

    def settings(self, tag: str) -> Said:
        return self._ask("settings", tag=tag)

    def told(self, version: int, outcome: str, reason: str | None) -> Said:
        return self._ask("told", version=version, outcome=outcome, reason=reason and reason[:MOST_REASON])

    def next_token(self) -> Said:
        return self._ask("next_token")

    def took_token(self, token: str) -> Said:
        return self._ask("took_token", token=token)

    def picture(self, wish: str, jpeg: bytes) -> Said:
        return self._ask("picture", jpeg, wish=wish)

    def no_picture(self, wish: str, reason: str) -> Said:
        return self._ask("no_picture", wish=wish, reason=reason)

    def close(self) -> None:
        self._line.close()

    def _ask(self, kind: str, after: bytes = b"", **members: Any) -> Said:
        from sensors.mqtt_line import NotLetIn

        name = secrets.token_hex(8)
        head = json.dumps({"ask": kind, "id": name, **members}).encode()
        try:
            said: Said = self._line.ask(self._asks, head + b"\n" + after, lambda heard: _said(heard, name), ANSWER_S)
            return said
        except NotLetIn as error:
            return Said(401, {"title": str(error)})


def _said(message: MQTTMessage, name: str) -> Said | None:
    """The answer to this ask; None for a late one to another."""
    found = table(bytes(message.payload))
    status, body = found.get("status"), found.get("body")
    if found.get("id") != name or not isinstance(status, int):
        return None
    return Said(status, body if isinstance(body, dict) else {}, str(found.get("tag", "")))


class EitherWay:
    """Several ways to one server: the one that answered last is asked first, the next when it gives no answer."""

    def __init__(self, ways: Sequence[Link]) -> None:
        self._ways = deque(ways)

    def settings(self, tag: str) -> Said:
        return self._try(lambda way: way.settings(tag))

    def told(self, version: int, outcome: str, reason: str | None) -> Said:
        return self._try(lambda way: way.told(version, outcome, reason))

    def next_token(self) -> Said:
        return self._try(lambda way: way.next_token())

    def took_token(self, token: str) -> Said:
        return self._try(lambda way: way.took_token(token))

    def picture(self, wish: str, jpeg: bytes) -> Said:
        return self._try(lambda way: way.picture(wish, jpeg))

    def no_picture(self, wish: str, reason: str) -> Said:
        return self._try(lambda way: way.no_picture(wish, reason))

    def close(self) -> None:
        for way in self._ways:
            way.close()

    def _try(self, call: Callable[[Link], Said]) -> Said:
        for _ in range(len(self._ways) - 1):
            try:
                return call(self._ways[0])
            except NoAnswer:
                self._ways.rotate(-1)
        try:
            return call(self._ways[0])
        except NoAnswer:
            self._ways.rotate(-1)
            raise
