"""What bodies say about the devices that sent them: tallies, clock, newest report, status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from community_flow.adapters.sql.driver import Driver
from community_flow.ports.ingest import Kept, Submission

OUTCOMES = ("accepted", "duplicate", "rejected", "conflict")
NEWS_COLUMNS = {
    "heard_ms": "bigint", "report_ms": "bigint", "skew": "bigint", "n_accepted": "bigint", "n_duplicate": "bigint",
    "n_rejected": "bigint", "n_conflict": "bigint", "held_more": "bigint", "forgeries": "bigint", "unknown": "bigint",
    "clash_ms": "bigint", "name": "text",
}  # fmt: skip
_NEWS = (
    "UPDATE device_status SET last_ms = COALESCE({heard_ms}, last_ms), last_report_ms = CASE"
    " WHEN last_report_ms IS NULL OR last_report_ms < {report_ms} THEN {report_ms} ELSE last_report_ms END,"
    " skew_ms = COALESCE({skew}, skew_ms), accepted = accepted + {n_accepted}, duplicates = duplicates + {n_duplicate},"
    " rejected = rejected + {n_rejected}, conflicts = conflicts + {n_conflict}, held = held + {held_more},"
    " forged = forged + {forgeries}, unknown_fields = unknown_fields + {unknown},"
    " mismatch_ms = COALESCE({clash_ms}, mismatch_ms)"
)
NEWS_ALL = _NEWS.format(**{name: f"u.{name}" for name in NEWS_COLUMNS}) + " FROM {u} WHERE device = u.name"
_STATUS = (
    "UPDATE device_status SET queue = ?, version = ?, config = ?, faults = ?, counters = ?, status_ms = ?"
    " WHERE device = ? AND (status_ms IS NULL OR status_ms <= ?)"
)


def tell_devices(sql: Driver, submissions: Sequence[Submission], kept: Sequence[Kept], forged: Counter[str]) -> None:
    """Tallies and news of the devices that sent these."""
    told = news_of(submissions, kept, forged)
    if told:
        sql.together(NEWS_ALL, NEWS_COLUMNS, told)
    sql.many(_STATUS, [_status(each) for each in submissions if each.news.status is not None])


def news_of(submissions: Sequence[Submission], kept: Sequence[Kept], forged: Counter[str]) -> list[list[Any]]:
    """Rows of NEWS_COLUMNS, one a device."""
    told: dict[str, list[Any]] = {}
    for each, found in zip(submissions, kept, strict=True):
        news = _news(each, found, forged.pop(each.device, 0))
        told[each.device] = _joined(told[each.device], news) if each.device in told else news
    return list(told.values())


def _news(each: Submission, kept: Kept, forged: int) -> list[Any]:
    """Values of NEWS_COLUMNS."""
    held = [one.reason for one in kept.outcomes].count("held")
    news, tally = each.news, [kept.tally.get(name, 0) for name in OUTCOMES]
    return [
        each.received_ms if news.heard else None, news.last_report_ms, news.skew_ms, *tally, held, forged,
        news.unknown_fields, each.received_ms if "conflict" in kept.tally else None, each.device,
    ]  # fmt: skip


def _joined(before: list[Any], after: list[Any]) -> list[Any]:
    """News of one device that sent two bodies: tallies add up, of the rest the later counts."""
    found = [later if later is not None else earlier for earlier, later in zip(before, after, strict=True)]
    found[1] = max((each for each in (before[1], after[1]) if each is not None), default=None)
    found[3:10] = [earlier + later for earlier, later in zip(before[3:10], after[3:10], strict=True)]
    return found


def _status(each: Submission) -> tuple[Any, ...]:
    status = each.news.status or {}
    t_ms = status["t_ms"]
    faults, counters = (msgspec.json.encode(status.get(name)).decode() for name in ("faults", "counters"))
    return status["queue"], status["version"], status["config"], faults, counters, t_ms, each.device, t_ms
