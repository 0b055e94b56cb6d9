"""The files with which a Mosquitto serves this program: its configuration, and who may speak there.

Devices are added later through the dynamic-security plugin; these files know the backend only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from community_flow.ports.broker import BrokerAccount

PLUGIN = "mosquitto_dynamic_security.so"
PLUGIN_FOLDERS = ("/usr/lib", "/usr/lib/*", "/usr/lib64", "/usr/local/lib", "/usr/lib/mosquitto", "/opt/homebrew/lib")
CONTROL = "$CONTROL/dynamic-security/v1"
CONTROL_ANSWERS = f"{CONTROL}/response"

HASH_ROUNDS = 20_000
SALT_BYTES, HASH_BYTES = 12, 64
"""As the plugin reads them: PBKDF2 over SHA-512."""


class PluginMissing(ValueError):
    """There is no dynamic-security plugin on this machine; the message names the remedy."""


@dataclass(frozen=True)
class Tls:
    """Certificate of the listener for devices."""

    cafile: Path
    certfile: Path
    keyfile: Path


def find_plugin() -> Path:
    """The dynamic-security plugin where Debian and others put it; raises PluginMissing."""
    for folder in PLUGIN_FOLDERS:
        for found in sorted(Path("/").glob(f"{folder.lstrip('/')}/{PLUGIN}")):
            return found
    raise PluginMissing(f"{PLUGIN} is not on this machine: apt-get install mosquitto, or name it with --plugin.")


def role_of(account: BrokerAccount, *, administers: bool = False) -> dict[str, Any]:
    """The role of one account, as the plugin has it."""
    acls = [_acl("publishClientSend", topic) for topic in account.publishes]
    for topic in account.receives:
        shared = topic.startswith("$share/")
        acls.append(_acl("subscribePattern" if "+" in topic and not shared else "subscribeLiteral", topic))
        acls.append(_acl("publishClientReceive", topic.split("/", 2)[2] if shared else topic))
    if administers:
        acls += [
            _acl("publishClientSend", CONTROL), _acl("subscribeLiteral", CONTROL_ANSWERS),
            _acl("publishClientReceive", CONTROL_ANSWERS),
        ]  # fmt: skip
    return {"rolename": role_name(account.username), "acls": acls}


def role_name(username: str) -> str:
    return f"flow-{username}"


def _acl(kind: str, topic: str) -> dict[str, Any]:
    return {"acltype": kind, "topic": topic, "priority": 0, "allow": True}


def security_file(backend: BrokerAccount, salt: bytes | None = None) -> str:
    """dynamic-security.json with the backend as the only account; everything that no role allows is refused."""
    salt = salt or os.urandom(SALT_BYTES)
    hashed = hashlib.pbkdf2_hmac("sha512", backend.password.encode(), salt, HASH_ROUNDS, HASH_BYTES)
    refused = {"publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": True}
    client = {
        "username": backend.username, "textname": "Community Flow",
        "roles": [{"rolename": role_name(backend.username)}],
        "password": base64.b64encode(hashed).decode(), "salt": base64.b64encode(salt).decode(),
        "iterations": HASH_ROUNDS,
    }  # fmt: skip
    roles = [role_of(backend, administers=True)]
    return json.dumps({"defaultACLAccess": refused, "clients": [client], "roles": roles}, indent=2) + "\n"


def config_file(plugin: Path, security: Path, listeners: Sequence[str], most_bytes: int) -> str:
    """mosquitto.conf; ``listeners`` are ready lines, see `plain_listener` and `tls_listener`."""
    return "\n".join(
        [
            "# Made by `python -m community_flow mqtt setup`. Who may speak is in dynamic-security.json, which the",
            "# broker rewrites itself: both must belong to the user that Mosquitto runs as.",
            "per_listener_settings false",
            "allow_anonymous false",
            f"plugin {plugin}",
            f"plugin_opt_config_file {security}",
            "# Nothing here is the only copy: a device keeps its reports until the backend has answered.",
            "persistence false",
            "# Without it each answer waits 40 ms for company.",
            "set_tcp_nodelay true",
            f"max_packet_size {most_bytes}",
            "# How many messages wait for a reader that is slower than those who write. What finds no room is dropped,",
            "# and sent again by its device because nobody answers it.",
            "max_queued_messages 1000",
            "log_type error",
            "log_type warning",
            "log_type notice",
            *listeners,
            "",
        ]
    )


def plain_listener(port: int, address: str = "127.0.0.1") -> str:
    return f"listener {port} {address}"


def tls_listener(port: int, tls: Tls, address: str = "") -> str:
    return "\n".join(
        [
            f"listener {port} {address}".rstrip(),
            f"cafile {tls.cafile}",
            f"certfile {tls.certfile}",
            f"keyfile {tls.keyfile}",
            "tls_version tlsv1.2",
        ]
    )


def write_once(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that did not exist; raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
