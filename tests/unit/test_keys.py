"""The key ring: made once, private, wrapped when asked."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from community_flow.adapters.keys import NAMES, KeyRing, KeyTrouble
from community_flow.settings import BadSetting, Settings


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
