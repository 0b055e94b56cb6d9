"""Devices, their tokens and codes, and the tray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.queries_device_sums import SqlDeviceSums
from community_flow.adapters.sql.store import insert_ignore
from community_flow.adapters.sql.tables_ingest import claim_codes, device_status, device_tokens, reports, tray
from community_flow.domain.scope import Scope
from community_flow.ports.devices import Claim, DeviceStatus, HeldRow, TrayFilter, TrayRow

_TALLIES = ("accepted", "duplicates", "conflicts", "rejected", "forged", "unknown_fields", "held")


class SqlDevices:
    def add(self, tx: Connection, device: str, community: str) -> None:
        row = {"device": device, "community": community, "last_ms": 0, **dict.fromkeys(_TALLIES, 0)}
        insert_ignore(tx, device_status, [row])

    def add_token(
        self, tx: Connection, device: str, community: str, token_hash: bytes, seed: bytes, now_ms: int, account: str
    ) -> None:
        tx.execute(
            device_tokens.insert().values(
                token_hash=token_hash, device=device, community=community, created_ms=now_ms, created_by=account,
                seed=seed,
            )
        )  # fmt: skip

    def seeds(self, tx: Connection, now_ms: int) -> dict[str, bytes]:
        good = device_tokens.c.revoked_ms.is_(None) & (
            device_tokens.c.until_ms.is_(None) | (device_tokens.c.until_ms > now_ms)
        )
        asked = device_tokens.join(device_status, device_status.c.device == device_tokens.c.device, isouter=True)
        query = select(device_tokens.c.device, device_tokens.c.seed, device_status.c.rotate).select_from(asked)
        found: dict[str, bytes] = {}
        for device, seed, rotate in tx.execute(
            query.where(good, device_tokens.c.seed.is_not(None)).order_by(device_tokens.c.created_ms)
        ):
            if rotate is None or device not in found:
                found[device] = bytes(seed)
        return found

    def revoke_tokens(self, tx: Connection, device: str, now_ms: int, *, until_ms: int | None = None) -> None:
        live = (device_tokens.c.device == device) & device_tokens.c.revoked_ms.is_(None)
        ending = {"revoked_ms": now_ms} if until_ms is None else {"until_ms": until_ms}
        tx.execute(update(device_tokens).where(live).values(**ending))

    def revoke_others(self, tx: Connection, device: str, token_hash: bytes, now_ms: int) -> None:
        live = (device_tokens.c.device == device) & device_tokens.c.revoked_ms.is_(None)
        others = live & (device_tokens.c.token_hash != token_hash)
        tx.execute(update(device_tokens).where(others).values(revoked_ms=now_ms))

    def add_claim(self, tx: Connection, code_hash: bytes, device: str, community: str, expires_ms: int) -> None:
        tx.execute(delete(claim_codes).where(claim_codes.c.device == device, claim_codes.c.used_ms.is_(None)))
        tx.execute(
            claim_codes.insert().values(
                code_hash=code_hash, device=device, community=community, expires_ms=expires_ms, used_ms=None
            )
        )

    def claim(self, tx: Connection, code_hash: bytes) -> Claim | None:
        row = tx.execute(select(claim_codes).where(claim_codes.c.code_hash == code_hash)).first()
        return None if row is None else Claim(row.device, row.community, row.expires_ms, row.used_ms)

    def use_claim(self, tx: Connection, code_hash: bytes, now_ms: int) -> bool:
        unused = (claim_codes.c.code_hash == code_hash) & claim_codes.c.used_ms.is_(None)
        return tx.execute(update(claim_codes).where(unused).values(used_ms=now_ms)).rowcount == 1

    def statuses(self, tx: Connection, scope: Scope) -> dict[str, DeviceStatus]:
        rows = tx.execute(select(device_status).where(within(device_status.c.community, scope)))
        found = (dict(row._mapping) for row in rows)
        statuses = {row["device"]: _status(row) for row in found}
        for device, each in SqlDeviceSums().differing(tx, scope).items():
            if device in statuses:
                statuses[device] = replace(statuses[device], differs=each.more, differs_ms=each.since_ms)
        return statuses

    def last_ms(self, tx: Connection, device: str) -> int:
        return tx.execute(select(device_status.c.last_ms).where(device_status.c.device == device)).scalar() or 0

    def set_silence(self, tx: Connection, device: str, silence_ms: int | None) -> None:
        tx.execute(update(device_status).where(device_status.c.device == device).values(silence_ms=silence_ms))

    def ask_rotation(self, tx: Connection, device: str, account: str | None) -> None:
        tx.execute(update(device_status).where(device_status.c.device == device).values(rotate=account))

    def rotation(self, tx: Connection, device: str) -> str | None:
        return tx.execute(select(device_status.c.rotate).where(device_status.c.device == device)).scalar()

    def clear_mismatch(self, tx: Connection, scope: Scope, device: str) -> None:
        mine = within(device_status.c.community, scope) & (device_status.c.device == device)
        tx.execute(update(device_status).where(mine).values(mismatch_ms=None))
        SqlDeviceSums().accept(tx, scope, device)

    def linked(self, tx: Connection, device: str) -> str | None:
        return tx.execute(select(device_status.c.link).where(device_status.c.device == device)).scalar()

    def link(self, tx: Connection, device: str, link: str, now_ms: int) -> str | None:
        other = device_status.c.link.is_(None) | (device_status.c.link != link)
        changed = update(device_status).where(device_status.c.device == device, other)
        row = tx.execute(changed.values(link=link, link_ms=now_ms).returning(device_status.c.community)).first()
        return None if row is None else str(row.community)


def _status(row: dict[str, object]) -> DeviceStatus:
    kept = {name: value for name, value in row.items() if name != "community"}
    kept["faults"], kept["counters"] = row["faults"] or (), row["counters"] or {}
    return DeviceStatus(**kept)  # type: ignore[arg-type]


_ROW = [column for column in tray.c if column.name != "digest"]


class SqlTray:
    def rows(self, tx: Connection, scope: Scope, chosen: TrayFilter, *, after: int, limit: int) -> list[TrayRow]:
        query = select(*_ROW).where(_chosen(scope, chosen), tray.c.id > after)
        return [_tray_row(row._mapping) for row in tx.execute(query.order_by(tray.c.id).limit(limit))]

    def of_ids(self, tx: Connection, scope: Scope, ids: Sequence[int]) -> list[TrayRow]:
        query = select(*_ROW).where(within(tray.c.community, scope), tray.c.id.in_(ids)).order_by(tray.c.id)
        return [_tray_row(row._mapping) for row in tx.execute(query)]

    def lock_open(self, tx: Connection, scope: Scope, ids: Sequence[int]) -> list[TrayRow]:
        mine = within(tray.c.community, scope) & tray.c.id.in_(ids) & (tray.c.state == "open")
        # On SQLite the transaction that writes is alone already.
        query = select(*_ROW).where(mine).order_by(tray.c.id).with_for_update()
        return [_tray_row(row._mapping) for row in tx.execute(query)]

    def settle_all(
        self, tx: Connection, scope: Scope, chosen: TrayFilter, up_to: int, state: str, now_ms: int, account: str,
        most: int,
    ) -> dict[str, int]:  # fmt: skip
        oldest = select(tray.c.id).where(_chosen(scope, chosen), tray.c.id <= up_to).order_by(tray.c.id).limit(most)
        values = {"state": state, "settled_ms": now_ms, "settled_by": account}
        still_open = tray.c.id.in_(oldest.with_for_update()) & (tray.c.state == "open")
        done = tx.execute(update(tray).where(still_open).values(**values).returning(tray.c.community))
        return dict(Counter(row.community for row in done))

    def restate(self, tx: Connection, rows: Sequence[tuple[int, str, str]]) -> None:
        for row_id, reason, detail in rows:
            moved = (tray.c.id == row_id) & (tray.c.reason != reason)
            tx.execute(update(tray).where(moved).values(reason=reason, detail=detail))

    def held(self, tx: Connection, reason: str, received_from_ms: int, after: int, limit: int) -> list[HeldRow]:
        same = (reports.c.device == tray.c.device) & (reports.c.boot == tray.c.boot) & (reports.c.seq == tray.c.seq)
        query = (
            select(
                tray.c.id, tray.c.community, tray.c.reason, tray.c.device, tray.c.boot, tray.c.seq, reports.c.t_ms,
                tray.c.received_ms,
            )
            .join(reports, same & reports.c.held)
            .where(tray.c.state == "open", tray.c.reason == reason, tray.c.id > after)
            .where(tray.c.received_ms >= received_from_ms)
            .order_by(tray.c.id)
            .limit(limit)
        )  # fmt: skip
        return [HeldRow(**row._mapping) for row in tx.execute(query)]

    def newest(self, tx: Connection, scope: Scope) -> int:
        return tx.execute(select(func.max(tray.c.id)).where(within(tray.c.community, scope))).scalar() or 0

    def open_of_device(self, tx: Connection, device: str, most: int) -> int:
        mine = select(tray.c.id).where(tray.c.device == device, tray.c.state == "open").limit(most).subquery()
        return int(tx.execute(select(func.count()).select_from(mine)).scalar_one())

    def settle(self, tx: Connection, ids: Sequence[int], state: str, now_ms: int, account: str) -> None:
        open_ones = tray.c.id.in_(ids) & (tray.c.state == "open")
        tx.execute(update(tray).where(open_ones).values(state=state, settled_ms=now_ms, settled_by=account))

    def count_open(self, tx: Connection, scope: Scope) -> dict[str, int]:
        query = select(tray.c.reason, func.count()).where(within(tray.c.community, scope), tray.c.state == "open")
        return {row[0]: row[1] for row in tx.execute(query.group_by(tray.c.reason))}


def _chosen(scope: Scope, chosen: TrayFilter) -> ColumnElement[bool]:
    mine = within(tray.c.community, scope)
    wanted_of = ((tray.c.state, chosen.state), (tray.c.reason, chosen.reason), (tray.c.device, chosen.device))
    for column, wanted in wanted_of:
        if wanted is not None:
            mine = mine & (column == wanted)
    return mine


def _tray_row(row: object) -> TrayRow:
    return TrayRow(**dict(row))  # type: ignore[call-overload]
