"""The `autolog tail` command."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import click
from rich.text import Text

from autolog._display.figures import dollars, safe, seconds, short_id, tokens
from autolog._display.styled import status
from autolog._display.trace import span_tree
from autolog._record.record import Record
from autolog.cli._options import filter_options, mention_projects, open_for_reading, query_from, reading_options
from autolog.cli._render import console, echo_record, moment, print_lines, table_width

#: The interval between queries of the store, in seconds.
INTERVAL = 0.2
#: How long a span waits for its parent, which ends after it, in seconds.
PATIENCE = 1.0
#: The width of names, the least one, and the total width of the columns beside them that are never cut.
_NAME, _LEAST_NAME, _FIGURES = 30, 8, 65
#: The part of that for latency, tokens and cost.
_FIGURE_CELLS = 42
#: The least width of the text column; with less room it is left out.
_LEAST_TEXT = 12


@click.command()
@filter_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--limit", "-n", type=click.IntRange(min=1), help="Stop after this many records.")
@reading_options
def tail(as_json: bool, limit: int | None, store: str | None, server: str | None, **options: Any) -> None:
    """Watch records as they arrive. With --since, earlier records are shown first. Ctrl-C ends it.

    \b
    autolog tail --errors
    autolog tail --since 10m
    """
    opened = open_for_reading(store, server, create=True)
    query = query_from(options, opened)
    seq, shown, screen = 0 if query.since is not None else opened.last(), 0, console()
    width = table_width(screen)
    waiting = Waiting()
    if sys.stderr.isatty():
        click.echo("Waiting for records; Ctrl-C ends it.", err=True)
        mention_projects(opened, query.equal.get("project"))
    while True:
        found = opened.tail(query, seq)
        seq = found[-1].seq or seq if found else seq
        if as_json:
            printing = [partial(echo_record, record) for record in found]
        else:
            printing = [partial(print_lines, screen, [line]) for line in tail_lines(waiting.ready(found), width)]
        for print_one in printing:
            print_one()
            shown += 1
            if shown == limit:
                return
        if not found:
            time.sleep(INTERVAL)


class Waiting:
    """Spans whose parents have not arrived yet: a span arrives when it ends, so its children arrive first."""

    def __init__(self) -> None:
        self._traces: dict[str, tuple[float, list[Record]]] = {}

    def ready(self, found: Sequence[Record]) -> list[Record]:
        """Add spans that have arrived, and return those to show: whole traces, and spans that have waited enough."""
        now = time.monotonic()
        for record in found:
            key = record.trace_id or record.id
            self._traces.setdefault(key, (now, []))[1].append(record)
        ready: list[Record] = []
        for key, (since, records) in list(self._traces.items()):
            if now - since >= PATIENCE or any(record.parent_span_id is None for record in records):
                ready += records
                del self._traces[key]
        return ready


def tail_lines(records: Sequence[Record], width: int | None = None) -> Iterator[Text]:
    """Yield a line for each record in columns of fixed width, children below their parents."""
    traces: dict[str, list[Record]] = {}
    for record in records:
        traces.setdefault(record.trace_id or record.id, []).append(record)
    for members in traces.values():
        for node in span_tree(members):
            named = _NAME if width is None else min(_NAME, max(_LEAST_NAME, width - _FIGURES))
            line = _line(
                node.record, node.depth, named, preview=width is None or width - named - _FIGURES >= _LEAST_TEXT
            )
            line.rstrip()
            if width is not None:
                line.truncate(width, overflow="ellipsis")
            yield line


def _line(record: Record, depth: int, width: int, preview: bool) -> Text:
    """Return the line of a record; that of a failed one includes the error, in place of unknown tokens and cost.

    Args:
        depth: the depth of the record in its trace.
        width: the width of the name, in columns.
        preview: whether to append the output.
    """
    failed = record.status != "ok"
    used = tokens(record)
    figures = f"  {seconds(record.duration):>8}  "
    if used or not failed:
        cost = dollars(record.cost) if record.kind == "llm" else ""
        figures += f"{used:>15}  {cost:>11}  "
    name = Text("  " * min(depth, 8) + ("└ " if depth else "") + safe(record.name or "?"), "red" if failed else "")
    longer = max(0, len(figures) - _FIGURE_CELLS)  # than their columns: the name makes room
    name.truncate(max(_LEAST_NAME, width - longer), overflow="ellipsis", pad=True)
    words = record.error_message or (record.output_preview if preview else None) or ""
    return Text.assemble(
        (f"{moment(record.created_at):<11}  ", "dim"), (f"{short_id(record.id):<8}  ", "bright_blue"), name, figures,
        status(record).append("  ") if failed else "", (safe(" ".join(words.split())), "dim"),
    )  # fmt: skip
