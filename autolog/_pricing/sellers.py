"""Who charges for a call, and under which names a price table may have its model."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autolog._record.record import Record

#: genai-prices' names for those providers that the OpenTelemetry conventions name otherwise.
_PRICED_AS = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.vertex_ai": "google",
    "gcp.gemini": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}
#: Anthropic sells at its own prices where it runs on another's cloud
#: (platform.claude.com/docs/en/build-with-claude/claude-platform-on-aws; hosts of anthropic 2.11's clients).
_ANTHROPIC_PLATFORMS = re.compile(r"https://(aws-external-anthropic\.[^/]*\.api\.aws|claude\.googleapis\.com)(/|$)")

#: Makers as the names of their models begin (`openai/gpt-4o`, `anthropic.claude-...`), and how genai-prices names them.
_MAKERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "gemini": "google",
    "vertex_ai": "google",
    "mistral": "mistral",
    "mistralai": "mistral",
    "x-ai": "x-ai",
    "xai": "x-ai",
    "deepseek": "deepseek",
    "deepseek-ai": "deepseek",
    "cohere": "cohere",
    "perplexity": "perplexity",
    "moonshotai": "moonshotai",
    "azure": "azure",
    "bedrock": "aws",
    "groq": "groq",
    "openrouter": "openrouter",
}


def seller(record: Record) -> str | None:
    """Return who charges for a call, by genai-prices' name; None if nobody knows."""
    if record.operation_name == "decision" and record.provider_name == "openai":
        return "openai-decisions"
    if _ANTHROPIC_PLATFORMS.match(record.request_url or ""):
        return "anthropic"
    return _PRICED_AS.get(record.provider_name or "", record.provider_name)


def models(record: Record) -> tuple[str | None, ...]:
    """Return the models that a call may be priced by, best first: the one that answered, or the one asked for.

    On Bedrock the one asked for goes first: it names the inference profile, on which the price depends.
    """
    if record.provider_name == "aws.bedrock":
        return record.request_model, record.response_model
    return record.response_model, record.request_model


def entries(by: str | None, model: str) -> Iterator[tuple[str | None, str]]:
    """Yield the sellers and names by which a price table may have a model, best first."""
    yield by, model
    name = model.rpartition("/")[2] if model.startswith(("arn:", "models/", "publishers/", "projects/")) else model
    if name != model:
        yield by, name
    found = re.match(r"(?:[a-z-]{2,7}\.)?([a-z_-]+)[./](.+)", name)
    if found and (maker := _MAKERS.get(found[1])):
        yield by, found[2]
        if maker != by:
            yield maker, found[2]
