"""`autolog stats`"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich import box
from rich.table import Table

from autolog._display.figures import dollars, number, safe, seconds
from autolog.cli._options import filter_options, open_for_reading, query_from, store_option
from autolog.cli._render import console, echo_json
from autolog.stores.query import GROUPS


@click.command()
@filter_options
@click.option("--by", default="model", show_default=True, type=click.Choice(GROUPS), help="What to group by.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@store_option
def stats(by: str, as_json: bool, store: str | None, **options: Any) -> None:
    """Calls, errors, tokens, cost and latency of provider calls, summed up.

    \b
    autolog stats --by day --since 7d
    autolog stats --by user --model claude-sonnet-5
    """
    rows = open_for_reading(store).aggregate(query_from(options), by)
    if as_json:
        for row in rows:
            echo_json(asdict(row))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(by)
    for heading in ("calls", "errors", "input", "output", "cost", "unpriced", "p50", "p95", "p99"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            safe(row.group if row.group is not None else "–"),
            number(row.calls),
            number(row.errors),
            number(row.input_tokens),
            number(row.output_tokens),
            dollars(row.cost),
            number(row.unpriced),
            seconds(row.p50),
            seconds(row.p95),
            seconds(row.p99),
        )
    console().print(table if rows else "Nothing matches.")
