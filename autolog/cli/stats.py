"""`autolog stats`"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from autolog._display.figures import dollars, number, seconds
from autolog._display.page import text
from autolog.cli._options import filter_options, open_for_reading, query_from, reading_options
from autolog.cli._render import console, echo_json, print_lines, table_width
from autolog.cli._table import Column, draw
from autolog.stores.query import GROUPS, Aggregate

_FIGURES = (
    Column("calls", right=True), Column("errors", right=True), Column("input", right=True, leave=2),
    Column("output", right=True, leave=2), Column("cost", point=True), Column("unpriced", right=True, leave=4),
    Column("p50", right=True, leave=3), Column("p95", right=True, leave=1), Column("p99", right=True, leave=5),
)  # fmt: skip


@click.command()
@filter_options
@click.option("--by", default="model", show_default=True, type=click.Choice(GROUPS), help="What to group by.")
@click.option("--wide", is_flag=True, help="All columns, however wide the terminal is.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@reading_options
def stats(by: str, wide: bool, as_json: bool, store: str | None, server: str | None, **options: Any) -> None:
    """Sum up calls, errors, tokens, cost and latency.

    Hours, days, weeks (by their Monday) and months are those of your time zone. A call that failed counts for the
    model that it asked for. `unpriced` are calls without a cost that should have one.

    \b
    autolog stats --by day --since 7d
    autolog stats --by user --model claude-sonnet-5
    """
    opened, query = open_for_reading(store, server), query_from(options)
    rows = opened.aggregate(query, by, None)
    if as_json:
        for row in rows:
            echo_json(asdict(row))
        return
    if not rows:
        click.echo("Nothing matches.")
        return
    screen = console()
    (total,) = opened.aggregate(query)
    columns = [Column(by, least=24, most=40), *_FIGURES]
    cells = [[text("–" if row.group is None else row.group), *_figures(row)] for row in rows]
    print_lines(screen, draw(columns, cells, table_width(screen, wide), [Text("total"), *_figures(total)]))


def _figures(row: Aggregate) -> list[Text]:
    errors = Text(f"{number(row.errors)} ({100 * row.errors / row.calls:.1f}%)", "red") if row.errors else Text("0")
    words = (
        number(row.input_tokens), number(row.output_tokens), dollars(row.cost), number(row.unpriced),
        seconds(row.p50), seconds(row.p95), seconds(row.p99),
    )  # fmt: skip
    return [Text(number(row.calls)), errors, *map(Text, words)]
