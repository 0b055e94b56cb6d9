"""Writes wire.json: reports that must be read alike in Python and JavaScript, and texts that both must refuse.

Run as ``python -m tests.vectors.make_wire``. The cases are picked by hand, the digests made by hashlib.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sensors import wire
from sensors import wire_rules as rules
from sensors.canonical import canonical

PATH = Path(__file__).with_name("wire.json")
HEAD = {"boot": 30514159265, "seq": 17, "at": 1795420800123}
SCAN = HEAD | {
    "kind": "scan",
    "gate": "east",
    "direction": "in",
    "pass": "CF1:6BF 0%",
    "method": "rotating",
    "decision": "allow",
    "reason": "ok",
    "passed": True,
}
_BARE = {name: value for name, value in SCAN.items() if name != "pass"}
COUNT = HEAD | {"kind": "count", "gate": "east", "direction": "out", "n": 1}
SEALED = {"kid": "i1", "epk": "BPk_-9", "nonce": "AAECAwQFBgcICQoL", "ct": "q83vEg"}

NUMBERS: list[tuple[str, str]] = [  # (as written in a report's text, as the canonical form writes it)
    ("0.94", "0.94"),
    ("1.0", "1"),
    ("0.10", "0.1"),
    ("1e-7", "1e-7"),
    ("0.000001", "0.000001"),
    ("0.00001234", "0.00001234"),
    ("-0.0", "0"),
    ("0.30000000000000004", "0.30000000000000004"),
]

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("scan of a rotating code", SCAN | {"skew_ms": -420, "party": 1, "forced": False}),
    ("scan without optional members", SCAN),
    ("null is the same as absent", SCAN | {"note": None, "operator": None}),
    ("scan by reference from a search", _BARE | {"ref": "s_2f9c41d07e"}),
    ("scan by person, office only", _BARE | {"person": "p_abcdefgh2345"}),
    ("scan of an IC card", _BARE | {"tag": "04A2FF10", "method": "tag"}),
    (
        "someone who says who they are, let in after stop",
        _BARE
        | {
            "claimed": {"unit": "7-3-1102", "name": "林"},
            "method": "manual",
            "decision": "stop",
            "reason": "unknown",
            "forced": True,
            "operator": "g12",
            "note": '说是来看奶奶 "only today"\n\t\u2028\u007f🙂',
        },
    ),
    ("claimed with null name", _BARE | {"claimed": {"unit": "7", "name": None}}),
    ("sealed scan", _BARE | {"sealed": SEALED}),
    ("challenged scan", SCAN | {"challenge": "0123456789abcdef0123456789abcdef"}),
    ("a count", COUNT | {"confidence": 0.94}),
    (
        "an aggregate that replaces",
        COUNT | {"n": 14, "from_ms": 1795420000000, "replaces": {"boot": 30514159265, "from": 3, "to": 16}},
    ),
    ("count of nobody", COUNT | {"n": 0}),
    ("largest count", COUNT | {"n": rules.MAX_BODIES}),
    ("largest boot and seq", COUNT | {"boot": rules.MAX_WHOLE, "seq": rules.MAX_WHOLE}),
    ("clock started at 1970, skew known", COUNT | {"at": 4000, "skew_ms": -1795420796123}),
    (
        "courier",
        HEAD
        | {
            "kind": "visitor",
            "gate": "east",
            "direction": "in",
            "class": "delivery",
            "unit": "7-3-1102",
            "party": 1,
            "valid_min": 60,
            "passed": True,
        },
    ),
    (
        "correction",
        HEAD | {"kind": "correction", "of": {"boot": 30514159265, "seq": 3}, "note": "scanned twice"},
    ),
    ("census", HEAD | {"kind": "census", "zone": "b1", "n": 0}),
    (
        "reading",
        HEAD
        | {
            "kind": "reading",
            "subject": {"bed": "12"},
            "quantity": "body-temperature",
            "value": 36.6,
            "unit": "Cel",
        },
    ),
    ("reading below zero", HEAD | {"kind": "reading", "subject": {"tag": "x"}, "quantity": "delta", "value": -2.5e-9}),
    (
        "reading with its error",
        HEAD
        | {
            "kind": "reading",
            "subject": {"tag": "x"},
            "quantity": "body-temperature",
            "value": 36.6,
            "unit": "Cel",
            "error": 0.2,
        },
    ),
    ("gap", HEAD | {"kind": "gap", "from": 9, "to": 11, "reason": "disk"}),
    (
        "gap with what it held",
        HEAD | {"kind": "gap", "from": 9, "to": 11, "reason": "disk", "from_ms": HEAD["at"] - 5, "counters": {"in": 3}},
    ),
    ("bare status", HEAD | {"kind": "status"}),
    (
        "status",
        HEAD
        | {
            "kind": "status",
            "counters": {"in": 812, "out": 799},
            "queue": 0,
            "version": "1.2.0",
            "config": 7,
            "faults": ["camera_dark", "镜头被遮"],
        },
    ),
]

EXTRA: list[tuple[str, dict[str, Any], list[str]]] = [
    ("unknown members are ignored and named", COUNT | {"lens": 3, "colour": "red"}, ["colour", "lens"]),
    ("unknown members inside parts are ignored", SCAN | {"weather": {"deep": [1, None]}}, ["weather"]),
]


def _with(**changes: Any) -> dict[str, Any]:
    return {("from" if name == "from_" else name): value for name, value in (COUNT | changes).items()}


def _without(report: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in names}


HOSTILE: list[tuple[str, str, str]] = [  # (name, text, member at fault)
    ("not JSON", "{", "json"),
    ("NaN", '{"kind":"count","n":NaN}', "json"),
    ("Infinity", '{"kind":"count","n":-Infinity}', "json"),
    ("an array", "[]", "report"),
    ("a number", "1", "report"),
    ("no kind", json.dumps(_without(COUNT, "kind")), "kind"),
    ("kind of another version", json.dumps(_with(kind="teleport")), "kind"),
    ("kind is a list", json.dumps(_with(kind=["count"])), "kind"),
    ("no boot", json.dumps(_without(COUNT, "boot")), "boot"),
    ("boot zero", json.dumps(_with(boot=0)), "boot"),
    ("boot too large for a double", json.dumps(_with(boot=rules.MAX_WHOLE + 1)), "boot"),
    ("boot with a point", json.dumps(_with(boot=1.5)), "boot"),
    ("boot as text", json.dumps(_with(boot="1")), "boot"),
    ("negative seq", json.dumps(_with(seq=-1)), "seq"),
    ("seq is true", json.dumps(_with(seq=True)), "seq"),
    ("seq null", json.dumps(_with(seq=None)), "seq"),
    ("time before 1970", json.dumps(_with(at=-1)), "at"),
    ("event time before 1970", json.dumps(_with(skew_ms=HEAD["at"] + 1)), "skew_ms"),
    ("event time beyond 2^53", json.dumps(_with(at=rules.MAX_WHOLE, skew_ms=-1)), "skew_ms"),
    ("too many bodies", json.dumps(_with(n=rules.MAX_BODIES + 1)), "n"),
    ("a huge number", json.dumps(_with(n=10**400)), "n"),
    ("a number of 5,000 digits", json.dumps(_with()).replace('"n": 1', '"n": ' + "9" * 5000), "n"),
    ("a number beyond all doubles", json.dumps(_with()).replace('"n": 1', '"n": 1e999'), "n"),
    ("a body and a half", json.dumps(_with(n=1.5)), "n"),
    ("a gate with capitals", json.dumps(_with(gate="East")), "gate"),
    ("a gate with a line feed at its end", json.dumps(_with(gate="east\n")), "gate"),
    ("an empty gate", json.dumps(_with(gate="")), "gate"),
    ("a gate of 41 letters", json.dumps(_with(gate="g" * 41)), "gate"),
    ("sideways", json.dumps(_with(direction="left")), "direction"),
    ("confidence above one", json.dumps(_with(confidence=1.01)), "confidence"),
    ("confidence as text", json.dumps(_with(confidence="0.9")), "confidence"),
    ("an aggregate from the future", json.dumps(_with(from_ms=HEAD["at"] + 1)), "from_ms"),
    ("replaces backwards", json.dumps(_with(replaces={"boot": 1, "from": 5, "to": 4})), "replaces.to"),
    ("replaces without end", json.dumps(_with(replaces={"boot": 1, "from": 5})), "replaces.to"),
    ("replaces is a number", json.dumps(_with(replaces=5)), "replaces"),
    ("two carriers", json.dumps(SCAN | {"tag": "04A2"}), "pass"),
    ("no carrier", json.dumps(_without(SCAN, "pass")), "pass"),
    ("a pass of 501 characters", json.dumps(SCAN | {"pass": "x" * 501}), "pass"),
    ("a note of 501 characters", json.dumps(SCAN | {"note": "字" * 501}), "note"),
    ("a note with NUL", json.dumps(SCAN | {"note": "a\0b"}), "note"),
    ("half of a surrogate pair", json.dumps(SCAN | {"note": "\ud83d"}), "note"),
    ("passed is 1", json.dumps(SCAN | {"passed": 1}), "passed"),
    ("a decision of its own", json.dumps(SCAN | {"decision": "maybe"}), "decision"),
    ("a person id that is not one", json.dumps(_without(SCAN, "pass") | {"person": "p_1"}), "person"),
    ("a party of nobody", json.dumps(SCAN | {"party": 0}), "party"),
    ("claimed without unit", json.dumps(_without(SCAN, "pass") | {"claimed": {"name": "x"}}), "claimed.unit"),
    (
        "sealed that is not base64url",
        json.dumps(_without(SCAN, "pass") | {"sealed": SEALED | {"ct": "a+b"}}),
        "sealed.ct",
    ),
    ("correction of nothing", json.dumps(HEAD | {"kind": "correction"}), "of"),
    ("correction of boot 0", json.dumps(HEAD | {"kind": "correction", "of": {"boot": 0, "seq": 1}}), "of.boot"),
    (
        "reading of two subjects",
        json.dumps(HEAD | {"kind": "reading", "subject": {"bed": "1", "tag": "2"}, "quantity": "x", "value": 1}),
        "subject.subject",
    ),
    (
        "an error below zero",
        json.dumps(HEAD | {"kind": "reading", "subject": {"bed": "1"}, "quantity": "x", "value": 1, "error": -0.1}),
        "error",
    ),
    ("gap backwards", json.dumps(HEAD | {"kind": "gap", "from": 9, "to": 8, "reason": "disk"}), "to"),
    (
        "gap that begins after it ends",
        json.dumps(HEAD | {"kind": "gap", "from": 9, "to": 9, "reason": "disk", "from_ms": HEAD["at"] + 1}),
        "from_ms",
    ),
    ("counters are a list", json.dumps(HEAD | {"kind": "status", "counters": [1]}), "counters"),
    ("a counter below zero", json.dumps(HEAD | {"kind": "status", "counters": {"in": -1}}), "counters"),
    ("51 faults", json.dumps(HEAD | {"kind": "status", "faults": ["x"] * 51}), "faults"),
]


def build() -> dict[str, Any]:
    """The whole file."""
    return {
        "note": "Written by tests/vectors/make_wire.py; edit that.",
        "limits": {
            "reports": wire.MAX_REPORTS,
            "bytes": wire.MAX_BYTES,
            "whole": rules.MAX_WHOLE,
            "bodies": rules.MAX_BODIES,
            "text": rules.MAX_TEXT,
        },
        "numbers": [{"text": text, "canonical": wanted} for text, wanted in NUMBERS],
        "good": [_good(name, report, []) for name, report in GOOD]
        + [_good(name, report, unknown) for name, report, unknown in EXTRA],
        "hostile": [{"name": name, "text": text, "field": at_fault} for name, text, at_fault in HOSTILE],
        "answer": ANSWER,
    }


ANSWER: dict[str, Any] = {
    "batch": "c2f",
    "server_ms": 1795420800500,
    "through": [{"boot": 30514159265, "seq": 25}],
    "results": [
        {"boot": 30514159265, "seq": 17, "outcome": "accepted", "reason": None},
        {"boot": 30514159265, "seq": 18, "outcome": "rejected", "reason": "n: give a whole number from 0 to 10000"},
    ],
}


def _good(name: str, report: dict[str, Any], unknown: list[str]) -> dict[str, Any]:
    known = {key: value for key, value in report.items() if key not in unknown}
    text = canonical(known)
    return {
        "name": name,
        "text": json.dumps(report),
        "unknown": unknown,
        "canonical": text,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "event_ms": report["at"] - (report.get("skew_ms") or 0),
    }


def main() -> None:
    PATH.write_text(json.dumps(build(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
