"""`autolog export`"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from autolog._record.record import Record
from autolog.cli import _files
from autolog.cli._options import (
    ReadableStore,
    filter_options,
    open_for_reading,
    query_from,
    reading_options,
    require_one,
)
from autolog.cli._progress import counted


@click.command()
@filter_options
@click.option("--format", "-f", "form", type=click.Choice(_files.FORMATS), help="Else by the file's name, else jsonl.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Where to; else standard output.")
@click.option("--id", "ids", multiple=True, help="Only these records, by their ids or parts of them; may be repeated.")
@reading_options
def export(
    form: str | None, output: Path | None, ids: tuple[str, ...], store: str | None, server: str | None, **options: Any
) -> None:
    """Take records elsewhere, oldest first, however many there are.

    jsonl and parquet hold all of a record; csv what a spreadsheet can show; vcr makes a vcrpy cassette, with which
    yesterday's calls are tomorrow's test.

    \b
    autolog export --since 7d -o week.parquet
    autolog export --model gpt-4o -f csv > calls.csv
    autolog export --trace 0af7651916cd43dd8448eb211c80319c -f vcr -o tests/cassettes/plan.yaml
    """
    form = form or _by_name(output)
    opened, query = open_for_reading(store, server), query_from(options)
    records = _chosen(opened, ids) if ids else opened.scan(query)
    total = len(ids) or opened.count(query)
    if form == "parquet":
        if output is None:
            raise click.UsageError("a Parquet file needs a name: --output FILE")
        _files.write_parquet(counted(records, total, "exporting"), output)
        return
    file = sys.stdout if output is None else _files.open_private(output, newline="" if form == "csv" else None)
    write: Any = {"jsonl": _files.write_lines, "csv": _files.write_csv, "vcr": _files.write_cassette}[form]
    try:
        written = write(counted(records, total, "exporting") if output else records, file)
    finally:
        if output is not None:
            file.close()
    if form == "vcr":
        click.echo(f"{written} calls", err=True)


def _by_name(output: Path | None) -> str:
    suffix = "" if output is None else output.suffix
    return {".csv": "csv", ".parquet": "parquet", ".yaml": "vcr", ".yml": "vcr"}.get(suffix, "jsonl")


def _chosen(store: ReadableStore, ids: tuple[str, ...]) -> Iterator[Record]:
    for record_id in ids:
        yield require_one(store, record_id)
