"""Every table, imported so that `metadata` is whole."""

from __future__ import annotations

import importlib
import pkgutil

from sqlalchemy import MetaData

from community_flow.adapters import sql
from community_flow.adapters.sql.metadata import metadata


def all_metadata() -> MetaData:
    """The metadata with each `tables_*` module of this package loaded."""
    for module in pkgutil.iter_modules(sql.__path__):
        if module.name.startswith("tables_"):
            importlib.import_module(f"{sql.__name__}.{module.name}")
    return metadata
