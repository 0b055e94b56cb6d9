"""A manager's program: the operator's JSON of a running server, by a personal token."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from community_flow.domain.scope import Role
from tests.conftest import LiveServer
from tests.factories import an_account
from tests.services import PATIENCE_S


@dataclass(frozen=True)
class Office:
    url: str
    token: str

    @classmethod
    def of(cls, server: LiveServer, role: Role = Role.MANAGER) -> Office:
        core = server.core()
        token = core.accounts.make_token(an_account(core, role).account, "test", "test")
        core.db.close()
        return cls(server.url, token)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """(status, JSON or bytes). Reads are refused while reports wait for the disk: then asked again."""
        end = time.monotonic() + PATIENCE_S
        while (said := self._once(method, path, body))[0] == 503 and method == "GET" and time.monotonic() < end:
            time.sleep(0.2)
        return said

    def _once(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                found, kind, status = answer.read(), answer.headers.get("Content-Type", ""), answer.status
        except urllib.error.HTTPError as error:
            found, kind, status = error.read(), error.headers.get("Content-Type", ""), error.code
        return status, json.loads(found) if "json" in kind else found

    def get(self, path: str) -> Any:
        status, found = self.call("GET", path)
        assert status < 300, found
        return found

    def post(self, path: str, body: Any = None) -> Any:
        status, found = self.call("POST", path, body or {})
        assert status < 300, found
        return found
