"""OpenLLMetry: Traceloop's instrumentations (opentelemetry-semantic-conventions-ai 0.5) and its SDK's decorators.

Older versions number their messages (`gen_ai.prompt.0.content`), newer ones follow the conventions; `genai` decodes
both. The spans cannot express the lifetime of cache writes, headers, and retries; the service tier only for OpenAI.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families._family import TRUE, Family

_PROPERTIES = "traceloop.association.properties."


def _requests(attributes: Attributes) -> Iterator[Any]:
    yield parsed(attributes.get("traceloop.entity.input"))


def _responses(attributes: Attributes) -> Iterator[Any]:
    yield parsed(attributes.get("traceloop.entity.output"))


FAMILY = Family(
    name="openllmetry",
    texts={
        "request_model": ("llm.request.model",),
        "response_model": ("llm.response.model",),
        "user": (_PROPERTIES + "user_id",),
        "session": (_PROPERTIES + "session_id",),
        "prompt_name": ("traceloop.prompt.key",),
        "prompt_version": ("traceloop.prompt.version",),
    },
    counts={
        "usage_input_tokens": ("llm.usage.prompt_tokens",),
        "usage_output_tokens": ("llm.usage.completion_tokens",),
    },
    metadata=(_PROPERTIES,),
    kinds={"traceloop.span.kind": {"workflow": "chain", "task": "function", "agent": "agent", "tool": "tool"}},
    streams={"llm.is_streaming": TRUE},
    calls=("llm.request.type", "llm.request.model"),
    bodies=("traceloop.entity.input", "traceloop.entity.output"),
    requests=_requests,
    responses=_responses,
)
