"""PostgreSQL: a group of plain bodies in one statement that is its own transaction, so one way there and back.

What `keeping.py` does in seven statements for whatever may come, this does for what nearly always comes. When one of
the reports was there already, or a boot does not go on where it ended, the statement divides by zero and leaves
nothing behind; the group is then written the long way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import psycopg

from community_flow.adapters.sql.boots import MOVE_ALL_ON, RUN_COLUMNS, plain_runs
from community_flow.adapters.sql.device_news import NEWS_ALL, NEWS_COLUMNS, news_of
from community_flow.adapters.sql.driver import Driver, insert_chosen, recordset
from community_flow.adapters.sql.keeping import (
    COUNT_COLUMNS,
    REPORT_COLUMNS,
    Known,
    Seal,
    Work,
    count_values,
    kept_of,
)
from community_flow.adapters.sql.mark_packs import PACK_COLUMNS, packs
from community_flow.ports.ingest import Kept, Submission

# The device rows are locked first, always in the same order: two groups then never wait for each other.
_LOCKED = "(SELECT count(*) FROM locked) >= 0"


def _insert(table: str, columns: Mapping[str, str]) -> str:
    """An INSERT of `Driver.bulk`, after the lock."""
    chosen = insert_chosen(table, tuple(columns.items())).replace("{u}", _table(columns))
    return chosen.replace(" ON CONFLICT", f" WHERE {_LOCKED} ON CONFLICT")


def _table(columns: Mapping[str, str]) -> str:
    return recordset(tuple((name, kind) for name, kind in columns.items() if "=" not in name))


_BEGUN = f"""
WITH news AS MATERIALIZED (SELECT * FROM {_table(NEWS_COLUMNS)}),
locked AS MATERIALIZED (
  SELECT device FROM device_status WHERE device IN (SELECT name FROM news) ORDER BY device FOR UPDATE),
"""  # noqa: S608 - names of ours; whatever comes from outside is bound
_COUNTS = f"counts AS ({_insert('reports', COUNT_COLUMNS)} RETURNING 1),"
_OTHERS = f"others AS ({_insert('reports', REPORT_COLUMNS)} RETURNING 1),"
_REST = f"""
marks AS ({_insert("dirty", PACK_COLUMNS)}),
runs AS ({MOVE_ALL_ON.replace("{u}", _table(RUN_COLUMNS)).replace(" RETURNING", f" AND {_LOCKED} RETURNING")}),
told AS ({NEWS_ALL.replace("{u}", "news AS u")} AND {_LOCKED})"""


@cache
def _at_once(counts: bool, others: bool) -> str:
    """The statement for a group with such reports: no longer than needed, since the server reads it all, and psycopg
    takes a text of more than 4,096 characters apart anew each time."""
    inserted = [(_COUNTS, "counts")] * counts + [(_OTHERS, "others")] * others
    new = " + ".join(["0", *(f"(SELECT count(*) FROM {name})" for _, name in inserted)])  # noqa: S608 - likewise
    moved = "(SELECT count(*) FROM runs)"
    parts = [_BEGUN, *(insert for insert, _ in inserted), _REST]
    return "".join(parts) + f"\nSELECT 1 / (({new} = %s AND {moved} = %s)::int)"


def keep_at_once(line: Driver, seal: Seal, submissions: Sequence[Submission]) -> list[Kept] | None:
    """Everything of these submissions on ``line``, which commits each statement; None when they are not all plain.
    Raises Known when something was there already."""
    runs = plain_runs(submissions)
    if any(each.device not in runs or each.news.status is not None for each in submissions):
        return None
    work = Work(line, seal)
    outcomes = [work.take_plain(each) for each in submissions]
    if work.tray or work.used:
        return None
    through = {run.boot: run.last for run in runs.values()}
    kept = [kept_of(each, found, through) for each, found in zip(submissions, outcomes, strict=True)]
    tables = [_json(NEWS_COLUMNS, news_of(submissions, kept, work.forged))]
    if work.counts:
        tables.append(_json(COUNT_COLUMNS, [count_values(row) for row in work.counts]))
    if work.others:
        tables.append(_json(REPORT_COLUMNS, work.others))
    tables.append(_json(PACK_COLUMNS, packs(work.marks())))
    tables.append(_json(RUN_COLUMNS, [(*run.boot, run.first, run.last) for run in runs.values()]))
    statement = _at_once(bool(work.counts), bool(work.others))
    try:
        line.cursor.execute(statement, (*tables, len(work.counts) + len(work.others), len(runs)))
    except psycopg.errors.DivisionByZero as error:
        raise Known from error
    return kept


def _json(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> str:
    names = [name for name in columns if "=" not in name]
    return msgspec.json.encode([dict(zip(names, row, strict=True)) for row in rows]).decode()
