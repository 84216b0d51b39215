"""Braintrust's SDKs for Go, Java and Ruby, and spans made for its exporter (`braintrust.*`, objects as JSON in a text).

The names are those of braintrust.dev/docs/integrations/sdk-integrations/opentelemetry/attributes and of its SDKs'
metrics. The spans cannot express the service tier, the lifetime of cache writes, and raw bodies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families._family import Family

_METADATA, _METRICS, _KIND = "braintrust.metadata", "braintrust.metrics", "braintrust.span_attributes"

#: Attributes that are objects with further attributes.
OBJECTS = (_METADATA, _METRICS, _KIND)


def _requests(attributes: Attributes) -> Iterator[Any]:
    yield parsed(attributes.get("braintrust.input_json", attributes.get("braintrust.input")))


def _responses(attributes: Attributes) -> Iterator[Any]:
    yield parsed(attributes.get("braintrust.output_json", attributes.get("braintrust.output")))


FAMILY = Family(
    name="braintrust",
    texts={
        "name": (f"{_KIND}.name",),
        "request_model": (f"{_METADATA}.model",),
        "provider_name": (f"{_METADATA}.provider",),
        "user": (f"{_METADATA}.user_id",),
        "session": (f"{_METADATA}.session_id", f"{_METADATA}.conversation_id"),
    },
    counts={
        "usage_input_tokens": (f"{_METRICS}.prompt_tokens",),
        "usage_output_tokens": (f"{_METRICS}.completion_tokens",),
        "usage_cache_read_input_tokens": (f"{_METRICS}.prompt_cached_tokens",),
        "usage_cache_creation_input_tokens": (f"{_METRICS}.prompt_cache_creation_tokens",),
        "usage_reasoning_output_tokens": (f"{_METRICS}.completion_reasoning_tokens",),
        "time_to_first_chunk": (f"{_METRICS}.time_to_first_token",),
    },
    tags=("braintrust.tags",),
    metadata=(_METADATA,),
    scores=("braintrust.scores",),
    kinds={
        f"{_KIND}.type": {
            "llm": "llm", "task": "chain", "tool": "tool", "function": "function", "score": "evaluator",
            "eval": "chain", "automation": "chain", "facet": "span", "preprocessor": "span", "classifier": "span",
            "review": "span",
        },
    },
    bodies=("braintrust.input_json", "braintrust.input", "braintrust.output_json", "braintrust.output"),
    requests=_requests,
    responses=_responses,
)  # fmt: skip
