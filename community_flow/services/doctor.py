"""A look at the installation's folders and files: what is wrong and how to mend it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from community_flow.ports.health import Finding, mend, note, ok
from community_flow.services.backup import backups_in, newest_in

LEAST_FREE_BYTES = 500 * 1024 * 1024
OLD_BACKUP_MS = 36 * 3_600_000
OLDEST_PYTHON = (3, 11)
NETWORK_FOLDERS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs")
OTHERS = 0o077


def folder(path: Path) -> Iterator[Finding]:
    if not path.is_dir():
        yield mend(f"There is no data folder {path}: run `python -m community_flow init`.")
        return
    if os.access(path, os.W_OK):
        yield ok(f"The data folder {path} can be written.")
    else:
        yield mend(f"The data folder {path} cannot be written: give it to the user that runs the server.")
    if stat.S_IMODE(path.stat().st_mode) & OTHERS:
        yield mend(f"Others can look into {path}: run `chmod 700 {path}`.")
    yield room(path, "beside the data")


def room(path: Path, where: str) -> Finding:
    free = shutil.disk_usage(path).free
    if free > LEAST_FREE_BYTES:
        return ok(f"{free // 2**20} MiB are free {where}.")
    return mend(f"Only {free // 2**20} MiB are free {where}: make room, 500 MiB at least.")


def local_disk(path: Path, mounts: str) -> Iterator[Finding]:
    """SQLite's log and locks are not reliable over a network. ``mounts`` is the text of /proc/mounts."""
    kinds = {line.split()[1]: line.split()[2] for line in mounts.splitlines() if len(line.split()) > 2}
    for above in [path.resolve(), *path.resolve().parents]:
        if str(above) in kinds:
            if kinds[str(above)] in NETWORK_FOLDERS:
                yield mend(f"{path} lies on a network ({kinds[str(above)]}): SQLite needs a local disk, or set "
                           "FLOW_DATABASE_URL.")  # fmt: skip
            return


def keys(path: Path, key_file: Path | None, open_keys: Callable[[], str | None]) -> Iterator[Finding]:
    """``open_keys`` gives what hinders somebody who uses the keys, or None."""
    files = sorted(path.glob("*.json"))
    if not files:
        yield mend(f"There are no keys in {path}: run `python -m community_flow init`.")
        return
    open_to_others = [each.name for each in files if stat.S_IMODE(each.stat().st_mode) & OTHERS]
    if open_to_others:
        yield mend(f"Others can read {', '.join(open_to_others)}: run `chmod 600 {path}/*.json`.")
    else:
        yield ok(f"{len(files)} keys, readable by their owner only.")
    trouble = open_keys()
    if trouble is not None:
        yield mend(trouble)
    if key_file is None:
        yield note("The keys are not wrapped: whoever copies the data folder has them. FLOW_KEY_FILE wraps new ones.")
    elif key_file.exists() and stat.S_IMODE(key_file.stat().st_mode) & 0o007:
        yield mend(f"Everybody can read {key_file}: run `chmod 600 {key_file}`.")


def backups(path: Path | None, now_ms: int) -> Iterator[Finding]:
    if path is None:
        yield note("No backup is made at night: set FLOW_BACKUP_DIR, or use the timer in docs/deploy.")
        return
    newest = newest_in(path) if path.is_dir() else None
    if newest is None:
        yield mend(f"There is no backup in {path} yet: run `python -m community_flow backup`.")
        return
    hours = (now_ms - newest[1]) / 3_600_000
    text = f"{len(backups_in(path))} backups in {path}, the newest {hours:.0f} hours old"
    if now_ms - newest[1] > OLD_BACKUP_MS:
        yield mend(f"{text}: a night has failed. Run `python -m community_flow backup` and read what it says.")
    else:
        yield ok(f"{text}.")
    yield room(path, "beside the backups")


def time_zone(name: str) -> Finding:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return mend(f"There are no time zone data for {name}: apt-get install tzdata, or `pip install tzdata`.")
    return ok(f"The time zone data know {name}.")


def python() -> Finding:
    found = platform.python_version()
    if tuple(int(each) for each in platform.python_version_tuple()[:2]) < OLDEST_PYTHON:
        return mend(f"Python {found} is too old: 3.11 or newer is needed.")
    return ok(f"Python {found}.")


def packages(lock: Path) -> Finding:
    """Whether what is installed is what the lock says."""
    wanted = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)(?![^\n]*;)", lock.read_text(), re.MULTILINE)
    wrong = [f"{name} {_installed(name) or 'missing'} (wanted {version})" for name, version in wanted
             if _installed(name) != version]  # fmt: skip
    if wrong:
        return mend(f"{len(wrong)} packages are not those of the lock: {', '.join(wrong[:5])}. Run `.ci/setup run`.")
    return ok(f"{len(wanted)} packages, as the lock says.")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def front_end(path: Path) -> Finding:
    if (path / "zxing-wasm").is_dir():
        return ok("The front-end packages are there.")
    return mend(f"{path} is empty: run `make setup`.")


def font(path: Path) -> Finding:
    if path.exists():
        return ok("The font for printed cards is there.")
    return mend("Printed cards need a Chinese font: apt-get install fonts-wqy-zenhei fonts-hanazono.")
