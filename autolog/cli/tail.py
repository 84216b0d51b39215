"""`autolog tail`"""

from __future__ import annotations

import time
from typing import Any

import click
from rich.text import Text

from autolog.cli._options import filter_options, open_for_reading, query_from, store_option
from autolog.cli._render import console, echo_record, record_row

#: How often the store is asked, in seconds.
INTERVAL = 0.2


@click.command()
@filter_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--limit", "-n", type=click.IntRange(min=1), help="Stop after so many.")
@store_option
def tail(as_json: bool, limit: int | None, store: str | None, **options: Any) -> None:
    """Watch records as they arrive. Ctrl-C ends it.

    \b
    autolog tail --errors
    """
    opened, query = open_for_reading(store), query_from(options)
    place, shown, screen = opened.last(), 0, console()
    while True:
        for record in opened.tail(query, place):
            place = record.seq or place
            if as_json:
                echo_record(record)
            else:
                cells = [cell for cell in record_row(record) if isinstance(cell, Text)]
                screen.print(Text("  ").join(cells), soft_wrap=True)
            shown += 1
            if shown == limit:
                return
        time.sleep(INTERVAL)
