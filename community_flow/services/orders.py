"""Orders: the legal acts that open tracing, and what communities are told about their use."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from community_flow.domain.errors import Conflict, Forbidden, Invalid, NotFound
from community_flow.domain.scope import Role, Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.accounts import Account
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.cases import Notice, Order, OrderStore
from community_flow.services.registry import Registry, communities_of_areas

LONGEST_MS = 30 * 24 * 3600 * 1000
NOTICES = 50
NO_ORDER = "Tracing is locked: it needs an order of your authority in force for this community. Record the order first."


@dataclass(frozen=True, kw_only=True)
class NewOrder:
    number: str
    basis: str
    area: str
    from_ms: int
    until_ms: int


class Orders:
    def __init__(self, db: Database, store: OrderStore, registry: Registry, audit: AuditLog, clock: Clock) -> None:
        self.db, self.store, self.registry, self.audit, self.clock = db, store, registry, audit, clock

    def record(self, scope: Scope, account: Account, wanted: NewOrder) -> Order:
        """Write down an order of the official's own authority; every community it covers is told at once."""
        with self.db.write() as tx:
            order = self._checked(tx, scope, account, wanted)
            if any((each.authority, each.number) == (order.authority, order.number) for each in self.store.all(tx)):
                raise Conflict("The order %(number)s is recorded already.", field="number", number=order.number)
            self.store.add(tx, order)
            self._announce(tx, account, order, "order.recorded")
        return order

    def end(self, scope: Scope, account: Account, order_id: str) -> Order:
        """End an order before its time; tracing under it closes at once."""
        with self.db.write() as tx:
            order = self.store.one(tx, order_id)
            if order is None or order.authority != account.authority or not self.covers(tx, order) & scope.communities:
                raise NotFound("There is no such order here.")
            if not order.in_force(self.clock.now_ms()):
                raise Conflict("This order is not in force any more.")
            self.store.end(tx, order_id, self.clock.now_ms())
            ended = replace(order, ended_ms=self.clock.now_ms())
            self._announce(tx, account, ended, "order.ended")
        return ended

    def known(self, scope: Scope) -> list[Order]:
        """Orders that cover any community of the scope, newest first, past ones too."""
        with self.db.read() as tx:
            return [order for order in self.store.all(tx) if self.covers(tx, order) & scope.communities]

    def numbers_in_force(self, scope: Scope) -> list[str]:
        """What stands in the header of every page."""
        with self.db.read() as tx:
            return [order.number for order in self._in_force(tx) if self.covers(tx, order) & scope.communities]

    def in_force(self, tx: Transaction, community: str, authority: str | None) -> list[Order]:
        """An authority's orders (any authority's when None) that hold for a community now, newest first."""
        return [
            order
            for order in self._in_force(tx)
            if authority in (None, order.authority) and community in self.covers(tx, order)
        ]

    def needed(self, tx: Transaction, account: Account, community: str, order_id: str | None = None) -> Order:
        """The order that opens tracing to this official here; raises Forbidden with the remedy."""
        found = self.in_force(tx, community, account.authority) if account.authority else []
        for order in found:
            if order_id in (None, order.order_id):
                return order
        raise Forbidden(NO_ORDER)

    def covers(self, tx: Transaction, order: Order) -> set[str]:
        """Communities in the order's area or in an area below it."""
        everything = Scope.system(self.registry.store.communities(tx))
        known = self.registry.communities(tx, everything)
        return communities_of_areas(self.registry.areas(tx), known, (order.area,))

    def told(self, scope: Scope) -> list[Notice]:
        """What the communities of the scope were told, newest first."""
        with self.db.read() as tx:
            return self.store.notices(tx, scope, NOTICES)

    def tell(self, tx: Transaction, notices: Sequence[Notice]) -> None:
        self.store.tell(tx, notices)

    def _in_force(self, tx: Transaction) -> list[Order]:
        now_ms = self.clock.now_ms()
        return [order for order in self.store.all(tx) if order.in_force(now_ms)]

    def _checked(self, tx: Transaction, scope: Scope, account: Account, wanted: NewOrder) -> Order:
        now_ms = self.clock.now_ms()
        if scope.role is not Role.OFFICIAL or not account.authority:
            raise Forbidden("Only an official of an authority records its orders: ask an admin to set your authority.")
        number, basis = wanted.number.strip(), wanted.basis.strip()
        if not 1 <= len(number) <= 60:
            raise Invalid("Give the order's number as it stands on the paper (1-60 characters).", field="number")
        if not 4 <= len(basis) <= 500:
            raise Invalid("Name the legal basis, for example the article of the law (4-500 characters).", field="basis")
        if not wanted.from_ms < wanted.until_ms <= wanted.from_ms + LONGEST_MS:
            raise Invalid("An order lasts 30 days at most: choose an earlier end.", field="until")
        if wanted.until_ms <= now_ms:
            raise Invalid("This order is over already: choose a later end.", field="until")
        order = Order(
            order_id="o_" + secrets.token_hex(6), number=number, authority=account.authority, basis=basis,
            area=wanted.area, from_ms=wanted.from_ms, until_ms=wanted.until_ms, recorded_by=account.account,
            recorded_ms=now_ms,
        )  # fmt: skip
        covered = self.covers(tx, order)
        if not covered or not covered <= scope.communities:
            raise Invalid("Choose an area that you are responsible for.", field="area")
        return order

    def _announce(self, tx: Transaction, account: Account, order: Order, kind: str) -> None:
        covered = sorted(self.covers(tx, order))
        detail: dict[str, str | int] = {
            "number": order.number,
            "authority": order.authority,
            "until_ms": order.until_ms,
        }
        now_ms = self.clock.now_ms()
        made = [
            Notice(
                notice_id="n_" + secrets.token_hex(6), community=community, at_ms=now_ms, kind=kind,
                order_id=order.order_id, detail=detail,
            )
            for community in covered
        ]  # fmt: skip
        self.store.tell(tx, made)
        self.audit.append(
            tx,
            *(
                Look(
                    account=account.account, role=account.role, action=kind, community=community,
                    subject=order.order_id, purpose=order.basis, detail={"number": order.number, "area": order.area},
                )
                for community in covered
            ),
        )  # fmt: skip
