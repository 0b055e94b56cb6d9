"""Backup and restore on both stores: under load, sealed, damaged, interrupted, without room."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import select

from community_flow.adapters.archive import PIECE, ArchiveReader, ArchiveWriter, Secret
from community_flow.adapters.sql.migrate import head, upgrade
from community_flow.adapters.sql.presence import LOCK
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.commands.server import hold_data_folder
from community_flow.domain.errors import Conflict
from community_flow.services import restore as restoring
from community_flow.services.backup import backups_in
from community_flow.settings import Settings
from community_flow.wiring.backup import Nightly, last_night_ms
from community_flow.wiring.core import build_core
from community_flow.wiring.ingest import ingest_parts
from tests.conftest import prepared, serving
from tests.factories import small_community
from tests.integration.test_kill import MANAGER, Sender
from tests.operations import another_store, command, contents, environment, equal_after_rebuild, filled
from tests.services import wait_until

RESTORE_LOG = 1
"""Rows that a restore adds: the one in the log that says so."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def one(settings: Settings, folder: Path) -> Path:
    """A backup of a small store, not sealed."""
    filled(settings).db.close()
    done = command(settings, "backup", folder, "--in-clear")
    assert done.exit_code == 0, done.output
    (path,) = backups_in(folder)
    return path


def refused(done: object) -> str:
    assert done.exit_code == 1, done.output  # type: ignore[attr-defined]
    return str(done.output)  # type: ignore[attr-defined]


def test_a_backup_under_load_holds_what_was_acknowledged(settings: Settings, folder: Path, tmp_path: Path) -> None:
    core = prepared(settings)
    small_community(core)
    made = [ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "east") for _ in range(3)]
    core.db.close()
    with serving(settings) as server:
        senders = [Sender(urlsplit(server.url).port or 0, each.token, boot=3) for each in made]
        for each in senders:
            each.start()
        wait_until(lambda: min(len(each.answered) for each in senders) > 20, "a load")
        before = [set(each.answered) for each in senders]
        done = command(settings, "backup", folder, "--in-clear")
        assert done.exit_code == 0, done.output
        after = [max(each.sent) for each in senders]
        for each in senders:
            each.stopped.set()
            each.join(60)
        assert all(len(each.answered) > len(old) for each, old in zip(senders, before, strict=True)), "nobody waited"
        running = command(settings, "restore", backups_in(folder)[0], "--replace")
        assert "nother server" in refused(running)
        if settings.database_url is not None:  # from another machine, which does not see the data folder
            elsewhere = replace(settings, data_dir=tmp_path / "elsewhere")
            assert "needs the store alone" in refused(command(elsewhere, "restore", backups_in(folder)[0], "--replace"))
    with another_store(settings, tmp_path) as empty:
        done = command(empty, "restore", backups_in(folder)[0])
        assert done.exit_code == 0, done.output
        restored = build_core(empty)
        with restored.db.read() as tx:
            kept = {(row.device, row.seq) for row in tx.execute(select(reports.c.device, reports.c.seq))}
        for device, old, newest in zip(made, before, after, strict=True):
            mine = {seq for name, seq in kept if name == device.device}
            assert old <= mine, "a report that was acknowledged before the backup is missing"
            assert mine == set(range(1, len(mine) + 1)), "the backup is not of one moment"
            assert len(mine) <= newest
        assert equal_after_rebuild(empty)
        assert restored.audit.verify().broken_at is None
        restored.db.close()


def test_everything_comes_back_and_the_log_says_so(settings: Settings, one: Path, tmp_path: Path) -> None:
    before = contents(settings)
    with another_store(settings, tmp_path) as empty:
        done = command(empty, "restore", one)
        assert done.exit_code == 0, done.output
        assert "Restored." in done.output
        after = contents(empty)
        assert {name: rows for name, rows in after.items() if name != "audit"} == {
            name: rows for name, rows in before.items() if name != "audit"
        }
        assert len(after["audit"]) == len(before["audit"]) + RESTORE_LOG
        assert "unbroken" in command(empty, "audit", "verify").output
        assert equal_after_rebuild(empty)
        keys = [sorted((each.data_dir / "keys").iterdir()) for each in (settings, empty)]
        assert [path.read_bytes() for path in keys[0]] == [path.read_bytes() for path in keys[1]]
        assert {path.stat().st_mode & 0o777 for path in keys[1]} == {0o600}
        assert not (empty.data_dir / "restore").exists()
        # It goes on from there: numbers of new rows do not run into old ones.
        added = command(empty, "user", "add", "somebody", "--role", "steward", "--community", "garden")
        assert added.exit_code == 0, added.output
        core = build_core(empty)
        with core.db.write() as tx:
            tx.exec_driver_sql("INSERT INTO dirty (community, lo, hi, cause) VALUES ('garden', '', '', 'test')")
        core.db.close()


def test_a_store_with_rows_is_only_replaced_when_asked(settings: Settings, one: Path) -> None:
    command(settings, "user", "add", "later", "--role", "admin")
    before = contents(settings)
    assert "--replace" in refused(command(settings, "restore", one))
    assert contents(settings) == before
    done = command(settings, "restore", one, "--replace")
    assert done.exit_code == 0, done.output
    assert "later" not in command(settings, "user", "list").output


def test_damaged_files_are_refused_and_change_nothing(settings: Settings, one: Path, tmp_path: Path) -> None:
    before = contents(settings)
    whole = one.read_bytes()
    damaged = tmp_path / "damaged.tar"
    for cut in (0, 100, len(whole) // 3, len(whole) // 2, len(whole) - 4_000, len(whole) - 1_200):
        damaged.write_bytes(whole[:cut])
        assert "take another one" in refused(command(settings, "restore", damaged, "--replace")), cut
    places = [*range(600, len(whole) - 1_100, max(1, len(whole) // 23)), whole.index(b'"rows"') + 20]
    for place in places:
        if whole[place : place + 1] == b"\0":  # may be the padding between two parts, which says nothing
            continue
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert "take another one" in refused(command(settings, "restore", damaged, "--replace")), place
    damaged.write_bytes(b"no backup at all" * 1_000)
    assert "take another one" in refused(command(settings, "restore", damaged, "--check"))
    assert contents(settings) == before
    assert command(settings, "restore", one, "--check").exit_code == 0


def test_nobody_else_may_be_at_work(settings: Settings, one: Path) -> None:
    if settings.database_url is None:
        with hold_data_folder(settings):
            assert "Another server" in refused(command(settings, "restore", one, "--replace"))
        return
    with psycopg.connect(settings.database_url, application_name="a worker elsewhere") as worker:
        worker.execute("SELECT pg_advisory_lock_shared(%s)", [LOCK])
        said = refused(command(settings, "restore", one, "--replace"))
    assert "needs the store alone" in said
    assert "a worker elsewhere (process" in said


def remade(path: Path, target: Path, **changed: object) -> Path:
    """The same backup with another manifest, as another version would have written it."""
    opened = ArchiveReader(path, {})
    with target.open("wb") as file:
        writer = ArchiveWriter(file, None)
        for part in opened.parts:
            with writer.part(part.name) as sink:
                for piece in opened.content(part.name):
                    sink.write(piece)
        kept = {name: value for name, value in opened.manifest.items() if name not in ("parts", "sealed", "format")}
        writer.finish({**kept, **changed})
    opened.close()
    return target


def test_a_backup_of_a_newer_version_is_refused_with_the_remedy(settings: Settings, one: Path, tmp_path: Path) -> None:
    newer = remade(one, tmp_path / "newer.tar", revision="9999", version="77.0")
    said = refused(command(settings, "restore", newer, "--replace"))
    assert "install that version" in said
    assert "77.0" in said


def test_a_backup_of_the_other_store(settings: Settings, one: Path, tmp_path: Path, postgresql_url: str) -> None:
    """SQLite moves into PostgreSQL; the way back does not exist, and says so."""
    if settings.database_url is not None:
        other = Settings(data_dir=tmp_path / "sqlite")
        assert "This is a backup of postgresql" in refused(command(other, "restore", one))
        return
    before = contents(settings)
    with another_store(Settings(database_url=postgresql_url), tmp_path) as empty:
        done = command(empty, "restore", one)
        assert done.exit_code == 0, done.output
        after = contents(empty)
        assert {name: len(rows) for name, rows in after.items() if name != "audit"} == {
            name: len(rows) for name, rows in before.items() if name != "audit"
        }
        assert after["reports"] == before["reports"]
        assert after["journal"] == before["journal"]
        assert equal_after_rebuild(empty)
        core = build_core(empty)
        assert core.audit.verify().broken_at is None
        core.db.close()
        assert not list((empty.data_dir).glob("**/store.sqlite"))


# --- sealed -----------------------------------------------------------------------------------------------------------


def test_a_sealed_backup_shows_no_name_and_opens_only_with_its_secret(
    sqlite_settings: Settings, folder: Path, tmp_path: Path
) -> None:
    filled(sqlite_settings).db.close()
    assert "Nothing to seal the backup with" in refused(command(sqlite_settings, "backup", folder))
    assert not folder.exists()
    words, other, short = tmp_path / "words", tmp_path / "other", tmp_path / "short"
    words.write_text("correct horse battery\n")
    other.write_text("correct horse batterie\n")
    short.write_text("horse\n")
    assert "longer" in refused(command(sqlite_settings, "backup", folder, "--passphrase-file", short))
    assert command(sqlite_settings, "backup", folder, "--passphrase-file", words).exit_code == 0
    (path,) = backups_in(folder)
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as tar:
        found = {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}
    manifest = json.loads(found["manifest.json"])
    assert manifest["sealed"]["by"] == "a passphrase"
    assert manifest["rows"]["reports"] == 5
    for name in ("store.sqlite", "files.json"):
        assert found[name][:3] != b"\x1f\x8b\x08"  # no gzip is to be seen
        assert hashlib.sha256(found[name]).hexdigest() in found["manifest.json"].decode()
    empty = replace(sqlite_settings, data_dir=tmp_path / "empty")
    assert "--passphrase-file" in refused(command(empty, "restore", path))
    assert "does not open with this secret" in refused(command(empty, "restore", path, "--passphrase-file", other))
    done = command(empty, "restore", path, "--passphrase-file", words)
    assert done.exit_code == 0, done.output
    assert equal_after_rebuild(empty)


def test_parts_cannot_be_left_out_changed_or_put_elsewhere(tmp_path: Path) -> None:
    secret = Secret("a key file", os.urandom(32))
    path = tmp_path / "one.tar"
    content = {"first": os.urandom(3 * PIECE + 17), "second": b"", "third": b"x" * PIECE}
    with path.open("wb") as file:
        writer = ArchiveWriter(file, secret)
        for name, data in content.items():
            with writer.part(name) as sink:
                sink.write(data[:100])
                sink.write(data[100:])
        writer.finish({})
    opened = ArchiveReader(path, {"a key file": secret})
    opened.verify()
    assert {name: b"".join(opened.content(name)) for name in content} == content
    with pytest.raises(Conflict, match="changed or damaged"):
        b"".join(swapped(opened))
    opened.close()


def swapped(opened: ArchiveReader) -> Iterator[bytes]:
    raw = opened._raw
    opened._raw = lambda name: raw("third" if name == "first" else name)  # type: ignore[method-assign]
    return opened.content("first")


def test_keys_that_are_wrapped_need_the_same_key_file(sqlite_settings: Settings, folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "wrapping"
    key.write_bytes(os.urandom(32))
    wrapped = replace(sqlite_settings, key_file=key)
    assert command(wrapped, "init").exit_code == 0
    assert command(wrapped, "backup", folder).exit_code == 0  # sealed by the key file, without a word more
    (path,) = backups_in(folder)
    empty = replace(sqlite_settings, data_dir=tmp_path / "empty")
    assert "set FLOW_KEY_FILE" in refused(command(empty, "restore", path))
    assert command(replace(empty, key_file=key), "restore", path).exit_code == 0


# --- where it is written ----------------------------------------------------------------------------------------------


def test_a_backup_takes_nobodys_place_and_old_ones_go(sqlite_settings: Settings, folder: Path) -> None:
    assert command(sqlite_settings, "init").exit_code == 0
    target = folder / "mine.tar"
    assert command(sqlite_settings, "backup", target, "--in-clear").exit_code == 0
    assert "exists" in refused(command(sqlite_settings, "backup", target, "--in-clear"))
    old = [folder / f"flow-2026010{day}T030000Z.tar" for day in range(1, 5)]
    for path in old:
        path.write_bytes(b"old")
    (folder / "flow-notes.tar").write_bytes(b"not ours")
    done = command(sqlite_settings, "backup", folder, "--in-clear", "--keep", "2")
    assert done.exit_code == 0, done.output
    assert backups_in(folder)[0].name == old[-1].name
    assert len(backups_in(folder)) == 2
    assert target.exists()
    assert (folder / "flow-notes.tar").exists()
    assert not list(folder.glob(".*.partial"))


@contextmanager
def small_disk(path: Path, kib: int) -> Iterator[Path]:
    """A file system of its own, as small as wanted; needs root."""
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(path)], check=False)
    if mounted.returncode:
        pytest.skip("no right to mount a small file system")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_leaves_no_half_file(settings: Settings, tmp_path: Path) -> None:
    filled(settings).db.close()
    with small_disk(tmp_path / "disk", 16) as disk:
        no_room(settings, disk)


def test_room_for_the_copy_alone_is_not_enough(sqlite_settings: Settings, tmp_path: Path) -> None:
    filled(sqlite_settings).db.close()
    with closing(sqlite3.connect(sqlite_settings.data_dir / "flow.sqlite")) as store:
        pages, size = (store.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
    with small_disk(tmp_path / "disk", pages * size // 1024 + 12) as disk:
        no_room(sqlite_settings, disk)


def no_room(settings: Settings, disk: Path) -> None:
    assert "no room" in refused(command(settings, "backup", disk, "--in-clear"))
    assert {path.name for path in disk.iterdir()} <= {".lock"}


def test_a_backup_that_was_killed_leaves_nothing_for_good(sqlite_settings: Settings, folder: Path) -> None:
    assert command(sqlite_settings, "init").exit_code == 0
    left = folder / ".flow-20260101T030000Z.tar.partial"
    left.mkdir(parents=True)
    (left / "archive").write_bytes(b"half")
    assert command(sqlite_settings, "backup", folder, "--in-clear").exit_code == 0
    assert not left.exists()


# --- interrupted ------------------------------------------------------------------------------------------------------

DYING = """
import os, sys
from community_flow.services import restore
{how}
from community_flow.commands import main
main(["restore", sys.argv[1], "--replace"])
"""
WHERE = {
    "before the swap": "restore.take_place = lambda _: os._exit(9)",
    "in the middle of the swap": (
        "rename = os.rename; os.rename = lambda a, b: rename(a, b) if 'old-' in str(b) else os._exit(9)"
    ),
    "before anything was ready": "restore._mark = lambda *_: os._exit(9)",
}


@pytest.mark.parametrize(
    "how",
    [
        "before the swap",
        pytest.param("in the middle of the swap", marks=pytest.mark.slow),
        pytest.param("before anything was ready", marks=pytest.mark.slow),
    ],
)
def test_a_restore_that_dies_is_whole_or_never_was(settings: Settings, one: Path, how: str) -> None:
    command(settings, "user", "add", "later", "--role", "admin")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FLOW_")}
    died = subprocess.run(
        [sys.executable, "-c", DYING.format(how=WHERE[how]), str(one)], env={**clean, **environment(settings)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert died.returncode == 9, died.stderr
    if how == "before anything was ready":
        assert "later" in command(settings, "user", "list").output
        assert command(settings, "restore", one, "--replace").exit_code == 0
    else:
        assert "interrupted" in refused(command(settings, "user", "list"))
        assert command(settings, "init").exit_code == 0
    assert "later" not in command(settings, "user", "list").output
    assert "steward-of-garden" in command(settings, "user", "list").output
    assert equal_after_rebuild(settings)
    assert not restoring.interrupted(settings.data_dir)


def test_rows_that_were_not_committed_bring_no_keys(postgresql_url: str, tmp_path: Path, folder: Path) -> None:
    """On PostgreSQL the process may end between the mark and the commit: then the old state is whole, keys too."""
    with another_store(Settings(database_url=postgresql_url), tmp_path) as settings:
        filled(settings).db.close()
        assert command(settings, "backup", folder, "--in-clear").exit_code == 0
        command(settings, "user", "add", "later", "--role", "admin")
        keys = {path.name: path.read_bytes() for path in (settings.data_dir / "keys").iterdir()}
        dying = DYING.format(how="mark = restore._mark; restore._mark = lambda *a: (mark(*a), os._exit(9))")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FLOW_")}
        died = subprocess.run(
            [sys.executable, "-c", dying, str(backups_in(folder)[0])], env={**clean, **environment(settings)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert died.returncode == 9, died.stderr
        assert command(settings, "init").exit_code == 0
        assert "later" in command(settings, "user", "list").output
        assert {path.name: path.read_bytes() for path in (settings.data_dir / "keys").iterdir()} == keys


# --- at night ---------------------------------------------------------------------------------------------------------


def test_a_night_is_due_once(
    sqlite_settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = tmp_path / "words"
    words.write_text("correct horse battery")
    settings = replace(sqlite_settings, backup_dir=folder, backup_passphrase_file=words)
    assert command(settings, "init").exit_code == 0
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLOW_BACKUP_PASSPHRASE_FILE", str(words))
    core = build_core(settings)
    nightly = Nightly(core)
    assert nightly.look()
    assert not nightly.look(), "it was made a moment ago"
    (path,) = backups_in(folder)
    night_ms = last_night_ms(settings.timezone, core.clock.now_ms())
    assert 0 <= core.clock.now_ms() - night_ms < 25 * 3_600_000
    path.rename(folder / "flow-20260101T030000Z.tar")
    assert nightly.due()
    core.db.close()


def test_serve_does_not_start_with_nights_that_would_fail(sqlite_settings: Settings, folder: Path) -> None:
    assert "Nothing to seal" in refused(command(sqlite_settings, "serve", FLOW_BACKUP_DIR=str(folder)))


def test_an_older_backup_is_brought_up(settings: Settings, tmp_path: Path) -> None:
    """Made at the first revision, restored by this version."""
    from community_flow.adapters.sql.store import SqlDatabase
    from community_flow.wiring.backup import store_copy

    with another_store(settings, tmp_path) as old:
        old.data_dir.mkdir(parents=True)
        command(settings, "init")
        (old.data_dir / "keys").symlink_to(settings.data_dir / "keys")
        upgrade(old.store_url, "0001")
        db = SqlDatabase(old.store_url)
        path = tmp_path / "old.tar"
        with path.open("wb") as file:
            writer = ArchiveWriter(file, None)
            copied = store_copy(old, db).copy(writer, tmp_path)
            with writer.part("files.json") as sink:
                from community_flow.services.backup import files_of

                sink.write(json.dumps(files_of(settings.data_dir)).encode())
            writer.finish({"made": "then", "made_ms": 1, "store": "sqlite" if db.is_sqlite else "postgresql",
                           "revision": copied.revision, "version": "0.1.0", "rows": copied.rows,
                           "columns": copied.columns})  # fmt: skip
        db.close()
        assert copied.revision == "0001"
        done = command(settings, "restore", path, "--replace")
        assert done.exit_code == 0, done.output
    core = build_core(settings)
    with core.db.read() as tx:
        assert tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == head()
    core.db.close()
