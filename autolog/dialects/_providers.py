"""Providers by the names that senders have for them."""

from __future__ import annotations

#: Senders' names of providers, in the conventions' words. Vercel adds the API: `openai.chat`, `google.generative-ai`.
_PROVIDERS = {
    "az.ai.openai": "azure.ai.openai", "azure": "azure.ai.openai", "azure-openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference", "aws_bedrock": "aws.bedrock", "amazon-bedrock": "aws.bedrock",
    "AWS": "aws.bedrock", "aws": "aws.bedrock", "bedrock": "aws.bedrock", "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai", "google": "gcp.gemini", "gemini": "gcp.gemini", "gcp.gen_ai": "gcp.gemini",
    "Google": "gcp.gemini", "mistralai": "mistral_ai", "mistral": "mistral_ai", "xai": "x_ai", "OpenAI": "openai",
    "Anthropic": "anthropic", "together_ai": "together", "fireworks_ai": "fireworks",
    "amazon_bedrock": "aws.bedrock", "bedrock_converse": "aws.bedrock", "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai", "azure_openai": "azure.ai.openai",
}  # fmt: skip
#: Names of who made the span, where the provider's should be.
_NO_PROVIDERS = {
    "strands-agents", "Langchain", "langchain", "semantic_kernel", "autogen", "crewai", "microsoft.agent_framework",
}  # fmt: skip
#: Providers whose name Vercel's SDK follows by a dot and the API.
_WITH_API = {"openai", "anthropic", "groq", "deepseek", "cohere", "perplexity"}


def provider_called(name: str | None) -> str | None:
    """Return the provider that a sender calls so, in the conventions' words; None if it names itself instead."""
    if not name or name in _NO_PROVIDERS:
        return None
    head = name if name in _PROVIDERS else name.partition(".")[0]
    return _PROVIDERS.get(head, head if head in _WITH_API else name)
