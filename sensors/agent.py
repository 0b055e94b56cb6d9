"""A gate's process: sensors write to the outbox, one thread sends it; a lost camera, network or disk ends neither."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from sensors import faults
from sensors.config import AgentConfig
from sensors.desk import Desk, Sensor
from sensors.device_clock import DeviceClock
from sensors.making import attending, sensor_of
from sensors.outbox import Outbox, OutboxTrouble
from sensors.uplink_http import BackOff, HttpUplink, Sender, Uplink

log = logging.getLogger("sensors")

OLD_MS = 24 * 3_600_000
MANY = 100_000
"""Beyond a day or so many reports, or when the disk is full, counts are summed by the minute."""

COMPACT_EVERY_S = 60.0
AWAY_S = 300.0
UNTRUSTED = (401, 403)
LAST_CALL_S = 30.0
"""How long a finished agent goes on trying to hand over what is left."""


class Agent:
    """Runs a configuration. ``extra`` are sensors of your own; see docs/sensors.md.

    A ``lasting`` agent goes on telling how it is when its sensors are at their end, or when it has none.
    """

    def __init__(
        self, config: AgentConfig, extra: Sequence[Sensor] = (), back_off: BackOff | None = None, lasting: bool = False
    ) -> None:
        self._config, self._lasting = config, lasting
        self._clock = DeviceClock()
        self.outbox = Outbox(config.outbox, config.device, self._clock)
        self.desk = Desk(self.outbox, self._clock, config.config, config.ingest_key)
        self._uplink = _uplink(config)
        self._sender = Sender(self.outbox, self._uplink, self._clock, back_off)
        self.sensors = [*(sensor_of(each) for each in config.sensors), *extra]
        self._attending = attending(config, self.desk)
        self.answered = False
        """The server has taken something from this agent."""
        self._stop = threading.Event()
        self._heard_s = time.monotonic()
        self._beat_s = self._compacted_s = -float("inf")

    def stop(self) -> None:
        """Ask `run` to return; may be called from a signal handler."""
        self._stop.set()
        self.desk.news.set()

    def run(self) -> None:
        """Until `stop`, or until every sensor is at its end and everything is sent."""
        beside = [threading.Thread(target=self._sense, args=(each,), daemon=True) for each in self._attending]
        threads = [threading.Thread(target=self._sense, args=(each,), daemon=True) for each in self.sensors]
        for thread in [*beside, *threads]:
            thread.start()
        while not self._stop.is_set() and (self._lasting or any(thread.is_alive() for thread in threads)):
            self._wait(self._turn())
        self._stop.set()
        for thread in [*threads, *beside]:
            thread.join(10)
        self._last_call()
        self._uplink.close()
        self.outbox.close()

    def _sense(self, sensor: Sensor) -> None:
        """A sensor's outermost loop: one that breaks is told and leaves the others running."""
        try:
            sensor.run(self.desk, self._stop)
        except Exception:
            log.exception("The sensor %s stopped; the others go on.", type(sensor).__name__)
            self.desk.fault(faults.SOURCE_BAD)

    def _turn(self) -> float:
        """One round of sending; seconds until the next."""
        try:
            self._tend()
            wait = self._sender.step()
            self.answered |= wait >= 0 and not self._sender.trouble
        except OutboxTrouble as error:
            log.error("%s", error)
            wait = self._sender.back_off.failed()
        self._tell()
        return wait

    def _tend(self) -> None:
        now_s = time.monotonic()
        if now_s - self._beat_s >= self._config.heartbeat_s:
            self._beat_s = now_s
            self.desk.status()
        if now_s - self._compacted_s >= COMPACT_EVERY_S and self._overfull():
            self._compacted_s = now_s
            spared = self.outbox.compact(self._clock.now() - 60_000)
            log.info("The outbox is full of old counts: %d reports were summed by the minute.", spared)

    def _overfull(self) -> bool:
        oldest_ms = self.outbox.oldest_ms()
        full = self.outbox.lost > 0 or self.outbox.size() > MANY
        return oldest_ms is not None and (full or self._clock.now() - oldest_ms > OLD_MS)

    def _tell(self) -> None:
        """Note what the last exchange was like."""
        if not self._sender.trouble:
            self._heard_s = time.monotonic()
        elif self._sender.back_off.failures in (1, 10):
            log.warning("Nothing sent yet: %s", self._sender.trouble)
        self.desk.fault(faults.SERVER_AWAY, time.monotonic() - self._heard_s > AWAY_S)
        self.desk.fault(faults.TOKEN_REFUSED, self._sender.status in UNTRUSTED)
        self.desk.fault(faults.REPORT_REFUSED, self._sender.refused > 0)
        self.desk.fault(faults.CLOCK_JUMPED, self._clock.jumped_lately())

    def _wait(self, wait_s: float) -> None:
        """Wait out a failure whole; with nothing to send, until there is news or a heartbeat is due."""
        if wait_s > 0:
            self._stop.wait(wait_s)
        elif wait_s < 0:
            self.desk.news.wait(min(0.5, max(0.1, self._beat_s + self._config.heartbeat_s - time.monotonic())))
            self.desk.news.clear()

    def _last_call(self) -> None:
        """Hand over what is left; what cannot be sent stays in the outbox for the next start."""
        until_s = time.monotonic() + LAST_CALL_S
        try:
            self.desk.status()
            while (wait := self._sender.step()) >= 0:
                if time.monotonic() + wait > until_s or self._sender.status in UNTRUSTED:
                    log.warning("%d reports stay in the outbox: %s", self.outbox.size(), self._sender.trouble)
                    return
                time.sleep(wait)
        except OutboxTrouble as error:
            log.error("%s", error)


def _uplink(config: AgentConfig) -> Uplink:
    """MQTT when the configuration names a broker; its library is imported only then."""
    if config.mqtt:
        from sensors.uplink_mqtt import MqttUplink

        return MqttUplink(config.mqtt, config.device, config.token, config.ca_file)
    return HttpUplink(config.server, config.token, config.ca_file)
