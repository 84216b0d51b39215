"""OpenInference: the instrumentations of Arize Phoenix (openinference-semantic-conventions 0.1.42).

`input.value` and `output.value` of a model call are usually the raw bodies; if they are not a conversation, the
numbered messages are used. The spans cannot express the service tier (unless the raw response has it), the lifetime of
cache writes, headers, and retries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed, request_of, response_of
from autolog.dialects.otlp._messages import numbered
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families._family import Family


def _requests(attributes: Attributes) -> Iterator[Any]:
    whole = parsed(attributes.get("input.value"))
    is_last = _has_texts_for_messages(whole)
    if not is_last:
        yield whole
    yield request_of(numbered(attributes, "llm.input_messages"))
    yield request_of(attributes.get("llm.prompts"))
    yield request_of([item.get("prompt", {}).get("text") for item in _dicts(numbered(attributes, "llm.prompts"))])
    texts = [item.get("embedding", {}).get("text") for item in _dicts(numbered(attributes, "embedding.embeddings"))]
    if any(texts):
        yield {"input": texts}
    yield parsed(attributes.get("tool.parameters"))
    if is_last:
        yield whole


def _has_texts_for_messages(body: Any) -> bool:
    """Return whether the messages of a body are texts: LlamaIndex's are objects as Python shows them."""
    messages = body.get("messages") if isinstance(body, dict) else None
    return isinstance(messages, list) and bool(messages) and all(isinstance(item, str) for item in messages)


def _dicts(items: list[Any]) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)]


def _responses(attributes: Attributes) -> Iterator[Any]:
    yield parsed(attributes.get("output.value"))
    yield response_of(numbered(attributes, "llm.output_messages"))
    for prefix in ("retrieval.documents", "reranker.output_documents"):
        if documents := numbered(attributes, prefix):
            yield {"documents": documents}


FAMILY = Family(
    name="openinference",
    texts={
        "provider_name": ("llm.provider", "llm.system"),
        "request_model": ("llm.request.model_name", "llm.model_name", "embedding.model_name", "decision.model_name"),
        "response_model": ("llm.response.model_name",),
        "prompt_name": ("llm.prompt_template.name",),
        "prompt_id": ("prompt.id",),
        "prompt_version": ("llm.prompt_template.version",),
    },
    counts={
        "usage_input_tokens": ("llm.token_count.prompt", "decision.token_count.input"),
        "usage_output_tokens": ("llm.token_count.completion", "decision.token_count.output"),
        "usage_cache_read_input_tokens": ("llm.token_count.prompt_details.cache_read",),
        "usage_cache_creation_input_tokens": ("llm.token_count.prompt_details.cache_write",),
        "usage_reasoning_output_tokens": ("llm.token_count.completion_details.reasoning",),
        "usage_input_audio_tokens": ("llm.token_count.prompt_details.audio",),
        "usage_output_audio_tokens": ("llm.token_count.completion_details.audio",),
    },
    costs=("llm.cost.total",),
    reasons=("llm.finish_reason",),
    tags=("tag.tags",),
    metadata=("metadata",),
    kinds={
        "openinference.span.kind": {
            "LLM": "llm", "EMBEDDING": "llm", "DECISION": "llm", "CHAIN": "chain", "TOOL": "tool",
            "RETRIEVER": "retrieval", "AGENT": "agent", "RERANKER": "chain", "GUARDRAIL": "span", "PROMPT": "span",
            "EVALUATOR": "evaluator", "UNKNOWN": "span",
        },
    },
    calls=("llm.model_name", "embedding.model_name"),
    bodies=("input.value", "output.value", "tool.parameters", "llm.input_messages.", "llm.output_messages.",
            "llm.prompts", "llm.prompts.", "embedding.embeddings.", "retrieval.documents.",
            "reranker.output_documents."),
    requests=_requests,
    responses=_responses,
)  # fmt: skip
