"""Everything that a report of a call must state for its cost to be exact.

A report comes from a layer above the wire: an instrumentation, LiteLLM, a logger's client. Reports leave out the terms
of the response, the request, or both, so that a plain usage may have been charged at a tier, a speed or a discount that
nobody mentions. A cost is exact only if each term of the model's tariff is stated, or can have no other value.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from autolog._pricing.terms import has_details
from autolog._record.record import Record
from autolog.providers import Facts, Usage
from autolog.providers._fields import mapping


class StatedFact(NamedTuple):
    """Something that a report must state for its cost to be exact.

    Attributes:
        name: the name used in `cost_details.why`.
        stated_as: what states it: a field of `Usage`, or a key of `_TERMS`.
        affects: the prices and variants of a tariff that depend on it; empty for all tariffs.
        providers: the providers to whose calls it applies; empty for all.
        models: a regular expression for the models that have it; empty for all.
    """

    name: str
    stated_as: str
    affects: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    models: str = ""


#: The providers whose own usage object is not in OpenAI's format.
OWN_USAGE = frozenset({"anthropic", "aws.bedrock", "cohere", "gcp.gemini", "gcp.vertex_ai"})
_HAVE_TIERS = OWN_USAGE - {"cohere"} | {"openai", "azure.ai.openai", "mistral_ai"}
_OPENAI = frozenset({"openai"})
_IN_TIERS = frozenset({"service_tier"})

_TOOLS = "whether tools of the provider were used"

#: What a report may leave open.
FACTS = (
    StatedFact("which service tier was served", "service_tier", providers=_HAVE_TIERS),
    StatedFact("at which speed it was served", "speed", frozenset({"speed"})),
    StatedFact("whether it was made in the background, for less", "completion_window", _IN_TIERS, _OPENAI),
    StatedFact("how many of the tokens are billed", "billed_tokens", providers=frozenset({"cohere"})),
    # console.groq.com/docs/agentic-tooling, platform.moonshot.ai/docs/pricing/tools, docs.x.ai, docs.z.ai/guides/tools
    StatedFact(_TOOLS, "tools", providers=frozenset({"groq"}), models=r"(openai/)?gpt-oss|(groq/)?compound"),
    StatedFact(_TOOLS, "tools", providers=frozenset({"moonshotai", "x_ai", "zai"})),
    StatedFact("how many tokens were read from the cache", "cache_read", frozenset({"cache_read_mtok"})),
    StatedFact("how many tokens were written to the cache", "cache_creation", frozenset({"cache_write_mtok"})),
    StatedFact("whether cache writes live for 5 minutes or an hour", "cache_lives", frozenset({"cache_write_1h_mtok"})),
    StatedFact("whether cache writes live for 12 hours", "cache_lives", frozenset({"cache_write_12h_mtok"})),
    StatedFact("how many input tokens are audio", "input_audio", frozenset({"input_audio_mtok"})),
    StatedFact("how many output tokens are audio", "output_audio", frozenset({"output_audio_mtok"})),
    StatedFact("how many input tokens are images", "input_image", frozenset({"input_image_mtok"})),
    StatedFact("how many output tokens are images", "output_image", frozenset({"output_image_mtok"})),
    # No log states this
    StatedFact("how many tokens are video", "video", frozenset({"input_video_mtok", "output_video_mtok"})),
    StatedFact("how many web searches were made", "web_searches", frozenset({"web_searches_kcount"})),
    StatedFact("how many file searches were made", "file_searches", frozenset({"storage_searches_kcount"})),
)


def unstated_by_report(
    record: Record, facts: Facts, usage: Usage, call: Mapping[str, Any], has: frozenset[str]
) -> Iterator[str]:
    """Yield what a report leaves open; nothing for a call captured from HTTP, and one without usage.

    Args:
        record: the report.
        facts: the facts read from its bodies.
        usage: the usage to bill.
        call: the call as in `terms.unstated_terms`.
        has: the prices and variants of the model's tariff.
    """
    own_usage = has_own_usage(record, facts)
    if usage.input is None or (own_usage and record.request_url is not None):
        return
    own_request = _has_own_request(record, facts)

    def is_stated(fact: StatedFact) -> bool:
        if fact.stated_as in _TERMS:
            return record.operation_name not in _WITH_TERMS or _TERMS[fact.stated_as](record, facts, own_request)
        if fact.stated_as == "cache_lives":
            lives = (usage.cache_creation_5m, usage.cache_creation_1h, usage.cache_creation_12h)
            return lives != (None, None, None) or not usage.cache_creation
        is_counted = getattr(usage, fact.stated_as, None) is not None
        return is_counted or (own_usage and (own_request or has_details(call, facts.format, fact.affects)))

    for fact in _facts_of(record.provider_name, record.request_model or "", has):
        if not is_stated(fact):
            yield f"the log does not say {fact.name}"
    if _SPEAKS.search(record.request_model or "") and not any(map(is_stated, _OF_AUDIO)):
        yield "the log does not say how many tokens are audio"


@functools.lru_cache(maxsize=4096)
def _facts_of(provider: str | None, model: str, has: frozenset[str]) -> tuple[StatedFact, ...]:
    """Return the facts on which a tariff depends."""
    return tuple(
        fact
        for fact in FACTS
        if (not fact.affects or fact.affects & has)
        and (not fact.providers or provider in fact.providers)
        and re.match(fact.models, model)
    )


_SPEAKS = re.compile(r"audio|realtime|-live")
_OF_AUDIO = tuple(fact for fact in FACTS if fact.stated_as in {"input_audio", "output_audio"})


def has_own_usage(record: Record, facts: Facts) -> bool:
    """Return whether a record has the provider's own usage object, rather than counts or an object from a reporter.

    LiteLLM and other layers above the SDKs convert every provider's usage to a form like OpenAI's. Usage captured from
    HTTP is the provider's own, whatever its form.
    """
    if record.usage is None or record.extra.get("usage_alone"):  # the usage without the terms of the response
        return False
    return facts.format != "openai" or record.request_url is not None or record.provider_name not in OWN_USAGE


def _has_own_request(record: Record, facts: Facts) -> bool:
    """Return whether a record has the provider's own request, which would ask for unusual terms.

    Reporters convert prompts to messages and leave the rest out, or send the request as it was, with its model.
    """
    return record.request_url is not None or not _OF_WHOLE_REQUESTS.isdisjoint(facts.request)


#: Keys that only whole requests have: the model, or the contents of a request at Gemini, whose URL has its model.
_OF_WHOLE_REQUESTS = frozenset({"model", "modelId", "contents"})

#: The operations that have service tiers, speeds, tools and the like; at OpenAI, embeddings, images and transcriptions
#: have none. None stands for a report that does not name its operation.
_WITH_TERMS = frozenset({"chat", "text_completion", "compact", "generate_content", None})


def _states_tier(record: Record, facts: Facts, own_request: bool) -> bool:
    """Return whether a log states the tier; `auto` leaves it to the account, and does not say what was served."""
    served = record.response_service_tier
    return served not in (None, "auto") or (own_request and "auto" not in (served, facts.request.get("service_tier")))


def _states_speed(_: Record, facts: Facts, own_request: bool) -> bool:
    return own_request or facts.speed is not None


def _states_window(_: Record, facts: Facts, own_request: bool) -> bool:
    """Return whether a log shows that a response was not made in the background, as chat completions never are."""
    is_completion = "prompt_tokens" in mapping(facts.raw_usage)
    return own_request or is_completion or mapping(facts.response).get("background") is False


def _states_tools(record: Record, facts: Facts, own_request: bool) -> bool:
    """Return whether a log shows the provider's tools: Groq's response names them, the others' request."""
    return has_own_usage(record, facts) and (own_request or record.provider_name == "groq")


def _states_billed(record: Record, facts: Facts, _: bool) -> bool:
    return has_own_usage(record, facts)


#: The terms of a call that are no counts, and how a log states them.
_TERMS = {
    "service_tier": _states_tier, "speed": _states_speed, "completion_window": _states_window,
    "tools": _states_tools, "billed_tokens": _states_billed,
}  # fmt: skip
