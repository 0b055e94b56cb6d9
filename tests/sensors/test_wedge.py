"""A reader that types: real input events through a pipe, and through the kernel where it lets us make a keyboard."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from community_flow.domain import passes
from community_flow.domain.sealing import open_sealed, public_bytes, text
from sensors.sensor_wedge import DROPPED, EVENT, KEY, LETTERS, PRESSED, RELEASED, SYNC, Keys
from tests.sensors.agents import running
from tests.sensors.fakes_server import FakeServer, serving
from tests.sensors.test_lines import configured
from tests.sensors.test_seal_qr import a_pass
from tests.services import wait_until

SHIFT_KEY, ENTER_KEY = 42, 28
KEYS = {letter: place for place, letter in reversed(LETTERS.items())}


def event(kind: int, code: int, value: int) -> bytes:
    return EVENT.pack(1_795_420_800, 0, kind, code, value)


def key(code: int) -> list[bytes]:
    return [event(KEY, code, PRESSED), event(SYNC, 0, 0), event(KEY, code, 2), event(KEY, code, RELEASED)]


def typed(text_: str) -> bytes:
    """What the kernel gives for a reader that types this and Enter, auto-repeat included."""
    events: list[bytes] = []
    for letter in text_:
        code, shifted = KEYS[letter]
        down = [event(KEY, SHIFT_KEY, PRESSED)] if shifted else []
        up = [event(KEY, SHIFT_KEY, RELEASED)] if shifted else []
        events += [*down, *key(code), *up]
    return b"".join([*events, *key(ENTER_KEY)])


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(FakeServer()) as fake:
        yield fake


def lane(source: Path, **more: Any) -> dict[str, Any]:
    return {"kind": "wedge", "source": str(source), "gate": "east", "direction": "in", **more}


@contextmanager
def reader(folder: Path) -> Iterator[int]:
    os.mkfifo(folder / "event3")
    handle = os.open(folder / "event3", os.O_RDWR)
    yield handle
    os.close(handle)


@pytest.fixture
def patient_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is half read stays, however long the machine pauses between two keys."""
    monkeypatch.setattr("sensors.sensor_wedge.STALE_S", 3_600.0)


@pytest.mark.usefixtures("patient_keys")
def test_passes_are_read_once_each_and_sealed(server: FakeServer, tmp_path: Path) -> None:
    card, phone = a_pass(passes.Type.CARD), a_pass(passes.Type.P256)
    sealing = ec.generate_private_key(ec.SECP256R1())
    seal = {"kid": "1", "key": text(public_bytes(sealing))}
    config = configured(tmp_path, server.url, lane(tmp_path / "event3", cooldown_s=600), seal=seal)
    with reader(tmp_path) as keyboard, running(config):
        for shown in (card, "https://example.org/menu", phone, phone, card):
            os.write(keyboard, typed(shown))
        wait_until(lambda: len(server.reports("scan")) == 2, "both passes")
        os.write(keyboard, typed("0123456789"))
        time.sleep(0.3)
    scans = server.reports("scan")
    assert [open_sealed(each["sealed"], sealing)["pass"] for each in scans] == [card, phone]
    assert [(each["method"], each["decision"], each["reason"], each["passed"]) for each in scans] == [
        ("card", "allow", "free_flow", True),
        ("rotating", "allow", "free_flow", True),
    ]
    assert card.encode() not in (tmp_path / "outbox.sqlite").read_bytes()


@pytest.mark.usefixtures("patient_keys")
def test_card_numbers_are_read_where_they_are_wanted(server: FakeServer, tmp_path: Path) -> None:
    config = configured(tmp_path, server.url, lane(tmp_path / "event3", tags=True, passed=False))
    with reader(tmp_path) as keyboard, running(config):
        os.write(keyboard, typed("0004A2B17F") + typed("not a number"))
        wait_until(lambda: len(server.reports("scan")) == 1, "the number")
    (scan,) = server.reports("scan")
    assert (scan["tag"], scan["method"], scan["passed"]) == ("0004A2B17F", "tag", False)


def fed(*pieces: bytes) -> list[str]:
    keys = Keys()
    return [found for piece in pieces for found in keys.feed(piece)]


def test_every_letter_of_a_pass_can_be_typed() -> None:
    every = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
    assert fed(typed(every)) == [every]
    assert fed(typed("CF1:" + every.lower())) == ["CF1:" + every.lower()]


def test_events_may_come_in_any_pieces() -> None:
    events = typed("CF1:A B")
    for size in (1, 7, EVENT.size, EVENT.size + 1):
        assert fed(*(events[at : at + size] for at in range(0, len(events), size))) == ["CF1:A B"]


def test_a_text_of_which_the_kernel_dropped_keys_is_no_text() -> None:
    half = typed("AB")[: -len(b"".join(key(ENTER_KEY)))]
    assert fed(half + event(SYNC, DROPPED, 0), typed("CD"), typed("EF")) == ["EF"]


def test_a_text_that_was_never_ended_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, now_s = Keys(), [100.0]
    monkeypatch.setattr("sensors.sensor_wedge.time.monotonic", lambda: now_s[0])
    half = typed("AB")[: -len(b"".join(key(ENTER_KEY)))]
    assert keys.feed(half) == []
    now_s[0] += 5
    assert keys.feed(typed("CD")) == ["CD"]


# --- through the kernel ---------------------------------------------------------------------------------------------

UI_CREATE, UI_DESTROY, UI_SET_EVBIT, UI_SET_KEYBIT = 0x5501, 0x5502, 0x40045564, 0x40045565


@contextmanager
def keyboard() -> Iterator[tuple[int, Path]]:
    """A keyboard of the kernel's own making, and the file of its events."""
    before = set(Path("/dev/input").glob("event*"))
    handle = os.open("/dev/uinput", os.O_WRONLY | os.O_NONBLOCK)
    fcntl.ioctl(handle, UI_SET_EVBIT, KEY)
    for code in range(1, 120):
        fcntl.ioctl(handle, UI_SET_KEYBIT, code)
    os.write(handle, struct.pack("80sHHHHi64i64i64i64i", b"reader of a test", 3, 1, 1, 1, 0, *[0] * 256))
    fcntl.ioctl(handle, UI_CREATE)
    wait_until(lambda: bool(set(Path("/dev/input").glob("event*")) - before), "the keyboard")
    (path,) = set(Path("/dev/input").glob("event*")) - before
    yield handle, path
    fcntl.ioctl(handle, UI_DESTROY)
    os.close(handle)


@pytest.mark.skipif(not os.access("/dev/uinput", os.W_OK), reason="the kernel lets us make no keyboard (/dev/uinput)")
def test_a_keyboard_of_the_kernel_is_grabbed_and_read(server: FakeServer, tmp_path: Path) -> None:
    card = a_pass(passes.Type.CARD)
    with keyboard() as (hands, path), running(configured(tmp_path, server.url, lane(path))):
        time.sleep(1)
        with path.open("rb") as other:
            os.set_blocking(other.fileno(), False)
            os.write(hands, typed(card))
            wait_until(lambda: len(server.reports("scan")) == 1, "the pass")
            assert other.read() is None, "what is typed goes to nobody else"
