"""Logfire and pydantic-ai, and autolog's own spans, which use Logfire's names for raw bodies.

`request_data` and `response_data` are the raw bodies, or close to them. The spans cannot express the service tier,
unless the response has it; the span of an agent's run has only what is in `pydantic_ai.all_messages`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed, request_of, response_of
from autolog.dialects.otlp._wire import Attributes, Span
from autolog.dialects.otlp.families._family import Family


def _requests(attributes: Attributes) -> Iterator[Any]:
    yield parsed(attributes.get("request_data"))
    yield request_of(attributes.get("pydantic_ai.all_messages", attributes.get("all_messages_events")))
    yield request_of(attributes.get("events"))
    yield parsed(attributes.get("tool_arguments"))


def _responses(attributes: Attributes) -> Iterator[Any]:
    data = parsed(attributes.get("response_data"))
    if isinstance(data, dict) and isinstance(data.get("message"), dict):
        data = {**data, "choices": [{"index": 0, "message": data["message"]}]}
    elif isinstance(data, dict) and "combined_chunk_content" in data:
        message = {"role": "assistant", "content": data["combined_chunk_content"]}
        data = {**data, "choices": [{"index": 0, "message": message}]}
    yield data
    events = parsed(attributes.get("events"))
    if isinstance(events, list):
        choices = [item for item in events if isinstance(item, dict) and item.get("event.name") == "gen_ai.choice"]
        yield response_of(choices)
    yield parsed(attributes.get("final_result"))
    yield parsed(attributes.get("tool_response"))


def _is_step(span: Span) -> bool:
    """Return whether a span is of a streamed call: it ends before the answer, and a log at the stream's end has all."""
    attributes = span.attributes
    is_call = attributes.get("logfire.span_type") == "span" and "request_data" in attributes
    return is_call and not span.failed and not any(key in attributes for key in _ANSWERED)


_ANSWERED = ("response_data", "gen_ai.output.messages", "gen_ai.response.id", "gen_ai.usage.input_tokens", "events")
_MARKS = frozenset({
    "logfire.msg", "request_data", "response_data", "operation.cost", "events", "tool_arguments",
    "pydantic_ai.all_messages", "all_messages_events", "final_result", "logfire.tags",
})  # fmt: skip

FAMILY = Family(
    name="logfire",
    texts={"name": ("logfire.msg",), "user": ("user_id",)},
    costs=("operation.cost",),
    tags=("logfire.tags",),
    tool=("tool_arguments", "tool_response"),
    bodies=("request_data", "response_data", "pydantic_ai.all_messages", "all_messages_events", "events",
            "tool_arguments", "tool_response", "final_result"),
    requests=_requests,
    responses=_responses,
    applies=lambda span: not _MARKS.isdisjoint(span.attributes),
    step=_is_step,
    seconds="duration",
)  # fmt: skip
