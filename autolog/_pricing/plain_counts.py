"""What a log with plain counts, without the provider's own usage object, leaves open about its cost."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple


class StatedFact(NamedTuple):
    """Something that a log without the provider's own usage object must state for its cost to be exact.

    Attributes:
        name: the name used in `cost_details.why`.
        stated_as: what states it: a field of `Usage`, or a name defined in `_pricing.bill`.
        affects: the prices of a tariff that depend on it.
        providers: the providers to whose calls it applies; empty for all.
    """

    name: str
    stated_as: str
    affects: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()


#: The providers whose own usage object is not in OpenAI's format.
OWN_USAGE = frozenset({"anthropic", "aws.bedrock", "cohere", "gcp.gemini", "gcp.vertex_ai"})
_HAVE_TIERS = OWN_USAGE - {"cohere"} | {"openai", "azure.ai.openai", "mistral_ai"}

#: What a log with plain counts may leave open.
FACTS = (
    StatedFact("which service tier was served", "service_tier", providers=_HAVE_TIERS),
    StatedFact("how many tokens were read from the cache", "cache_read", frozenset({"cache_read_mtok"})),
    StatedFact("how many tokens were written to the cache", "cache_creation", frozenset({"cache_write_mtok"})),
    StatedFact("whether cache writes live for 5 minutes or an hour", "cache lives", frozenset({"cache_write_1h_mtok"})),
    StatedFact("how many input tokens are audio", "input_audio", frozenset({"input_audio_mtok"})),
    StatedFact("how many output tokens are audio", "output_audio", frozenset({"output_audio_mtok"})),
    StatedFact("how many input tokens are images", "input_image", frozenset({"input_image_mtok"})),
    StatedFact("how many output tokens are images", "output_image", frozenset({"output_image_mtok"})),
    # No log states this
    StatedFact("how many tokens are video", "video", frozenset({"input_video_mtok", "output_video_mtok"})),
    StatedFact("how many web searches were made", "web_searches", frozenset({"web_searches_kcount"})),
    StatedFact("how many file searches were made", "file_searches", frozenset({"storage_searches_kcount"})),
)


def unstated_by_reporter(
    stated: Callable[[str], bool], provider: str | None, model: str, has: frozenset[str]
) -> Iterator[str]:
    """Yield what a log without the provider's own usage object leaves open.

    Args:
        stated: returns whether the log states a count or another fact, by its name in `StatedFact.stated_as`.
        provider: the provider's name in the OpenTelemetry conventions.
        model: the requested model.
        has: the prices and variants of the model's tariff.
    """
    for fact in _facts_of(provider, has):
        if not stated(fact.stated_as):
            yield f"the log does not say {fact.name}"
    if _SPEAKS.search(model) and not stated("input_audio") and not stated("output_audio"):
        yield "the log does not say how many tokens are audio"


@functools.lru_cache(maxsize=1024)
def _facts_of(provider: str | None, has: frozenset[str]) -> tuple[StatedFact, ...]:
    """Return the facts on which a tariff depends."""
    return tuple(fact for fact in FACTS if fact.affects & has or (provider in fact.providers and not fact.affects))


_SPEAKS = re.compile(r"audio|realtime|-live")
