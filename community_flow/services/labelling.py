"""What a report is labelled with before it is kept for good: whose pass it was, and how surely.

Labels are frozen at commit. Nothing here decides about admission: what the gate decided has happened.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from community_flow.domain import passes, sealing
from community_flow.domain.marks import report_subject
from community_flow.domain.passes import Credential, Fault, Proof, Token, Type
from community_flow.domain.reports import Hold, KeptReport, TrayItem
from community_flow.ports.ingest import Prepared, Reference, Trusted
from community_flow.services import decoding
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.decoding import (
    Census,
    Correction,
    Count,
    Gap,
    Malformed,
    Reading,
    Report,
    Scan,
    Status,
    Visitor,
)

FUTURE_MS = 10 * 60_000
REFERENCE_MS = 60_000
REFERENCE_EARLY_MS = 5_000
"""Clocks of device and server differ a little even after the skew is taken away."""

CHALLENGED, ROTATING, CARD, UNPROVEN = 3, 2, 1, 0
REMEMBERED_CARDS = 50_000

# Made once: building a union for each report would cost more than the test.
_AT_GATES, _PEOPLE, _NUMBERS = (Scan, Count, Visitor), (Scan, Visitor), (Count, Census)
_KIND = {kind: kind.__name__.lower() for kind in (Scan, Count, Visitor, Correction, Census, Reading, Gap, Status)}

_json = msgspec.json.Encoder(order="sorted").encode


class Unusable(Exception):
    """A report that goes to the tray; never leaves this module."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Shown:
    """What a scan carried, after its seal was opened."""

    pass_: str | None = None
    ref: str | None = None
    person: str | None = None
    tag: str | None = None
    claimed: Mapping[str, Any] | None = None
    challenge: str | None = None
    operator: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """Whose a scan is, as far as it can be proven."""

    pass_ref: bytes | None = None
    tag_ref: bytes | None = None
    person: str | None = None
    token_s: int | None = None
    assurance: int = UNPROVEN
    forged: bool = False
    ref_hash: bytes | None = None


NOBODY = Label()


@dataclass(frozen=True)
class Batch:
    """Look-ups for one body, read before its reports are labelled: public keys by pass_ref, references by hash."""

    device: Trusted
    now_ms: int
    shown: Mapping[int, Shown | Unusable]
    tokens: Mapping[int, Token | Fault]
    # False while the server's own clock is wrong: then nothing is called late or early by it.
    timed: bool = True
    keys: Mapping[bytes, bytes] = field(default_factory=dict)
    references: Mapping[bytes, Reference] = field(default_factory=dict)

    def with_found(self, keys: Mapping[bytes, bytes], references: Mapping[bytes, Reference]) -> Batch:
        return replace(self, keys=keys, references=references)


class Labelling:
    """Turns decoded reports into rows, tray items and marks."""

    def __init__(self, keys: CommunityKeys, ingest_key: Callable[[str], Any]) -> None:
        """``ingest_key(kid)`` gives the P-256 private key by that name, or None."""
        self.keys, self.ingest_key = keys, ingest_key
        # A printed card shows the same text for two years: its proof is remembered by the text's hash.
        self._cards: dict[bytes, Label] = {}

    def open(self, device: Trusted, reports: Sequence[Report | Malformed], now_ms: int, *, timed: bool = True) -> Batch:
        """Open seals and decode passes."""
        shown = {place: self._shown(each) for place, each in enumerate(reports) if isinstance(each, Scan)}
        tokens = {
            place: passes.decode(each.pass_) for place, each in shown.items() if isinstance(each, Shown) and each.pass_
        }
        return Batch(device, now_ms, shown, tokens, timed)

    def wanted_keys(self, batch: Batch) -> set[bytes]:
        """pass_refs whose public keys are needed."""
        rotating = (each for each in batch.tokens.values() if isinstance(each, Token) and not each.is_card)
        return {self.keys.pass_ref(batch.device.uid, each.handle) for each in rotating}

    def wanted_references(self, batch: Batch) -> set[bytes]:
        """Hashes of the one-time references in this body."""
        return {_hash(each.ref) for each in batch.shown.values() if isinstance(each, Shown) and each.ref}

    def label(self, batch: Batch, place: int, report: Report | Malformed) -> Prepared | TrayItem:
        """One report, ready for the store."""
        device = batch.device
        if isinstance(report, Malformed):
            return _tray(device, report.boot, report.seq, batch.now_ms, report.reason, report.detail, report.text)
        form = decoding.canonical_bytes(report)
        try:
            _check_place(batch, report)
            label, body, operator = self._label_of(batch, place, report)
        except Unusable as why:
            return _tray(device, report.boot, report.seq, batch.now_ms, why.reason, why.detail, form.decode())
        return _prepared(batch, report, form, label, body, operator)

    # --- whose it is ----------------------------------------------------------------------------------------------

    def _label_of(self, batch: Batch, place: int, report: Report) -> tuple[Label, str | None, str | None]:
        if isinstance(report, Scan):
            shown = batch.shown[place]
            if isinstance(shown, Unusable):
                raise shown
            return self._scan(batch, place, report, shown), _scan_body(report, shown), shown.operator
        if isinstance(report, Reading):
            return self._subject(batch.device, report), _body(report), None
        return NOBODY, _body(report), report.operator if isinstance(report, Visitor) else None

    def _scan(self, batch: Batch, place: int, report: Scan, shown: Shown) -> Label:
        if shown.pass_ is not None:
            return self._proven(batch, report, batch.tokens[place], shown)
        if shown.tag is not None:
            return Label(tag_ref=self._tag_ref(batch.device, shown.tag))
        if shown.person is not None:
            if batch.device.kind != "office":
                raise Unusable("person_not_allowed", "Only a device enrolled as office names persons: scan the pass.")
            return Label(person=shown.person)
        if shown.ref is not None:
            return _referred(batch, report, shown.ref)
        return NOBODY

    def _proven(self, batch: Batch, report: Scan, token: Token | Fault, shown: Shown) -> Label:
        if isinstance(token, Fault):
            return NOBODY
        if token.is_card:
            return self._card(batch.device, token, shown.pass_ or "")
        ref = self.keys.pass_ref(batch.device.uid, token.handle)
        public = batch.keys.get(ref)
        if public is None:
            # Unknown at this time, perhaps known later: the fold resolves it by the reference.
            return Label(pass_ref=ref, token_s=token.token_s)
        challenge = _challenge(shown.challenge)
        proof = passes.prove_rotating(token, batch.device.uid, _credential(public), challenge)
        if proof is Proof.FORGED:
            return Label(forged=True)
        if proof is not Proof.GOOD or not passes.clock_good(token, report.t_ms):
            return Label(pass_ref=ref, token_s=token.token_s)
        assurance = CHALLENGED if token.type in passes.CHALLENGED else ROTATING
        return Label(pass_ref=ref, token_s=token.token_s, assurance=assurance)

    def _card(self, device: Trusted, token: Token, text: str) -> Label:
        known = hashlib.sha256(device.uid + text.encode()).digest()
        if known not in self._cards:
            if len(self._cards) >= REMEMBERED_CARDS:
                self._cards.clear()
            self._cards[known] = self._prove_card(device, token)
        return self._cards[known]

    def _prove_card(self, device: Trusted, token: Token) -> Label:
        proof = passes.prove_card(token, device.uid, self.keys.card_keys(device.uid))
        if proof is Proof.FORGED:
            return Label(forged=True)
        return Label(
            pass_ref=self.keys.pass_ref(device.uid, token.handle), assurance=CARD if proof is Proof.GOOD else UNPROVEN
        )

    def _subject(self, device: Trusted, reading: Reading) -> Label:
        if reading.subject.tag is not None:
            return Label(tag_ref=self._tag_ref(device, reading.subject.tag))
        token = passes.decode(reading.subject.pass_) if reading.subject.pass_ else None
        if not isinstance(token, Token):
            return NOBODY
        return Label(pass_ref=self.keys.pass_ref(device.uid, token.handle))

    def _tag_ref(self, device: Trusted, tag: str) -> bytes:
        try:
            return self.keys.tag_ref(device.uid, tag)
        except ValueError as error:
            raise Unusable("malformed", f"tag: {error}") from error

    def _shown(self, scan: Scan) -> Shown | Unusable:
        if scan.sealed is None:
            claimed = None if scan.claimed is None else msgspec.to_builtins(scan.claimed)
            return Shown(scan.pass_, scan.ref, scan.person, scan.tag, claimed, scan.challenge, scan.operator, scan.note)
        key = self.ingest_key(scan.sealed.kid)
        if key is None:
            return Unusable("seal", "The key that this was sealed for is not here: restore var/keys, then retry.")
        try:
            content = msgspec.convert(sealing.open_sealed(msgspec.to_builtins(scan.sealed), key), _Content)
        except (sealing.SealError, msgspec.ValidationError) as error:
            return Unusable("seal", f"The sealed part cannot be used ({error}): enrol the device anew.")
        return Shown(
            content.pass_,
            content.ref,
            None,
            content.tag,
            None if content.claimed is None else msgspec.to_builtins(content.claimed),
            content.challenge or scan.challenge,
            content.operator or scan.operator,
            content.note or scan.note,
        )


class _Content(msgspec.Struct, frozen=True, rename={"pass_": "pass"}):
    """What a seal may hold, by the rules of the wire."""

    pass_: decoding.Shown | None = None
    ref: decoding.Number | None = None
    tag: decoding.Number | None = None
    claimed: decoding.Claimed | None = None
    challenge: decoding.Number | None = None
    operator: decoding.Text40 | None = None
    note: decoding.Long | None = None


def _check_place(batch: Batch, report: Report) -> None:
    device = batch.device
    gate = getattr(report, "gate", None)
    if gate is not None and gate not in device.gates:
        raise Unusable("foreign_gate", f"This device may not speak of the gate {gate}: enrol it there, then retry.")
    if isinstance(report, Census) and report.zone not in device.zones:
        raise Unusable("foreign_zone", f"There is no zone {report.zone} here: add it, then retry.")
    if batch.timed and report.t_ms < batch.now_ms - device.horizon_ms:
        raise Unusable("past_retention", "This is older than what is kept: it can be looked at and dismissed.")


def _referred(batch: Batch, report: Scan, ref: str) -> Label:
    """The person of a one-time reference; nobody when it is not this device's, gate's and minute's."""
    found = batch.references.get(_hash(ref))
    if found is None or found.device != batch.device.device or found.gate != report.gate:
        return NOBODY
    if not found.issued_ms - REFERENCE_EARLY_MS <= report.t_ms <= found.issued_ms + REFERENCE_MS:
        return NOBODY
    triple = f"{batch.device.device}:{report.boot}:{report.seq}"
    if found.used_by not in (None, triple):
        return NOBODY
    return Label(person=found.person, ref_hash=found.ref_hash)


def _prepared(
    batch: Batch, report: Report, form: bytes, label: Label, body: str | None, operator: str | None
) -> Prepared:
    device, kind = batch.device, _KIND[type(report)]
    hold = _hold(batch, report)
    scan = report if isinstance(report, Scan) else None
    gated = report if isinstance(report, _AT_GATES) else None
    row = KeptReport(
        device.device,
        report.boot,
        report.seq,
        device.community,
        kind,
        report.t_ms,
        report.at,
        report.skew_ms or 0,
        batch.now_ms,
        gated.gate if gated else None,
        gated.direction if gated else None,
        label.pass_ref,
        label.tag_ref,
        label.person,
        label.token_s,
        label.assurance,
        scan.method if scan else None,
        scan.decision if scan else None,
        scan.reason if scan else None,
        report.passed if isinstance(report, _PEOPLE) else False,
        bool(scan and scan.forced),
        operator,
        (report.party or 1) if isinstance(report, _PEOPLE) else 1,
        report.n if isinstance(report, _NUMBERS) else None,
        report.from_ms if isinstance(report, Count) else None,
        body,
        keyed_digest(device, form),
        hold is not None,
    )
    lost = (report.from_, report.to) if isinstance(report, Gap) else None
    return Prepared(row, _mark(row, report), form, lost, label.ref_hash, label.forged, hold)


def _hold(batch: Batch, report: Report) -> Hold | None:
    """Why a report takes no part in anything yet; the tray lets it go when the reason is over."""
    if not batch.timed:
        return None if isinstance(report, Gap | Status) else "server_clock"
    return "future" if report.t_ms > batch.now_ms + FUTURE_MS else None


def _mark(row: KeptReport, report: Report) -> str | None:
    return report_subject(
        row.kind,
        (row.device, row.boot, row.seq),
        gate=row.gate,
        direction=row.direction,
        person=row.person,
        pass_ref=row.pass_ref,
        tag_ref=row.tag_ref,
        zone=report.zone if isinstance(report, Census) else None,
        of=(report.of.boot, report.of.seq) if isinstance(report, Correction) else None,
    )


def keyed_digest(device: Trusted, form: bytes) -> bytes:
    """Of the canonical form, under the community's key: an IC card's four bytes could be guessed otherwise."""
    return hmac.digest(device.digest_key, hashlib.sha256(form).digest(), "sha256")


def _scan_body(scan: Scan, shown: Shown) -> str | None:
    rest = {"claimed": shown.claimed, "note": shown.note}
    return _rest(rest.items())


def _body(report: Report) -> str | None:
    """Known members that have no column of their own."""
    match report:
        case Count(confidence=None, replaces=None):
            return None
        case Count():
            return _rest((("confidence", report.confidence), ("replaces", report.replaces)))
        case Visitor():
            parts = (("class", report.class_), ("unit", report.unit), ("valid_min", report.valid_min))
            return _rest((*parts, ("note", report.note)))
        case Correction():
            return _rest((("of", report.of), ("note", report.note)))
        case Census():
            return _rest((("zone", report.zone),))
        case Reading():
            bed = {"bed": report.subject.bed} if report.subject.bed else None
            parts2 = (("subject", bed), ("quantity", report.quantity), ("value", report.value), ("unit", report.unit))
            return _rest(parts2)
        case Gap():
            return _rest((("from", report.from_), ("to", report.to), ("reason", report.reason)))
        case _:
            return _rest(status_members(report).items()) if isinstance(report, Status) else None


def status_members(status: Status) -> dict[str, Any]:
    """What a status report says of its device."""
    names = ("counters", "queue", "version", "config", "faults")
    return {name: getattr(status, name) for name in names}


def _rest(members: Iterable[tuple[str, Any]]) -> str | None:
    found = {name: value for name, value in members if value is not None}
    return _json(found).decode() if found else None


def _tray(device: Trusted, boot: int, seq: int, now_ms: int, reason: str, detail: str, text: str) -> TrayItem:
    digest = keyed_digest(device, text.encode())
    return TrayItem(device.community, device.device, boot, seq, now_ms, reason, detail[:500], text, digest)


def _credential(public: bytes) -> Credential:
    """What the record allows follows from its key: 32 bytes are Ed25519, 65 are P-256."""
    types = (Type.ED25519, Type.ED25519_CHALLENGED) if len(public) == 32 else (Type.P256, Type.P256_CHALLENGED)
    return Credential(public, frozenset(types))


def _challenge(text: str | None) -> bytes:
    try:
        return sealing.raw(text) if text else b""
    except ValueError:
        return b""


def _hash(secret: str | None) -> bytes:
    return hashlib.sha256((secret or "").encode()).digest()
