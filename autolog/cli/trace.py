"""`autolog trace`"""

from __future__ import annotations

import sys

import click

from autolog.cli._options import find_one, open_for_reading, store_option
from autolog.cli._render import console, echo_record, trace_tree
from autolog.stores.query import Query

#: More spans than this are not drawn in a terminal.
MAX_SPANS = 2_000


@click.command()
@click.argument("some_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, oldest first.")
@store_option
def trace(some_id: str, as_json: bool, store: str | None) -> None:
    """One trace as a tree with durations and cost. ID is a trace's, or that of any record in it.

    \b
    autolog trace 0199d2c1-7e4a
    """
    opened = open_for_reading(store)
    records = opened.find(Query({"trace_id": some_id}), MAX_SPANS, newest_first=False)
    if not records:
        record = find_one(opened, some_id, bodies=False)
        if record is not None:
            query = Query({"trace_id": record.trace_id}) if record.trace_id else Query({"id": record.id})
            records = opened.find(query, MAX_SPANS, newest_first=False)
    if not records:
        click.echo(f"autolog: no trace or record has the id {some_id!r}; see `autolog logs`", err=True)
        sys.exit(1)
    if len(records) == MAX_SPANS:
        click.echo(f"autolog: only the first {MAX_SPANS} spans of this trace are shown", err=True)
    if as_json:
        for record in records:
            echo_record(record)
    else:
        console().print(trace_tree(records))
