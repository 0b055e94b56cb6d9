"""Who may speak over MQTT: the backend, and every device on its own topics."""

from __future__ import annotations

from community_flow.ports.broker import BrokerAccount
from sensors.wire import MAX_BYTES, TOPICS

BACKEND = "community-flow"
SHARED = "$share/flow/"
"""Several processes share the load: each report goes to one of them."""

ALL_REPORTS = TOPICS.format(device="+", part="reports")
ALL_ACKS = TOPICS.format(device="+", part="acks")
ALL_STATUS = TOPICS.format(device="+", part="status")
MOST_PACKET_BYTES = MAX_BYTES + 4096
"""The largest body, and room for its topic and properties."""


def backend_account(password: str) -> BrokerAccount:
    """The account of every process of this program."""
    receives = (SHARED + ALL_REPORTS, ALL_STATUS)
    return BrokerAccount(BACKEND, password, publishes=(ALL_ACKS,), receives=receives)


def device_account(device: str, password: str, mark: str) -> BrokerAccount:
    """A device writes what it reports and how it is, and reads its answers; it cannot see any other device."""
    reports, acks, status = (TOPICS.format(device=device, part=part) for part in ("reports", "acks", "status"))
    return BrokerAccount(device, password, publishes=(reports, status), receives=(acks,), mark=mark)
