"""`doctor` finds what is wrong, each by making it so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import redis as redis_client

from community_flow.adapters import redis_check
from community_flow.adapters.sql import store
from community_flow.ports.health import Finding
from community_flow.services import doctor
from community_flow.settings import Settings
from community_flow.wiring.doctor import examine
from tests.conftest import _start
from tests.operations import another_store, command
from tests.services import PATIENCE_S, postgresql_server

HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` calls Redis and the store silent after seconds for which a machine may stand still."""
    monkeypatch.setattr(redis_check, "TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(store, "CONNECT_S", int(PATIENCE_S))


def texts(settings: Settings, level: str) -> str:
    return "\n".join(each.text for each in examine(settings) if each.level == level)


@pytest.fixture(params=["sqlite", "postgresql"])
def sound_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """On a PostgreSQL as it comes: the one that tests share does not wait for the disk, which is not sound."""
    if request.param == "sqlite":
        yield Settings(data_dir=tmp_path / "var")
        return
    for url in _start(postgresql_server):
        yield Settings(data_dir=tmp_path / "var", database_url=url)


def test_a_sound_installation_has_nothing_to_mend(sound_settings: Settings, redis_url: str) -> None:
    settings = sound_settings
    assert command(settings, "init").exit_code == 0
    with redis_client.Redis.from_url(redis_url) as client:
        client.acl_setuser("sound", enabled=True, nopass=True, keys=["flow:*"], categories=["+@all", "-@dangerous"],
                           commands=["+info"])  # fmt: skip
    sound = replace(settings, redis_url=redis_url.replace("redis://", "redis://sound:@"))
    done = command(sound, "doctor")
    assert done.exit_code == 0, done.output
    assert "MEND" not in done.output
    for word in ("Python", "packages", "time zone", "data folder", "keys", "store answers", "revision", "clock",
                 "Redis answers", "nothing dangerous"):  # fmt: skip
        assert word in done.output
    if settings.database_url is not None:
        assert "synchronous_commit is on" in done.output


BROKEN: dict[str, tuple[Callable[[Settings], object], str]] = {
    "no keys": (lambda s: (s.data_dir / "keys").rename(s.data_dir / "elsewhere"), "There are no keys"),
    "open keys": (lambda s: next((s.data_dir / "keys").glob("*.json")).chmod(0o644), "Others can read"),
    "open folder": (lambda s: s.data_dir.chmod(0o755), "chmod 700"),
    "broken key": (
        lambda s: (s.data_dir / "keys" / "card-001.json").write_text(
            '{"id": 1, "from_ms": 0, "wrapped": true, "secret": "AAAA"}'
        ),
        "set FLOW_KEY_FILE",
    ),
}


@pytest.mark.parametrize("what", sorted(BROKEN))
def test_what_is_wrong_with_the_folder(sqlite_settings: Settings, what: str) -> None:
    assert command(sqlite_settings, "init").exit_code == 0
    make, words = BROKEN[what]
    make(sqlite_settings)
    done = command(sqlite_settings, "doctor")
    assert done.exit_code == 1
    assert words in "\n".join(line for line in done.output.splitlines() if line.startswith("MEND"))


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert "There is no data folder" in texts(Settings(data_dir=tmp_path / "none"), "mend")
    assert not (tmp_path / "none" / "keys").exists()


def test_what_is_away(tmp_path: Path, sqlite_settings: Settings) -> None:
    assert command(sqlite_settings, "init").exit_code == 0
    away = replace(
        sqlite_settings, database_url="postgresql://flow@127.0.0.1:9/flow", redis_url="redis://127.0.0.1:9/0",
        mqtt_url="mqtt://flow:secret-word@127.0.0.1:9",
    )  # fmt: skip
    found = texts(away, "mend")
    for words in ("The store does not answer", "Redis does not answer", "The MQTT broker at 127.0.0.1:9"):
        assert words in found
    assert "secret-word" not in found


def test_a_redis_that_drops_keys_or_may_do_anything(sqlite_settings: Settings, redis_url: str) -> None:
    with redis_client.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            found = texts(replace(sqlite_settings, redis_url=redis_url), "mend")
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert "allkeys-lru" in found
    assert "without @dangerous" in found


def test_a_postgresql_that_answers_too_early(postgresql_url: str, tmp_path: Path) -> None:
    with another_store(Settings(database_url=postgresql_url), tmp_path) as settings:
        assert command(settings, "init").exit_code == 0
        name = (settings.database_url or "").rpartition("/")[2]
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        assert "synchronous_commit is off: acknowledged reports may be lost" in texts(settings, "mend")
        with psycopg.connect(settings.database_url or "", autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '0001'")
        assert "are at revision 0001" in texts(settings, "mend")


def levels(found: list[Finding]) -> list[str]:
    return [each.level for each in found]


def test_the_age_of_backups(tmp_path: Path) -> None:
    now_ms = 1_795_420_800_000  # 2026-11-23 08:00 UTC
    assert levels(list(doctor.backups(None, now_ms))) == ["note"]
    assert levels(list(doctor.backups(tmp_path / "none", now_ms))) == ["mend"]
    (tmp_path / "flow-20261122T190000Z.tar").touch()
    assert "13 hours old" in next(iter(doctor.backups(tmp_path, now_ms))).text
    assert levels(list(doctor.backups(tmp_path, now_ms)))[0] == "ok"
    assert levels(list(doctor.backups(tmp_path, now_ms + 36 * HOUR_MS)))[0] == "mend"


def test_a_disk_on_the_network_is_no_place_for_sqlite() -> None:
    mounts = "/dev/vda / ext4 rw 0 0\nserver:/share /srv/flow nfs4 rw 0 0\n"
    assert levels(list(doctor.local_disk(Path("/srv/flow/var"), mounts))) == ["mend"]
    assert levels(list(doctor.local_disk(Path("/srv/other"), mounts))) == []


def test_packages_that_are_not_those_of_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("click==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0 \\\n    --hash=sha256:00\n")
    found = doctor.packages(lock)
    assert found.level == "mend"
    assert "no-such-package missing (wanted 1.0)" in found.text


def test_a_key_file_that_everybody_reads(tmp_path: Path) -> None:
    folder, key = tmp_path / "keys", tmp_path / "key"
    folder.mkdir()
    (folder / "card-001.json").touch(0o600)
    key.write_bytes(os.urandom(32))
    key.chmod(0o644)
    assert "Everybody can read" in "".join(each.text for each in doctor.keys(folder, key, lambda: None))
