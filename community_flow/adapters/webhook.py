"""A webhook: one signed POST for each message. No redirects, no proxy, no secret of our own."""

from __future__ import annotations

import hashlib
import hmac
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 10.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """A signed message goes where the operator said and nowhere else."""


class Webhook:
    def __init__(self, url: str, key: bytes, timeout_s: float = TIMEOUT_S) -> None:
        self.url, self.key, self.timeout_s = url, key, timeout_s
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect()).open

    def send(self, message: str, body: bytes, now_ms: int) -> str | None:
        """None when the receiver answered 2xx, else what went wrong."""
        sent_s = str(now_ms // 1000)
        headers = {
            "Content-Type": "application/json", "User-Agent": "community-flow",
            "Idempotency-Key": message, "X-Flow-Timestamp": sent_s,
            "X-Flow-Signature": f"sha256={signature(self.key, sent_s, body)}",
        }  # fmt: skip
        request = urllib.request.Request(self.url, body, headers, method="POST")  # noqa: S310 - http(s) by settings
        try:
            with self._open(request, timeout=self.timeout_s):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            return f"The receiver answered {error.code}."
        except (OSError, ValueError) as error:
            return f"The receiver cannot be reached ({type(error).__name__})."


def signature(key: bytes, sent_s: str, body: bytes) -> str:
    """HMAC-SHA256 over the time, a full stop and the body: an old message cannot be played again as a new one."""
    return hmac.new(key, sent_s.encode() + b"." + body, hashlib.sha256).hexdigest()
