"""Residents out of a spreadsheet: upload, map columns, preview, keep in batches, give back what is wrong.

Sending the same file again changes nothing: people are recognised by unit and name, or by telephone number and name.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from community_flow.domain import import_rows
from community_flow.domain.addresses import building_of
from community_flow.domain.errors import Conflict, NotFound
from community_flow.domain.import_rows import Fault, Read, Table
from community_flow.domain.residents import Field, Resident
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import Look
from community_flow.ports.imports import Counts, Upload, UploadStore
from community_flow.ports.people import Found, Wanted
from community_flow.services.passes import TAKEN
from community_flow.services.people import People, buildings
from community_flow.services.places import Places

BATCH = 200
"""Everybody else who writes waits for one of these."""
KEPT_MS = 24 * 3_600_000
SHOWN = 30

Fate = Literal["added", "changed", "moved", "same"]


@dataclass(frozen=True)
class Decision:
    """What a row means for the registry."""

    line: int
    resident: Resident
    fate: Fate
    known: Found | None


@dataclass(frozen=True)
class Preview:
    """What keeping an upload would do. ``missing_buildings`` will be made."""

    upload: Upload
    counts: Counts
    decisions: Sequence[Decision]
    faults: Sequence[Fault]
    missing_buildings: Sequence[str]


class Imports:
    def __init__(
        self, db: Database, people: People, places: Places, store: UploadStore,
        read_sheet: Callable[[bytes], list[list[str]]], clock: Clock,
    ) -> None:  # fmt: skip
        self.db, self.people, self.places, self.store = db, people, places, store
        self.read_sheet, self.clock = read_sheet, clock

    def begin(self, scope: Scope, community: str, filename: str, data: bytes) -> Upload:
        """Read a file and keep it for a day; raises Invalid for one that cannot be used."""
        if not scope.sees(community):
            raise NotFound("There is no community by that name: choose one from the list.")
        table = import_rows.table_of(self.read_sheet(data))
        now_ms = self.clock.now_ms()
        upload = Upload(
            id=secrets.token_hex(8), community=community, account=scope.account, filename=filename[:120],
            created_ms=now_ms, state="preview", table=table, mapping=tuple(import_rows.guess(table.heading)),
            counts=Counts(rows=len(table.rows)), kept=0,
        )  # fmt: skip
        with self.db.write() as tx:
            self.store.drop_older(tx, now_ms - KEPT_MS)
            self.store.save(tx, upload)
        return upload

    def map(self, scope: Scope, upload: str, mapping: Sequence[Field | None]) -> None:
        """Say what the columns hold."""
        with self.db.write() as tx:
            found = self._one(tx, scope, upload)
            if found.state != "preview":
                raise Conflict("This file is being kept already: upload it again to map it differently.")
            padded = (*mapping, *(None for _ in found.table.heading))[: len(found.table.heading)]
            self.store.save(tx, replace(found, mapping=_once(padded)))

    def preview(self, scope: Scope, upload: str) -> Preview:
        """What would happen; raises Invalid when the columns do not say enough."""
        with self.db.read() as tx:
            found = self._one(tx, scope, upload)
            import_rows.check_mapping(found.mapping)
            read = import_rows.read(found.table, found.mapping)
            decisions = self._decide(tx, found.community, read.residents)
            missing = self._missing_buildings(tx, found.community, read)
        return Preview(found, _counted(found, read, decisions), decisions, read.faults, missing)

    def step(self, scope: Scope, upload: str, size: int = BATCH) -> Upload:
        """Keep the next rows, in one transaction; call again until the state is done."""
        seen = self.one(scope, upload)
        import_rows.check_mapping(seen.mapping)
        read = import_rows.read(seen.table, seen.mapping)  # a large file takes a while, in which others may write
        with self.db.write() as tx:
            found = self._one(tx, scope, upload)
            if found.state == "done":
                return found
            if found.mapping != seen.mapping:  # chosen anew meanwhile
                import_rows.check_mapping(found.mapping)
                read = import_rows.read(found.table, found.mapping)
            if found.state == "preview":
                self.places.add_buildings(
                    tx, scope, found.community, self._missing_buildings(tx, found.community, read)
                )
            chunk = read.residents[found.kept : found.kept + size]
            decisions = self._decide(tx, found.community, chunk)
            persons = self._keep(tx, scope, found.community, decisions)
            refused = self._bind(tx, scope, found.community, decisions, persons, read)
            kept = found.kept + len(chunk)
            done = kept >= len(read.residents)
            after = replace(
                found, kept=kept, state="done" if done else "running", faults=(*found.faults, *refused),
                counts=_added(found.counts, read, decisions),
            )  # fmt: skip
            after = _only_faults(after, read) if done else after
            self.store.save(tx, after)
            if done:
                self._log(tx, scope, after)
        return after

    def one(self, scope: Scope, upload: str) -> Upload:
        with self.db.read() as tx:
            return self._one(tx, scope, upload)

    def faults(self, scope: Scope, upload: str) -> tuple[Table, Sequence[Fault]]:
        """The rows that need correcting, as they came, and what is wrong with each."""
        found = self.one(scope, upload)
        if found.state == "done":
            return found.table, found.faults
        return found.table, import_rows.read(found.table, found.mapping).faults

    # --- inside --------------------------------------------------------------------------------------------------

    def _one(self, tx: Transaction, scope: Scope, upload: str) -> Upload:
        found = self.store.one(tx, scope, upload)
        if found is None or found.account != scope.account:
            raise NotFound("This upload is gone: files are kept for a day. Send it again.")
        return found

    def _decide(self, tx: Transaction, community: str, rows: Sequence[tuple[int, Resident]]) -> list[Decision]:
        """The fate of each row, given who is known and which rows came before."""
        known = self.people.store.find(tx, Scope.system({community}), Wanted())
        homes = {(each.unit, each.row.name): each for each in known if each.row and each.unit}
        phones = {(each.row.phone, each.row.name): each for each in known if each.row and each.row.phone}
        seen: set[tuple[str, str]] = set()
        decisions = []
        for line, resident in rows:
            here = homes.get((resident.unit, resident.name))
            before = here or phones.get((resident.phone, resident.name))
            fate = _fate(resident, here, before, repeated=(resident.unit, resident.name) in seen)
            seen.add((resident.unit, resident.name))
            decisions.append(Decision(line, resident, fate, before))
        return decisions

    def _keep(self, tx: Transaction, scope: Scope, community: str, decisions: Sequence[Decision]) -> dict[int, str]:
        """The person of each row by its line."""
        added = [each for each in decisions if each.fate == "added"]
        new = self.people.add_in(tx, scope, community, [each.resident for each in added]) if added else []
        for each in decisions:
            if each.known and each.fate in ("changed", "moved"):
                self.people.update_in(tx, scope, each.known, each.resident)
        known = {_who(each): each.known.person for each in decisions if each.known}
        known |= {_who(each): person for each, person in zip(added, new, strict=True)}
        return {each.line: known[_who(each)] for each in decisions}

    def _bind(
        self, tx: Transaction, scope: Scope, community: str, decisions: Sequence[Decision], persons: Mapping[int, str],
        read: Read,
    ) -> list[Fault]:  # fmt: skip
        """Let the IC cards of these rows stand for their people; a card that is somebody else's is to be corrected."""
        rows = [each for each in decisions if each.line in read.cards and each.line in persons]
        tags = [(persons[each.line], each.resident.type, read.cards[each.line]) for each in rows]
        refused = self.people.passes.bind_tags_in(tx, scope, community, tags)
        return [Fault(rows[at].line, "card", TAKEN, {}) for at in refused]

    def _missing_buildings(self, tx: Transaction, community: str, read: Read) -> list[str]:
        known = buildings(self.people.registry.zones(tx, Scope.system({community})))
        return sorted({building_of(resident.unit) for _, resident in read.residents} - set(known))

    def _log(self, tx: Transaction, scope: Scope, upload: Upload) -> None:
        counts = {name: getattr(upload.counts, name) for name in Counts.__struct_fields__}
        self.people.audit.append(
            tx,
            Look(account=scope.account, role=scope.role, action="people.import", community=upload.community,
                 subject=upload.filename, detail=counts),
        )  # fmt: skip


def _fate(resident: Resident, here: Found | None, before: Found | None, *, repeated: bool) -> Fate:
    if repeated:
        return "same"
    if before is None or before.row is None:
        return "added"
    if here is None:
        return "moved"
    row = before.row
    differs = (
        (resident.phone and resident.phone != row.phone)
        or (resident.note and resident.note != row.note)
        or resident.type != before.state.type
    )
    return "changed" if differs else "same"


def _who(decision: Decision) -> tuple[str, str]:
    return decision.resident.unit, decision.resident.name


def _once(mapping: Sequence[Field | None]) -> tuple[Field | None, ...]:
    """A field that was chosen twice stays where it was chosen first."""
    return tuple(None if field in mapping[:at] else field for at, field in enumerate(mapping))


def _counted(upload: Upload, read: Read, decisions: Sequence[Decision]) -> Counts:
    return _added(Counts(rows=len(upload.table.rows)), read, decisions)


def _added(counts: Counts, read: Read, decisions: Sequence[Decision]) -> Counts:
    fates = {fate: sum(each.fate == fate for each in decisions) for fate in get_args(Fate)}
    return Counts(
        rows=counts.rows,
        faulty=len(read.faults),
        samples=read.samples,
        blank=read.blank,
        **{fate: getattr(counts, fate) + count for fate, count in fates.items()},
    )


def _only_faults(upload: Upload, read: Read) -> Upload:
    """What was kept is in the registry now; only the rows to be corrected stay, until the day is over."""
    faults = sorted((*read.faults, *upload.faults), key=lambda fault: fault.line)
    lines = {fault.line for fault in faults}
    first = upload.table.first_line
    rows = tuple(row if line in lines else ("",) * len(row) for line, row in enumerate(upload.table.rows, first))
    return replace(upload, table=Table(upload.table.heading, rows, first), faults=tuple(faults))
