"""Who charges for a call, and under which names a price table may have its model."""

from __future__ import annotations

import functools
import re

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
    if record.provider_name == "huggingface" and (backend := _backend(record)):
        return f"huggingface_{backend}"
    return _PRICED_AS.get(record.provider_name or "", record.provider_name)


#: Hugging Face's router names who is to answer in the path (`/together/v1/...`), or after the model (`name:groq`).
_ROUTED = re.compile(r"https://router\.huggingface\.co/(?!v1/|hf-inference/)([a-z0-9-]+)/")


def _backend(record: Record) -> str | None:
    """Return who answered behind Hugging Face's router: by the response's header, the path, or the model's name."""
    told = (record.response_headers or {}).get("x-inference-provider")
    found = _ROUTED.match(record.request_url or "")
    return told or (found[1] if found else None) or (record.request_model or "").partition(":")[2] or None


def models(record: Record) -> tuple[str, ...]:
    """Return the models that a call may be priced by, best first: the one that answered, then the one asked for.

    On Bedrock the one asked for goes first: it names the inference profile, on which the price depends. Where it lacks
    the model's date, the answer's name has it.
    """
    asked, answered = record.request_model, record.response_model
    if record.provider_name != "aws.bedrock":
        return tuple(filter(None, (answered, asked)))
    profile = _BEDROCK_ID.match(_bare(asked or ""))
    dated = f"{profile[1]}{answered}" if profile and answered and not names_profile(answered) else None
    return tuple(filter(None, (asked, dated, answered)))


#: A model's id on Bedrock: perhaps where its inference profile may run it, and its maker; then its name.
_BEDROCK_ID = re.compile(r"((?:[a-z]{2,6}(?:-[a-z]+)?\.)?[a-z]+\.)(?=[a-z])")
#: A maker before the name of a model; LiteLLM and OpenRouter write it with a slash.
_MAKER = re.compile(r"(?:[a-z-]{2,7}\.)?([a-z_-]+)[./](.+)")
#: How paths begin that end in a model's id.
_PATHS = ("arn:", "models/", "publishers/", "projects/", "bedrock/")


def names_profile(model: str) -> bool:
    """Return whether a model's id is one of Bedrock's, which says by which inference profile it is served."""
    return _BEDROCK_ID.match(model) is not None


def _bare(model: str) -> str:
    return model.rpartition("/")[2] if model.startswith(_PATHS) else model


@functools.lru_cache(maxsize=1024)
def entries(by: str | None, names: tuple[str, ...]) -> tuple[tuple[str | None, str], ...]:
    """Return the sellers and names by which a price table may have a model, best first: `by`, then makers.

    Args:
        by: who charges, by genai-prices' name. names: what the model may be called, as `models` returns them.
    """
    bare = [*dict.fromkeys(map(_bare, names))]
    made = [(_MAKERS[found[1]], found[2]) for name in bare if (found := _MAKER.match(name)) and found[1] in _MAKERS]
    candidates = [
        *((by, name) for name in bare),
        *(("aws", name) for name in bare if _BEDROCK_ID.match(name)),
        *((by, name) for _, name in made),
        *made,
    ]
    return tuple(dict.fromkeys(candidates))
