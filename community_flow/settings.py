"""The one place where the environment is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class BadSetting(ValueError):
    """A FLOW_* variable that cannot be used; the message names the remedy."""


@dataclass(frozen=True)
class MqttAddress:
    """FLOW_MQTT_URL in its parts. ``devices`` is the address by which devices reach the same broker."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    tls: bool
    ca_file: Path | None
    devices: str | None

    @property
    def for_devices(self) -> str:
        """What a device is told to connect to."""
        return self.devices or f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that differs between two installations. No secret has a default."""

    data_dir: Path = Path("var")
    database_url: str | None = None
    redis_url: str | None = None
    mqtt_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    timezone: str = "Asia/Shanghai"
    retention_days: int = 7
    key_file: Path | None = None
    notify_url: str | None = None
    notify_key_file: Path | None = None
    demo: bool = False
    fold: bool = True
    backup_dir: Path | None = None
    backup_keep: int = 14
    backup_passphrase_file: Path | None = None
    log: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read FLOW_*; raises BadSetting."""
        return cls(
            data_dir=Path(env.get("FLOW_DATA_DIR", "var")),
            database_url=_store(_secret(env, "FLOW_DATABASE_URL")),
            redis_url=_secret(env, "FLOW_REDIS_URL"),
            mqtt_url=_broker(_secret(env, "FLOW_MQTT_URL")),
            host=env.get("FLOW_HOST", "127.0.0.1"),
            port=_whole(env, "FLOW_PORT", 8000, 1, 65_535),
            timezone=_timezone(env),
            retention_days=_whole(env, "FLOW_RETENTION_DAYS", 7, 1, 60),
            key_file=_path(env, "FLOW_KEY_FILE"),
            notify_url=_web_address(env, "FLOW_NOTIFY_URL"),
            notify_key_file=Path(env["FLOW_NOTIFY_KEY_FILE"]) if env.get("FLOW_NOTIFY_KEY_FILE") else None,
            demo=env.get("FLOW_DEMO", "") == "1",
            fold=_one_of(env, "FLOW_FOLD", ("0", "1")) != "0",
            backup_dir=_path(env, "FLOW_BACKUP_DIR"),
            backup_keep=_whole(env, "FLOW_BACKUP_KEEP", 14, 1, 1_000),
            backup_passphrase_file=_path(env, "FLOW_BACKUP_PASSPHRASE_FILE"),
            log=_one_of(env, "FLOW_LOG", ("json", "text")),
        )

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store: PostgreSQL when set, else one SQLite file in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'flow.sqlite'}"

    @property
    def mqtt(self) -> MqttAddress | None:
        """The MQTT broker; None when reports come over HTTP only."""
        return None if self.mqtt_url is None else _mqtt_address(self.mqtt_url)


def _whole(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = env.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        remedy = f"give a whole number from {least} to {most}, or leave it out for {default}"
        raise BadSetting(f"{name} is {text!r}: {remedy}")
    return int(text)


def _secret(env: Mapping[str, str], name: str) -> str | None:
    """An address with a password in it, or the file that it stands in: a file is seen by nobody who lists processes."""
    path = env.get(f"{name}_FILE")
    if env.get(name) or not path:
        return env.get(name) or None
    try:
        return Path(path).read_text().strip() or None
    except OSError as error:
        raise BadSetting(f"{name}_FILE {path} cannot be read: {error.strerror}.") from error


def _path(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]) if env.get(name) else None


def _one_of(env: Mapping[str, str], name: str, known: tuple[str, ...]) -> str | None:
    text = env.get(name, "")
    if text and text not in known:
        raise BadSetting(f"{name} is {text!r}: give one of {', '.join(known)}, or leave it out")
    return text or None


def _timezone(env: Mapping[str, str]) -> str:
    name = env.get("FLOW_TIMEZONE", "") or "Asia/Shanghai"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadSetting(f"FLOW_TIMEZONE is {name!r}: give an IANA name such as Asia/Shanghai") from error
    return name


def _web_address(env: Mapping[str, str], name: str) -> str | None:
    url = env.get(name) or None
    if url is not None and not url.startswith(("https://", "http://")):
        raise BadSetting(f"{name} is not a web address: write https://host/path")
    return url


def _store(url: str | None) -> str | None:
    if url is not None and not url.startswith(("postgresql://", "postgresql+", "postgres://", "sqlite://")):
        raise BadSetting("FLOW_DATABASE_URL is not an address: write postgresql://user:password@host/name")
    return url


MQTT_FORM = "write mqtts://name:password@host:8883?ca=/path/ca.pem as `python -m community_flow mqtt setup` printed it"
MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}


def _broker(url: str | None) -> str | None:
    if url is not None:
        _mqtt_address(url)
    return url


def _mqtt_address(url: str) -> MqttAddress:
    parts = urlsplit(url)
    asked = parse_qs(parts.query, keep_blank_values=True)
    try:
        port = parts.port
    except ValueError as error:
        raise BadSetting(f"FLOW_MQTT_URL has no usable port ({error}): {MQTT_FORM}") from error
    if parts.scheme not in MQTT_PORTS or not parts.hostname:
        raise BadSetting(f"FLOW_MQTT_URL is not an address: {MQTT_FORM}")
    if not parts.username or not parts.password:
        raise BadSetting(f"FLOW_MQTT_URL has no name and password: {MQTT_FORM}")
    if unknown := set(asked) - {"ca", "devices"}:
        raise BadSetting(f"FLOW_MQTT_URL has {', '.join(sorted(unknown))} after ?, only ca and devices are known")
    devices, ca_file = asked.get("devices", [""])[0], asked.get("ca", [""])[0]
    if devices and urlsplit(devices).scheme not in MQTT_PORTS:
        raise BadSetting("FLOW_MQTT_URL: devices= is not an address: write devices=mqtts://flow.example:8883")
    return MqttAddress(
        host=parts.hostname,
        port=port or MQTT_PORTS[parts.scheme],
        username=unquote(parts.username),
        password=unquote(parts.password),
        tls=parts.scheme == "mqtts",
        ca_file=Path(ca_file) if ca_file else None,
        devices=devices or None,
    )
