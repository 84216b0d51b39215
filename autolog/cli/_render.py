"""Records on a terminal. Whatever a log contains is shown as text: no markup, no control sequences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from autolog._display.figures import dollars, number, safe, safe_json, seconds, short_id, tokens
from autolog._display.trace import Node, span_tree
from autolog._reading.describe import bodies
from autolog._reading.messages import Message, Part, request_messages, response_messages
from autolog._record.record import Record, to_json

_ROLES = {"system": "magenta", "developer": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow"}


def console() -> Console:
    """Where commands print; as wide as it takes when it is not a terminal."""
    made = Console(highlight=False, markup=False, emoji=False)
    return made if made.is_terminal else Console(highlight=False, markup=False, emoji=False, width=max(made.width, 160))


def text(value: object, style: str = "") -> Text:
    """`safe` text in a style."""
    return Text(safe(value), style=style)


def moment(at: datetime | None) -> str:
    """Local time, with the date when it is not today's."""
    if at is None:
        return "–"
    local = at.astimezone()
    return local.strftime("%H:%M:%S" if local.date() == datetime.now().astimezone().date() else "%Y-%m-%d %H:%M")


def status(record: Record) -> Text:
    """A mark, and what went wrong."""
    if record.status == "ok":
        return Text("ok", style="green")
    return text(" ".join(filter(None, (str(record.status_code or ""), record.error_type or "error"))), "red")


# JSON


def echo_json(data: Any) -> None:
    """Print data as a line of JSON."""
    click.echo(safe_json(json.dumps(data)))


def echo_record(record: Record, bodies: bool = False) -> None:
    """Print a record as a line of JSON."""
    click.echo(safe_json(to_json(record, bodies)))


# Tables


def record_table(records: Iterable[Record]) -> Table:
    """A line for each record."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    figures = {"latency", "first", "tokens", "cost"}
    for heading in ("time", "id", "name", "status", "latency", "first", "tokens", "cost", "user", "says"):
        table.add_column(
            heading,
            justify="right" if heading in figures else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if heading == "says" else None,
        )
    for record in records:
        table.add_row(*record_row(record))
    return table


def record_row(record: Record) -> list[RenderableType]:
    """The cells of one record."""
    said = record.error_message or record.output_preview or record.input_preview or ""
    return [
        Text(moment(record.created_at), style="dim"),
        Text(short_id(record.id), style="blue"),
        text(record.name or "?"),
        status(record),
        Text(seconds(record.duration)),
        Text(seconds(record.time_to_first_chunk) if record.time_to_first_chunk is not None else ""),
        Text(tokens(record)),
        Text(dollars(record.cost) if record.kind == "llm" else ""),
        text(record.user or ""),
        text(said[:80] + ("…" if len(said) > 80 else ""), "dim"),
    ]


# One record


def record_page(record: Record) -> Group:
    """The conversation, then the figures."""
    parts: list[RenderableType] = [_heading(record)]
    request, response = bodies(record)
    if record.kind == "llm":
        messages = [*request_messages(request), *response_messages(response)]
        parts += [_message(message) for message in messages] or [
            _value("request", request),
            _value("response", response),
        ]
    else:
        parts += [_value("input", request), _value("output", response)]
    if record.status == "error":
        parts.append(Text.assemble(("error ", "bold red"), text(record.error_message or record.error_type or "")))
    parts += [Text(""), _figures(record)]
    return Group(*parts)


def _heading(record: Record) -> Text:
    provider = f" · {record.provider_name}" if record.provider_name else ""
    model = f" · {record.response_model or record.request_model}" if record.request_model else ""
    return Text.assemble(
        (safe(record.name or "?"), "bold"),
        (safe(f"{provider}{model} · "), "dim"),
        status(record),
        ("\n" + safe(record.id), "dim"),
    )


def _message(message: Message) -> RenderableType:
    style = _ROLES.get(message.role, "white")
    rows: list[RenderableType] = [Text("\n" + safe(message.role), style=f"bold {style}")]
    rows += [Padding(_part(part), (0, 0, 0, 2)) for part in message.parts]
    return Group(*rows)


def _part(part: Part) -> RenderableType:
    if part.kind == "text":
        return text(part.text)
    if part.kind == "reasoning":
        return text(part.text, "dim italic")
    if part.kind == "refusal":
        return Text.assemble(("refused: ", "red"), text(part.text))
    if part.kind == "tool_call":
        arguments = part.text or json.dumps(part.value, ensure_ascii=False)
        return Text.assemble(("calls ", "dim"), (safe(part.name), "bold yellow"), text(f"({arguments})"))
    if part.kind == "tool_result":
        return Text.assemble(("returns ", "dim"), text(part.text or json.dumps(part.value, ensure_ascii=False)))
    if part.kind == "json":
        return text(json.dumps(part.value, ensure_ascii=False, indent=2), "dim")
    return text(f"[{part.kind}] {part.text}", "magenta")


def _value(label: str, value: Any) -> RenderableType:
    if value is None or value == {}:
        return Text("")
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return Group(Text(f"\n{label}", style="bold cyan"), Padding(text(shown), (0, 0, 0, 2)))


def _figures(record: Record) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for label, value in _figure_rows(record):
        if value not in (None, "", "–"):
            table.add_row(label, text(value))
    return table


def _cost_words(record: Record) -> list[str]:
    """The cost, its terms and parts, and how sure it is."""
    details = record.cost_details or {}
    if record.cost is None:
        return [f"unknown: {details['unknown']}"] if details.get("unknown") else []
    parts = [f"{name.replace('_', ' ')} {dollars(part)}" for name, part in details.items() if isinstance(part, float)]
    tier = details.get("tier", "standard")
    sure = f"estimated: {details.get('why', '')}" if details.get("certainty") == "estimated" else ""
    return [dollars(record.cost), "" if tier == "standard" else tier, ", ".join(parts), sure]


def _figure_rows(record: Record) -> list[tuple[str, object]]:
    token_parts = {
        "cached": record.usage_cache_read_input_tokens,
        "cache written": record.usage_cache_creation_input_tokens,
        "reasoning": record.usage_reasoning_output_tokens,
        "audio in": record.usage_input_audio_tokens,
        "audio out": record.usage_output_audio_tokens,
    }
    extra = ", ".join(f"{name} {number(value)}" for name, value in token_parts.items() if value)
    return [
        ("tokens", " · ".join(filter(None, (tokens(record), extra)))),
        ("cost", " · ".join(filter(None, _cost_words(record)))),
        ("latency", seconds(record.duration)),
        ("first chunk", seconds(record.time_to_first_chunk)),
        ("retries", record.retries or ""),
        ("finish", ", ".join(record.response_finish_reasons or [])),
        (
            "started",
            "" if record.start_time is None else record.start_time.astimezone().isoformat(timespec="milliseconds"),
        ),
        ("trace", record.trace_id),
        ("request id", record.request_id),
        ("user", record.user),
        ("session", record.session),
        ("tags", ", ".join(record.tags)),
        ("metadata", json.dumps(record.metadata, ensure_ascii=False) if record.metadata else ""),
    ]


# One trace


#: Deeper spans are drawn as if they were here.
MAX_DEPTH = 20


def trace_tree(records: Sequence[Record], width: int = 28) -> Tree:
    """The spans of one trace as a tree with a bar for each: when it ran, and how long."""
    nodes = span_tree(records)
    root = Tree(Text(f"trace {safe(records[0].trace_id or records[0].id)}", style="dim"), guide_style="dim")
    branches = [root]
    for node in nodes:
        depth = min(node.depth, MAX_DEPTH)  # a terminal is only so wide
        del branches[depth + 1 :]
        branches.append(branches[depth].add(_trace_line(node, width)))
    return root


def _trace_line(node: Node, width: int) -> Text:
    record = node.record
    offset = min(width - 1, int(node.start * width))
    size = max(1, min(width - offset, round(node.share * width)))
    colour = "red" if record.status == "error" else "green" if record.kind == "llm" else "blue"
    line = Text.assemble((" " * offset, ""), ("━" * size, colour), (" " * (width - offset - size), ""), " ")
    line.append_text(text(record.name or "?", "bold"))
    line.append(f"  {seconds(record.duration)}", style="dim")
    if record.kind == "llm":
        line.append(f"  {tokens(record)}  {dollars(record.cost)}", style="dim")
    elif node.calls:
        line.append(f"  {number(node.calls)} calls  {dollars(node.cost)}", style="dim")
    if record.status == "error":
        line.append("  ")
        line.append_text(status(record))
    return line
