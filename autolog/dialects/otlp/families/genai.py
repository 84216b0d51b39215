"""The OpenTelemetry semantic conventions for generative AI, current and earlier versions.

Supported are versions up to 0.1.0 of https://github.com/open-telemetry/semantic-conventions-genai, with the additions
of the anthropic SDK's own spans, and the names of 2023 and 2024. Strands, Semantic Kernel, Agent Framework, Copilot,
Codex and OpenRouter send these; Strands and Semantic Kernel put messages into events.

The conventions cannot express raw bodies, headers, and retries; before 0.1.0 the lifetime of cache writes (5 minutes or
1 hour).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed, request_of, response_of
from autolog.dialects._fault import Json
from autolog.dialects.otlp._messages import numbered
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families._family import TRUE, Family

#: Record kinds of operations that are not model calls; other operations are calls if the span has a model.
_OPERATIONS = {
    "chat": "llm", "text_completion": "llm", "generate_content": "llm", "embeddings": "llm",
    "execute_tool": "tool", "invoke_agent": "agent", "create_agent": "agent", "agent_step": "agent",
    "execute_event_loop_cycle": "chain", "invoke_workflow": "chain", "retrieval": "retrieval",
    "search_memory": "retrieval", "plan": "span", "create_memory": "span", "update_memory": "span",
    "upsert_memory": "span", "delete_memory": "span", "create_memory_store": "span", "delete_memory_store": "span",
}  # fmt: skip


def _requests(attributes: Attributes) -> Iterator[Any]:
    yield request_of(attributes.get("gen_ai.input.messages"))
    yield parsed(attributes.get("gen_ai.tool.call.arguments"))
    if attributes.get("gen_ai.retrieval.query.text"):
        yield {"query": attributes["gen_ai.retrieval.query.text"]}


def _responses(attributes: Attributes) -> Iterator[Any]:
    yield response_of(attributes.get("gen_ai.output.messages"))
    yield parsed(attributes.get("gen_ai.tool.call.result"))
    if attributes.get("gen_ai.retrieval.documents"):
        yield {"documents": parsed(attributes["gen_ai.retrieval.documents"])}


FAMILY = Family(
    name="genai",
    texts={
        "operation_name": ("gen_ai.operation.name",),
        "provider_name": ("gen_ai.provider.name", "gen_ai.system"),
        "request_model": ("gen_ai.request.model",),
        "response_model": ("gen_ai.response.model",),
        "response_id": ("gen_ai.response.id",),
        "response_service_tier": ("openai.response.service_tier", "gen_ai.openai.response.service_tier",
                                  "anthropic.response.service_tier"),
        "error_type": ("error.type", "exception.type"),
        "user": ("user.id", "enduser.id", "gen_ai.user.id"),
        "session": ("session.id", "gen_ai.conversation.id"),
        "prompt_name": ("gen_ai.prompt.name",),
        "request_id": ("anthropic.request.id",),
    },
    counts={
        "usage_input_tokens": ("gen_ai.usage.input_tokens",),
        "usage_output_tokens": ("gen_ai.usage.output_tokens",),
        "usage_cache_read_input_tokens": ("gen_ai.usage.cache_read.input_tokens",
                                          "gen_ai.usage.cache_read_input_tokens",
                                          "gen_ai.usage.details.cache_read_tokens",
                                          "gen_ai.usage.cached_input_tokens", "gen_ai.usage.input_tokens.cached"),
        "usage_cache_creation_input_tokens": ("gen_ai.usage.cache_creation.input_tokens",
                                              "gen_ai.usage.cache_write.input_tokens",
                                              "gen_ai.usage.cache_creation_input_tokens",
                                              "gen_ai.usage.cache_write_input_tokens",
                                              "gen_ai.usage.details.cache_write_tokens"),
        "usage_cache_creation_5m_input_tokens": ("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",),
        "usage_cache_creation_1h_input_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
        "usage_reasoning_output_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
                                          "gen_ai.usage.details.reasoning_tokens",
                                          "gen_ai.usage.output_tokens.reasoning"),
        "usage_input_audio_tokens": ("gen_ai.usage.input_audio_tokens", "gen_ai.usage.audio.input_tokens",
                                     "gen_ai.usage.details.input_audio_tokens"),
        "usage_output_audio_tokens": ("gen_ai.usage.output_audio_tokens", "gen_ai.usage.audio.output_tokens",
                                      "gen_ai.usage.details.output_audio_tokens"),
        "status_code": ("http.response.status_code", "http.status_code"),
        "time_to_first_chunk": ("gen_ai.response.time_to_first_chunk",),
    },
    costs=("gen_ai.usage.cost", "gen_ai.usage.cost.amount", "gen_ai.usage.total_cost"),
    reasons=("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "anthropic.message.stop_reason"),
    kinds={"gen_ai.operation.name": _OPERATIONS},
    calls=("gen_ai.request.model",),
    streams={"gen_ai.request.stream": TRUE},
    tool=("gen_ai.tool.call.id",),
    bodies=("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
            "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents"),
    requests=_requests,
    responses=_responses,
)  # fmt: skip


#: The conventions' attributes for tokens by kind that no field of a record holds, and their places in OpenAI's usage.
_BY_KIND = {
    "gen_ai.usage.image.input_tokens": ("prompt_tokens_details", "image_tokens"),
    "gen_ai.usage.image.output_tokens": ("completion_tokens_details", "image_tokens"),
    "gen_ai.usage.image.cache_read.input_tokens": ("prompt_tokens_details", "cached_tokens_details", "image_tokens"),
    "gen_ai.usage.audio.cache_read.input_tokens": ("prompt_tokens_details", "cached_tokens_details", "audio_tokens"),
}


def usage_by_kind(attributes: Attributes) -> Json:
    """Return the tokens by kind in the shape of OpenAI's usage object; empty if the attributes have none."""
    usage: Json = {}
    for name, (*path, last) in _BY_KIND.items():
        if (number := attributes.get(name)) is not None:
            place = usage
            for key in path:
                place = place.setdefault(key, {})
            place[last] = number
    return usage


def _older_requests(attributes: Attributes) -> Iterator[Any]:
    yield request_of(attributes.get("gen_ai.prompt"))
    yield request_of(numbered(attributes, "gen_ai.prompt"))


def _older_responses(attributes: Attributes) -> Iterator[Any]:
    yield response_of(attributes.get("gen_ai.completion"))
    yield response_of(numbered(attributes, "gen_ai.completion"))


OLDER = Family(
    name="genai, older",
    counts={
        "usage_input_tokens": ("gen_ai.usage.prompt_tokens",),
        "usage_output_tokens": ("gen_ai.usage.completion_tokens",),
    },
    calls=("gen_ai.usage.prompt_tokens",),
    bodies=("gen_ai.prompt", "gen_ai.prompt.", "gen_ai.completion", "gen_ai.completion."),
    requests=_older_requests,
    responses=_older_responses,
)
