"""The `autolog trace` command."""

from __future__ import annotations

import click

from autolog._display.styled import text
from autolog._record.record import Record
from autolog.cli._options import (
    ReadableStore,
    open_for_reading,
    project_option,
    reading_options,
    require_one,
    with_whole_trace,
)  # fmt: skip
from autolog.cli._render import console, echo_record, print_lines, table_width, trace_lines
from autolog.errors import AutologError
from autolog.stores.query import FilterError, Query

#: The most spans that are drawn on a terminal.
MAX_SPANS = 2_000


@click.command()
@click.argument("some_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, oldest first.")
@project_option
@reading_options
def trace(some_id: str, as_json: bool, project: str | None, store: str | None, server: str | None) -> None:
    """Show a trace as a tree with durations and cost.

    ID is the id of a trace, or of any record in it; the beginning or the end is enough.

    \b
    autolog trace 0199d2c1-7e4a
    """
    opened = open_for_reading(store, server)
    records = _spans(opened, some_id, project)
    if len(records) == MAX_SPANS:
        click.echo(f"autolog: only the first {MAX_SPANS} spans of this trace are shown", err=True)
    if as_json:
        for record in records:
            echo_record(record)
        return
    screen = console()
    screen.print(text(f"trace {records[0].trace_id or records[0].id}", "dim"))
    print_lines(screen, trace_lines(records, table_width(screen)))


def _spans(store: ReadableStore, some_id: str, project: str | None) -> list[Record]:
    """Return the spans of the trace that an id, or a part of one, identifies, oldest first.

    Raises:
        AutologError: if several traces match.
    """
    record = store.get(some_id, project, bodies=False)
    if record is None:
        try:
            of_project = {} if project is None else {"project": project}
            query = with_whole_trace(store, Query({"trace_id": some_id, **of_project}))
        except FilterError as error:
            raise AutologError(error.problem) from None
        if spans := store.find(query, MAX_SPANS, newest_first=False):
            return spans
        record = require_one(store, some_id, project)
    if not record.trace_id:
        return [record]
    query = Query({"trace_id": record.trace_id, "project": record.project})
    return store.find(query, MAX_SPANS, newest_first=False)
