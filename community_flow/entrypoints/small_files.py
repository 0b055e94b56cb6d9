"""Files that never change while this process runs, compressed once: a first start may be over a weak network."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Response, request, send_from_directory
from werkzeug.wrappers import Response as BaseResponse

PACKED = frozenset({".js", ".css", ".svg", ".json", ".html", ".wasm"})


def send_small(folder: Path, path: str, **how: Any) -> Response:
    """A file below a folder, compressed for whoever takes it; raises NotFound as send_from_directory does."""
    response: Response = send_from_directory(folder, path, **how)
    way = next((way for way in ("br", "gzip") if request.accept_encodings[way] and _packed(folder, path, way)), None)
    if Path(path).suffix not in PACKED or way is None:
        return response
    response.close()
    packed = Response(_packed(folder, path, way), content_type=response.content_type)
    packed.cache_control.max_age = response.cache_control.max_age
    packed.headers["Content-Encoding"] = way
    packed.vary.add("Accept-Encoding")
    packed.add_etag()
    return packed


def fresh(response: Any, as_new_s: int = 0) -> BaseResponse:
    """Asked for again each time, answered with 304 while it is the same: an update reaches every gate at once."""
    response.headers["Cache-Control"] = f"max-age={as_new_s}, must-revalidate" if as_new_s else "no-cache"
    if isinstance(response, Response) and not response.is_streamed:
        response.add_etag()
    answer: BaseResponse = response.make_conditional(request)
    return answer


@lru_cache(maxsize=512)
def _packed(folder: Path, path: str, way: str) -> bytes | None:
    """Brotli where set-up has left it beside the file: it takes a while and a program that the server does without."""
    file = folder / path
    if way == "gzip":
        return gzip.compress(file.read_bytes(), 9, mtime=0)
    packed = file.with_name(f"{file.name}.br")
    return packed.read_bytes() if packed.is_file() else None
