"""Records in few words, for agents: each word costs them a token."""

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

#: How many characters of a text are its beginning.
BEGINNING = 120
#: How many lines of a difference are shown.
_LINES = 80
#: Of a long conversation, how many parts at its beginning and its end are listed.
_FIRST, _LAST = 3, 25


def begin(text: str, length: int = BEGINNING) -> str:
    """Return the beginning of a text on one line."""
    flat = " ".join(text[: length * 4].split())
    return flat if len(flat) <= length and len(text) <= length * 4 else flat[: length - 1] + "…"


def heading(record: Record) -> str:
    """Return what a record is, in a few words: id, time, name, error, tokens, cost, duration."""
    at = "" if record.created_at is None else f"{record.created_at:%m-%dT%H:%M:%S}"
    status = "" if record.status == "ok" else f"ERROR {record.error_type or record.status_code or ''}".strip()
    cost = "" if record.cost is None else dollars(record.cost)
    took = "" if record.duration is None else seconds(record.duration)
    name = record.name or record.kind
    return " ".join(filter(None, (record.id, at, begin(name, 60), status, tokens(record), cost, took)))


def record_line(record: Record) -> str:
    """Return a record in a line."""
    said = [begin(text, 60) for text in (record.input_preview, record.output_preview) if text]
    words = [heading(record), " → ".join(said), begin(record.error_message or "", 80)]
    return " | ".join(filter(None, words))


def about(record: Record) -> list[str]:
    """Return what else is known of a record, in a line or none."""
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
    """Return a value as JSON, a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def parts_of_record(record: Record) -> list[tuple[str, str]]:
    """Return the parts of what was said: what each is, and all of it."""
    request, response = bodies(record)
    if record.kind != "llm":
        return [("input", as_json(request)), ("output", as_json(response))]
    return [*_said("", request_messages(request)), *_said("answer ", response_messages(response))]


def _said(before: str, messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [
        (
            f"{before}{message.role} {part.kind if not part.name else f'{part.kind} {part.name}'}",
            part.text or ("" if part.value is None else as_json(part.value)),
        )
        for message in messages
        for part in message.parts
    ]


def listed(parts: Sequence[tuple[str, str]]) -> list[str]:
    """Return parts of a conversation, numbered, by their beginnings."""
    lines = [
        f"[{number}] {what}: {begin(text)}" + (f" ({len(text):,} chars)" if len(text) > BEGINNING else "")
        for number, (what, text) in enumerate(parts)
    ]
    if len(lines) > _FIRST + _LAST + 1:
        lines[_FIRST:-_LAST] = [f"… parts {_FIRST} to {len(lines) - _LAST - 1}: ask by number"]
    return lines


def interesting(nodes: Sequence[Node], most: int) -> list[Node]:
    """Return `most` spans: those with errors and what leads to them, then the others in order."""
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
    """Return a span of a trace in a line, indented."""
    record = node.record
    error = f" | {begin(record.error_message or '', 120)}" if record.status == "error" else ""
    says = f" → {begin(record.output_preview, 60)}" if record.output_preview else ""
    return "  " * min(node.depth, 20) + heading(record) + says + error


def difference(left: Record, right: Record) -> str:
    """Return what differs between two records: figures, then the lines that changed, with what stands around them."""
    changed = [f"{name}: {one} → {other}" for name, one, other in compare_figures(left, right) if one != other]
    for title, lines in (
        ("request", compare_lines(request_lines(left), request_lines(right))),
        ("answer", compare_lines(answer_lines(left), answer_lines(right))),
    ):
        changed += [f"{title}:", *changed_lines(lines)]
    return "\n".join(changed)


def changed_lines(lines: Sequence[Line], most: int = _LINES) -> list[str]:
    """Return the lines that differ, and one around each, as a diff; `most` of them."""
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
