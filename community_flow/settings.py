"""The one place where the environment is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class BadSetting(ValueError):
    """A FLOW_* variable that cannot be used; the message names the remedy."""


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
    demo: bool = False

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read FLOW_*; raises BadSetting."""
        return cls(
            data_dir=Path(env.get("FLOW_DATA_DIR", "var")),
            database_url=_store(env.get("FLOW_DATABASE_URL") or None),
            redis_url=env.get("FLOW_REDIS_URL") or None,
            mqtt_url=env.get("FLOW_MQTT_URL") or None,
            host=env.get("FLOW_HOST", "127.0.0.1"),
            port=_whole(env, "FLOW_PORT", 8000, 1, 65_535),
            timezone=_timezone(env),
            retention_days=_whole(env, "FLOW_RETENTION_DAYS", 7, 1, 60),
            key_file=Path(env["FLOW_KEY_FILE"]) if env.get("FLOW_KEY_FILE") else None,
            demo=env.get("FLOW_DEMO", "") == "1",
        )

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store: PostgreSQL when set, else one SQLite file in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'flow.sqlite'}"


def _whole(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = env.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        remedy = f"give a whole number from {least} to {most}, or leave it out for {default}"
        raise BadSetting(f"{name} is {text!r}: {remedy}")
    return int(text)


def _timezone(env: Mapping[str, str]) -> str:
    name = env.get("FLOW_TIMEZONE", "") or "Asia/Shanghai"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadSetting(f"FLOW_TIMEZONE is {name!r}: give an IANA name such as Asia/Shanghai") from error
    return name


def _store(url: str | None) -> str | None:
    if url is not None and not url.startswith(("postgresql://", "postgresql+", "postgres://", "sqlite://")):
        raise BadSetting("FLOW_DATABASE_URL is not an address: write postgresql://user:password@host/name")
    return url
