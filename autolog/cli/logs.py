"""`autolog logs`"""

from __future__ import annotations

from typing import Any

import click

from autolog.cli._options import filter_options, mention_journal, open_for_reading, query_from, store_option
from autolog.cli._render import console, echo_record, record_table


@click.command()
@filter_options
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(min=1), help="How many at most.")
@click.option("--sort", type=click.Choice(["time", "latency", "cost", "tokens"]), default="time", help="Largest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@store_option
def logs(limit: int, sort: str, as_json: bool, store: str | None, **options: Any) -> None:
    """List what was recorded, newest first.

    \b
    autolog logs --errors --since 1h
    autolog logs --model gpt-4o --user user:42 --json | jq .cost
    """
    if store is None:
        mention_journal()
    opened = open_for_reading(store)
    order = {"time": "created_at", "latency": "duration"}.get(sort, sort)
    records = opened.find(query_from(options), limit, order_by=order)
    if as_json:
        for record in records:
            echo_record(record)
    elif records:
        console().print(record_table(records))
    else:
        click.echo("Nothing matches.")
