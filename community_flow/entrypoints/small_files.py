"""Files that never change while this process runs, compressed once: a first start may be over a weak network."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Response, request, send_from_directory

PACKED = frozenset({".js", ".css", ".svg", ".json", ".html", ".wasm"})


def send_small(folder: Path, path: str, **how: Any) -> Response:
    """A file below a folder, compressed for whoever takes it; raises NotFound as send_from_directory does."""
    response: Response = send_from_directory(folder, path, **how)
    if Path(path).suffix not in PACKED or not request.accept_encodings["gzip"]:
        return response
    response.close()
    packed = Response(_packed(folder, path), content_type=response.content_type)
    packed.cache_control.max_age = response.cache_control.max_age
    packed.headers["Content-Encoding"] = "gzip"
    packed.vary.add("Accept-Encoding")
    return packed


@lru_cache(maxsize=256)
def _packed(folder: Path, path: str) -> bytes:
    return gzip.compress((folder / path).read_bytes(), 9, mtime=0)
