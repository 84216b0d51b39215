"""Show one record, in a terminal or a notebook: the conversation, then the figures.

The contents of a log are shown as plain text, never interpreted as markup or control sequences.
"""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autolog._display.figures import dollars, number, safe, seconds, short_id, tokens
from autolog._display.styled import status, text
from autolog._reading.describe import bodies
from autolog._reading.messages import Message, Part, request_messages, response_messages
from autolog._record.record import Record
from autolog._record.scores import entries_of
from autolog.errors import AutologError
from autolog.stores import open_store
from autolog.stores.lookup import find_by_part
from autolog.stores.query import Query

_ROLES = {"system": "magenta", "developer": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow"}

#: The width of a page in a notebook, in characters.
NOTEBOOK_WIDTH = 100


def page_of(store: str | None, record_id: str | None) -> Page:
    """Return the page of a record in the store at a URL, found by part of its id; without an id, of the newest call.

    Raises:
        AutologError: if there is no such record, more than one, or no local store.
        StoreError: if the store cannot be opened.
    """
    if store is None:
        raise AutologError("the records are on a server: see them on its pages, or with `autolog show --server URL`")
    opened = open_store(store)
    try:
        if record_id is None:
            found = opened.find(Query({"kind": "llm"}), 1, bodies=True)
            if not found:
                raise AutologError(f"no call has been recorded yet in {opened.url}")
        else:
            found = list(opened.with_bodies(find_by_part(opened, record_id, limit=2)))
            if len(found) != 1:
                raise AutologError(f"{'several records have' if found else 'no record has'} the id {record_id!r}")
        return Page(found[0])
    finally:
        opened.close()


class Page:
    """A record that notebooks display as HTML, and everything else as text."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def __repr__(self) -> str:
        return self._drawn().export_text().rstrip()

    def _repr_html_(self) -> str:
        return self._drawn().export_html(
            inline_styles=True, code_format='<pre style="white-space: pre-wrap; line-height: 1.3">{code}</pre>'
        )

    def _drawn(self) -> Console:
        screen = Console(
            record=True, file=io.StringIO(), width=NOTEBOOK_WIDTH, highlight=False, markup=False, emoji=False,
            force_terminal=True, force_jupyter=False,
        )  # fmt: skip
        screen.print(record_page(self.record))
        return screen


def record_page(record: Record, cache: str = "") -> Group:
    """Return the conversation, then the figures; `cache` is a summary of prompt caching for the call."""
    parts: list[RenderableType] = [_heading(record)]
    request, response = bodies(record)
    if record.kind == "llm":
        parts += [_message(message) for message in request_messages(request)] or [_value("request", request)]
        answer = response_messages(response)
        if all(part.kind == "json" for message in answer for part in message.parts):  # an error, or in no known format
            parts.append(_value("response", response))
        else:
            parts += [_message(message) for message in answer]
    else:
        parts += [_value("input", request), _value("output", response)]
    if record.status == "error":
        parts.append(Text.assemble(("error ", "bold red"), text(record.error_message or record.error_type or "")))
    parts += [Text(""), _figures(record, cache)]
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


def _figures(record: Record, cache: str) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for label, value in _figure_rows(record, cache):
        if value not in (None, "", "–"):
            table.add_row(label, text(value))
    return table


def _cost_words(record: Record) -> list[str]:
    """Return the cost, its tier and parts, and why it is not exact or unknown."""
    details = record.cost_details or {}
    if record.cost is None:
        return [f"unknown: {details['unknown']}"] if details.get("unknown") else []
    parts = [f"{name.replace('_', ' ')} {dollars(part)}" for name, part in details.items() if isinstance(part, float)]
    tier = details.get("tier", "standard")
    sure = f"estimated: {details.get('why', '')}" if details.get("certainty") == "estimated" else ""
    return [dollars(record.cost), "" if tier == "standard" else tier, ", ".join(parts), sure]


def _score_words(record: Record) -> Iterator[str]:
    """Yield each score with its comment."""
    for name, value, comment in entries_of(record):
        yield f"{name} {value}" + (f" ({comment})" if comment else "")
    if record.feedback is not None:
        yield f"feedback {record.feedback:+d}"


def _figure_rows(record: Record, cache: str) -> list[tuple[str, object]]:
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
        ("cache", cache),
        ("latency", seconds(record.duration)),
        ("first chunk", seconds(record.time_to_first_chunk)),
        ("retries", record.retries or ""),
        ("finish", ", ".join(record.response_finish_reasons or [])),
        (
            "started",
            "" if record.start_time is None else record.start_time.astimezone().isoformat(" ", timespec="milliseconds"),
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
