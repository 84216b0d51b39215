"""The `autolog export` command."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click

from autolog._display import cassettes, files
from autolog._record.record import Record
from autolog.cli._files import require_pyarrow
from autolog.cli._options import (
    ReadableStore,
    filter_options,
    nothing_matches,
    open_for_reading,
    query_from,
    reading_options,
    require_one,
)
from autolog.cli._progress import counted
from autolog.cli._render import counted as number_of, data_output
from autolog.cli.sql import run_select
from autolog.errors import AutologError
from autolog.stores.query import Query
from autolog.stores.sql import SECONDS

#: The most calls that --where selects.
MOST = 100_000


@click.command()
@filter_options
@click.option(
    "--format", "-f", "form", type=click.Choice(files.FORMATS), help="[default: by the file's name, or jsonl]"
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write. [default: standard output]",
)
@click.option("--id", "ids", multiple=True, help="Only these records, by their ids or parts of them; may be repeated.")
@click.option("--where", metavar="SQL", help="Only calls for which this SQL condition holds; see autolog sql --views.")
@reading_options
def export(
    form: str | None,
    output: Path | None,
    ids: tuple[str, ...],
    where: str | None,
    store: str | None,
    server: str | None,
    **options: Any,
) -> None:
    """Export records, oldest first, however many there are.

    jsonl and parquet hold whole records, csv what fits a spreadsheet. vcr is a vcrpy cassette, which turns yesterday's
    calls into a test. dataset has one line per call: input, output and scores.

    \b
    autolog export --since 7d -o week.parquet
    autolog export --model gpt-4o -f csv > calls.csv
    autolog export --where "score > 0.8 and model like 'gpt-5%'" -f dataset
    autolog export --trace 0af7651916cd43dd8448eb211c80319c -f vcr -o plan.yaml
    """
    form = form or _by_name(output)
    opened = open_for_reading(store, server)
    query = query_from(options, opened)
    if where is not None:
        if ids:
            raise click.UsageError("--id and --where both select records: give only one of them")
        ids = _where(opened, where, query)
    records = _chosen(opened, ids) if ids or where is not None else opened.scan(query)
    total = len(ids) if ids or where is not None else opened.count(query)
    if not total:
        nothing_matches(opened, query, err=True)
    if form == "parquet":
        if output is None:
            raise click.UsageError("a Parquet file needs a name: --output FILE")
        require_pyarrow()
        with _whole(output) as path:
            written = files.write_parquet(counted(records, total, "exporting"), path)
        _report(written, form, output)
        return
    write: Any = {"jsonl": files.write_lines, "csv": files.write_csv, "vcr": cassettes.write_cassette,
                  "dataset": files.write_dataset}[form]  # fmt: skip
    if output is None:
        written = write(records, data_output())
    else:
        with _whole(output) as path, _open_private(path, newline="" if form == "csv" else None) as file:
            written = write(counted(records, total, "exporting"), file)
    if output is not None or form == "vcr":
        _report(written, form, output)


def _report(written: int, form: str, output: Path | None) -> None:
    noun = "call" if form in {"vcr", "dataset"} else "record"
    click.echo(f"{number_of(written, noun)}{f' written to {output}' if output else ''}", err=True)


@contextlib.contextmanager
def _whole(output: Path) -> Iterator[Path]:
    """Provide the path of a new private file; what was there before is replaced only once all of it has been written.

    Raises:
        AutologError: if it cannot be written.
    """
    in_place = output.exists() and not output.is_file()  # a pipe or a device
    part = output if in_place else output.resolve().with_name(f"{output.name}.part")
    try:
        if not in_place:
            part.unlink(missing_ok=True)  # in a shared folder it may be another user's, or lead elsewhere
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield part
        if not in_place:
            part.replace(output.resolve())
    except OSError as error:
        raise AutologError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        if not in_place:
            part.unlink(missing_ok=True)


def _open_private(path: Path, newline: str | None = None) -> IO[str]:
    """Open a file for writing that only this user may read, because it contains prompts."""
    return open(path, "w", encoding="utf-8", newline=newline, opener=functools.partial(os.open, mode=0o600))


def _by_name(output: Path | None) -> str:
    suffix = "" if output is None else output.suffix
    return {".csv": "csv", ".parquet": "parquet", ".yaml": "vcr", ".yml": "vcr"}.get(suffix, "jsonl")


def _chosen(store: ReadableStore, ids: tuple[str, ...]) -> Iterator[Record]:
    for record_id in ids:
        yield require_one(store, record_id)


def _where(store: ReadableStore, condition: str, query: Query) -> tuple[str, ...]:
    """Return the ids of the calls that match both an SQL condition and the filters, oldest first."""
    statement = f"SELECT id FROM calls WHERE ({condition}\n) ORDER BY created_at, id"  # noqa: S608 - it reads only
    found = run_select(store, statement, query, SECONDS, MOST)
    if found.more or found.only:
        raise AutologError(f"that is more than {MOST:,} calls; choose fewer with --since and --until")
    matching = {record.id for record in store.find(query, MOST + 1)}
    return tuple(str(row[0]) for row in found.rows if row[0] in matching)
