"""Load the demo: the registry through its services, the reports through the real ingest and fold.

Everything is repeatable: the plan is kept first, ids follow from it, the registry is filled in one transaction and a
report that comes again is a duplicate. So a crash at any point is mended by starting again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from community_flow.demo import cast
from community_flow.demo.deliver import Batch
from community_flow.demo.folder import DemoFolder
from community_flow.demo.places import AREA, FULL, SMALL
from community_flow.demo.plan import DAY_MS, Plan
from community_flow.demo.registering import BY, Registering
from community_flow.demo.simulator import World, simulate
from community_flow.demo.truth import truth_of
from community_flow.demo.wallet import Wallet
from community_flow.domain.errors import Conflict, FlowError
from community_flow.domain.footfall import HourCount
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database
from community_flow.ports.devices import DeviceStore
from community_flow.ports.ingest import Receipt, StoreAway, Trusted
from community_flow.services.accounts import Accounts
from community_flow.services.footfall import Footfall
from community_flow.services.ingest import Ingest
from community_flow.services.orders import NewOrder, Orders
from community_flow.services.registry import Change, Registry
from community_flow.services.trust import Trust

ORDER_DAYS = 29
REFUSED = "The demo was not loaded: there are other communities here. Load it into an empty FLOW_DATA_DIR."


class DemoTrouble(RuntimeError):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True)
class Loader:
    """Loads what `DemoFolder.plan` says. ``settle`` folds until nothing is left to fold."""

    folder: DemoFolder
    registering: Registering
    registry: Registry
    devices: DeviceStore
    trust: Trust
    ingest: Ingest
    accounts: Accounts
    orders: Orders
    footfall: Footfall
    settle: Callable[[], None]
    db: Database
    clock: Clock

    def run(self) -> None:
        """Load from wherever an earlier run stopped. Troubles are kept in the status, for the first page to show."""
        plan = self.folder.plan()
        status = self.folder.status()
        if plan is None or (status and status.stage == "done"):
            return
        try:
            self._load(plan)
        except (FlowError, DemoTrouble) as error:
            self.folder.advance(stage="failed", trouble=str(error))

    def _load(self, plan: Plan) -> None:
        started_ms = self.clock.now_ms()
        self._refuse_strangers()
        world = simulate(plan)
        total = sum(len(batch.reports) for batch in world.batches)
        earlier = self.folder.advance(stage="people", total=total, started_ms=started_ms)
        self.folder.keep_truth(truth_of(world))
        self.registering.fill(world)
        self._enrol(world)
        self._people_of_the_tour(world)
        self.footfall.add(list(_hours(world)))
        self.folder.advance(stage="reports")
        self._report(world, self.registering.wallet(world), earlier.done)
        self.folder.advance(stage="folding", done=total)
        self.settle()
        self.folder.advance(stage="done", finished_ms=self.clock.now_ms())

    def _refuse_strangers(self) -> None:
        with self.db.read() as tx:
            known = set(self.registry.store.communities(tx))
        if known - {FULL, SMALL}:
            raise Conflict(REFUSED)

    def _enrol(self, world: World) -> None:
        """Devices as registry rows; `demo play` and the tour claim tokens for theirs."""
        with self.db.write() as tx:
            journal = {community: self.registry.journal(tx, community) for community in (FULL, SMALL)}
            missing = [
                Change(each.community, "device", each.id, world.plan.founded_ms, each.state)
                for each in world.devices.values()
                if not journal[each.community].timeline("device", each.id).starts_ms
            ]
            self.registry.record(tx, missing, BY)
            for each in world.devices.values():
                self.devices.add(tx, each.id, each.community)  # without it nobody would know that it was ever heard

    def _people_of_the_tour(self, world: World) -> None:
        """Accounts without passwords, and the order under which the official works."""
        chosen = cast.cast_of(world)
        with self.db.write() as tx:
            for account in cast.accounts(chosen):
                if self.accounts.store.by_login(tx, account.login) is None:
                    self.accounts.add_in(tx, account, None, BY)
        official = self.accounts.by_login(cast.login_of("official"))
        scope = Scope(official.account, official.role, frozenset({FULL, SMALL}))
        if not any(order.number == cast.ORDER_NUMBER for order in self.orders.known(scope)):
            from_ms = self.clock.now_ms() - DAY_MS
            wanted = NewOrder(
                number=cast.ORDER_NUMBER,
                basis=cast.BASIS,
                area=AREA,
                from_ms=from_ms,
                until_ms=from_ms + ORDER_DAYS * DAY_MS,
            )
            self.orders.record(scope, official, wanted)

    def _report(self, world: World, wallet: Wallet, done: int) -> None:
        """Every batch in order; those whose reports were all kept by an earlier run are passed over."""
        trusted = self._trusted(world)
        sent = 0
        for number, batch in enumerate(world.batches):
            sent += len(batch.reports)
            if sent > done:
                self._deliver(trusted[batch.device], body_of(number, batch, wallet))
                self.folder.advance(done=sent)

    def _trusted(self, world: World) -> dict[str, Trusted]:
        found = {}
        with self.db.read() as tx:
            for key, device in world.devices.items():
                trusted = self.trust.of_device(tx, device.id, device.community)
                if trusted is None:
                    raise DemoTrouble(f"The demo's device {key} was revoked: remove var and load the demo again.")
                found[key] = trusted
        return found

    def _deliver(self, device: Trusted, body: bytes) -> Receipt:
        """As the agent does: the same body again until it is kept."""
        for _ in range(20):
            try:
                return self.ingest.accept(device, body)
            except StoreAway as away:
                time.sleep(away.retry_s)
        raise DemoTrouble("The store cannot keep reports now: free disk space and start the server again.")


def body_of(number: int, batch: Batch, wallet: Wallet) -> bytes:
    """One upload as it goes over the wire."""
    reports = [wallet.fields(report) for report in batch.reports]
    return msgspec.json.encode({"batch": f"demo-{number}", "reports": reports})


def _hours(world: World) -> Iterator[HourCount]:
    """Entries and exits of the weeks before as hourly counts of gates."""
    sums: dict[tuple[str, str, int], dict[str, int]] = {}
    for row in world.hourly:
        sums.setdefault((row.community, row.gate, row.from_ms), {"in": 0, "out": 0})[row.direction] += row.n
    for (community, gate, hour_ms), n in sums.items():
        yield HourCount(community, "gate", gate, hour_ms, entries=n["in"], exits=n["out"])
