"""A labelled report as the row that is kept. Built once for every report that comes in, so each kind has a way of its
own and nothing is looked at twice."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from community_flow.domain.marks import count_subject, report_subject
from community_flow.domain.reports import Hold, KeptReport
from community_flow.ports.ingest import Label, Prepared, Trusted
from community_flow.services.decoding import Census, Correction, Count, Gap, Reading, Report, Scan, Status, Visitor

DIGEST_SIZE, OLD_DIGEST_SIZE = 16, 32

_KIND = {kind: kind.__name__.lower() for kind in (Scan, Count, Visitor, Correction, Census, Reading, Gap, Status)}
_json = msgspec.json.Encoder(order="sorted").encode
# A named tuple's own constructor takes three times as long, and this is called for every report.
_row: Any = tuple.__new__


def prepared(
    device: Trusted,
    now_ms: int,
    report: Report,
    form: bytes,
    label: Label,
    body: str | None,
    operator: str | None,
    hold: Hold | None,
) -> Prepared:
    """``report``, whose canonical form is ``form``, as it is kept; ``body`` and ``operator`` as they were unsealed."""
    if type(report) is Count:
        return count_row(device, now_ms, report, report.t_ms, form, hold)
    t_ms, gated = report.t_ms, isinstance(report, Scan | Visitor)
    scan = report if isinstance(report, Scan) else None
    person = report if isinstance(report, Scan | Visitor) else None
    row: KeptReport = _row(KeptReport, (
        device.device, report.boot, report.seq, device.community, _KIND[type(report)],
        t_ms, report.at, report.skew_ms or 0, now_ms,
        person.gate if person else None, person.direction if person else None,
        label.pass_ref, label.tag_ref, label.person, label.token_s, label.assurance,
        scan.method if scan else None, scan.decision if scan else None, scan.reason if scan else None,
        bool(person and person.passed), bool(scan and scan.forced), operator, (person.party or 1) if person else 1,
        report.n if isinstance(report, Census) else None, None, body,
        digest(device, form), hold is not None,
    ))  # fmt: skip
    lost = (report.from_, report.to) if isinstance(report, Gap) else None
    return Prepared(row, _subject(row, report, gated), form, lost, label.ref_hash, label.forged, hold)


def count_row(
    device: Trusted, now_ms: int, report: Count, t_ms: int, form: bytes, hold: Hold | None = None
) -> Prepared:
    """`prepared` for a count of event time ``t_ms``."""
    row: KeptReport = _row(KeptReport, (
        device.device, report.boot, report.seq, device.community, "count", t_ms, report.at, report.skew_ms or 0, now_ms,
        report.gate, report.direction, None, None, None, None, 0, None, None, None, False, False, None, 1,
        report.n, report.from_ms, _count_body(report), digest(device, form), hold is not None,
    ))  # fmt: skip
    return Prepared(row, count_subject(report.gate, report.direction), form, _stood_for(report), hold=hold)


def _stood_for(report: Count) -> tuple[int, int] | None:
    """Numbers of the same start that will not come any more, because this report came in their place."""
    span = report.replaces
    if span is None or span.boot != report.boot or span.to >= report.seq:
        return None
    return span.from_, span.to


def _subject(row: KeptReport, report: Report, gated: bool) -> str | None:
    """What the mark in the fold's queue names."""
    return (
        report_subject(
            row.kind,
            (row.device, row.boot, row.seq),
            person=row.person,
            pass_ref=row.pass_ref,
            tag_ref=row.tag_ref,
            zone=report.zone if isinstance(report, Census) else None,
            of=(report.of.boot, report.of.seq) if isinstance(report, Correction) else None,
        )
        if gated or isinstance(report, Census | Correction)
        else None
    )


# --- what tells content apart -------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _keyed(key: bytes) -> Any:
    return hashlib.blake2b(key=key, digest_size=DIGEST_SIZE)


def digest(device: Trusted, form: bytes) -> bytes:
    """Keyed BLAKE2b (RFC 7693) of the canonical form, under the community's key: an IC card's four bytes could be
    guessed otherwise."""
    keyed = _keyed(device.digest_key).copy()
    keyed.update(form)
    found: bytes = keyed.digest()
    return found


def same_content(device: Trusted, form: bytes, kept: bytes) -> bool:
    """Whether ``form`` is what the digest ``kept`` was made of, by today's way or by that of the first version."""
    if len(kept) != OLD_DIGEST_SIZE:
        return digest(device, form) == kept
    return hmac.digest(device.digest_key, hashlib.sha256(form).digest(), "sha256") == kept


# --- members without a column -------------------------------------------------------------------------------------


def body_of(report: Report) -> str | None:
    """Known members of anything but a scan that have no column of their own."""
    match report:
        case Count():
            return None  # `count_row` writes it
        case Visitor():
            parts = (("class", report.class_), ("unit", report.unit), ("valid_min", report.valid_min))
            return rest((*parts, ("note", report.note)))
        case Correction():
            return rest((("of", report.of), ("note", report.note)))
        case Census():
            return rest((("zone", report.zone),))
        case Reading():
            bed = {"bed": report.subject.bed} if report.subject.bed else None
            parts2 = (("subject", bed), ("quantity", report.quantity), ("value", report.value), ("unit", report.unit))
            return rest((*parts2, ("error", report.error)))
        case Gap():
            lost = (("from", report.from_), ("to", report.to), ("from_ms", report.from_ms))
            return rest((*lost, ("reason", report.reason), ("counters", report.counters)))
        case _:
            return rest(status_members(report).items()) if isinstance(report, Status) else None


def _count_body(report: Count) -> str | None:
    if report.replaces is not None:
        return rest((("confidence", report.confidence), ("replaces", report.replaces)))
    return None if report.confidence is None else _sure(report.confidence)


@lru_cache(maxsize=4096)
def _sure(confidence: float) -> str:
    """Devices round to a thousandth, so there are a thousand of these."""
    return f'{{"confidence":{confidence!r}}}'


def status_members(status: Status) -> dict[str, Any]:
    """What a status report says of its device."""
    names = ("counters", "queue", "version", "config", "faults")
    return {name: getattr(status, name) for name in names}


def rest(members: Iterable[tuple[str, Any]]) -> str | None:
    """Members that are there, as JSON text."""
    found = {name: value for name, value in members if value is not None}
    return _json(found).decode() if found else None
