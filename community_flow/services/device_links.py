"""Who may speak over MQTT: the backend, and every device on its own topics."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from community_flow.ports import Clock, Database
from community_flow.ports.broker import Broker, BrokerAccount, BrokerAway
from community_flow.ports.devices import DeviceStore
from community_flow.ports.ingest import Meter, Signals
from community_flow.services.device_tokens import DeviceTokens
from community_flow.services.devices import DEVICE_ID
from community_flow.services.trust import hash_token
from sensors.wire import MAX_BYTES, TOPICS

log = structlog.get_logger()

ROUNDS = 3
RULES = "2"
"""Number of the rules by which `device_account` allows topics; part of the mark, so that new rules reach the broker."""

BACKEND = "community-flow"
SHARED = "$share/flow/"
"""Several processes share the load: each report goes to one of them."""

ALL_REPORTS = TOPICS.format(device="+", part="reports")
ALL_ACKS = TOPICS.format(device="+", part="acks")
SHARED_REPORTS = SHARED + ALL_REPORTS
ALL_STATUS = TOPICS.format(device="+", part="status")
SHARED_ASKS = SHARED + TOPICS.format(device="+", part="asks")
ALL_TOLD = TOPICS.format(device="+", part="told")
MOST_PACKET_BYTES = MAX_BYTES + 4096
"""The largest body, and room for its topic and properties."""


ONLINE, OFFLINE = "online", "offline"
"""What a device says of itself on its topic `status`; the second is its last will."""


def backend_account(password: str) -> BrokerAccount:
    """The account of every process of this program."""
    receives = (SHARED_REPORTS, SHARED_ASKS, ALL_STATUS)
    return BrokerAccount(BACKEND, password, publishes=(ALL_ACKS, ALL_TOLD), receives=receives)


def device_account(device: str, password: str, mark: str) -> BrokerAccount:
    """A device writes what it reports, asks and how it is, and reads its answers; it cannot see any other device."""
    publishes = [TOPICS.format(device=device, part=part) for part in ("reports", "asks", "status")]
    receives = [TOPICS.format(device=device, part=part) for part in ("acks", "told")]
    return BrokerAccount(device, password, publishes=publishes, receives=receives, mark=mark)


@dataclass(frozen=True)
class Agreed:
    """What had to be changed at the broker."""

    made: int
    ended: int


class DeviceLinks:
    """Keeps the broker's accounts equal to the devices that have a good token, and notes who is connected."""

    def __init__(
        self,
        db: Database,
        store: DeviceStore,
        tokens: DeviceTokens,
        broker: Broker,
        signals: Signals,
        meter: Meter,
        clock: Clock,
    ) -> None:
        self.db, self.store, self.tokens, self.broker = db, store, tokens, broker
        self.signals, self.meter, self.clock = signals, meter, clock

    def changed(self, device: str) -> None:
        """A device has got a token, or lost it: told to the broker at once. When the broker is away this is not lost:
        `agree` finds it."""
        wanted = self._wanted().get(device)
        try:
            if wanted is None:
                self.broker.remove([device])
            else:
                self.broker.put([wanted])
        except BrokerAway as error:
            self.meter.add("mqtt_accounts_waiting_total")
            log.warning("broker away: this device is told to it later", device=device, cause=str(error))

    def agree(self) -> Agreed:
        """Bring the whole list of accounts into agreement; raises BrokerAway."""
        if self.broker.allow(backend_account("")):
            log.info("mqtt account of this program may speak of more now", account=BACKEND)
        made = ended = 0
        # Looked at again after a change: a device may have been revoked between the look and the change.
        for _ in range(ROUNDS):
            missing, surplus = self._differences()
            if not missing and not surplus:
                break
            self.broker.remove(surplus)
            self.broker.put(missing)
            made, ended = made + len(missing), ended + len(surplus)
            log.info("mqtt accounts agree", made=len(missing), ended=len(surplus))
        return Agreed(made, ended)

    def _differences(self) -> tuple[list[BrokerAccount], list[str]]:
        there = {name: mark for name, mark in self.broker.accounts().items() if DEVICE_ID.fullmatch(name)}
        wanted = self._wanted()
        missing = [account for name, account in sorted(wanted.items()) if there.get(name) != account.mark]
        return missing, sorted(set(there) - set(wanted))

    def said(self, device: str, text: bytes) -> bool:
        """Note what a device, or its last will, says of its connection; False when that is no such word."""
        word = {ONLINE.encode(): ONLINE, OFFLINE.encode(): OFFLINE}.get(text)
        if word is None:
            return False
        with self.db.read() as tx:
            if self.store.linked(tx, device) == word:  # as every process hears it, and again at each connection
                return True
        with self.db.write() as tx:
            community = self.store.link(tx, device, word, self.clock.now_ms())
        if community is not None:
            self.signals.bump(community)
        return True

    def _wanted(self) -> dict[str, BrokerAccount]:
        with self.db.read() as tx:
            seeds = self.store.seeds(tx, self.clock.now_ms())
        return {device: self._account(device, seed) for device, seed in seeds.items()}

    def _account(self, device: str, seed: bytes) -> BrokerAccount:
        token = self.tokens.of_seed(seed)
        return device_account(device, token, f"{RULES}-{hash_token(token).hex()[:16]}")
