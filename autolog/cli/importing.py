"""The `autolog import` command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from autolog._config import config_from
from autolog._record.record import Record
from autolog.cli._options import store_option
from autolog.cli._progress import counted
from autolog.cli._render import echo_json
from autolog.cli._sources import FORMATS, Source
from autolog.errors import AutologError, shown
from autolog.server._duplicates import Deduplicator
from autolog.server._owners import inherit_owners
from autolog.stores import open_store
from autolog.stores._batches import batches
from autolog.stores._contract import Store
from autolog.stores.query import Query

BATCH = 500


@click.command("import")
@click.argument("sources", nargs=-1, required=True)
@click.option(
    "--from",
    "form",
    type=click.Choice(FORMATS),
    metavar="FORMAT",
    help=f"One of {', '.join(FORMATS)}. [default: recognised by each file's first row]",
)
@click.option("--project", help="Put everything into this project.")
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@store_option
def importing(
    sources: tuple[str, ...], form: str | None, project: str | None, dry_run: bool, as_json: bool, store: str | None
) -> None:
    """Import records: files of ours, what another service exported, another store's URL, or - for standard input.

    Files hold JSON (lines, a list, or an API's response), CSV or Parquet, perhaps gzipped. Exports of LangSmith,
    Langfuse, Phoenix, MLflow, Portkey, Helicone and PromptLayer are recognised, and OTLP JSON. Existing records are
    merged, not duplicated. Rows that cannot be read are reported, counted and skipped; the exit code is then 1.

    \b
    autolog import week.parquet
    autolog import traces.jsonl observations.jsonl scores.jsonl --project shop
    autolog import runs.json --from langsmith --dry-run
    autolog import sqlite:////backup/logs.db --store sqlite:///.autolog/logs.db
    ssh server autolog export --since 1d | autolog import -
    """
    target = None if dry_run else open_store(store or config_from({}).store)
    imported = skipped = 0
    formats: dict[str, int] = {}
    for name in sources:
        source = None if "://" in name else Source(None if name == "-" else Path(name), form)
        count = _take(source.records() if source else _records_of_store(name), target, project)
        imported += count
        if source is not None:
            formats[source.form or "nothing"] = formats.get(source.form or "nothing", 0) + count
            skipped += source.skipped
            _report(name, source)
    if as_json:
        echo_json({"imported": imported, "skipped": skipped, "formats": formats, "dry_run": dry_run})
    else:
        left_out = f", {skipped:,} left out" if skipped else ""
        click.echo(f"{imported:,} records{left_out}{'; nothing was written' if dry_run else ''}")
    if skipped:
        raise SystemExit(1)


def _take(records: Iterator[Record], target: Store | None, project: str | None) -> int:
    """Write records to the target store, or to none for a dry run, and return their number.

    As on a server, calls that several layers reported are billed once.
    """
    count, duplicates = 0, Deduplicator()
    for batch in batches(counted(records, None, "importing"), BATCH):
        for record in batch:
            record.seq = None
            record.project = project or record.project
        if target is not None:
            with target.transaction():
                inherit_owners(target, batch)
                duplicates.fold(target, batch).write(target)
        count += len(batch)
    return count


def _records_of_store(url: str) -> Iterator[Record]:
    other = open_store(url, create=False)
    if other is None:
        raise AutologError(f"there is no store at {shown(url)}")
    return other.scan(Query())


def _report(name: str, source: Source) -> None:
    for problem in source.problems:
        click.echo(f"{shown(name)}: {problem}", err=True)
    if source.skipped > len(source.problems):
        click.echo(f"{shown(name)}: and {source.skipped - len(source.problems)} more", err=True)
