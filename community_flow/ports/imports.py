"""Uploads of residents as services see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from community_flow.domain.import_rows import Fault, Table
from community_flow.domain.residents import Field
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Where every row under the heading went; they add up to `rows`."""

    rows: int = 0
    added: int = 0
    changed: int = 0
    moved: int = 0
    same: int = 0
    faulty: int = 0
    samples: int = 0
    blank: int = 0


@dataclass(frozen=True, kw_only=True)
class Upload:
    id: str
    community: str
    account: str
    filename: str
    created_ms: int
    state: Literal["preview", "running", "done"]
    table: Table
    mapping: tuple[Field | None, ...]
    counts: Counts
    kept: int
    faults: tuple[Fault, ...] = ()


class UploadStore(Protocol):
    def save(self, tx: Transaction, upload: Upload) -> None: ...

    def one(self, tx: Transaction, scope: Scope, upload: str) -> Upload | None: ...

    def drop_older(self, tx: Transaction, than_ms: int) -> None: ...
