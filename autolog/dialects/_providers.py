"""Senders' names of providers, and their ids of responses, converted to the providers' own."""

from __future__ import annotations

import base64
import binascii
import re

from autolog.providers._table import ROWS

#: Providers by the names that senders use, in lower case, and in the conventions' words. OpenLLMetry writes some names
#: as their owners do (`MistralAI`); Vercel appends the API: `openai.chat`.
_PROVIDERS = {
    "az.ai.openai": "azure.ai.openai", "azure": "azure.ai.openai", "azure-openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference", "aws_bedrock": "aws.bedrock", "amazon-bedrock": "aws.bedrock",
    "aws": "aws.bedrock", "bedrock": "aws.bedrock", "vertex_ai": "gcp.vertex_ai", "vertexai": "gcp.vertex_ai",
    "google": "gcp.gemini", "gemini": "gcp.gemini", "gcp.gen_ai": "gcp.gemini", "mistralai": "mistral_ai",
    "mistral": "mistral_ai", "xai": "x_ai", "together_ai": "together", "togetherai": "together",
    "fireworks_ai": "fireworks",
    "amazon_bedrock": "aws.bedrock", "bedrock_converse": "aws.bedrock", "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai", "azure_openai": "azure.ai.openai",
}  # fmt: skip
_NAMES = {name for row in ROWS for name in row.hosts.values()}
#: Values of the provider's field that name the sender of the span instead.
_NO_PROVIDERS = {
    "strands-agents", "Langchain", "langchain", "semantic_kernel", "autogen", "crewai", "microsoft.agent_framework",
}  # fmt: skip
#: Providers to whose names Vercel's SDK appends a dot and the API.
_WITH_API = {"openai", "anthropic", "groq", "deepseek", "cohere", "perplexity"}


def provider_called(name: str | None) -> str | None:
    """Return the provider for a sender's name, in the conventions' words; None if the sender names itself instead."""
    if not name or name in _NO_PROVIDERS:
        return None
    lower = name.lower()
    head = lower if lower in _PROVIDERS else lower.partition(".")[0]
    return _PROVIDERS.get(head, head if head in _WITH_API else lower if lower in _NAMES else name)


#: LiteLLM's call types, without the `a` prefix of asynchronous ones, and the conventions' names of operations.
_CALL_TYPES = {
    "completion": "chat", "text_completion": "text_completion", "embedding": "embeddings", "responses": "chat",
    "image_generation": "image_generation", "speech": "speech", "transcription": "transcription",
    "moderation": "moderation", "rerank": "rerank", "anthropic_messages": "chat",
    "generate_content": "chat",
}  # fmt: skip
_OPERATIONS = frozenset(_CALL_TYPES.values())
#: What spans name their operations, and the conventions' names.
_SPAN_TYPES = {
    "completion": "text_completion", "LLM": "chat",
    **dict.fromkeys(("EMBEDDING", "ai.embed.doEmbed", "ai.embedMany.doEmbed"), "embeddings"),
}  # fmt: skip


def operation_called(call_type: str) -> str:
    """Return the operation for one of LiteLLM's call types, which begin with `a` if they are async; else the text."""
    return _CALL_TYPES.get(call_type) or _CALL_TYPES.get(call_type.removeprefix("a"), call_type)


_EMBEDS = re.compile(r"embed|(^|/)(voyage|bge|gte|e5)-", re.IGNORECASE)


def chat_or_embeddings(model: str | None) -> str:
    """Return the operation of a generation whose sender does not name it, by the model."""
    return "embeddings" if model and _EMBEDS.search(model) else "chat"


def operation_of_span(word: str, model: str | None) -> str | None:
    """Return the operation of a span: the one that it names, else the one of the model; None if neither is known."""
    operation = _SPAN_TYPES.get(word) or operation_called(word)
    if operation in _OPERATIONS:
        return operation
    return "embeddings" if chat_or_embeddings(model) == "embeddings" else None


def provider_response_id(given: str | None) -> str | None:
    """Return the provider's own response id, unpacked from the one that LiteLLM's Responses API makes.

    That id is `resp_` and the Base64 of `litellm:custom_llm_provider:...;model_id:...;response_id:...`.
    """
    if not given or not given.startswith("resp_bGl0ZWxsbTp"):
        return given
    try:
        packed = base64.b64decode(given.removeprefix("resp_") + "==").decode()
    except (binascii.Error, ValueError):
        return given
    return packed.partition("response_id:")[2] or given
