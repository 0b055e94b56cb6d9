"""The detector's weights: which file is the right one, and how it gets here. Standard library only."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO

SHA256 = "695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14"
SIZE = 3_660_092
"""YOLOX-nano of Megvii, 416x416, 80 COCO classes, as ONNX (Apache-2.0)."""


class BadModel(ValueError):
    """A model file that cannot be used; the message names the remedy."""


def default_path() -> Path:
    """Where `fetch-model` puts the file and where an agent looks when its configuration names none."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "community-flow" / "yolox_nano.onnx"


def checked(model: Path) -> Path:
    """``model`` itself when it is the pinned file; raises BadModel."""
    try:
        found = model.read_bytes()
    except OSError as error:
        raise BadModel(f"The model {model} cannot be read ({error.strerror}): {_AGAIN} --to {model}`.") from error
    if len(found) < SIZE:
        raise BadModel(f"The model {model} is cut short, {len(found)} of {SIZE} bytes: {_AGAIN} --to {model}`.")
    if hashlib.sha256(found).hexdigest() != SHA256:
        raise BadModel(
            f"The model {model} is not the YOLOX-nano this version was measured with: {_AGAIN} --to {model}`."
        )
    return model


def fetch(source: str, target: Path) -> Path:
    """Copy the model from a file or an http(s) mirror; ``target`` appears only when the hash is right."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    try:
        with _opened(source) as found, partial.open("wb") as file:
            shutil.copyfileobj(_limited(found), file)
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        if digest != SHA256:
            raise BadModel(
                f"{source} has SHA-256 {digest}, not {SHA256}: take YOLOX-nano from another mirror; nothing was kept."
            )
        partial.replace(target)
    except OSError as error:
        raise BadModel(f"{source} cannot be fetched ({error}): check the path or the network and try again.") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return target


_AGAIN = "fetch it with `python -m sensors fetch-model FILE_OR_MIRROR"


def _opened(source: str) -> IO[bytes]:
    if source.startswith(("http://", "https://")):
        opened: IO[bytes] = urllib.request.urlopen(source, timeout=30)  # noqa: S310 - the scheme is checked above
        return opened
    if "://" in source:
        raise BadModel(f"{source} is neither a file nor an http(s) address: give one of these.")
    return Path(source).open("rb")


class _limited:  # noqa: N801 - reads as a function where it is used
    """At most a little more than the right size: a wrong address must not fill the disk."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._left = source, SIZE + 1

    def read(self, size: int = -1) -> bytes:
        found = self._source.read(min(self._left, size if size >= 0 else self._left))
        self._left -= len(found)
        return found
