"""backup, restore"""

from __future__ import annotations

from pathlib import Path

import click

from community_flow.commands import settings
from community_flow.commands.server import hold_data_folder, make_data_folder
from community_flow.domain.errors import Conflict
from community_flow.ports.audit import Look
from community_flow.settings import Settings

FILE = click.Path(path_type=Path, dir_okay=False)
NO_TARGET = "Say where to: `backup FOLDER`, or set FLOW_BACKUP_DIR."
AFTERWARDS = (
    "What was taken back after {made} (devices, accounts, passes) is good again: take it back again. "
    "Reports that came later are not here; devices send only what was not acknowledged."
)


@click.command()
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(1, 1_000), help="afterwards delete all but the newest N of the folder")
@click.option("--passphrase-file", type=FILE, help="seal it with the passphrase in this file")
@click.option("--in-clear", is_flag=True, help="do not seal it: whoever holds the file reads everything")
def backup(target: Path | None, keep: int | None, passphrase_file: Path | None, in_clear: bool) -> None:
    """Write one file with store and keys, into a folder or as a .tar; `serve` may run."""
    from community_flow.adapters.sql.migrate import refuse_other
    from community_flow.wiring.backup import backup_of, secret_to_seal
    from community_flow.wiring.core import build_core

    known = settings()
    target = target or known.backup_dir
    if target is None:
        raise Conflict(NO_TARGET)
    secret = secret_to_seal(known, passphrase_file, in_clear=in_clear)
    core = build_core(known)
    refuse_other(core.db)
    with core.db.write() as tx:
        core.audit.append(tx, Look(account="command line", role="", action="backup.make"))
    made = backup_of(core, secret).make(target, keep)
    core.db.close()
    _tell(made.path, made.manifest)
    for path in made.removed:
        click.echo(f"{path} removed.")


@click.command()
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="lose what is in the store here")
@click.option("--check", is_flag=True, help="only look whether the file is whole and can be restored here")
@click.option("--passphrase-file", type=FILE, help="the passphrase that it was sealed with")
def restore(file: Path, replace: bool, check: bool, passphrase_file: Path | None) -> None:
    """Back to what a backup holds: everything of it, or nothing. Refuses while a server or worker runs."""
    from community_flow.adapters.sql.migrate import revisions
    from community_flow.services.restore import check as look
    from community_flow.wiring.backup import open_backup

    known = settings()
    make_data_folder(known)
    opened = open_backup(known, file, passphrase_file)
    try:
        if check:
            look(opened, revisions())
        else:
            with hold_data_folder(known):
                _restore(known, opened, replace)
    finally:
        opened.close()
    _tell(file, opened.manifest)
    if not check:
        click.echo("Restored. " + AFTERWARDS.format(made=opened.manifest["made"]))


def _restore(known: Settings, opened: object, replace: bool) -> None:
    from community_flow.adapters.sql.presence import alone
    from community_flow.adapters.sql.store import SqlDatabase
    from community_flow.services.restore import interrupted
    from community_flow.wiring.backup import finish_restore, restore_of

    if interrupted(known.data_dir):
        finish_restore(known)
    db = SqlDatabase(known.store_url)
    try:
        with alone(db, "A restore", patience_s=0.0):
            restore_of(known, db).run(opened, replace=replace)  # type: ignore[arg-type]
    finally:
        db.close()


def _tell(path: Path, manifest: object) -> None:
    found = dict(manifest)  # type: ignore[call-overload]
    by = found["sealed"]["by"]
    size = path.stat().st_size / 2**20
    click.echo(
        f"{path}: {size:.1f} MiB, {found['store']} at revision {found['revision']}, made {found['made']}, "
        f"{found['rows'].get('reports', 0)} reports, {sum(found['rows'].values())} rows, "
        f"{'sealed with ' + by if by else 'NOT sealed'}."
    )
