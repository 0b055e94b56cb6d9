"""Pictures in Redis, for several processes. Twin of `memory_pictures.py`.

Redis may write what it holds to its disk, so a picture is sealed there with a key that only this installation has, and
Redis itself lets it go after a minute.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from community_flow.adapters.redis_traffic import RedisLink
from community_flow.ports import Clock
from community_flow.ports.pictures import KEPT_MS, Answered, Asked

INFO = b"cf/pictures/v1"
ANSWER = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
"""


class RedisPictures:
    def __init__(self, link: RedisLink, secret: bytes, clock: Clock) -> None:
        self.link, self.clock = link, clock
        self._box = AESGCM(hmac.digest(secret, INFO, hashlib.sha256))
        self._script = link.client.register_script(ANSWER)

    def ask(self, device: str, asked: Asked) -> bool:
        def put(client: Any) -> bool:
            client.delete(self._key("answer", device))
            return bool(client.set(self._key("ask", device), self._seal(device, asked), px=KEPT_MS))

        return bool(self.link.attempt("pictures", put, lambda: False))

    def asked(self, device: str) -> Asked | None:
        found = self._raw(device)
        asked = self._open(device, found, Asked) if found else None
        return asked if asked and asked.asked_ms + KEPT_MS > self.clock.now_ms() else None

    def answer(self, device: str, id: str, answered: Answered) -> bool:
        raw, asked = self._raw(device), self.asked(device)
        if raw is None or asked is None or asked.id != id:
            return False
        kept = _Kept(id, self.clock.now_ms() + KEPT_MS, answered)
        keys = [self._key("ask", device), self._key("answer", device)]
        arguments = [raw, self._seal(device, kept), KEPT_MS]
        done = self.link.attempt("pictures", lambda _: self._script(keys=keys, args=arguments), lambda: 0)
        return bool(done == 1)

    def answered(self, device: str, id: str) -> Answered | None:
        key = self._key("answer", device)
        found = self.link.attempt("pictures", lambda client: client.get(key), lambda: None)
        kept = self._open(device, found, _Kept) if found else None
        return kept.answered if kept and kept.id == id and kept.ends_ms > self.clock.now_ms() else None

    def forget(self, device: str) -> None:
        keys = [self._key("ask", device), self._key("answer", device)]
        self.link.attempt("pictures", lambda client: client.delete(*keys), lambda: 0)

    def _raw(self, device: str) -> str | None:
        key = self._key("ask", device)
        found: str | None = self.link.attempt("pictures", lambda client: client.get(key), lambda: None)
        return found

    def _key(self, part: str, device: str) -> str:
        return self.link.key("picture", part, device)

    def _seal(self, device: str, value: Any) -> str:
        nonce = os.urandom(12)
        sealed = self._box.encrypt(nonce, msgspec.msgpack.encode(value), device.encode())
        return base64.b64encode(nonce + sealed).decode()

    def _open(self, device: str, text: str, kind: type[Any]) -> Any:
        raw = base64.b64decode(text)
        try:
            return msgspec.msgpack.decode(self._box.decrypt(raw[:12], raw[12:], device.encode()), type=kind)
        except (InvalidTag, msgspec.DecodeError):  # of another installation, or of another version
            return None


class _Kept(msgspec.Struct, frozen=True):
    id: str
    ends_ms: int
    answered: Answered
