"""The `autolog copy` command."""

from __future__ import annotations

from dataclasses import asdict

import click

from autolog._display.figures import dollars
from autolog.cli._progress import bar
from autolog.cli._render import echo_json
from autolog.errors import AutologError, shown
from autolog.stores import open_store
from autolog.stores.copy import copy as copy_store
from autolog.stores.query import Query


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--again", is_flag=True, help="Start from the beginning, not where an earlier run stopped.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def copy(source: str, target: str, again: bool, as_json: bool) -> None:
    """Move to another store: all records with their bodies, all keys and other documents.

    Every batch is verified at the destination. An interrupted copy resumes where it stopped. Records added to the
    source meanwhile are copied too; changes to records already copied need --again. Records that exist at the
    destination are merged, not duplicated.

    \b
    autolog copy sqlite:///logs.db clickhouse://user:password@host:8123/autolog
    autolog copy clickhouse://user:password@host:8123/autolog sqlite:///copy.db
    """
    given = open_store(source, create=False)
    if given is None:
        raise AutologError(f"there is no store at {shown(source)}")
    taken = open_store(target)
    if getattr(given, "path", given.url) == getattr(taken, "path", taken.url):
        raise AutologError("source and target are the same store")
    with bar("copying", given.count(Query())) as on_progress:
        done = copy_store(given, taken, again, on_progress)
    taken.close()
    given.close()
    if as_json:
        echo_json(asdict(done))
        return
    earlier = f" ({done.before:,} before)" if done.before else ""
    click.echo(
        f"{done.records:,} records{earlier} and {done.documents:,} documents copied and checked: {done.calls:,} calls, "
        f"{done.input_tokens + done.output_tokens:,} tokens, {dollars(done.cost)}"
    )
