"""Reports over MQTT: the same bodies, the same service and the same answers as `POST /v1/reports`.

The broker has let the device in with its token and allows it its own topics only, so the topic says who speaks.
"""

from __future__ import annotations

import re

import msgspec

from community_flow.domain.errors import TooMany
from community_flow.entrypoints.ingest_replies import PROBLEM, Refused, Reply, reply_of, too_large, unzip
from community_flow.ports.broker import Arrived, Sent
from community_flow.ports.ingest import Meter, Receipt
from community_flow.services.device_links import DeviceLinks
from community_flow.services.ingest import Ingest, Untrusted
from sensors.wire import MAX_BYTES, TOPICS

TOPIC = re.compile(TOPICS.format(device="(d_[a-z2-7]{12})", part="(reports|status)"))
GZIP = b"\x1f\x8b"
MOST_BATCH = 64
STATUS_BYTES = 160_000
"""A word on the connection costs a device as much of its allowance as a body of this size."""


class _Named(msgspec.Struct):
    batch: str


class MqttReports:
    """Takes every message of the broker; gives what is to be sent back, None for what gets no answer."""

    def __init__(self, ingest: Ingest, links: DeviceLinks, meter: Meter) -> None:
        self.ingest, self.links, self.meter = ingest, links, meter

    def __call__(self, arrived: Arrived) -> Sent | None:
        named = TOPIC.fullmatch(arrived.topic)
        if named is None:
            self._drop("topic")
        elif named[2] == "status":
            self._status(named[1], arrived.body)
        elif arrived.retained:
            # Kept by the broker it would come again with every connection; a device that does so is set up wrongly.
            self._drop("retained")
        else:
            return self._report(named[1], arrived)
        return None

    def _status(self, device: str, word: bytes) -> None:
        """Each may cost a commit: a device that says it too often, or is none of ours, is not heard."""
        try:
            self.ingest.admit_known(device, STATUS_BYTES)
        except (Untrusted, TooMany):
            self._drop("refused")
        else:
            if not self.links.said(device, word):
                self._drop("status")

    def _report(self, device: str, arrived: Arrived) -> Sent:
        reply = reply_of(lambda: self._accept(device, arrived))
        self.meter.add("mqtt_answers_total", status=str(reply.status))
        return _sent(device, reply, arrived)

    def _accept(self, device: str, arrived: Arrived) -> Receipt:
        trusted = self.ingest.admit_known(device, len(arrived.body))
        return self.ingest.accept(trusted, _body(arrived))

    def _drop(self, cause: str) -> None:
        self.meter.add("mqtt_dropped_total", cause=cause)


def _body(arrived: Arrived) -> bytes:
    """The decoded body. JSON never begins as gzip does, so a device need not say which it is."""
    if arrived.encoding not in (None, "gzip", "identity", ""):
        raise Refused(415, "encoding", "This encoding is not understood.", "Send it plain or with gzip.")
    if len(arrived.body) > MAX_BYTES:
        raise too_large()
    zipped = arrived.encoding == "gzip" or arrived.body.startswith(GZIP)
    return unzip(arrived.body) if zipped else arrived.body


def _sent(device: str, reply: Reply, arrived: Arrived) -> Sent:
    """A refusal names its batch too, as far as that can be read: there is no connection that would say so."""
    body = reply.body
    batch = _batch(arrived) if reply.content_type == PROBLEM else None
    if batch is not None:
        body = msgspec.json.encode(msgspec.json.decode(body) | {"batch": batch})
    return Sent(TOPICS.format(device=device, part="acks"), body, reply.content_type, arrived.correlation)


def _batch(arrived: Arrived) -> str | None:
    try:
        return msgspec.json.decode(_body(arrived), type=_Named).batch[:MOST_BATCH]
    except (Refused, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return None if arrived.correlation is None else arrived.correlation.decode("ascii")[:MOST_BATCH]
    except UnicodeDecodeError:
        return None
