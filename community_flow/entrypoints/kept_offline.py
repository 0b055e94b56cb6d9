"""The service worker of a page that works without network: one for all of them, told what to keep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from community_flow.entrypoints.small_files import fresh
from web import ROOT

Files = tuple[tuple[str, Path], ...]


def worker(name: str, scope: str, kept: Mapping[str, Path], later: Mapping[str, Path] | None = None) -> BaseResponse:
    """Keeps the files behind these addresses, under a version that changes when any of them does.

    ``later``: what the page works without, fetched after the rest.
    """
    response = Response(
        _text(name, tuple(kept.items()), tuple((later or {}).items())), content_type="text/javascript; charset=utf-8"
    )
    response.headers["Service-Worker-Allowed"] = scope
    return fresh(response)


@cache
def _text(name: str, kept: Files, later: Files) -> str:
    digest = hashlib.sha256()
    for _, path in kept + later:
        digest.update(path.read_bytes())
    told: dict[str, object] = {
        "NAME": name,
        "VERSION": digest.hexdigest()[:16],
        "FILES": [address for address, _ in kept],
    }
    told["LATER"] = [address for address, _ in later]
    head = "".join(f"const {each} = {json.dumps(value)};\n" for each, value in told.items())
    return head + (ROOT / "worker.js").read_text()
