"""The columns of a list of records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click
from rich.text import Text

from autolog._display.figures import dollars, number, safe, seconds, short_id, tokens
from autolog._display.styled import status, text
from autolog._record.record import Record
from autolog.cli._render import counted, moment
from autolog.cli._table import Column, Line, draw
from autolog.stores._texts import as_text

_Cell = Callable[[Record], Text]


def _preview(record: Record) -> Text:
    """Return the error message, the output or the input of a record, on one line."""
    words = record.error_message or record.output_preview or record.input_preview or ""
    return text(" ".join(words.split()), "dim")


def _name(record: Record) -> Text:
    return text(record.name or "?", "" if record.status == "ok" else "red")


def _plain(name: str) -> _Cell:
    return lambda record: text("" if getattr(record, name) is None else getattr(record, name))


def _score(record: Record) -> Text:
    values = {name: kept["value"] if isinstance(kept, dict) else kept for name, kept in record.scores.items()}
    if record.score is not None:
        values.setdefault("default", record.score)
    return text(" ".join(str(value) if name == "default" else f"{name}={value}" for name, value in values.items()))


#: For each column's name, how it is drawn, and a function that returns its cell for a record.
COLUMNS: dict[str, tuple[Column, _Cell]] = {
    "time": (Column("time", leave=-2), lambda record: Text(moment(record.created_at), style="dim")),
    "id": (Column("id"), lambda record: Text(short_id(record.id), style="bright_blue")),
    "name": (Column("name", least=12, most=28, narrow=6), _name),
    "kind": (Column("kind", leave=5), _plain("kind")),
    "model": (
        Column("model", least=12, most=28, leave=1),
        lambda record: text(record.response_model or record.request_model or ""),
    ),
    "provider": (Column("provider", leave=5), _plain("provider_name")),
    "status": (Column("status", least=6, most=20, leave=1), status),
    "latency": (Column("latency", right=True, leave=-3), lambda record: Text(seconds(record.duration))),
    "first": (
        Column("first", right=True, leave=6),
        lambda record: Text("" if record.time_to_first_chunk is None else seconds(record.time_to_first_chunk)),
    ),
    "tokens": (Column("tokens", right=True, leave=-1), lambda record: Text(tokens(record))),
    "cost": (Column("cost", point=True), lambda record: Text(dollars(record.cost) if record.kind == "llm" else "")),
    "user": (Column("user", least=8, most=16, leave=5), _plain("user")),
    "session": (Column("session", least=8, most=16, leave=5), _plain("session")),
    "project": (Column("project", least=8, most=16, leave=5), _plain("project")),
    "function": (Column("function", least=8, most=24, leave=5), _plain("caller")),
    "tags": (Column("tags", least=8, most=24, leave=5), lambda record: text(" ".join(record.tags))),
    "score": (Column("score", right=True, leave=5), _score),
    "prompt": (
        Column("prompt", least=8, most=24, leave=5),
        lambda record: text(" ".join(filter(None, (record.prompt_name, record.prompt_version)))),
    ),
    "trace": (Column("trace", leave=5), _plain("trace_id")),
    "preview": (Column("preview", least=16, leave=4), _preview),
}  # fmt: skip
DEFAULT = ("time", "id", "name", "status", "latency", "first", "tokens", "cost", "user", "preview")


class ColumnNames(click.ParamType[tuple[str, ...]]):
    """A comma-separated list of column names; `metadata.KEY` is the column of a metadata key."""

    name = "columns"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        for name in names:
            if name not in COLUMNS and not name.startswith("metadata."):
                self.fail(f"{name!r} is not a column; choose from {', '.join(COLUMNS)}, metadata.KEY", param, ctx)
        if not names:
            self.fail(f"name some of {', '.join(COLUMNS)}, metadata.KEY", param, ctx)
        return names


def record_lines(records: Sequence[Record], names: Sequence[str] = DEFAULT, width: int | None = None) -> list[Line]:
    """Return the lines of a table of records.

    Columns that the user names are always drawn, even if they are empty or there is no room for them.
    """
    chosen = [_column(name) for name in names]
    columns = [column for column, _ in chosen]
    rows = [[cell(record) for _, cell in chosen] for record in records]
    if names != DEFAULT:
        columns = [replace(column, leave=0) for column in columns]
    else:
        filled = [index for index, column in enumerate(columns) if not column.leave or any(row[index] for row in rows)]
        columns, rows = [columns[index] for index in filled], [[row[index] for index in filled] for row in rows]
    return list(draw(columns, rows, width))


def _column(name: str) -> tuple[Column, _Cell]:
    if name in COLUMNS:
        return COLUMNS[name]
    key = name.removeprefix("metadata.")

    def cell(record: Record) -> Text:
        return text(as_text(record.metadata[key]) if key in record.metadata else "")

    return Column(safe(key), most=24), cell


def total_line(records: Sequence[Record], matching: int | None = None) -> Text:
    """Return the totals of the listed records.

    Args:
        matching: how many records match the query in all, to be shown if it is more than are listed.
    """
    calls = [record for record in records if record.kind == "llm"]
    costs = [record.cost for record in calls if record.cost is not None]
    used = sum((record.usage_input_tokens or 0) + (record.usage_output_tokens or 0) for record in calls)
    errors = sum(record.status == "error" for record in records)
    of = f" of {number(matching)}" if matching is not None and matching > len(records) else ""
    parts = [f"{number(len(records))}{of} records" if of else counted(len(records), "record")]
    if calls:
        parts += [counted(len(calls), "call"), counted(used, "token"), dollars(sum(costs) if costs else None)]
    if errors:
        parts.append(counted(errors, "error"))
    return Text(" · ".join(parts), style="dim")
