"""What a box says to its server beside reports: claim me, what am I to do, this worked, here is the picture."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sensors import __version__
from sensors.uplink_http import MOST_ANSWER, NoAnswer, connected, server_parts

SETTINGS = "/v1/device/settings"
MOST_REASON = 500


@dataclass(frozen=True)
class Said:
    """An answer: its status, its body (a table), its ETag."""

    status: int
    body: dict[str, Any]
    tag: str = ""

    @property
    def trouble(self) -> str:
        return f"{self.status} {self.body.get('title', '')} {self.body.get('detail', '')}".strip()


class Link(Protocol):
    """A way on which a box that is a device asks what it is to do. Each call may raise NoAnswer."""

    def settings(self, tag: str) -> Said: ...

    def told(self, version: int, outcome: str, reason: str | None) -> Said: ...

    def next_token(self) -> Said: ...

    def took_token(self, token: str) -> Said:
        """Say that this token is on the disk: all others end. 409 when it is none of this device."""
        ...

    def picture(self, wish: str, jpeg: bytes) -> Said: ...

    def no_picture(self, wish: str, reason: str) -> Said: ...

    def close(self) -> None: ...


class BoxLink:
    """Over HTTP. A connection for each call: there is one every few seconds, and a stale line would cost one."""

    def __init__(self, server: str, token: str = "", ca_file: Path | None = None) -> None:
        self._parts, self.server, self._token, self._ca_file = server_parts(server), server, token, ca_file

    def ask_to_be_claimed(self) -> Said:
        return self._json("/v1/device/requests", {"version": __version__, "address": self.server})

    def poll(self, secret: str) -> Said:
        return self._json("/v1/device/requests/poll", {"secret": secret})

    def claim(self, code: str) -> Said:
        """With a code that the office gave."""
        return self._json("/v1/device/claim", {"code": code})

    def settings(self, tag: str) -> Said:
        return self._call("GET", SETTINGS, None, {"If-None-Match": tag} if tag else {})

    def told(self, version: int, outcome: str, reason: str | None) -> Said:
        return self._json(SETTINGS, {"version": version, "outcome": outcome, "reason": reason and reason[:MOST_REASON]})

    def next_token(self) -> Said:
        return self._json("/v1/device/token", {})

    def took_token(self, token: str) -> Said:
        return self._json("/v1/device/token/taken", {"token": token})

    def picture(self, wish: str, jpeg: bytes) -> Said:
        return self._call("POST", f"/v1/device/picture/{wish}", jpeg, {"Content-Type": "image/jpeg"})

    def no_picture(self, wish: str, reason: str) -> Said:
        return self._json(f"/v1/device/picture/{wish}", {"reason": reason})

    def close(self) -> None:
        """Nothing stays open."""

    def _json(self, path: str, body: Mapping[str, Any]) -> Said:
        return self._call("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _call(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Said:
        """Raises NoAnswer."""
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        line = connected(self._parts, self._ca_file)
        try:
            line.request(method, self._parts.path.rstrip("/") + path, body, headers)
            response = line.getresponse()
            found = response.read(MOST_ANSWER)
            return Said(response.status, table(found), response.getheader("ETag") or "")
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"{self.server} does not answer ({error or type(error).__name__})") from error
        finally:
            line.close()


def table(found: bytes) -> dict[str, Any]:
    """A JSON object; {} for anything else."""
    try:
        parsed = json.loads(found) if found else {}
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
