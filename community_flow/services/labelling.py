"""What a report is labelled with before it is kept for good: whose pass it was, and how surely.

Labels are frozen at commit. Nothing here decides about admission: what the gate decided has happened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from community_flow.domain import passes, sealing
from community_flow.domain.passes import Credential, Fault, Proof, Token, Type
from community_flow.domain.reports import Hold, TrayItem
from community_flow.ports.ingest import Label, Prepared, Reference, Trusted
from community_flow.services import decoding
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.decoding import Census, Count, Gap, Malformed, Reading, Report, Scan, Status, Visitor
from community_flow.services.report_rows import body_of, count_row, digest, prepared, rest

FUTURE_MS = 10 * 60_000
REFERENCE_MS = 60_000
REFERENCE_EARLY_MS = 5_000
"""Clocks of device and server differ a little even after the skew is taken away."""

CHALLENGED, ROTATING, CARD, UNPROVEN = 3, 2, 1, 0
REMEMBERED_CARDS = 50_000


class Unusable(Exception):
    """A report that goes to the tray; never leaves this module."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Shown(msgspec.Struct, frozen=True, gc=False):
    """What a scan carried, after its seal was opened."""

    pass_: str | None = None
    ref: str | None = None
    person: str | None = None
    tag: str | None = None
    claimed: Mapping[str, Any] | None = None
    challenge: str | None = None
    operator: str | None = None
    note: str | None = None


NOBODY = Label()


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Look-ups for one body, read before its reports are labelled: public keys by pass_ref, references by hash."""

    device: Trusted
    now_ms: int
    shown: Mapping[int, Shown | Unusable]
    tokens: Mapping[int, Token | Fault]
    # pass_ref of the rotating tokens.
    refs: Mapping[int, bytes]
    # False while the server's own clock is wrong: then nothing is called late or early by it.
    timed: bool = True
    keys: Mapping[bytes, bytes] = {}
    references: Mapping[bytes, Reference] = {}

    def with_found(self, keys: Mapping[bytes, bytes], references: Mapping[bytes, Reference]) -> Batch:
        return msgspec.structs.replace(self, keys=keys, references=references)


class Labelling:
    """Turns decoded reports into rows, tray items and marks."""

    def __init__(self, keys: CommunityKeys, ingest_key: Callable[[str], Any]) -> None:
        """``ingest_key(kid)`` gives the P-256 private key by that name, or None."""
        self.keys, self.ingest_key = keys, ingest_key
        # A printed card shows the same text for two years: its proof is remembered by the text's hash.
        self._cards: dict[bytes, Label] = {}

    def open(self, device: Trusted, reports: Sequence[Report | Malformed], now_ms: int, *, timed: bool = True) -> Batch:
        """Open seals and decode passes."""
        shown = {place: self._shown(each) for place, each in enumerate(reports) if type(each) is Scan}
        if not shown:
            return Batch(device, now_ms, {}, {}, {}, timed)
        tokens = {
            place: passes.decode(each.pass_) for place, each in shown.items() if isinstance(each, Shown) and each.pass_
        }
        refs = {
            place: self.keys.pass_ref(device.uid, each.handle)
            for place, each in tokens.items()
            if isinstance(each, Token) and not each.is_card
        }
        return Batch(device, now_ms, shown, tokens, refs, timed)

    def wanted_keys(self, batch: Batch) -> set[bytes]:
        """pass_refs whose public keys are needed."""
        return set(batch.refs.values())

    def wanted_references(self, batch: Batch) -> set[bytes]:
        """Hashes of the one-time references in this body."""
        return {_hash(each.ref) for each in batch.shown.values() if isinstance(each, Shown) and each.ref}

    def label_all(self, batch: Batch, reports: Sequence[Report | Malformed]) -> list[Prepared | TrayItem]:
        """Each of ``reports``, which `open` was given, ready for the store."""
        return [
            self._count(batch, each) if type(each) is Count else self.label(batch, place, each)
            for place, each in enumerate(reports)
        ]

    def _count(self, batch: Batch, report: Count) -> Prepared | TrayItem:
        """`label` for a count: nobody is named, so there is little to look at."""
        device, t_ms, now_ms = batch.device, report.t_ms, batch.now_ms
        ordinary = report.gate in device.gates and now_ms - device.horizon_ms <= t_ms <= now_ms + FUTURE_MS
        if not ordinary or not batch.timed:
            return self.label(batch, 0, report)
        return count_row(device, now_ms, report, t_ms, decoding.canonical_bytes(report))

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
        return prepared(batch.device, batch.now_ms, report, form, label, body, operator, _hold(batch, report))

    # --- whose it is ----------------------------------------------------------------------------------------------

    def _label_of(self, batch: Batch, place: int, report: Report) -> tuple[Label, str | None, str | None]:
        if isinstance(report, Scan):
            shown = batch.shown[place]
            if isinstance(shown, Unusable):
                raise shown
            return self._scan(batch, place, report, shown), _scan_body(report, shown), shown.operator
        if isinstance(report, Reading):
            return self._subject(batch.device, report), body_of(report), None
        return NOBODY, body_of(report), report.operator if isinstance(report, Visitor) else None

    def _scan(self, batch: Batch, place: int, report: Scan, shown: Shown) -> Label:
        if shown.pass_ is not None:
            return self._proven(batch, place, report, shown)
        if shown.tag is not None:
            return Label(tag_ref=self._tag_ref(batch.device, shown.tag))
        if shown.person is not None:
            if batch.device.kind != "office":
                raise Unusable("person_not_allowed", "Only a device enrolled as office names persons: scan the pass.")
            return Label(person=shown.person)
        if shown.ref is not None:
            return _referred(batch, report, shown.ref)
        return NOBODY

    def _proven(self, batch: Batch, place: int, report: Scan, shown: Shown) -> Label:
        token = batch.tokens[place]
        if isinstance(token, Fault):
            return NOBODY
        if token.is_card:
            return self._card(batch.device, token, shown.pass_ or "")
        ref = batch.refs[place]
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


def _hold(batch: Batch, report: Report) -> Hold | None:
    """Why a report takes no part in anything yet; the tray lets it go when the reason is over."""
    if not batch.timed:
        return None if isinstance(report, Gap | Status) else "server_clock"
    return "future" if report.t_ms > batch.now_ms + FUTURE_MS else None


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


def _scan_body(scan: Scan, shown: Shown) -> str | None:
    if shown.claimed is None and shown.note is None:
        return None
    return rest((("claimed", shown.claimed), ("note", shown.note)))


def _tray(device: Trusted, boot: int, seq: int, now_ms: int, reason: str, detail: str, text: str) -> TrayItem:
    mark = digest(device, text.encode())
    return TrayItem(device.community, device.device, boot, seq, now_ms, reason, detail[:500], text, mark)


@lru_cache(maxsize=16_384)
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
