"""The key ring: made once, private, wrapped when asked."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from community_flow.adapters.keys import NAMES, KeyRing, KeyTrouble
from community_flow.settings import BadSetting, Settings
from tests.services import wait_until


def test_keys_are_made_once_and_are_the_owners_alone(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    ring.ensure()
    before = {name: ring.now(name).secret for name in NAMES}
    KeyRing(tmp_path / "keys").ensure()
    assert {name: KeyRing(tmp_path / "keys").now(name).secret for name in NAMES} == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert len(set(before.values())) == len(NAMES)


def test_a_rotated_key_keeps_the_old_one(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    ring.ensure()
    old = ring.now("card")
    assert ring.rotate("card").id == old.id + 1
    assert ring.all("card")[0] == old


def test_an_announced_key_is_known_at_once_and_used_when_its_time_comes(tmp_path: Path) -> None:
    now_ms = 1_000_000
    ring = KeyRing(tmp_path / "keys", now_ms=lambda: now_ms)
    ring.ensure()
    old, new = ring.now("card"), ring.rotate("card", after_ms=5_000)
    assert ring.all("card") == (old, new)
    now_ms += 4_999
    assert ring.now("card") == old
    now_ms += 1
    assert ring.now("card") == new


def test_a_ring_sees_what_a_command_makes_beside_it(tmp_path: Path) -> None:
    serving, command = KeyRing(tmp_path / "keys"), KeyRing(tmp_path / "keys")
    serving.ensure()
    assert serving.now("card").id == 1
    made = command.rotate("card")
    wait_until(lambda: serving.now("card") == made, "the key that the command made", 10)
    assert [path.name for path in (tmp_path / "keys").glob("*.part")] == []


def test_no_more_keys_than_a_pass_can_name(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    ring.ensure()
    (tmp_path / "keys" / "card-001.json").rename(tmp_path / "keys" / "card-255.json")
    path = tmp_path / "keys" / "card-255.json"
    path.write_text(path.read_text().replace('"id": 1,', '"id": 255,'))
    with pytest.raises(KeyTrouble, match="255"):
        KeyRing(tmp_path / "keys").rotate("card")


def test_wrapped_keys_need_their_file(tmp_path: Path) -> None:
    key_file = tmp_path / "wrap"
    key_file.write_bytes(b"k" * 32)
    KeyRing(tmp_path / "keys", key_file).ensure()
    secret = KeyRing(tmp_path / "keys", key_file).now("table").secret
    assert secret not in b"".join(path.read_bytes() for path in (tmp_path / "keys").iterdir())
    with pytest.raises(KeyTrouble, match="FLOW_KEY_FILE"):
        KeyRing(tmp_path / "keys").now("table")


@pytest.mark.parametrize("content", [None, b"short"])
def test_a_bad_key_file_is_refused_with_the_remedy(tmp_path: Path, content: bytes | None) -> None:
    key_file = tmp_path / "wrap"
    if content is not None:
        key_file.write_bytes(content)
    with pytest.raises(KeyTrouble, match="FLOW_KEY_FILE"):
        KeyRing(tmp_path / "keys", key_file)


@pytest.mark.parametrize(
    ("name", "value"),
    [("FLOW_PORT", "many"), ("FLOW_PORT", "70000"), ("FLOW_RETENTION_DAYS", "0"), ("FLOW_TIMEZONE", "Middle/Earth")],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name):
        Settings.from_env({name: value})
