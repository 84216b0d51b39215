"""Records on a terminal. Whatever a log contains is shown as text: no markup, no control sequences."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autolog._display.figures import dollars, number, safe, safe_json, seconds, short_id, tokens
from autolog._display.trace import Node, span_tree
from autolog._reading.describe import bodies
from autolog._reading.messages import Message, Part, request_messages, response_messages
from autolog._record.record import Record, to_json
from autolog.cli._table import Column, draw

_ROLES = {"system": "magenta", "developer": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow"}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would end with an error; `main` knows better


def console(stderr: bool = False) -> Console:
    """Return where commands print."""
    return _Console(highlight=False, markup=False, emoji=False, stderr=stderr)


def table_width(screen: Console, wide: bool = False) -> int | None:
    """Return how wide a table may be: as a terminal is, or as COLUMNS says; else as wide as it takes."""
    known = screen.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return screen.width if known and not wide else None


def print_lines(screen: Console, lines: Iterable[Text]) -> None:
    """Print lines of text as they are, never folded."""
    for line in lines:
        screen.print(line, soft_wrap=True)


def text(value: object, style: str = "") -> Text:
    """Return `safe` text in a style."""
    return Text(safe(value), style=style)


def counted(count: int, noun: str) -> str:
    """Return a number of things, in words."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def moment(at: datetime | None) -> str:
    """Return local time, with the day if it is not today, and the year if it is another."""
    if at is None:
        return "–"
    local, now = at.astimezone(), datetime.now().astimezone()
    if local.date() == now.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%m-%d %H:%M" if local.year == now.year else "%Y-%m-%d")


def status(record: Record) -> Text:
    """Return ok in green, or what went wrong in red."""
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


# One record


def record_page(record: Record) -> Group:
    """Return the conversation, then the figures."""
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
    """Return the cost, its terms and parts, and how certain it is."""
    details = record.cost_details or {}
    if record.cost is None:
        return [f"unknown: {details['unknown']}"] if details.get("unknown") else []
    parts = [f"{name.replace('_', ' ')} {dollars(part)}" for name, part in details.items() if isinstance(part, float)]
    tier = details.get("tier", "standard")
    sure = f"estimated: {details.get('why', '')}" if details.get("certainty") == "estimated" else ""
    return [dollars(record.cost), "" if tier == "standard" else tier, ", ".join(parts), sure]


def _score_words(record: Record) -> Iterator[str]:
    """Yield each score with its comment."""
    scores = record.scores if record.score is None else {"default": record.score, **record.scores}
    for name, given in scores.items():
        value, comment = (given.get("value"), given.get("comment")) if isinstance(given, dict) else (given, None)
        yield f"{name} {value}" + (f" ({comment})" if comment else "")
    if record.feedback is not None:
        yield f"feedback {record.feedback:+d}"


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
        ("prompt", " ".join(filter(None, (record.prompt_name, record.prompt_version, record.prompt_id)))),
        ("scores", ", ".join(_score_words(record))),
        ("trace", record.trace_id and f"{record.trace_id}  (autolog trace {short_id(record.id)})"),
        ("request id", record.request_id),
        ("user", record.user),
        ("session", record.session and f"{record.session}  (autolog logs --session {shlex.quote(record.session)})"),
        ("project", "" if record.project == "default" else record.project),
        ("tags", ", ".join(record.tags)),
        ("metadata", json.dumps(record.metadata, ensure_ascii=False) if record.metadata else ""),
    ]


# One trace


#: Deeper spans are drawn as if they were here.
MAX_DEPTH = 20


def trace_lines(records: Sequence[Record], width: int | None) -> list[Text]:
    """Return the spans of one trace as lines, children under their parents, with a bar for each: when, and how long."""
    nodes = span_tree(records)
    bar = 24 if width is None else max(8, min(28, width // 4))
    columns = [
        Column("when", leave=3), Column("span", least=16, leave=0), Column("latency", right=True),
        Column("tokens", right=True, leave=1), Column("cost", point=True),
    ]  # fmt: skip
    guides = _guides(nodes)
    rows = [_trace_row(node, guide, bar) for node, guide in zip(nodes, guides, strict=True)]
    return list(draw(columns, rows, width, _trace_total(nodes)))


def _guides(nodes: Sequence[Node]) -> list[str]:
    """Return what stands before each span: lines from its parent."""
    guides: list[str] = []
    open_below: list[bool] = []  # by depth: whether another one comes there, below the line that is drawn
    for node in reversed(nodes):
        depth = min(node.depth, MAX_DEPTH)
        del open_below[depth + 1 :]
        open_below += [False] * (depth + 1 - len(open_below))
        before = "".join("│ " if more else "  " for more in open_below[1:depth])
        guides.append(before + ("├ " if open_below[depth] else "└ ") if depth else "")
        open_below[depth] = True
    return guides[::-1]


def _trace_row(node: Node, guide: str, width: int) -> list[Text]:
    record = node.record
    offset = min(width - 1, int(node.start * width))
    size = max(1, min(width - offset, round(node.share * width)))
    colour = "red" if record.status == "error" else "green" if record.kind == "llm" else "blue"
    name = Text.assemble((guide, "dim"), (safe(record.name or "?"), "bold"))
    if record.status == "error":
        name.append_text(Text("  ") + status(record))
    elif record.kind != "llm" and node.calls:
        name.append(f"  {counted(node.calls, 'call')}", style="dim")
    cost = record.cost if record.kind == "llm" else node.cost
    return [
        Text.assemble(" " * offset, ("━" * size, colour), " " * (width - offset - size)),
        name,
        Text(seconds(record.duration)),
        Text(tokens(record), style="dim"),
        Text(dollars(cost) if record.kind == "llm" or node.calls else "", style="dim"),
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
