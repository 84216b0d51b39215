"""Vercel's AI SDK: `ai.*` of version 6 and before; version 7 follows the conventions, with `ai.settings.context.*`.

A call has two spans: `ai.generateText` outside, and `ai.generateText.doGenerate` for each request to the model; only
the inner ones are model calls. The spans cannot express the service tier, cache writes, and raw bodies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed, request_of, response_of
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families._family import Family

_STEPS = ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject")


def _requests(attributes: Attributes) -> Iterator[Any]:
    yield request_of(attributes.get("ai.prompt.messages"))
    yield _prompt(parsed(attributes.get("ai.prompt")))
    values = attributes.get("ai.values") or ([attributes["ai.value"]] if attributes.get("ai.value") else None)
    if values:
        yield {"input": [parsed(value) for value in (values if isinstance(values, list) else [values])]}
    yield parsed(attributes.get("ai.toolCall.args", attributes.get("ai.toolCall.input")))


def _prompt(value: Any) -> Any:
    """Return the request for what a program gave to the SDK: a system prompt, and a prompt or messages."""
    if not isinstance(value, dict):
        return request_of(value)
    messages = value.get("messages") or value.get("prompt")
    given = messages if isinstance(messages, list) else [{"role": "user", "content": messages}] if messages else []
    return request_of([*([{"role": "system", "content": value["system"]}] if value.get("system") else []), *given])


def _responses(attributes: Attributes) -> Iterator[Any]:
    text = next((attributes[key] for key in _TEXTS if attributes.get(key)), None)
    calls = next((attributes[key] for key in _CALLS if attributes.get(key)), None)
    if text or calls:
        reason = attributes.get("ai.response.finishReason", attributes.get("ai.finishReason"))
        reasoning = attributes.get("ai.response.reasoning")
        yield response_of([{"role": "assistant", "content": text, "tool_calls": calls, "finish_reason": reason,
                            "reasoning_content": reasoning}])  # fmt: skip
    yield parsed(attributes.get("ai.toolCall.result", attributes.get("ai.toolCall.output")))


_TEXTS = ("ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object")
_CALLS = ("ai.response.toolCalls", "ai.result.toolCalls")

#: What programs add to a call, before version 7 and since (if named in `includeRuntimeContext`).
_CONTEXT = ("ai.telemetry.metadata.", "ai.settings.context.")

FAMILY = Family(
    name="vercel",
    texts={
        "provider_name": ("ai.model.provider",),
        "request_model": ("ai.model.id",),
        "response_model": ("ai.response.model",),
        "response_id": ("ai.response.id",),
        "user": tuple(f"{prefix}userId" for prefix in _CONTEXT),
        "session": tuple(f"{prefix}sessionId" for prefix in _CONTEXT),
        "caller": ("ai.telemetry.functionId",),
        "name": ("ai.toolCall.name",),
    },
    counts={
        "usage_input_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "usage_output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "usage_cache_read_input_tokens": ("ai.usage.cachedInputTokens",
                                          "ai.usage.inputTokenDetails.cacheReadTokens"),
        "usage_cache_creation_input_tokens": ("ai.usage.inputTokenDetails.cacheWriteTokens",),
        "usage_reasoning_output_tokens": ("ai.usage.reasoningTokens",
                                          "ai.usage.outputTokenDetails.reasoningTokens"),
    },
    first_milliseconds=("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk"),
    reasons=("ai.response.finishReason", "ai.finishReason"),
    tags=tuple(f"{prefix}tags" for prefix in _CONTEXT),
    metadata=_CONTEXT,
    kinds={
        "ai.operationId": {
            **dict.fromkeys((*_STEPS, "ai.embed", "ai.embedMany"), "chain"),
            **{f"{step}.{inner}": "llm" for step in _STEPS for inner in ("doGenerate", "doStream")},
            "ai.embed.doEmbed": "llm", "ai.embedMany.doEmbed": "llm", "ai.toolCall": "tool",
        },
    },
    streams={"ai.operationId": frozenset({"ai.streamText.doStream", "ai.streamObject.doStream"})},
    calls=("ai.model.id",),
    tool=("ai.toolCall.name",),
    bodies=("ai.prompt", "ai.prompt.messages", "ai.value", "ai.values", *_TEXTS, *_CALLS, "ai.toolCall.args",
            "ai.toolCall.input", "ai.toolCall.result", "ai.toolCall.output"),
    requests=_requests,
    responses=_responses,
)  # fmt: skip
