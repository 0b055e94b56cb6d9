"""From the bytes of a device to reports that are kept: trust, decode, label, commit, answer. HTTP and MQTT alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from community_flow.domain.errors import FlowError, TooMany
from community_flow.domain.reports import HOLDS, TrayItem
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.ingest import (
    Committer,
    DeviceNews,
    Id,
    Kept,
    Limits,
    Meter,
    Prepared,
    Reached,
    Receipt,
    RecentIds,
    Reference,
    ReportStore,
    SeenBefore,
    Submission,
    Trusted,
)
from community_flow.services.decoding import Decoded, Malformed, Report, Status, canonical_bytes, decode, decode_one
from community_flow.services.labelling import Batch, Labelling
from community_flow.services.lanes import Lanes
from community_flow.services.report_rows import same_content, status_members
from community_flow.services.trust import Trust

_t_ms = attrgetter("t_ms")

NO_TIME = 0
"""What a server answers that does not know the time: the device keeps the offset that it has measured before."""

MOST_KEYS = 50_000

BYTES_PER_COST = 16_384
"""A large body costs its device more of its allowance than a small one."""


class Untrusted(FlowError):
    """No device that may speak here."""

    status, code = 401, "untrusted-device"


class Ready(NamedTuple):
    """A body on its way into the store."""

    device: Trusted
    batch: str
    submission: Submission


class _Opened(NamedTuple):
    """A body that was read; what it names is still to be looked up."""

    device: Trusted
    decoded: Decoded
    seen: set[Id]
    fresh: Sequence[Report | Malformed]
    batch: Batch


class Ingest:
    """Takes bodies of reports; returns only after the store has committed."""

    def __init__(
        self,
        db: Database,
        trust: Trust,
        labelling: Labelling,
        store: ReportStore,
        committer: Committer,
        limits: Limits,
        recent: RecentIds,
        meter: Meter,
        clock: Clock,
        knows_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """``knows_time`` is false while the server's own clock is not believed."""
        self.knows_time, self.lanes = knows_time, Lanes()
        self._keys: tuple[object, dict[bytes, bytes]] = None, {}
        self.db, self.trust, self.labelling, self.store, self.committer = db, trust, labelling, store, committer
        self.limits, self.recent, self.meter, self.clock = limits, recent, meter, clock

    def admit(self, token: str, size: int) -> Trusted:
        """The device, if it may send ``size`` bytes now; raises Untrusted or TooMany."""
        return self._allowed(self.trust.of_token(token), size)

    def admit_known(self, device: str, size: int) -> Trusted:
        """The same for a device whose token somebody else has checked: the broker."""
        return self._allowed(self.trust.of_name(device), size)

    def _allowed(self, device: Trusted | None, size: int) -> Trusted:
        if device is None:
            self.meter.add("refused_total", cause="untrusted")
            raise Untrusted("This token is not (or no longer) good: enrol the device, then claim a new token.")
        wait_s = self.limits.wait_s(device.device, 1 + size / BYTES_PER_COST, self.clock.now_ms())
        if wait_s > 0:
            self.meter.add("refused_total", cause="too_many")
            raise TooMany("Too much at once: keep your reports and send them later.", retry_s=max(1, round(wait_s)))
        return device

    def accept(self, device: Trusted, body: bytes) -> Receipt:
        """Keep a body of a trusted device. Raises Invalid for what is no body, Busy when there is no room, StoreAway
        when nothing can be kept."""
        with self.lanes.enter(len(body)):
            answer = self.keep([self.prepare(device, body)])[0]
        if isinstance(answer, FlowError):
            raise answer
        return answer

    def prepare(self, device: Trusted, body: bytes) -> Ready:
        """A body, ready to be kept; raises Invalid for what is no body."""
        found = self.prepare_together([(device, body)])[0]
        if isinstance(found, FlowError):
            raise found
        return found

    def prepare_together(self, asked: Sequence[tuple[Trusted, bytes]]) -> list[Ready | FlowError]:
        """The same for several, with one look into the store for all; for each what `prepare` gives or raises."""
        opened = self._open_all(asked)
        keys, references = self._look_up([each.batch for each in opened if isinstance(each, _Opened)])
        return [self._ready(each, keys, references) if isinstance(each, _Opened) else each for each in opened]

    def keep(self, ready: Sequence[Ready]) -> list[Receipt | FlowError]:
        """Keep these together. For each the receipt, or StoreAway or TooMany when it could not be kept."""
        kept = self.committer.commit([each.submission for each in ready])
        timed = self.knows_time()
        pairs = list(zip(ready, kept, strict=True))
        self._tell([(each.device, found) for each, found in pairs if not isinstance(found, FlowError)])
        return [_receipt(each, found, timed) for each, found in pairs]

    def again(self, device: Trusted, text: str) -> Submission | TrayItem:
        """A report out of the tray, ready to be kept, or why it still cannot be used."""
        report, now_ms = decode_one(text), self.clock.now_ms()
        batch = self.labelling.open(device, [report], now_ms, timed=self.knows_time())
        batch = batch.with_found(*self._look_up([batch]))
        entry = self.labelling.label(batch, 0, report)
        if isinstance(entry, TrayItem):
            return entry
        if entry.hold is not None:  # its row lies in the tray already, with the whole report
            row = entry.row
            return TrayItem(
                row.community, row.device, row.boot, row.seq, now_ms, entry.hold, HOLDS[entry.hold], text, row.digest
            )
        return _submission(device, now_ms, [entry], DeviceNews(heard=False))

    def keep_again(self, tx: Transaction, submission: Submission) -> Kept:
        """Keep what `again` gave, in the transaction that settles its row of the tray; then call `told`."""
        return self.store.keep_with(tx, [submission])[0]

    def told(self, device: Trusted, kept: Kept) -> None:
        self._tell([(device, kept)])

    def _open_all(self, asked: Sequence[tuple[Trusted, bytes]]) -> list[_Opened | FlowError]:
        read = [(device, _read(body)) for device, body in asked]
        whole = [(device, decoded) for device, decoded in read if isinstance(decoded, Decoded)]
        seen = iter(self._seen(whole))
        return [
            self._open(device, decoded, next(seen)) if isinstance(decoded, Decoded) else decoded
            for device, decoded in read
        ]

    def _open(self, device: Trusted, decoded: Decoded, seen: set[Id]) -> _Opened | FlowError:
        fresh = [each for each in decoded.reports if (each.boot, each.seq) not in seen] if seen else decoded.reports
        try:
            batch = self.labelling.open(device, fresh, self.clock.now_ms(), timed=self.knows_time())
        except FlowError as error:
            return error
        return _Opened(device, decoded, seen, fresh, batch)

    def _ready(self, opened: _Opened, keys: Mapping[bytes, bytes], references: Mapping[bytes, Reference]) -> Ready:
        device, decoded, seen, fresh, batch = opened
        if keys or references:
            batch = batch.with_found(keys, references)
        entries: Sequence[Prepared | TrayItem | SeenBefore] = self.labelling.label_all(batch, fresh)
        if seen:
            labelled = iter(entries)
            entries = [
                SeenBefore(device.device, each.boot, each.seq) if (each.boot, each.seq) in seen else next(labelled)
                for each in decoded.reports
            ]
        return Ready(device, decoded.batch, _submission(device, batch.now_ms, entries, _news(decoded, entries)))

    def _seen(self, bodies: Sequence[tuple[Trusted, Decoded]]) -> list[set[Id]]:
        """Of each body what is sent again: neither its passes nor its rows need any work. A hint that the cache gives
        is never believed: the store is asked, and the content compared."""
        hints = self._hints(bodies)
        if not any(hints):
            return hints
        with self.db.read() as tx:
            return [
                self._surely_kept(tx, device, decoded, hinted) if hinted else hinted
                for (device, decoded), hinted in zip(bodies, hints, strict=True)
            ]

    def _hints(self, bodies: Sequence[tuple[Trusted, Decoded]]) -> list[set[Id]]:
        ids = [[(each.boot, each.seq) for each in decoded.reports] for _, decoded in bodies]
        worth = [len(each) >= self.recent.least for each in ids]
        asked = [
            (device.device, mine) for (device, _), mine, is_worth in zip(bodies, ids, worth, strict=True) if is_worth
        ]
        known = iter(self.recent.known(asked))
        return [next(known) if is_worth else set() for is_worth in worth]

    def _surely_kept(self, tx: Transaction, device: Trusted, decoded: Decoded, hinted: set[Id]) -> set[Id]:
        kept = self.store.digests(tx, device.device, hinted)
        return set(kept) - {
            (each.boot, each.seq)
            for each in decoded.reports
            if (each.boot, each.seq) in kept
            and (
                isinstance(each, Malformed)
                or not same_content(device, canonical_bytes(each), kept[each.boot, each.seq])
            )
        }

    def _look_up(self, batches: Sequence[Batch]) -> tuple[Mapping[bytes, bytes], Mapping[bytes, Reference]]:
        """Public keys by pass_ref and references by hash, of all that these bodies name."""
        wanted: set[bytes] = set().union(*map(self.labelling.wanted_keys, batches))
        references: set[bytes] = set().union(*map(self.labelling.wanted_references, batches))
        if not wanted and not references:
            return {}, {}
        remembered = self._remembered_keys()
        known = {ref: remembered[ref] for ref in wanted if ref in remembered}
        if len(known) == len(wanted) and not references:
            return known, {}
        with self.db.read() as tx:
            found = self.store.public_keys(tx, wanted - known.keys())
            remembered.update(found)
            return known | found, self.store.references(tx, references)

    def _remembered_keys(self) -> dict[bytes, bytes]:
        """Public keys that were found since the registry last changed; that one is missing is never remembered."""
        stamp = self.trust.stamp()
        if stamp != self._keys[0] or len(self._keys[1]) > MOST_KEYS:
            self._keys = stamp, {}
        return self._keys[1]

    def _tell(self, bodies: Sequence[tuple[Trusted, Kept]]) -> None:
        tally: dict[str, int] = {}
        for _, kept in bodies:
            for outcome, count in kept.tally.items():
                tally[outcome] = tally.get(outcome, 0) + count
        self.recent.remember(
            [(device.device, _accepted(kept)) for device, kept in bodies if len(kept.outcomes) >= self.recent.least]
        )
        self.meter.add("bodies_total", len(bodies))
        for outcome, count in tally.items():
            self.meter.add("reports_total", count, outcome=outcome)


def _read(body: bytes) -> Decoded | FlowError:
    try:
        return decode(body)
    except FlowError as error:
        return error


def _accepted(kept: Kept) -> list[Id]:
    return [(each.boot, each.seq) for each in kept.outcomes if each.outcome == "accepted"]


def _receipt(ready: Ready, kept: Kept | FlowError, timed: bool) -> Receipt | FlowError:
    if isinstance(kept, FlowError):
        return kept
    reached = [Reached(*each) for each in kept.through.items()]
    return Receipt(ready.batch, ready.submission.received_ms if timed else NO_TIME, reached, kept.outcomes)


def _submission(
    device: Trusted, now_ms: int, entries: Sequence[Prepared | TrayItem | SeenBefore], news: DeviceNews
) -> Submission:
    return Submission(device.device, device.community, now_ms, entries, news, partial(same_content, device))


def _news(decoded: Decoded, entries: Sequence[Prepared | TrayItem | SeenBefore]) -> DeviceNews:
    """What the newest usable report of a body says about its device."""
    usable = [entry.row for entry in entries if type(entry) is Prepared]
    newest = max(usable, key=_t_ms, default=None)
    return DeviceNews(
        skew_ms=None if newest is None else newest.skew_ms,
        last_report_ms=None if newest is None or newest.held else newest.t_ms,
        unknown_fields=decoded.unknown_fields,
        status=_status(decoded),
    )


def _status(decoded: Decoded) -> dict[str, Any] | None:
    found = [each for each in decoded.reports if type(each) is Status]
    if not found:
        return None
    newest = max(found, key=lambda each: each.t_ms)
    return {"t_ms": newest.t_ms, **status_members(newest)}
