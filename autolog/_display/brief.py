"""Concise text forms of records for agents, which pay for every token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from autolog._display.diff import Line, answer_lines, compare_figures, compare_lines, request_lines
from autolog._display.figures import dollars, seconds, tokens
from autolog._display.trace import Node
from autolog._reading.describe import bodies
from autolog._reading.messages import Message, request_messages, response_messages
from autolog._record.record import Record

#: The number of characters shown of the beginning of a text.
BEGINNING = 120
#: The most lines of a difference that are shown.
_LINES = 80
#: How many parts at the beginning and at the end of a long conversation are listed.
_FIRST, _LAST = 3, 25


def begin(text: str, length: int = BEGINNING) -> str:
    """Return the beginning of a text on one line."""
    flat = " ".join(text[: length * 4].split())
    return flat if len(flat) <= length and len(text) <= length * 4 else flat[: length - 1] + "…"


def heading(record: Record) -> str:
    """Return a record's key facts in a few words: id, time, name, error, tokens, cost, duration."""
    at = "" if record.created_at is None else f"{record.created_at:%m-%dT%H:%M:%S}"
    status = "" if record.status == "ok" else f"ERROR {record.error_type or record.status_code or ''}".strip()
    cost = "" if record.cost is None else dollars(record.cost)
    took = "" if record.duration is None else seconds(record.duration)
    name = record.name or record.kind
    return " ".join(filter(None, (record.id, at, begin(name, 60), status, tokens(record), cost, took)))


def record_line(record: Record) -> str:
    """Return a record as one line: heading, previews of input and output, and error."""
    previews = [begin(text, 60) for text in (record.input_preview, record.output_preview) if text]
    words = [heading(record), " → ".join(previews), begin(record.error_message or "", 80)]
    return " | ".join(filter(None, words))


def detail_line(record: Record) -> list[str]:
    """Return further facts about a record, as one line or none."""
    named = {
        "model": record.response_model or record.request_model, "trace": record.trace_id, "session": record.session,
        "user": record.user, "function": record.caller, "tags": ",".join(record.tags),
        "finish": ",".join(record.response_finish_reasons or ()), "cached": record.usage_cache_read_input_tokens,
        "retries": record.retries, "score": record.score, "error": begin(record.error_message or "", 300),
    }  # fmt: skip
    words = [f"{name}={value}" for name, value in named.items() if value not in (None, "", 0)]
    request, _ = bodies(record)
    if record.kind == "llm" and isinstance(request, dict) and isinstance(tools := request.get("tools"), list):
        words.append(f"tools={len(tools)}")
    return [" ".join(words)] if words else []


def as_json(value: Any) -> str:
    """Return a value as JSON, or a text unchanged."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def parts_of_record(record: Record) -> list[tuple[str, str]]:
    """Return the parts of a record's conversation as pairs of a title and the full text."""
    request, response = bodies(record)
    if record.kind != "llm":
        return [("input", as_json(request)), ("output", as_json(response))]
    return [*_message_parts("", request_messages(request)), *_message_parts("answer ", response_messages(response))]


def _message_parts(before: str, messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [
        (
            f"{before}{message.role} {part.kind if not part.name else f'{part.kind} {part.name}'}",
            part.text or ("" if part.value is None else as_json(part.value)),
        )
        for message in messages
        for part in message.parts
    ]


def listed(parts: Sequence[tuple[str, str]]) -> list[str]:
    """Return numbered lines with the beginnings of a conversation's parts."""
    lines = [
        f"[{number}] {label}: {begin(text)}" + (f" ({len(text):,} chars)" if len(text) > BEGINNING else "")
        for number, (label, text) in enumerate(parts)
    ]
    if len(lines) > _FIRST + _LAST + 1:
        lines[_FIRST:-_LAST] = [f"… parts {_FIRST} to {len(lines) - _LAST - 1}: ask by number"]
    return lines


def interesting(nodes: Sequence[Node], most: int) -> list[Node]:
    """Return up to `most` spans in order, preferring those with errors and their ancestors."""
    keep: set[int] = set()
    above: list[int] = []
    for index, node in enumerate(nodes):
        del above[node.depth :]
        above.append(index)
        if node.record.status == "error" and len(keep) < most:
            keep.update(above)
    for index in range(len(nodes)):
        if len(keep) >= most:
            break
        keep.add(index)
    return [nodes[index] for index in sorted(keep)]


def span_line(node: Node) -> str:
    """Return a span of a trace as one line, indented by its depth."""
    record = node.record
    error = f" | {begin(record.error_message or '', 120)}" if record.status == "error" else ""
    output = f" → {begin(record.output_preview, 60)}" if record.output_preview else ""
    return "  " * min(node.depth, 20) + heading(record) + output + error


def difference(left: Record, right: Record) -> str:
    """Return the differences between two records: figures, then changed lines with some context."""
    changed = [f"{name}: {one} → {other}" for name, one, other in compare_figures(left, right) if one != other]
    for title, lines in (
        ("request", compare_lines(request_lines(left), request_lines(right))),
        ("answer", compare_lines(answer_lines(left), answer_lines(right))),
    ):
        changed += [f"{title}:", *changed_lines(lines)]
    return "\n".join(changed)


def changed_lines(lines: Sequence[Line], most: int = _LINES) -> list[str]:
    """Return the differing lines as a diff, with one line of context and at most `most` lines."""
    near = {
        index + step for index, line in enumerate(lines) if line.kind != "same" for step in (-1, 0, 1)
    } & set(range(len(lines)))  # fmt: skip
    drawn: list[str] = []
    last = -1
    for index in sorted(near):
        drawn += ["…"] if index > last + 1 else []
        last = index
        line = lines[index]
        if line.kind == "same":
            drawn.append("  " + begin(line.left or "", 200))
            continue
        drawn += [] if line.left is None else ["- " + begin(line.left, 200)]
        drawn += [] if line.right is None else ["+ " + begin(line.right, 200)]
    if len(drawn) > most:
        drawn = [*drawn[:most], f"… {len(drawn) - most:,} more lines"]
    return drawn or ["the same"]
