"""Print records on a terminal. Contents of logs are shown as plain text, without markup or control sequences."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import IO, Any

import click
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from autolog._display.figures import dollars, number, safe, safe_json, seconds, tokens
from autolog._display.styled import status
from autolog._display.trace import Node, span_tree
from autolog._record.record import Record, to_json
from autolog.cli._table import Cell, Column, Line, draw, parts


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would end with an error; `main` knows better


def console(stderr: bool = False) -> Console:
    """Return the console on which commands print: standard output, or standard error."""
    return _Console(highlight=False, markup=False, emoji=False, stderr=stderr)


def table_width(screen: Console, wide: bool = False) -> int | None:
    """Return the width of tables: that of the terminal or of COLUMNS; None for as wide as necessary."""
    known = screen.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return screen.width if known and not wide else None


class _Lines:
    """Lines of text, rendered without rich's search for places to wrap them: half the time of long tables."""

    def __init__(self, lines: Iterable[Text | Line]) -> None:
        self._lines = lines

    def __rich_console__(self, screen: Console, _: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            if screen.color_system is None:
                yield Segment("".join([words for words, _ in parts(line)]) + "\n")
            else:
                yield from [Segment(words, Style.parse(style) if style else None) for words, style in parts(line)]
                yield Segment.line()


def print_lines(screen: Console, lines: Iterable[Text | Line]) -> None:
    """Print lines of text without wrapping them."""
    screen.print(_Lines(lines), soft_wrap=True, end="")


def print_prose(screen: Console, prose: Text, indent: str = "") -> None:
    """Print a sentence on one line or, on a terminal, wrapped between words; later lines are indented."""
    width = table_width(screen)
    lines = [prose] if width is None else prose.wrap(screen, width - len(indent))
    for line in lines:
        line.rstrip()
    print_lines(screen, [Text(f"\n{indent}").join(lines)])


def complain(error: object) -> None:
    """Print an error message on standard error."""
    print_prose(console(stderr=True), Text(f"autolog: {safe(error)}"))


def counted(count: int, noun: str) -> str:
    """Return a count with its noun in the singular or plural."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def moment(at: datetime | None) -> str:
    """Return a local time, with the day unless it is today, and with the year unless it is this year."""
    if at is None:
        return "–"
    local, now = at.astimezone(), datetime.now().astimezone()
    if local.date() == now.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%m-%d %H:%M" if local.year == now.year else "%Y-%m-%d")


# JSON


def echo_json(data: Any) -> None:
    """Print data as one line of JSON."""
    click.echo(safe_json(json.dumps(data)))


def data_output() -> IO[str]:
    """Return standard output for data that programs read, which is UTF-8 whatever the terminal's encoding."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


def echo_record(record: Record, bodies: bool = False) -> None:
    """Print a record as one line of JSON."""
    data_output()
    click.echo(safe_json(to_json(record, bodies)))


# One trace


#: The greatest depth of a span in the drawing; deeper ones are drawn at this depth. A narrow terminal has less room.
MAX_DEPTH = 20


def trace_lines(records: Sequence[Record], width: int | None) -> list[Line]:
    """Return the spans of one trace as lines, children below their parents, with bars for their times."""
    nodes = span_tree(records)
    bar = 24 if width is None else max(8, min(48, width // 5))
    columns = [
        Column("when", leave=3), Column("span", least=16, leave=0), Column("latency", right=True),
        Column("tokens", right=True, leave=1), Column("cost", point=True),
    ]  # fmt: skip
    guides = _guides(nodes, MAX_DEPTH if width is None else min(MAX_DEPTH, width // 8))
    rows = [_trace_row(node, guide, bar) for node, guide in zip(nodes, guides, strict=True)]
    return list(draw(columns, rows, width, _trace_total(nodes)))


def _guides(nodes: Sequence[Node], deepest: int) -> list[str]:
    """Return the tree lines to draw before each span."""
    guides: list[str] = []
    open_below: list[bool] = []  # for each depth, whether another span follows below
    for node in reversed(nodes):
        depth = min(node.depth, deepest)
        del open_below[depth + 1 :]
        open_below += [False] * (depth + 1 - len(open_below))
        before = "".join("│ " if more else "  " for more in open_below[1:depth])
        guides.append(before + ("├ " if open_below[depth] else "└ ") if depth else "")
        open_below[depth] = True
    return guides[::-1]


def _trace_row(node: Node, guide: str, width: int) -> list[Cell]:
    record = node.record
    offset = min(width - 1, int(node.start * width))
    size = max(1, min(width - offset, round(node.share * width)))
    colour = "red" if record.status == "error" else "green" if record.kind == "llm" else "bright_blue"
    name = [(guide, "dim"), (safe(record.name or "?"), "bold")]
    if record.status == "error":
        name += [("  ", ""), *parts(status(record))]
    elif record.kind != "llm" and node.calls:
        name.append((f"  {counted(node.calls, 'call')}", "dim"))
    cost = record.cost if record.kind == "llm" else node.cost
    return [
        [(" " * offset, ""), ("━" * size, colour), (" " * (width - offset - size), "")],
        name,
        [(seconds(record.duration), "")],
        [(tokens(record), "dim")],
        [(dollars(cost) if record.kind == "llm" or node.calls else "", "dim")],
    ]


def _trace_total(nodes: Sequence[Node]) -> list[Text]:
    roots = [node for node in nodes if node.depth == 0]
    costs = [node.cost for node in roots if node.cost is not None]
    calls, used = sum(node.calls for node in roots), sum(node.tokens for node in roots)
    starts = [node.record.start_time for node in nodes if node.record.start_time]
    ends = [at + timedelta(seconds=node.record.duration or 0) for node in nodes if (at := node.record.start_time)]
    length = (max(ends) - min(starts)).total_seconds() if starts else None
    return [
        Text(""), Text(f"{counted(len(nodes), 'span')}, {counted(calls, 'call')}"), Text(seconds(length)),
        Text(number(used)), Text(dollars(sum(costs) if costs else None)),
    ]  # fmt: skip
