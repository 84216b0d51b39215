"""The `autolog sql` command."""

from __future__ import annotations

import contextlib
import csv
import shutil
import sys
import textwrap
from decimal import Decimal
from typing import Any

import click
from rich.text import Text

from autolog._display.figures import safe
from autolog._display.files import safe_cell
from autolog._display.styled import text
from autolog.cli._options import ReadableStore, Time, nothing_matches, open_for_reading, reading_options
from autolog.cli._remote import RemoteStore
from autolog.cli._render import complain, console, data_output, echo_json, print_lines, table_width
from autolog.cli._table import Column, draw, fits
from autolog.stores.query import Query
from autolog.stores.sql import DESCRIPTIONS, ROWS, SECONDS, VIEWS, Answer, SQLError, select

_PROMPT, _MORE = "sql> ", "...> "


@click.command()
@click.argument("statement", metavar="[SELECT]", required=False)
@click.option("--project", help="One project only.")
@click.option("--since", type=Time(), help="Only records from this time on: 2h, yesterday, 2026-11-20.")
@click.option("--until", type=Time(), help="Only records before this time.")
@click.option(
    "--limit", "-n", default=ROWS, show_default=True, type=click.IntRange(1), help="The maximum number of rows."
)
@click.option(
    "--timeout",
    default=SECONDS,
    show_default=True,
    type=click.FloatRange(0.1),
    help="How long the statement may take, in seconds.",
)
@click.option("--json", "form", flag_value="json", help="One JSON object per row.")
@click.option("--csv", "form", flag_value="csv", help="As CSV.")
@click.option("--views", is_flag=True, help="List the views and their columns.")
@reading_options
def sql(
    statement: str | None, project: str | None, since: Any, until: Any, limit: int, timeout: float, form: str | None,
    views: bool, store: str | None, server: str | None,
) -> None:  # fmt: skip
    """Query calls, spans, messages, tool calls and scores with SELECT; without a statement, line by line.

    It is SQLite's SQL on every store, and read-only: it changes nothing, opens no file, and is stopped when it takes
    too long. Times are texts in UTC, durations seconds, money US dollars.

    \b
    autolog sql "select model, count(*), sum(cost) from calls group by 1"
    autolog sql --views
    autolog sql --csv "select * from tool_calls where name = 'search'" > calls.csv
    """
    if views:
        _list_views(form)
        return
    opened = open_for_reading(store, server)
    query = Query({"project": project} if project else {}, since=since, until=until)

    def answer(given: str) -> None:
        found = run_select(opened, given, query, timeout, limit)
        _show(found, form)
        if not found.rows:
            nothing_matches(opened, query, "No row matches.", err=True)

    if statement is not None:
        answer(statement)
    elif sys.stdin.isatty():
        _converse(answer)
    else:
        answer(sys.stdin.read())


def run_select(store: ReadableStore, statement: str, query: Query, seconds: float, rows: int) -> Answer:
    """Run a SELECT over the views of a store or a server.

    Args:
        seconds: the timeout.
        rows: the most rows to return.
    """
    if isinstance(store, RemoteStore):
        return store.select(statement, query, seconds, rows)
    return select(store, statement, query, seconds, rows)


def _converse(answer: Any) -> None:
    """Read statements, each ended by a semicolon, from the terminal until end of file."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() its history
    click.echo("A statement ends with ;   .views lists the views, .quit or Ctrl-D leaves.", err=True)
    lines: list[str] = []
    while True:
        try:
            line = input(_MORE if lines else _PROMPT)
        except EOFError:
            click.echo(err=True)
            if lines:
                complain("the last statement was not run, because no ; ended it")
            return
        except KeyboardInterrupt:
            click.echo(err=True)
            lines = []
            continue
        if not lines and line.strip() in {".quit", ".exit", "quit", "exit"}:
            return
        if not lines and line.strip() in {".views", ".tables", ".schema"}:
            _list_views(None)
            continue
        lines += [line] if line.strip() else []
        if lines and lines[-1].rstrip().endswith(";"):
            statement, lines = "\n".join(lines), []
            try:
                answer(statement)
            except SQLError as error:
                complain(error)


def _list_views(form: str | None) -> None:
    for view, columns in VIEWS.items():
        if form == "json":
            echo_json({"view": view, "description": DESCRIPTIONS[view], "columns": list(columns)})
        else:
            width = shutil.get_terminal_size().columns
            for line, indent in ((f"{view}: {DESCRIPTIONS[view]}", ""), (", ".join(columns), "    ")):
                click.echo("\n".join(textwrap.wrap(line, width, initial_indent=indent, subsequent_indent="    ")))


def _show(answer: Answer, form: str | None) -> None:
    if form == "json":
        for row in answer.as_dicts():
            echo_json(row)
    elif form == "csv":
        writer = csv.writer(data_output(), lineterminator="\n")
        writer.writerow([safe_cell(name) for name in answer.columns])
        writer.writerows([safe_cell(value) for value in row] for row in answer.rows)
    else:
        _draw(answer)
    for note in answer.notes:
        click.echo(f"autolog: {note}", err=True)


def _draw(answer: Answer) -> None:
    """Print a table or, if the columns do not fit, each row with one line per value."""
    screen = console()
    width = table_width(screen)
    columns = [_column(name, [row[place] for row in answer.rows]) for place, name in enumerate(answer.columns)]
    rows = [[text(_shown(value)) for value in row] for row in answer.rows]
    if width is None or fits(columns, rows, width):
        print_lines(screen, draw(columns, rows, width))
        return
    widest = max(len(column.heading) for column in columns)
    for number, row in enumerate(rows, 1):
        print_lines(screen, [Text(f"─ row {number} ".ljust(width, "─"), "dim")])
        for column, value in zip(columns, row, strict=True):
            if value.plain:
                screen.print(Text.assemble((column.heading.ljust(widest + 2), "dim"), value), soft_wrap=True)


def _column(name: str, values: list[Any]) -> Column:
    figures = [value for value in values if value is not None]
    point = bool(figures) and all(isinstance(value, (int, float)) for value in figures)
    return Column(safe(name), point=point, least=12, most=60)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        digits = f"{value:.12g}"  # hides the rounding errors of float sums
        return f"{Decimal(digits):f}" if 1e-12 < abs(value) < 1e18 else digits
    return "" if value is None else " ".join(str(value).split())
