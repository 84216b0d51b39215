"""The usage objects of OpenAI and of compatible APIs, which differ in names and in what their totals include."""

from __future__ import annotations

from typing import Any

from autolog.providers._facts import Usage
from autolog.providers._fields import count, first_count, mapping, money, objects, seconds, total

#: The keys of cached tokens at DeepSeek, Mistral, Moonshot and Together, and Anthropic's, which LiteLLM's proxy and
#: Databricks put beside OpenAI's.
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cache_read_input_tokens")
_WRITTEN = "cache_creation_input_tokens"
_BESIDE = frozenset(_CACHED)
#: The keys of the details of the input and of the output.
_INPUT_DETAILS = (
    "prompt_tokens_details", "prompt_token_details", "input_tokens_details", "input_token_details",
)  # fmt: skip
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")


def usage_in(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the usage object of a response, wherever it is, as in Groq's and Moonshot's streams; None if missing."""
    usage = body.get("usage")
    if isinstance(usage, dict) and usage:
        return usage
    places = [usage, mapping(body.get("x_groq")).get("usage")]
    places += [choice.get("usage") for choice in reversed(objects(body.get("choices")))]
    found = [place for place in places if isinstance(place, dict)]
    return next(filter(None, found), found[0] if found else None)


def read_usage(usage: dict[str, Any]) -> Usage:
    """Read a usage object with either set of names (prompt/completion or input/output), or with both."""
    inner, outer = _details(usage, _INPUT_DETAILS), _details(usage, _OUTPUT_DETAILS)
    reasoning = count(outer.get("reasoning_tokens"))
    reasoning = count(usage.get("reasoning_tokens")) if reasoning is None else reasoning
    input_tokens, output_tokens = _pair(usage)
    # xAI excludes reasoning from the completion tokens; most others include it.
    if (
        reasoning
        and None not in (input_tokens, output_tokens)
        and count(usage.get("total_tokens")) == total(input_tokens, output_tokens, reasoning)
    ):
        output_tokens = total(output_tokens, reasoning)
    read = Usage(
        input=input_tokens,
        output=output_tokens,
        cache_read=_cached(usage, inner),
        reasoning=reasoning,
        audio_seconds=seconds(usage.get("seconds")),
    )
    if inner:
        _add_input_details(read, inner)
    if outer:
        read.output_image, read.output_audio = count(outer.get("image_tokens")), count(outer.get("audio_tokens"))
    if _WRITTEN in usage or "cache_read_input_tokens" in usage:
        _add_anthropic_counts(read, usage)
    return read


def _add_anthropic_counts(read: Usage, usage: dict[str, Any]) -> None:
    """Add the cache writes, and to the input what is not in it.

    LiteLLM counts cached tokens as part of the prompt's, as OpenAI does; Anthropic counts them beside `input_tokens`.
    """
    if not read.cache_creation:
        read.cache_creation = count(usage.get(_WRITTEN))
    cached = total(read.cache_read, read.cache_creation) or 0
    whole = count(usage.get("total_tokens"))
    beside = "prompt_tokens" not in usage or (whole is not None and whole == total(read.input, read.output, cached))
    if read.input is not None and (beside or cached > read.input):
        read.input += cached


def _add_input_details(usage: Usage, details: dict[str, Any]) -> None:
    written = mapping(details.get("cache_write_tokens_details"))
    cached = mapping(details.get("cached_tokens_details"))
    cache_writes = first_count(details, "cache_write_tokens", "cache_creation_tokens")
    usage.cache_creation = total(*map(count, written.values())) if cache_writes is None else cache_writes
    usage.cache_creation_12h = count(written.get("ttl_12h_tokens"))
    usage.cache_audio_read = count(cached.get("audio_tokens"))
    usage.cache_image_read = count(cached.get("image_tokens"))
    usage.input_image, usage.input_audio = count(details.get("image_tokens")), count(details.get("audio_tokens"))


def _pair(usage: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return the input and output tokens.

    If both sets of names are present and differ, the one that adds up to the total wins, else the larger one.
    """
    prompt_tokens, completion_tokens = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if "input_tokens" not in usage and "output_tokens" not in usage:
        return prompt_tokens, completion_tokens
    input_tokens, output_tokens = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if input_tokens is output_tokens is None:
        return prompt_tokens, completion_tokens
    if prompt_tokens is completion_tokens is None:
        return input_tokens, output_tokens
    pairs = [(input_tokens, output_tokens), (prompt_tokens, completion_tokens)]
    whole = count(usage.get("total_tokens"))
    agreeing = [pair for pair in pairs if whole is not None and total(*pair) == whole]
    best_input, best_output = max(agreeing or pairs, key=lambda pair: total(*pair) or 0)
    return (
        next((side for side in (best_input, input_tokens, prompt_tokens) if side is not None), None),
        next((side for side in (best_output, output_tokens, completion_tokens) if side is not None), None),
    )


def _cached(usage: dict[str, Any], details: dict[str, Any]) -> int | None:
    """Return the number of cached tokens, in the details or beside them; a number that is not 0 wins."""
    inside = count(details.get("cached_tokens"))
    if inside or _BESIDE.isdisjoint(usage):
        return inside
    known = [number for name in _CACHED if (number := count(usage.get(name))) is not None]
    return next(filter(None, known), known[0] if inside is None and known else inside)


def contradiction(usage: dict[str, Any]) -> str | None:
    """Return what a usage object says twice and differently, so that its reading is only likely; None if nothing."""
    details = [usage[name] for name in _INPUT_DETAILS if name in usage and isinstance(usage[name], dict)]
    inner: dict[str, Any] = details[0] if details else {}
    if not _BESIDE.isdisjoint(usage) or len(details) > 1:
        beside = [count(usage.get(name)) for name in _CACHED]
        if len({*beside, *(count(inside.get("cached_tokens")) for inside in details)} - {None, 0}) > 1:
            return "the response says two numbers of cached tokens"
        hit, miss = count(usage.get("prompt_cache_hit_tokens")), count(usage.get("prompt_cache_miss_tokens"))
        if None not in (hit, miss) and total(hit, miss) != count(usage.get("prompt_tokens")):
            return "the cached and uncached tokens do not add up to the input tokens"
    if written := inner.get("cache_write_tokens_details"):
        known, whole = total(*map(count, mapping(written).values())), count(inner.get("cache_write_tokens"))
        if whole is not None and known != whole:
            return f"the response says for how long {known or 0} of {whole} tokens were written to the cache"
    if "input_tokens" not in usage or "prompt_tokens" not in usage:
        return None
    pairs = {
        (count(usage.get(before)), count(usage.get(after)))
        for before, after in (("input_tokens", "output_tokens"), ("prompt_tokens", "completion_tokens"))
    }
    whole = count(usage.get("total_tokens"))
    agrees = whole is not None and any(total(*pair) == whole for pair in pairs)
    return None if agrees or len(pairs - {(0, 0), (None, None)}) < 2 else "the response says two numbers of tokens"


def _details(usage: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return the details under any of `names`, merged; values that are not 0 win."""
    known = [usage[name] for name in names if name in usage and isinstance(usage[name], dict)]
    merged: dict[str, Any] = known.pop(0) if known else {}
    for details in known:
        merged = dict(merged)
        merged.update({key: value for key, value in details.items() if value or key not in merged})
    return merged


#: The keys that `reported_cost` and `cost_uncertainty` read.
STATED = frozenset({"cost", "cost_in_usd_ticks", "is_byok", "num_sources_used"})
#: The number of ticks, in which xAI reports costs, that make a dollar (https://docs.x.ai/docs/models, read 2026-11).
_TICKS = 10_000_000_000
#: The most dollars that one call may plausibly cost.
_MOST = 100_000


def reported_cost(usage: dict[str, Any]) -> float | None:
    """Return the cost in dollars as reported by OpenRouter, Perplexity or xAI; None if it is not reported.

    For calls with the user's own provider key, OpenRouter's `cost` is only its fee, and the provider's charge is
    reported separately (https://openrouter.ai/docs/use-cases/usage-accounting, read 2026-11).
    """
    if (ticks := money(usage.get("cost_in_usd_ticks"))) is not None:
        return _plausible(ticks / _TICKS)
    cost = usage.get("cost")
    if isinstance(cost, dict):
        return _plausible(money(cost.get("total_cost")))
    fee = money(cost)
    if usage.get("is_byok") in (None, False) or fee is None:
        return _plausible(fee)
    upstream = _upstream(mapping(usage.get("cost_details")))
    return None if upstream is None else _plausible(fee + upstream)


def _plausible(cost: float | None) -> float | None:
    """Return a cost, or None if it is far above that of any call."""
    return None if cost is None or cost > _MOST else cost


def _upstream(details: dict[str, Any]) -> float | None:
    """Return the charge of the model's provider as reported by OpenRouter, in total or per input and output."""
    whole = money(details.get("upstream_inference_cost"))
    sides = [
        money(details.get(f"upstream_inference_{side}"))
        for side in ("prompt_cost", "completions_cost", "input_cost", "output_cost")
    ]
    known = [side for side in sides if side is not None]
    return sum(known) if whole is None and len(known) > 1 else whole


def cost_uncertainty(usage: dict[str, Any]) -> str | None:
    """Return why the cost computed from the price table may be wrong, if a charge is known only to the provider."""
    if reported_cost(usage) is not None:
        return None
    if usage.get("is_byok") not in (None, False):
        return "billed to your own key at the model's provider, and the response does not say how much"
    if any(usage.get(name) is not None for name in ("cost", "cost_in_usd_ticks")):
        return "the cost that the response states cannot be read"
    if count(usage.get("num_sources_used")):
        return "sources of a live search are billed separately, and the response does not say how much"
    return None
