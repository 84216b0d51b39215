"""The `autolog diff` command."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich import box
from rich.table import Table
from rich.text import Text

from autolog._display.diff import Line, answer_lines, compare_figures, compare_lines, folded, request_lines
from autolog._display.figures import safe, short_id
from autolog._display.styled import text
from autolog._record.record import Record
from autolog.cli._options import open_for_reading, project_option, reading_options, require_one
from autolog.cli._render import console, counted, echo_json, print_lines


@click.command()
@click.argument("left", metavar="ID")
@click.argument("right", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Figures and lines as JSON.")
@project_option
@reading_options
def diff(left: str, right: str, as_json: bool, project: str | None, store: str | None, server: str | None) -> None:
    """Show two records side by side. The beginning or the end of an ID is enough.

    Equal lines far from a difference are left out; --json has all.

    The exit code is 0 whether they differ or not.

    \b
    autolog diff 0199d2c1-7e4a 0199d2c1-8f00
    """
    opened = open_for_reading(store, server)
    show_difference(require_one(opened, left, project), require_one(opened, right, project), as_json)


def show_difference(left: Record, right: Record, as_json: bool) -> None:
    """Print the differences between two records."""
    figures = compare_figures(left, right)
    requested = compare_lines(request_lines(left), request_lines(right))
    received = compare_lines(answer_lines(left), answer_lines(right))
    if as_json:
        sides = {"left": left.id, "right": right.id, "figures": {name: [one, other] for name, one, other in figures}}
        lines = {"request": [asdict(line) for line in requested], "answer": [asdict(line) for line in received]}
        echo_json({**sides, **lines})
        return
    screen = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for record in (left, right):
        table.add_column(f"{safe(record.name or '?')}\n{short_id(record.id)}")
    for name, one, other in figures:
        style = "" if one == other else "bold yellow"
        table.add_row(text(name, "dim"), Text(safe(one), style=style), Text(safe(other), style=style))
    screen.print(table)
    for title, lines_ in (("request", requested), ("response", received)):
        screen.print(Text(f"\n{title}", style="bold cyan"))
        for is_far, stretch in folded(lines_):
            if is_far:
                screen.print(Text(f"  … {counted(len(stretch), 'equal line')}", style="dim italic"))
                continue
            for line in stretch:
                print_lines(screen, _drawn(line))


def _drawn(line: Line) -> list[Text]:
    if line.kind == "same":
        return [Text("  " + safe(line.left), style="dim")]
    drawn = [] if line.left is None else [Text("- " + safe(line.left), style="red")]
    return drawn if line.right is None else [*drawn, Text("+ " + safe(line.right), style="green")]
