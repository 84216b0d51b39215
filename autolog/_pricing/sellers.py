"""Determine who charges for a call, and under which names a price table may list its model."""

from __future__ import annotations

import functools
import re

from autolog._record.record import Record

#: genai-prices' names of providers, where they differ from those of the OpenTelemetry conventions.
_PRICED_AS = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.vertex_ai": "google",
    "gcp.gemini": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}
#: Hosts where Anthropic runs on another provider's cloud, but sells at its own prices
#: (platform.claude.com/docs/en/build-with-claude/claude-platform-on-aws; hosts of anthropic 2.11's clients).
_ANTHROPIC_PLATFORMS = re.compile(r"https://(aws-external-anthropic\.[^/]*\.api\.aws|claude\.googleapis\.com)(/|$)")

#: genai-prices' names of makers, by the prefix of their models' names (`openai/gpt-4o`, `anthropic.claude-...`).
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
    """Return who charges for a call, by genai-prices' name; None if unknown."""
    if record.operation_name == "decision" and record.provider_name == "openai":
        return "openai-decisions"
    if _ANTHROPIC_PLATFORMS.match(record.request_url or ""):
        return "anthropic"
    if record.provider_name == "huggingface" and (backend := _backend(record)):
        return f"huggingface_{backend}"
    return _PRICED_AS.get(record.provider_name or "", record.provider_name)


#: Hugging Face's router takes the inference provider from the path (`/together/v1/...`) or the model (`name:groq`).
_ROUTED = re.compile(r"https://router\.huggingface\.co/(?!v1/|hf-inference/)([a-z0-9-]+)/")


def _backend(record: Record) -> str | None:
    """Return the provider behind Hugging Face's router, from the response's header, the path or the model's name."""
    header = (record.response_headers or {}).get("x-inference-provider")
    match = _ROUTED.match(record.request_url or "")
    return header or (match[1] if match else None) or (record.request_model or "").partition(":")[2] or None


def models(record: Record) -> tuple[str, ...]:
    """Return the model names by which a call may be priced, best first: the response's, then the request's.

    On Bedrock the request's name comes first, because it contains the inference profile, on which the price depends. If
    it lacks the model's date, the profile is combined with the response's name.
    """
    requested, served = record.request_model, record.response_model
    if record.provider_name != "aws.bedrock":
        return tuple(filter(None, (served, requested)))
    profile = _BEDROCK_ID.match(_bare(requested or ""))
    dated = f"{profile[1]}{served}" if profile and served and not names_profile(served) else None
    return tuple(filter(None, (requested, dated, served)))


#: The beginning of a model's id on Bedrock: optionally the region of an inference profile, and the maker.
_BEDROCK_ID = re.compile(r"((?:[a-z]{2,6}(?:-[a-z]+)?\.)?[a-z]+\.)(?=[a-z])")
#: A maker in front of a model's name; LiteLLM and OpenRouter use a slash.
_MAKER = re.compile(r"(?:[a-z-]{2,7}\.)?([a-z_-]+)[./](.+)")
#: The beginnings of paths that end in a model's id.
_PATHS = ("arn:", "models/", "publishers/", "projects/", "bedrock/")


def names_profile(model: str) -> bool:
    """Return whether a model's id is one of Bedrock's, which names the inference profile."""
    return _BEDROCK_ID.match(model) is not None


def _bare(model: str) -> str:
    return model.rpartition("/")[2] if model.startswith(_PATHS) else model


@functools.lru_cache(maxsize=1024)
def entries(by: str | None, names: tuple[str, ...]) -> tuple[tuple[str | None, str], ...]:
    """Return the pairs of seller and name under which a price table may list a model, best first: `by`, then makers.

    Args:
        by: the seller, by genai-prices' name.
        names: names of the model, as returned by `models`.
    """
    bare = [*dict.fromkeys(map(_bare, names))]
    of_makers = [
        (_MAKERS[match[1]], match[2]) for name in bare if (match := _MAKER.match(name)) and match[1] in _MAKERS
    ]
    candidates = [
        *((by, name) for name in bare),
        *(("aws", name) for name in bare if _BEDROCK_ID.match(name)),
        *((by, name) for _, name in of_makers),
        *of_makers,
    ]
    return tuple(dict.fromkeys(candidates))
