"""What boxes ask over MQTT: the words of `device_box.py`, for boxes that reach only a broker.

An ask is a line of JSON with `ask` and `id`, and after it the bytes of a picture where one is given. Every ask that can
be read gets an answer with its `id`; one that cannot is dropped, because nobody could tell what is answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from community_flow.entrypoints.box_words import Refusing, Taken, Telling, told_to
from community_flow.entrypoints.ingest_replies import JSON, Refused, reply_of
from community_flow.ports.broker import Arrived, Sent
from community_flow.ports.ingest import Meter, Trusted
from community_flow.services.device_pictures import DevicePictures
from community_flow.services.device_settings import DeviceSettings
from community_flow.services.ingest import Ingest
from sensors.wire import TOPICS

TOPIC = re.compile(TOPICS.format(device="(d_[a-z2-7]{12})", part="asks"))
SHORT_BYTES = 16_384
"""What an ask costs its device of its allowance at least: each looks into the store."""

Name = Annotated[str, Meta(max_length=100)]


class _Ask(msgspec.Struct, frozen=True):
    ask: Name
    id: Annotated[str, Meta(min_length=1, max_length=64)]
    tag: Name = ""
    wish: Name = ""


class _Told(msgspec.Struct, frozen=True):
    id: str
    status: int
    body: msgspec.Raw
    tag: str = ""
    retry_s: int | None = None


class MqttAsks:
    """Takes every message on `asks`; gives its answer, None for what gets none."""

    def __init__(
        self, ingest: Ingest, settings: DeviceSettings, pictures: DevicePictures, server_ms: Callable[[], int],
        meter: Meter,
    ) -> None:  # fmt: skip
        self.ingest, self.settings, self.pictures = ingest, settings, pictures
        self.server_ms, self.meter = server_ms, meter

    def __call__(self, arrived: Arrived) -> Sent | None:
        named = TOPIC.fullmatch(arrived.topic)
        head, _, blob = arrived.body.partition(b"\n")
        try:
            asked = msgspec.json.decode(head, type=_Ask)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            asked = None
        if named is None or asked is None or arrived.retained:
            self.meter.add("mqtt_dropped_total", cause="retained" if arrived.retained else "ask")
            return None
        return self._answer(_Exchange(self, named[1], asked, head, blob), len(arrived.body))

    def _answer(self, exchange: _Exchange, size: int) -> Sent:
        reply = reply_of(lambda: exchange.answer(self.ingest.admit_known(exchange.device, max(size, SHORT_BYTES))))
        unchanged = reply.status == 200 and exchange.tag != "" and exchange.tag == exchange.asked.tag
        told = _Told(
            exchange.asked.id, 304 if unchanged else reply.status, msgspec.Raw(b"{}" if unchanged else reply.body),
            exchange.tag, reply.retry_s,
        )  # fmt: skip
        self.meter.add("mqtt_answers_total", status=str(told.status))
        topic = TOPICS.format(device=exchange.device, part="told")
        return Sent(topic, msgspec.json.encode(told), JSON, after=exchange.after)


class _Exchange:
    """One ask and what becomes of it."""

    def __init__(self, asks: MqttAsks, device: str, asked: _Ask, head: bytes, blob: bytes) -> None:
        self.settings, self.pictures, self.server_ms = asks.settings, asks.pictures, asks.server_ms
        self.device, self.asked, self.head, self.blob = device, asked, head, blob
        self.tag = ""
        self.after: Callable[[], None] | None = None

    def answer(self, trusted: Trusted) -> Any:
        answers = {
            "settings": self._settings, "told": self._told, "next_token": self._next_token,
            "took_token": self._took_token, "picture": self._picture, "no_picture": self._no_picture,
        }  # fmt: skip
        if self.asked.ask not in answers:
            raise Refused(422, "invalid", "There is no such ask.", f"Ask for one of: {', '.join(answers)}.")
        return answers[self.asked.ask](trusted)

    def _settings(self, trusted: Trusted) -> Any:
        self.tag, told = told_to(self.settings, self.pictures, trusted, self.server_ms())
        return told

    def _told(self, trusted: Trusted) -> Any:
        told = self._members(Telling)
        self.settings.told(trusted, told.version, told.outcome, told.reason)
        return {"version": told.version, "outcome": told.outcome}

    def _next_token(self, trusted: Trusted) -> Any:
        return {"token": self.settings.next_token(trusted)}

    def _took_token(self, trusted: Trusted) -> Any:
        """The broker knows one password of a device. It is told the new one when this answer is on its way: the old
        connection is cut then."""
        self.settings.took_token(trusted, self._members(Taken).token or "")
        self.after = lambda: self.settings.ended_tokens(trusted)
        return {"device": trusted.device}

    def _picture(self, trusted: Trusted) -> Any:
        self.pictures.take(trusted, self.asked.wish, self.blob)
        return {"picture": self.asked.wish}

    def _no_picture(self, trusted: Trusted) -> Any:
        self.pictures.refuse(trusted, self.asked.wish, self._members(Refusing).reason)
        return {"picture": self.asked.wish}

    def _members(self, form: Any) -> Any:
        try:
            return msgspec.json.decode(self.head, type=form)
        except msgspec.DecodeError as error:
            raise Refused(422, "invalid", "This ask cannot be used.", f"{error}: see docs/sensors.md.") from error
