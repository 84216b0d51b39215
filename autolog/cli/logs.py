"""The `autolog logs` command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from autolog.cli._columns import COLUMNS, DEFAULT, ColumnNames, record_lines, total_line
from autolog.cli._options import (
    filter_options,
    mention_journal,
    nothing_matches,
    open_for_reading,
    query_from,
    reading_options,
)
from autolog.cli._render import console, echo_record, print_lines, table_width


@click.command()
@filter_options
@click.option(
    "--limit", "-n", default=20, show_default=True, type=click.IntRange(min=1), help="The maximum number of records."
)
@click.option("--sort", type=click.Choice(["time", "oldest", "latency", "cost", "tokens"]), default="time",
              help="Newest or largest first, or oldest first.")  # fmt: skip
@click.option("--roots", is_flag=True, help="Only records without a parent: turns, runs, single calls.")
@click.option("--columns", type=ColumnNames(), default=DEFAULT, help=f"Of {', '.join(COLUMNS)}, metadata.KEY.")
@click.option("--wide", is_flag=True, help="All columns and whole texts, however wide the terminal is.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@reading_options
def logs(
    limit: int, sort: str, roots: bool, columns: tuple[str, ...], wide: bool, as_json: bool, store: str | None,
    server: str | None, **options: Any,
) -> None:  # fmt: skip
    """List records, newest first.

    \b
    autolog logs --errors --since yesterday
    autolog logs --model gpt-4o --user user:42 --json | jq .cost
    autolog logs --session s-1 --roots --sort oldest
    autolog logs --columns time,id,model,score,preview --sort cost
    """
    if store is None and server is None:
        mention_journal()
    opened = open_for_reading(store, server)
    query = query_from(options, opened)
    query = replace(query, roots=roots)
    order = {"time": "created_at", "oldest": "created_at", "latency": "duration"}.get(sort, sort)
    records = opened.find(query, limit, newest_first=sort != "oldest", order_by=order)
    if as_json:
        for record in records:
            echo_record(record)
    elif records:
        screen = console()
        print_lines(screen, record_lines(records, columns, table_width(screen, wide)))
        # Counting the matches of a text search would read all bodies
        matching = opened.count(query) if len(records) == limit and query.text is None else None
        screen.print(total_line(records, matching))
    else:
        nothing_matches(opened, query)
