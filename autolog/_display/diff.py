"""Compare two records: their figures, their parameters, and their messages line by line."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from autolog._display.figures import dollars, number, seconds
from autolog._reading.describe import bodies
from autolog._reading.messages import Message, request_messages, response_messages
from autolog._record.record import Record
from autolog._record.scores import entries_of

#: The most lines of a text that are compared.
MAX_LINES = 3_000
#: The most pairs of equal lines that are left to difflib, which visits every pair, and some of them many times.
MAX_PAIRS = 50_000
#: The number of equal lines shown before and after a difference.
CONTEXT = 3
#: The number of equal characters shown before and after a difference in a long line.
AROUND = 60


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a comparison. `kind` is `same`, `changed`, `removed` (left only) or `added` (right only)."""

    kind: str
    left: str | None
    right: str | None


def compare_lines(left: Sequence[str], right: Sequence[str]) -> list[Line]:
    """Align the lines of two texts, so that equal lines are side by side."""
    cut = [max(0, len(side) - MAX_LINES) for side in (left, right)]
    left, right = left[:MAX_LINES], right[:MAX_LINES]
    lines: list[Line] = []
    for kind, a, b, c, d in _changes(left, right):
        if kind == "equal":
            lines += [Line("same", one, other) for one, other in zip(left[a:b], right[c:d], strict=True)]
            continue
        for index in range(max(b - a, d - c)):
            one = left[a + index] if a + index < b else None
            other = right[c + index] if c + index < d else None
            word = "added" if one is None else "removed" if other is None else "changed"
            lines.append(Line(word, one, other))
    if any(cut):
        notes = [f"… {more:,} more lines, not compared" if more else None for more in cut]
        lines.append(Line("changed", notes[0], notes[1]))
    return lines


def folded(lines: Sequence[Line]) -> Iterator[tuple[bool, list[Line]]]:
    """Yield stretches of lines, each with whether it may be folded, as it is equal and not close to a difference.

    Long lines that differ in one place are shortened to the surroundings of the difference.
    """
    differing = [place for place, line in enumerate(lines) if line.kind != "same"]
    near = {place + step for place in differing for step in range(-CONTEXT, CONTEXT + 1)}
    for is_far, places in groupby(range(len(lines)), lambda place: place not in near):
        stretch = [_shortened(lines[place]) for place in places]
        yield is_far and len(stretch) > CONTEXT, stretch


def _shortened(line: Line) -> Line:
    """Return a changed line without most of the beginning and end that both sides have in common."""
    left, right = line.left, line.right
    if line.kind != "changed" or left is None or right is None:
        return line
    head, tail = _common_ends(left, right)
    first, after = max(0, head - AROUND), max(0, tail - AROUND)
    if first + after < 2 * AROUND:
        return line
    before, behind = "…" * (first > 0), "…" * (after > 0)
    return Line("changed", *(f"{before}{side[first : len(side) - after]}{behind}" for side in (left, right)))


def _changes(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """Return difflib's opcodes; texts with too many repeated lines are only matched at their beginning and end."""
    counts = Counter(right)
    if sum(counts[line] for line in left) <= MAX_PAIRS:
        return list(difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes())
    head, tail = _common_ends(left, right)
    middle = ("replace", head, len(left) - tail, head, len(right) - tail)
    return [("equal", 0, head, 0, head), middle, ("equal", middle[2], len(left), middle[4], len(right))]


def _common_ends(left: Sequence[str], right: Sequence[str]) -> tuple[int, int]:
    """Return the lengths of the common prefix of two sequences and of the common suffix of the rest."""
    most = min(len(left), len(right))
    head = next((place for place, (one, other) in enumerate(zip(left, right, strict=False)) if one != other), most)
    return head, next((place for place in range(most - head) if left[-1 - place] != right[-1 - place]), most - head)


def compare_figures(left: Record, right: Record) -> list[tuple[str, str, str]]:
    """Return the name, left value and right value of each figure that is worth comparing."""
    shown: list[tuple[str, Any]] = [
        ("prompt", lambda record: " ".join(filter(None, (record.prompt_name, record.prompt_version))) or "–"),
        ("model", lambda record: record.response_model or record.request_model or "–"),
        ("status", lambda record: record.status if record.status == "ok" else record.error_type or "error"),
        ("latency", lambda record: seconds(record.duration)),
        ("first chunk", lambda record: seconds(record.time_to_first_chunk)),
        ("input tokens", lambda record: number(record.usage_input_tokens)),
        ("output tokens", lambda record: number(record.usage_output_tokens)),
        ("cost", lambda record: dollars(record.cost)),
        ("finish", lambda record: ", ".join(record.response_finish_reasons or []) or "–"),
    ]
    before, after = ({name: value for name, value, _ in entries_of(record)} for record in (left, right))
    return [
        *((name, str(show(left)), str(show(right))) for name, show in shown),
        *((f"score {name}", _score(before.get(name)), _score(after.get(name))) for name in sorted({*before, *after})),
    ]


def _score(value: Any) -> str:
    return "–" if value is None else f"{value:.6g}" if isinstance(value, (int, float)) else str(value)


def request_lines(record: Record) -> list[str]:
    """Return a request as lines: the parameters as JSON, then the messages."""
    request, _ = bodies(record)
    if record.kind != "llm" or not isinstance(request, dict):
        return _json_lines(request)
    conversation = {"messages", "input", "prompt", "system", "instructions"}
    parameters = {key: value for key, value in sorted(request.items()) if key not in conversation}
    return [*_json_lines(parameters), *_message_lines(request_messages(request))]


def answer_lines(record: Record) -> list[str]:
    """Return a response as lines."""
    _, response = bodies(record)
    messages = response_messages(response) if record.kind == "llm" else []
    return list(_message_lines(messages)) if messages else _json_lines(response)


def _json_lines(value: Any) -> list[str]:
    return [] if value is None else json.dumps(value, indent=2, ensure_ascii=False, default=str).splitlines()


def _message_lines(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        yield f"[{message.role}]"
        for part in message.parts:
            if part.kind in {"tool_call", "tool_result"}:
                value = part.text or json.dumps(part.value, ensure_ascii=False)
                yield " ".join(filter(None, (part.kind.replace("_", " "), part.name, value)))
            elif part.text:
                yield from part.text.splitlines()
            else:
                yield from _json_lines(part.value) if part.kind == "json" else [f"[{part.kind}]"]
