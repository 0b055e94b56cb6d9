"""Writes gate_table.json: `python -m tests.vectors.make_gate_table`."""

from __future__ import annotations

from typing import Any

import msgspec

from community_flow.domain import gate_table
from community_flow.domain.gate_table import Download, Header, Record
from community_flow.domain.sealing import text
from tests.vectors.made import Made, public, write

MADE = Made("community-flow/vectors/gate_table")
COMMUNITY, SECRET = MADE.bytes("community", 16), MADE.bytes("table", 32)
SIGNER, STRANGER = MADE.ed25519("delta"), MADE.ed25519("stranger")
NOW_MS = 1_795_420_800_000
EPOCH = gate_table.epoch_of(NOW_MS)
SALT = gate_table.epoch_salt(SECRET, EPOCH)
DEVICE = "d_abcdefgh2345"
Case = dict[str, Any]

RECORDS = [
    Record(types=(33,), serial=1, name="林*梅", household="h1", building="7", unit="7-3-1102"),
    Record(types=(17, 18), key=text(bytes(range(32))), name="J*** S***", type="visitor", until_ms=NOW_MS),
    Record(types=(19, 20), key=text(bytes(65)), name="欧**华", gates=("east", "west"), windows=(("06:00", "22:00"),)),
    Record(types=(33,), serial=255, name="王*", status="revoked", hold=True, quota=2, inside=True, from_ms=0),
    Record(types=(33,), serial=0, name="名" * 40, unit="号" * 40, gates=tuple(f"gate-number-{n}" for n in range(40))),
    Record(types=(33,), name="*"),
]


def handle(number: int) -> bytes:
    return MADE.bytes(f"handle{number}", 8)


def nonce(number: int) -> bytes:
    return MADE.bytes(f"nonce{number}", 12)


def sealed(number: int) -> bytes:
    return gate_table.seal_record(RECORDS[number], handle(number), SALT, COMMUNITY, EPOCH, nonce(number))


def record_case(number: int) -> Case:
    record = sealed(number)
    opened = gate_table.open_record(record, handle(number), SALT, COMMUNITY, EPOCH)
    lid, key = gate_table.locate(handle(number), SALT, COMMUNITY)
    return {
        "handle": handle(number).hex(),
        "lid": lid.hex(),
        "key": key.hex(),
        "sealed": text(record),
        "record": msgspec.to_builtins(opened),
    }


def broken_records() -> list[Case]:
    good = sealed(0)
    other_lid = gate_table.locate(handle(1), SALT, COMMUNITY)[0]
    tried = {
        "a flipped bit": good[:100] + bytes([good[100] ^ 1]) + good[101:],
        "a flipped tag": good[:-1] + bytes([good[-1] ^ 1]),
        "another's lid": other_lid + good[12:],
        "too short": good[:-1],
        "too long": good + b"\0",
        "empty": b"",
        "another's record": sealed(1),
    }
    yesterday = gate_table.seal_record(RECORDS[0], handle(0), SALT, COMMUNITY, EPOCH - 1, nonce(0))
    foreign = gate_table.seal_record(RECORDS[0], handle(0), SALT, bytes(16), EPOCH, nonce(0))
    tried |= {"sealed for yesterday": yesterday, "sealed for another community": foreign}
    return [{"why": why, "handle": handle(0).hex(), "sealed": text(record)} for why, record in tried.items()]


def header(**given: Any) -> Header:
    values: dict[str, Any] = {
        "community": text(COMMUNITY),
        "device": DEVICE,
        "epoch": EPOCH,
        "salt": text(SALT),
        "version": "v2",
        "issued_ms": NOW_MS,
        "expires_ms": NOW_MS + gate_table.DEAD_MS,
        "records": "",
        "removed": "",
        "site": {"names": {"zh": "东门", "en": "East gate"}},
    }
    return Header(**(values | given))


def downloads() -> list[Case]:
    records, gone = [sealed(0), sealed(1)], [gate_table.locate(handle(2), SALT, COMMUNITY)[0]]
    whole = gate_table.sign(header(), records, (), SIGNER)
    delta = gate_table.sign(header(since="v1"), records[:1], gone, SIGNER)
    forged = gate_table.sign(header(), records, (), STRANGER)
    replace = msgspec.structs.replace
    tried: list[tuple[str, Download, Case]] = [
        ("a whole table", whole, {}),
        ("a whole table for one who has another", whole, {"version": "v0", "newest_ms": NOW_MS - 1}),
        ("a delta that follows", delta, {"version": "v1", "newest_ms": NOW_MS}),
        ("a delta that does not follow", delta, {"version": "v0"}),
        ("a delta for an empty device", delta, {}),
        ("an older one", whole, {"newest_ms": NOW_MS + 1}),
        ("signed by a stranger", forged, {}),
        ("a changed header", replace(whole, header=whole.header.replace("v2", "v3")), {}),
        ("a record left out", replace(whole, records=whole.records[:1]), {}),
        ("records in another order", replace(whole, records=whole.records[::-1]), {}),
        ("a removal added", replace(whole, removed=(text(gone[0]),)), {}),
        ("a removal left out", replace(delta, removed=()), {"version": "v1"}),
        ("a short record, signed", gate_table.sign(header(), [b"short"], (), SIGNER), {}),
        ("a short lid, signed", gate_table.sign(header(), (), [b"short"], SIGNER), {}),
        ("for another device", gate_table.sign(header(device="d_zzzzzzzz2345"), records, (), SIGNER), {}),
        ("for another community", gate_table.sign(header(community=text(bytes(16))), records, (), SIGNER), {}),
        ("no signature", replace(whole, signature=""), {}),
        ("not base64url", replace(whole, signature="+/="), {}),
    ]
    return [checked(why, download, holds) for why, download, holds in tried]


def checked(why: str, download: Download, holds: Case) -> Case:
    try:
        gate_table.check(
            download,
            public(SIGNER),
            device=DEVICE,
            community=COMMUNITY,
            version=holds.get("version"),
            newest_ms=holds.get("newest_ms", 0),
        )
        good = True
    except gate_table.TableError:
        good = False
    return {"why": why, "download": msgspec.to_builtins(download), "holds": holds, "good": good}


KEYS = [MADE.ed25519(f"table key {number}") for number in range(4)]


def step(by: Any, key: Any, signer: Any = None) -> dict[str, str]:
    return {"by": text(public(by)), "key": text(public(key)), "signature": gate_table.endorse(signer or by, key)}


def successions() -> list[Case]:
    """Which key a device goes over to from the one it pinned; None: the list is refused."""
    first, second, third, other = KEYS
    chain = [step(first, second), step(second, third)]
    small = {"by": text(bytes(32)), "key": text(public(second)), "signature": text(bytes(64))}
    cut = chain[0] | {"signature": chain[0]["signature"][:-4]}
    tried: list[tuple[str, bytes, list[dict[str, str]]]] = [
        ("nobody followed", public(first), []),
        ("handed on once", public(first), chain[:1]),
        ("handed on twice while the phone was away", public(first), chain),
        ("handed on before the phone was claimed", public(second), chain),
        ("the newest is pinned", public(third), chain),
        ("another installation's chain", public(other), chain),
        ("a link is missing", public(first), [chain[1]]),
        ("newest first: the way ends where it broke", public(first), chain[::-1]),
        ("a stranger's word", public(first), [step(first, other, other)]),
        ("a good step, then a stranger's word", public(first), [chain[0], step(second, other, other)]),
        ("the new key's own word", public(first), [step(first, second, second)]),
        ("the word was for another key", public(first), [chain[0] | {"key": text(public(other))}]),
        ("a stranger's bad step beside a good one", public(first), [step(other, third, first), chain[0]]),
        ("a circle", public(first), [step(first, second), step(second, first)]),
        ("a signature cut short", public(first), [cut]),
        ("a signature that is no base64url", public(first), [chain[0] | {"signature": "+/="}]),
        ("a key that is no base64url", public(first), [chain[0] | {"key": "+/="}]),
        ("a pinned key that stands for many signers", bytes(32), [small]),
    ]
    return [followed(why, text(pinned), links) for why, pinned, links in tried]


def followed(why: str, pinned: str, links: list[dict[str, str]]) -> Case:
    try:
        leads_to: str | None = gate_table.follow(pinned, links)
    except gate_table.TableError:
        leads_to = None
    return {"why": why, "pinned": pinned, "succession": links, "leads_to": leads_to}


def body() -> Case:
    return {
        "community": text(COMMUNITY),
        "table_secret": SECRET.hex(),
        "device": DEVICE,
        "signer": text(public(SIGNER)),
        "epoch": EPOCH,
        "salt": text(SALT),
        "records": [record_case(number) for number in range(len(RECORDS))],
        "broken": broken_records(),
        "downloads": downloads(),
        "successions": successions(),
    }


if __name__ == "__main__":
    write("gate_table.json", body())
