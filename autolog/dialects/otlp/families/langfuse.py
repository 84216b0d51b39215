"""Langfuse's SDKs from version 3 on, which send spans (`langfuse.observation.*`, `langfuse.trace.*`).

The spans cannot express the service tier. Which usage details there are depends on the sender: according to Langfuse's
documentation, types of usage add up to the total; OpenAI's usage is used as OpenAI defines it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed, request_of, response_of
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families._family import Family


def _requests(attributes: Attributes) -> Iterator[Any]:
    value = parsed(attributes.get("langfuse.observation.input", attributes.get("langfuse.trace.input")))
    yield value if isinstance(value, dict) else request_of(value)


def _responses(attributes: Attributes) -> Iterator[Any]:
    value = parsed(attributes.get("langfuse.observation.output", attributes.get("langfuse.trace.output")))
    is_body = isinstance(value, dict) and not {"role", "content"} & value.keys()
    yield value if is_body else response_of(value)


_USAGE = "langfuse.observation.usage_details."

FAMILY = Family(
    name="langfuse",
    texts={
        "request_model": ("langfuse.observation.model.name",),
        "user": ("langfuse.user.id",),
        "session": ("langfuse.session.id",),
        "prompt_name": ("langfuse.observation.prompt.name",),
        "prompt_version": ("langfuse.observation.prompt.version",),
        "error_message": ("langfuse.observation.status_message",),
    },
    counts={
        "usage_input_tokens": (_USAGE + "input", _USAGE + "prompt_tokens", _USAGE + "input_tokens"),
        "usage_output_tokens": (_USAGE + "output", _USAGE + "completion_tokens", _USAGE + "output_tokens"),
        "usage_cache_read_input_tokens": (_USAGE + "cache_read_input_tokens", _USAGE + "input_cached_tokens",
                                          _USAGE + "input_cache_read",
                                          _USAGE + "prompt_tokens_details.cached_tokens",
                                          _USAGE + "input_tokens_details.cached_tokens"),
        "usage_cache_creation_input_tokens": (_USAGE + "cache_creation_input_tokens", _USAGE + "input_cache_creation"),
        "usage_reasoning_output_tokens": (_USAGE + "output_reasoning_tokens", _USAGE + "output_reasoning",
                                          _USAGE + "completion_tokens_details.reasoning_tokens",
                                          _USAGE + "output_tokens_details.reasoning_tokens"),
    },
    costs=("langfuse.observation.cost_details.total",),
    errors={"langfuse.observation.level": "ERROR"},
    tags=("langfuse.trace.tags",),
    metadata=("langfuse.observation.metadata", "langfuse.observation.metadata.", "langfuse.trace.metadata."),
    kinds={
        "langfuse.observation.type": {
            "generation": "llm", "embedding": "llm", "span": "span", "event": "span", "tool": "tool", "agent": "agent",
            "chain": "chain", "retriever": "retrieval", "evaluator": "evaluator", "guardrail": "span",
        },
    },
    calls=("langfuse.observation.model.name",),
    bodies=("langfuse.observation.input", "langfuse.observation.output", "langfuse.trace.input",
            "langfuse.trace.output"),
    requests=_requests,
    responses=_responses,
    cache_beside=True,
    reasoning_beside=True,
    totals=(_USAGE + "total", _USAGE + "total_tokens"),
)  # fmt: skip
