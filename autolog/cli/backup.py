"""The `autolog backup` command."""

from __future__ import annotations

import os
from pathlib import Path

import click

from autolog._display.figures import size
from autolog.cli._options import open_local, store_option
from autolog.errors import AutologError


@click.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace an existing file.")
@store_option
def backup(target: Path, force: bool, store: str | None) -> None:
    """Copy the store into one file while programs and servers keep writing; it is checked before it gets its name.

    To restore, stop what writes to the store, delete its files (logs.db, logs.db-wal, logs.db-shm), and put the copy
    in the place of the first. A -wal file that stays would write newer pages into the copy.

    \b
    autolog backup /backups/logs-2026-11-21.db
    """
    if target.exists() and not force:
        raise AutologError(f"{target} already exists; --force replaces it")
    opened = open_local(store)
    if target.exists() and opened.url.startswith("sqlite:") and target.samefile(opened.url.partition("///")[2]):
        raise AutologError(f"{target} is the store itself; name another file")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        opened.backup(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    click.echo(f"{target}: {size(target.stat().st_size)}", err=True)
