"""`autolog import`"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from autolog._config import config_from
from autolog._display import files
from autolog._record.record import Record
from autolog.cli import _files
from autolog.cli._options import store_option
from autolog.cli._progress import counted
from autolog.cli._render import echo_json
from autolog.errors import AutologError, shown
from autolog.stores import open_store
from autolog.stores._batches import batches
from autolog.stores.query import Query

BATCH = 500


@click.command("import")
@click.argument("source")
@click.option("--project", help="Put all into this project.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@store_option
def importing(source: str, project: str | None, as_json: bool, store: str | None) -> None:
    """Import records from a file (JSON lines or Parquet, as exported), another store's URL, or - for standard input.

    Records that exist already are merged, not duplicated.

    \b
    autolog import week.parquet
    autolog import sqlite:////backup/logs.db --store sqlite:///.autolog/logs.db
    ssh server autolog export --since 1d | autolog import -
    """
    opened = open_store(store or config_from({}).store)
    count = 0
    records = counted(_records(source), None, "importing")
    for batch in batches(records, BATCH):
        for record in batch:
            record.seq = None
            record.project = project or record.project
        opened.write(batch)
        count += len(batch)
    if as_json:
        echo_json({"imported": count})
    else:
        click.echo(f"{count} records")


def _records(source: str) -> Iterator[Record]:
    if source == "-":
        return files.read_lines(sys.stdin)
    if "://" in source:
        other = open_store(source, create=False)
        if other is None:
            raise AutologError(f"there is no store at {shown(source)}")
        return other.scan(Query())
    path = Path(source)
    if not path.is_file():
        raise AutologError(f"there is no file {shown(source)}")
    if path.suffix == ".parquet":
        return _files.read_parquet(path)
    return _lines(path)


def _lines(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8") as file:
        yield from files.read_lines(file)
