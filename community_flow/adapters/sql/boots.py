"""How far each boot of a device is kept without a gap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import msgspec

from community_flow.adapters.sql.driver import Driver
from community_flow.domain.reports import TrayItem
from community_flow.ports.ingest import Prepared, SeenBefore, Submission

Boot = tuple[str, int]
Triple = tuple[str, int, int]
Entry = Prepared | TrayItem | SeenBefore

PAGE = 5_000


class Run(msgspec.Struct, frozen=True, gc=False):
    """Reports of one boot from ``first`` to ``last`` with none missing."""

    boot: Boot
    first: int
    last: int


def plain_runs(submissions: Iterable[Submission]) -> dict[str, Run]:
    """Device -> its run, for devices that sent nothing but reports of one boot that follow each other."""
    runs: dict[str, Run] = {}
    others: set[str] = set()
    for each in submissions:
        run = None if each.device in others else _continued(runs.get(each.device), _run_of(each))
        if run is None:
            others.add(each.device)
            runs.pop(each.device, None)
        else:
            runs[each.device] = run
    return runs


def _run_of(submission: Submission) -> Run | None:
    entries = submission.entries
    if not entries or not all(type(entry) is Prepared and entry.lost is None for entry in entries):
        return None
    rows = [entry.row for entry in entries]  # type: ignore[union-attr]  # looked at above
    boot, first = rows[0].boot, rows[0].seq
    if any(row.seq != seq or row.boot != boot for seq, row in enumerate(rows, first)):
        return None
    return Run((submission.device, boot), first, rows[-1].seq)


def _continued(before: Run | None, run: Run | None) -> Run | None:
    if before is None or run is None:
        return run
    return Run(run.boot, before.first, run.last) if (before.boot, before.last + 1) == (run.boot, run.first) else None


MOVE_ALL_ON = (
    "UPDATE device_boots SET through = u.last, highest = u.last FROM {u} WHERE device_boots.device = u.device"
    " AND device_boots.boot = u.boot AND through = u.first - 1 AND highest <= u.last"
    " RETURNING device_boots.device, device_boots.boot, through"
)
RUN_COLUMNS = {"device": "text", "boot": "bigint", "first": "bigint", "last": "bigint"}
_SET = (
    "INSERT INTO device_boots (device, boot, through, highest) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (device, boot) DO UPDATE SET through = excluded.through, highest = excluded.highest"
)


def advance(sql: Driver, runs: Collection[Run], others: Iterable[Submission]) -> dict[Boot, int]:
    """The highest seq of each boot below which nothing is missing, kept and given back."""
    spans: dict[Boot, list[tuple[int, int]]] = defaultdict(list)
    through = _move_on(sql, list(runs))
    for run in runs:
        if run.boot not in through:  # the first of its boot, or something is missing before it
            spans[run.boot].append((run.first, run.last))
    for each in others:
        for entry in each.entries:
            _, boot, seq = _triple(entry)
            spans[each.device, boot].append((seq, seq))
            if isinstance(entry, Prepared) and entry.lost:
                spans[each.device, boot].append(entry.lost)
    return through | {boot: _advance_boot(sql, boot, found) for boot, found in spans.items()}


def _move_on(sql: Driver, runs: Sequence[Run]) -> dict[Boot, int]:
    """Boots whose runs begin where the kept ones end, and their new ends."""
    if not runs:
        return {}
    rows = [(*run.boot, run.first, run.last) for run in runs]
    return {(device, boot): last for device, boot, last in sql.returned(MOVE_ALL_ON, RUN_COLUMNS, rows)}


def _advance_boot(sql: Driver, boot: Boot, spans: list[tuple[int, int]]) -> int:
    rows = sql.rows("SELECT through, highest FROM device_boots WHERE device = ? AND boot = ?", *boot)
    before, highest = rows[0] if rows else (0, 0)
    through = _run(before, spans)
    if through > before and highest > through:
        through = _run_stored(sql, boot, through)
    highest = max(highest, through, *(last for _, last in spans))
    if not rows or (through, highest) != (before, rows[0][1]):
        sql.run(_SET, *boot, through, highest)
    return through


def _run_stored(sql: Driver, boot: Boot, through: int) -> int:
    """Go on over what came before its time and waits beyond the gap that has just closed."""
    while True:
        rows = sql.rows(
            "SELECT seq, CASE WHEN kind = 'gap' OR from_ms IS NOT NULL THEN body END FROM reports"
            " WHERE device = ? AND boot = ? AND seq > ? UNION ALL"
            " SELECT seq, NULL FROM tray WHERE device = ? AND boot = ? AND seq > ? ORDER BY 1 LIMIT ?",
            *boot, through, *boot, through, PAGE,
        )  # fmt: skip
        reached = _run(through, [span for seq, body in rows for span in _spans(boot[1], seq, body)])
        if reached == through or len(rows) < PAGE:
            return reached
        through = reached


def _triple(entry: Entry) -> Triple:
    if isinstance(entry, Prepared):
        return entry.row.device, entry.row.boot, entry.row.seq
    return entry.device, entry.boot, entry.seq


def _spans(boot: int, seq: int, body: str | None) -> list[tuple[int, int]]:
    """The number itself, and those that a gap report or an aggregate stands for."""
    said = msgspec.json.decode(body) if body else {}
    if "to" in said:
        return [(seq, seq), (said["from"], said["to"])]
    span = said.get("replaces")
    if span is None or span["boot"] != boot or span["to"] >= seq:
        return [(seq, seq)]
    return [(seq, seq), (span["from"], span["to"])]


def _run(through: int, spans: Iterable[tuple[int, int]]) -> int:
    """How far the unbroken run reaches from ``through`` over these spans."""
    for first, last in sorted(spans):
        if first > through + 1:
            break
        through = max(through, last)
    return through
