"""Freeze a SQLite installation as the state of its revision: `python -m tests.states.freeze DATA_DIR`.

Run it with the released version's own data, for example after `demo load --people 12 --days 2` and a few commands.
"""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from community_flow.services.backup import files_of

HERE = Path(__file__).parent


def frozen(data_dir: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(data_dir / "flow.sqlite")) as store:
        names = store.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        tables = {name: _rows(store, name) for (name,) in sorted(names) if name != "alembic_version"}
        revision = store.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    return {"revision": revision, "files": files_of(data_dir), "tables": tables}


def _rows(store: sqlite3.Connection, name: str) -> dict[str, Any]:
    found = store.execute(f'SELECT * FROM "{name}"')
    columns = [each[0] for each in found.description]
    return {"columns": columns, "rows": [[_plain(value) for value in row] for row in found]}


def _plain(value: Any) -> Any:
    return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def thawed(revision: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((HERE / f"{revision}.json.gz").read_bytes()))
    return found


def value(plain: Any) -> Any:
    return base64.b64decode(plain["bytes"]) if isinstance(plain, dict) else plain


if __name__ == "__main__":
    state = frozen(Path(sys.argv[1]))
    packed = gzip.compress(json.dumps(state, ensure_ascii=False).encode(), mtime=0)
    (HERE / f"{state['revision']}.json.gz").write_bytes(packed)
