"""Phoenix's spans: its dataframe as JSON lines, CSV or Parquet, and the spans of its REST API.

`Client().spans.get_spans_dataframe()` has columns named `context.span_id`, `attributes.llm.model_name` and so on;
`GET /v1/projects/{name}/spans` has `context` and `attributes` as objects (arize-phoenix 20.26). Both are decoded as
OpenInference spans.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from autolog._record.record import Record
from autolog.dialects._chat import parsed
from autolog.dialects._fault import Fault, Json
from autolog.dialects.exports._rows import dollars, instant, keep_cost, name_of, whole
from autolog.dialects.otlp import decode_span
from autolog.dialects.otlp._wire import Event, Scope, Span
from autolog.providers._fields import mapping, objects, text


def matches(row: Json) -> bool:
    return "context.span_id" in row or ("span_id" in mapping(row.get("context")) and "span_kind" in row)


def decode(row: Json) -> list[Record]:
    context = mapping(row.get("context"))
    trace_id = name_of(row.get("context.trace_id") or context.get("trace_id"))
    span_id = name_of(row.get("context.span_id") or context.get("span_id"))
    if trace_id is None or span_id is None:
        raise Fault(400, "context: has no trace_id or no span_id")
    attributes = dict(_attributes(row))
    attributes.setdefault("openinference.span.kind", row.get("span_kind"))
    failed = row.get("status_code") == "ERROR"
    span = Span(
        Scope({}, "phoenix"),
        text(row.get("name")) or "",
        trace_id,
        span_id,
        name_of(row.get("parent_id")),
        instant(row.get("start_time"), "start_time"),
        instant(row.get("end_time"), "end_time"),
        attributes,
        [_event(event) for event in objects(_events(row.get("events")))],
        failed,
        text(row.get("status_message")) if failed else None,
    )
    costs = {key: attributes.pop(key) for key in [*attributes] if key.startswith("llm.cost.")}
    record = decode_span(span)
    record.extra["export"] = "phoenix"
    keep_cost(record, dollars(costs.get("llm.cost.total")))
    return [record]


def _events(value: Any) -> Any:
    return _literal(value) if isinstance(value, str) else value


def _event(event: Json) -> Event:
    return Event(text(event.get("name")) or "", mapping(event.get("attributes")))


def _attributes(row: Json) -> Iterator[tuple[str, Any]]:
    """Yield a row's attributes as spans have them: those in nested objects and lists by their full names."""
    given = {key.removeprefix("attributes."): value for key, value in row.items() if key.startswith("attributes.")}
    metadata = {}
    for key, value in {**mapping(parsed(row.get("attributes"))), **given}.items():
        if key.startswith("metadata."):
            metadata[key.removeprefix("metadata.")] = value
        elif value is not None:
            yield from _leaves(key, value)
    if metadata:
        yield "metadata", metadata


#: The endings of names of attributes whose values are lists or objects, which CSV has as texts.
_STRUCTURES = ("_messages", ".documents", ".tools", ".prompts", ".embeddings", "tag.tags", "metadata")


def _literal(value: str) -> Any:
    """Parse a text that is JSON, or a Python literal as in a CSV file; return other texts unchanged."""
    found = parsed(value)
    if isinstance(found, str) and value[:1] in {"[", "{"}:
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return value
    return found


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, str) and key.endswith(_STRUCTURES):
        value = _literal(value)
    if ".token_count." in key:
        yield key, whole(value)
    elif key == "metadata":
        yield key, value
    elif isinstance(value, dict):
        for inner, item in value.items():
            if item is not None:
                yield from _leaves(f"{key}.{inner}", item)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(f"{key}.{number}", item)
    else:
        yield key, value
