"""What a box knows between two starts: who it is, what it was told last that worked. Nothing here is about people."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class BoxFolder:
    """Small files, each written whole or not at all, readable by their owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self, name: str) -> dict[str, Any]:
        """What was written under that name; {} when nothing was, or it was torn by hand."""
        try:
            found = json.loads((self.path / f"{name}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, name: str, content: dict[str, Any]) -> None:
        path, fresh = self.path / f"{name}.json", self.path / f"{name}.new"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        self._settle()

    def forget(self, name: str) -> None:
        (self.path / f"{name}.json").unlink(missing_ok=True)

    def _settle(self) -> None:
        """A rename is on the disk when its folder is."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
