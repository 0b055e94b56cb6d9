"""A look at the installation: what is wrong and how to mend it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LEAST_FREE_BYTES = 500 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    good: bool
    text: str


def examine(
    data_dir: Path, ping_store: Callable[[], str | None], clock_trouble: Callable[[], str | None], front_end: Path,
    font: Path,
) -> list[Finding]:  # fmt: skip
    """Every finding, good ones too. ``ping_store`` gives what is wrong with the store, or None; so does
    ``clock_trouble``, which is asked only when the store answers."""
    store = _store(ping_store)
    clock = [_clock(clock_trouble())] if store.good else []
    return [*_folder(data_dir), *_keys(data_dir / "keys"), store, *clock, _packages(front_end), _font(font)]


def _folder(folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        yield Finding(False, f"There is no data folder {folder}: run `python -m community_flow init`.")
        return
    writable = os.access(folder, os.W_OK)
    yield Finding(writable, f"The data folder {folder} {'can' if writable else 'cannot'} be written.")
    free = shutil.disk_usage(folder).free
    yield Finding(free > LEAST_FREE_BYTES, f"{free // 2**20} MiB are free on its disk (500 MiB are needed).")


def _keys(folder: Path) -> Iterator[Finding]:
    files = sorted(folder.glob("*.json"))
    if not files:
        yield Finding(False, f"There are no keys in {folder}: run `python -m community_flow init`.")
    open_to_others = [path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_to_others:
        yield Finding(False, f"Others can read {', '.join(open_to_others)}: run `chmod 600 {folder}/*.json`.")
    elif files:
        yield Finding(True, f"{len(files)} keys, readable by their owner only.")


def _store(ping: Callable[[], str | None]) -> Finding:
    trouble = ping()
    if trouble:
        return Finding(False, f"The store does not answer ({trouble}): check FLOW_DATABASE_URL, then run `init`.")
    return Finding(True, "The store answers.")


def _clock(trouble: str | None) -> Finding:
    return Finding(trouble is None, trouble or "The clock goes on from what is kept.")


def _packages(folder: Path) -> Finding:
    good = (folder / "zxing-wasm").is_dir()
    return Finding(good, "The front-end packages are there." if good else f"{folder} is empty: run `make setup`.")


def _font(font: Path) -> Finding:
    if font.exists():
        return Finding(True, "The font for printed cards is there.")
    return Finding(False, "Printed cards need a Chinese font: apt-get install fonts-wqy-zenhei fonts-hanazono.")
