"""What a call cost, in US dollars, and how sure that is.

genai-prices holds the prices, dated, with variants by service tier, batch, speed and route; our part is to tell it what
was used and under which terms, as the response says. What it has no unit for (a container, a second of video) is in
`_units`. Where a provider states the cost itself (OpenRouter, Perplexity, xAI), that is the bill. What is not known is
None, with the reason; never 0.

`cost_details` of a record has

- `input`, `cache_read`, `cache_write`, `input_audio`, `input_image`, `output`, `output_audio`, `output_image`, `tools`,
  `other`: the parts, in dollars, those that are not zero; they add up to the cost;
- `certainty`: `exact`, `estimated` (with `why`: a tier without a published price, for example) or `unknown`;
- `tier`: the terms that were charged; `prices`, `prices_date`: the table, its version and its date; `model`,
  `provider`: the entry in it;
- `unit_prices`: dollars for a million tokens (or as the unit says), those that were used.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from autolog._guard import logger
from autolog._units import TWELVE_HOUR_WRITES, UNITS, geo_factor
from autolog.providers import Usage

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

#: Our counts, by the names that genai-prices gives them.
_UNITS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_creation",
    "cache_write_5m_tokens": "cache_creation_5m",
    "cache_write_1h_tokens": "cache_creation_1h",
    "input_audio_tokens": "input_audio",
    "output_audio_tokens": "output_audio",
    "input_image_tokens": "input_image",
    "output_image_tokens": "output_image",
    "cache_audio_read_tokens": "cache_audio_read",
    "cache_image_read_tokens": "cache_image_read",
    "web_searches": "web_searches",
    "storage_searches": "file_searches",
    "audio_seconds": "audio_seconds",
    "input_characters": "input_characters",
}

#: The parts of a cost, and the counts that each is for; what is left of the input and output is their plain part.
_PARTS = {
    "cache_read": ("cache_read_tokens", "cache_audio_read_tokens", "cache_image_read_tokens"),
    "cache_write": ("cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"),
    "input_audio": ("input_audio_tokens",),
    "input_image": ("input_image_tokens",),
    "output_audio": ("output_audio_tokens",),
    "output_image": ("output_image_tokens",),
    "tools": ("web_searches", "storage_searches"),
    "other": ("audio_seconds", "input_characters"),
}

#: The parts that a factor on tokens multiplies.
_PARTS_OF_TOKENS = frozenset({"input", "output"} | _PARTS.keys() - {"tools", "other"})

#: Who charges half for what is done in batches, whatever the model (platform.openai.com/docs/guides/batch,
#: platform.claude.com/docs/en/build-with-claude/batch-processing, read 2026-11).
_HALF_IN_BATCHES = frozenset({"openai", "anthropic", "azure"})

#: Tiers that are charged at the standard price.
_STANDARD = {None, "", "default", "standard", "auto", "on_demand"}


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms a call was served, as its response says; None where it does not.

    Attributes:
        tier: `flex`, `priority`, ... batch: one item of a batch. speed: Anthropic's `fast`.
        geo: where inference ran, if the provider charges for that. reported: the cost by the provider's own account.
    """

    tier: str | None = None
    batch: bool = False
    speed: str | None = None
    geo: str | None = None
    reported: float | None = None

    @property
    def name(self) -> str:
        """The terms in a word or two."""
        words = ["batch" if self.batch else None, self.tier if self.tier not in _STANDARD else None, self.speed]
        return " ".join(word for word in words if word and word != "standard") or "standard"

    def context(self) -> dict[str, str]:
        """The terms as genai-prices asks for them."""
        given = {
            "service_tier": None if self.tier in _STANDARD or self.batch else self.tier,
            "processing": "batch" if self.batch else None,
            "speed": self.speed if self.speed not in _STANDARD else None,
        }
        return {key: value for key, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Priced:
    """A cost and all that there is to say of it."""

    cost: float | None
    details: dict[str, Any] = field(default_factory=dict)


def unknown(why: str, flaw: bool = False) -> Priced:
    """No cost, and the reason; `flaw`: the usage is one that cannot be."""
    return Priced(None, {"certainty": "unknown", "unknown": why, **({"flaw": True} if flaw else {})})


def price(
    provider_name: str | None,
    models: tuple[str | None, ...],
    usage: Usage,
    terms: Terms,
    at: datetime | None,
    further: Sequence[tuple[str | None, Usage]] = (),
) -> Priced:
    """The cost of `usage` under `terms`, by the first of `models` that has a price at the time `at`.

    `further` was used beside it, by other models (None for the same one).
    """
    if terms.reported is not None:
        return Priced(
            terms.reported, {"certainty": "exact", "tier": terms.name, "prices": "as the provider reports it"}
        )
    provider = _PRICED_AS.get(provider_name or "", provider_name)
    bills = [(models, usage), *(((model,) if model else models, used) for model, used in further)]
    priced = [_tokens(provider, names, used, terms, at) for names, used in bills if _says_something(used)]
    if usage.units:
        priced.append(_by_unit(usage.units))
    if not priced:
        return unknown("the response says nothing of its usage")
    return _summed(priced)


def _says_something(usage: Usage) -> bool:
    return usage.input is not None or usage.output is not None or bool(_counts(usage))


def _counts(usage: Usage) -> dict[str, Any]:
    return {unit: value for unit, attribute in _UNITS.items() if (value := getattr(usage, attribute))}


def _tokens(
    provider: str | None, models: tuple[str | None, ...], usage: Usage, terms: Terms, at: datetime | None
) -> Priced:
    problem = _impossible(usage)
    if problem:
        return unknown(problem, flaw=True)
    why = "no model is named"
    for model in dict.fromkeys(filter(None, models)):
        try:
            return _calculate(provider, model, usage, terms, at)
        except LookupError as error:
            why = str(error.args[0] if error.args else error)
        except Exception as error:  # noqa: BLE001 - usage that it refuses costs a price, not a record
            logger.debug("no price for %s", model, exc_info=error)
            why = f"{type(error).__name__}: {error}"
    return unknown(why)


def _by_unit(units: dict[str, float]) -> Priced:
    """What is billed by the piece, from our own table."""
    parts: dict[str, float] = {}
    prices: dict[str, float] = {}
    for name, number in units.items():
        unit = UNITS.get(name)
        if unit is None:
            return unknown(f"no published price for: {name}")
        parts[unit.part] = parts.get(unit.part, 0.0) + number * unit.dollars
        prices[name] = unit.dollars
    sources = sorted({UNITS[name].source for name in units})
    said = {"certainty": "exact", "tier": "standard", "prices": ", ".join(sources), "unit_prices": prices}
    return Priced(sum(parts.values()), {**parts, **said})


def _summed(priced: list[Priced]) -> Priced:
    """Several bills as one: unknown if one is, and as sure as the least sure."""
    for one in priced:
        if one.cost is None:
            return one
    first = priced[0]
    if len(priced) == 1:
        return first
    details: dict[str, Any] = {}
    for one in priced:
        for key, value in one.details.items():
            if isinstance(value, float):
                details[key] = details.get(key, 0.0) + value
            elif key == "unit_prices":
                details[key] = {**details.get(key, {}), **value}
            elif key == "prices":
                known = details.get(key)
                details[key] = value if known in (None, value) else f"{known}; {value}"
            else:
                details.setdefault(key, value)
    unsure = [one.details for one in priced if one.details["certainty"] != "exact"]
    if unsure:
        details |= {"certainty": "estimated", "why": "; ".join(dict.fromkeys(detail["why"] for detail in unsure))}
    return Priced(sum(one.cost or 0.0 for one in priced), details)


def own_price(record: Any, prices: Any) -> Priced | None:
    """The cost of a record by the user's prices (see `Config.prices`); None where they say nothing of it."""
    if callable(prices):
        try:
            cost = prices(record)
            if cost is not None and not 0 <= float(cost) < float("inf"):
                return unknown(f"the price function returned {cost!r}")
        except Exception as error:  # noqa: BLE001 - it is the user's code; the record is kept
            logger.warning("the price function failed for record %s", record.id, exc_info=error)
            return unknown(f"the price function raised {type(error).__name__}: {error}")
        said: dict[str, Any] = {"certainty": "exact", "tier": "standard", "prices": "your function"}
        return None if cost is None else Priced(float(cost), said)
    names = (record.response_model, record.request_model, _undated(record.response_model))
    entry = next((prices[name] for name in names if name in prices), None)
    if (record.cost_details or {}).get("flaw"):
        return None  # what cannot be is no bill by any price
    if entry is None or (record.usage_input_tokens is None and record.usage_output_tokens is None):
        return None
    read, written = record.usage_cache_read_input_tokens or 0, record.usage_cache_creation_input_tokens or 0
    counts = {
        "input": max(0, (record.usage_input_tokens or 0) - read - written),
        "cache_read": read,
        "cache_write": written,
        "output": record.usage_output_tokens or 0,
    }
    for name, instead in (("cache_read", "input"), ("cache_write", "input")):
        if name not in entry:  # without a price of its own, the cache costs what input does
            counts[instead] += counts.pop(name)
    missing = [name for name, count in counts.items() if count and name not in entry]
    if missing:
        return unknown(f"your prices do not say what {', '.join(missing)} costs")
    parts = {name: count * entry[name] / 1_000_000 for name, count in counts.items() if count}
    known = record.cost_details or {}
    doubts = [known["why"]] if known.get("why") else []
    if known.get("tier", "standard") != "standard":
        doubts.append(f"your prices do not tell of {known['tier']}")
    if {"tools", "other"} & known.keys():
        doubts.append("your prices do not tell of tools and other units")
    details: dict[str, Any] = {
        **parts,
        "certainty": "estimated" if doubts else "exact",
        **({"why": "; ".join(doubts)} if doubts else {}),
        "tier": known.get("tier", "standard"),
        "prices": "yours",
        "unit_prices": dict(entry),
    }
    return Priced(sum(parts.values()), details)


def _undated(model: str | None) -> str | None:
    """A model's name without the date of its version."""
    return re.sub(r"-(\d{4}-\d\d-\d\d|\d{8})$", "", model) if model else None


def _impossible(usage: Usage) -> str | None:
    """Usage that cannot be, though each number is one."""
    if usage.input is not None:
        if (usage.cache_creation_12h or 0) > (usage.cache_creation or 0):
            return f"the response says {usage.cache_creation_12h} tokens written for 12 hours of {usage.cache_creation}"
        inside = (usage.cache_read or 0) + (usage.cache_creation or 0)
        if inside > usage.input:
            return f"the response says {inside} cached tokens of {usage.input} input tokens"
    if usage.output is not None and (usage.reasoning or 0) > usage.output:
        return f"the response says {usage.reasoning} reasoning tokens of {usage.output} output tokens"
    return None


def _calculate(provider: str | None, model: str, usage: Usage, terms: Terms, at: datetime | None) -> Priced:
    import genai_prices

    counts = _counts(usage)

    def calculate(context: dict[str, str]) -> Any:
        return genai_prices.calc_price(
            genai_prices.Usage(**counts),
            model,
            provider_id=provider,
            genai_request_timestamp=at,
            price_context=context,
        )

    result = calculate(terms.context())
    prices = {key: value for key, value in vars(result.model_price).items() if value is not None}
    if not prices:
        return unknown(f"{result.model.id} has no published price")
    unpriced = [
        unit.replace("_", " ") for unit, keys in _OWN_PRICE.items() if counts.get(unit) and not keys & prices.keys()
    ]
    if unpriced and not result.total_price:
        return unknown(f"no published price for {', '.join(unpriced)} of {result.model.id}")
    doubts = [f"no published price for {', '.join(unpriced)}"] if unpriced else []
    halved = False
    for key, value in terms.context().items():
        without = {k: v for k, v in terms.context().items() if k != key}
        if vars(calculate(without).model_price) == vars(result.model_price):
            if key == "processing" and result.provider.id in _HALF_IN_BATCHES:
                halved = True
                continue
            words = key.replace("_", " ")
            doubts.append(f"no published price for {words} {value!r} then; the standard one was taken")
    doubts += [
        f"no published price for {kind.replace('_', ' ')} tokens; that of text was taken"
        for kind in ("input_audio", "output_audio")
        if counts.get(f"{kind}_tokens") and f"{kind}_mtok" not in prices
    ]
    parts = _parts(result, counts)
    if halved:
        parts = {name: value / 2 if name in _PARTS_OF_TOKENS else value for name, value in parts.items()}
    doubts += _surcharges(parts, result.model.id, usage, terms)
    details: dict[str, Any] = {
        **parts,
        "certainty": "estimated" if doubts else "exact",
        **({"why": "; ".join(doubts)} if doubts else {}),
        "tier": terms.name,
        "model": result.model.id,
        "provider": result.provider.id,
        **_table(result.auto_update_timestamp),
        "unit_prices": {key: _plain(value) for key, value in prices.items()},
    }
    return Priced(math.fsum(parts.values()), details)


def _surcharges(parts: dict[str, float], model: str, usage: Usage, terms: Terms) -> list[str]:
    """Add to the parts what genai-prices does not model; returns what could not be added."""
    doubts = []
    if usage.cache_creation_12h:
        if model in TWELVE_HOUR_WRITES and terms.name == "standard":
            short = parts.get("cache_write", 0.0) / (usage.cache_creation or usage.cache_creation_12h)
            parts["cache_write"] = (
                short * ((usage.cache_creation or 0) - usage.cache_creation_12h)
                + usage.cache_creation_12h * TWELVE_HOUR_WRITES[model] / 1_000_000
            )
        else:
            doubts.append("no published price for 12-hour cache writes; that of 30 minutes was taken")
    if terms.geo not in _STANDARD | {"global", "not_available"}:
        factor = geo_factor(model, terms.geo or "")
        if factor is None:
            doubts.append(f"no published price for inference in {terms.geo!r}; the standard one was taken")
        for part in parts.keys() & _PARTS_OF_TOKENS:
            parts[part] *= factor or 1.0
    return doubts


def _table(updated: datetime | None) -> dict[str, str]:
    """Which price table this is, and of what date."""
    import genai_prices

    if updated is not None:
        return {"prices": "genai-prices, updated", "prices_date": updated.date().isoformat()}
    return {"prices": f"genai-prices {genai_prices.__version__}", "prices_date": _bundled_date()}


@functools.cache
def _bundled_date() -> str:
    """The newest day on which the table that comes with genai-prices says that a price was verified or began."""
    from genai_prices.data import providers

    said = (str(getattr(item, "price_comments", "")) for provider in providers for item in (provider, *provider.models))
    today = datetime.now(UTC).date().isoformat()
    days = (day for words in said for day in re.findall(r"20\d\d-\d\d-\d\d", words) if day <= today)
    return max(days, default="unknown")


def keep_updated() -> None:
    """Fetch newer prices from genai-prices' repository, now and every hour, in a thread of that library's."""
    global _updater
    if _updater is None:
        import genai_prices.update_prices

        _updater = genai_prices.update_prices.UpdatePrices()
        _updater.start()


_updater: Any = None

#: Counts that no token price includes: without a price of their own they are missing from the total.
_OWN_PRICE = {
    "web_searches": {"web_searches_kcount"},
    "storage_searches": {"storage_searches_kcount"},
    "audio_seconds": {"audio_hours", "input_audio_hours"},
    "input_characters": {"input_mchars"},
}


def _parts(result: Any, counts: dict[str, Any]) -> dict[str, float]:
    """The parts of a total: what the total would lack without each, and the plain rest."""
    import genai_prices

    flat = _flat(result.model_price, counts.get("input_tokens", 0))

    def total(removed: dict[str, Any]) -> Decimal:
        left = {unit: value - removed.get(unit, 0) for unit, value in counts.items()}
        sum_left: Decimal = flat.calc_price(genai_prices.Usage(**left))["total_price"]
        return sum_left

    whole = Decimal(result.total_price)
    parts: dict[str, Decimal] = {}
    for name, units in _PARTS.items():
        if any(counts.get(unit) for unit in units):
            parts[name] = whole - total(_without(units, counts))
    outputs = sum(parts.get(name, Decimal(0)) for name in ("output_audio", "output_image"))
    plain_output = result.output_price - outputs
    plain_input = whole - plain_output - sum(parts.values(), Decimal(0))
    parts = {"input": plain_input, "output": plain_output, **parts}
    if plain_input < 0:  # what is cached and what is audio overlap, and nobody says by how much
        audio = next(name for name in ("input_audio", "input_image", "cache_read", "output") if name in parts)
        parts[audio] += parts.pop("input")
    return {name: float(value) for name, value in parts.items() if value}


def _flat(model_price: Any, input_tokens: int) -> Any:
    """The prices as they are at this many input tokens: with tiers, a part would change the price of the rest."""
    prices = {}
    for key, value in vars(model_price).items():
        if value is not None:
            tiers = [tier.price for tier in getattr(value, "tiers", ()) if input_tokens > tier.start]
            prices[key] = tiers[-1] if tiers else getattr(value, "base", value)
    return type(model_price)(**prices)


#: Counts that stand inside others, innermost first: what is cached audio is audio, and cached, and input.
_INSIDE = {
    "cache_read_tokens": ("input_tokens",),
    "cache_write_tokens": ("input_tokens",),
    "cache_write_5m_tokens": (),
    "cache_write_1h_tokens": (),
    "cache_audio_read_tokens": ("input_audio_tokens",),
    "cache_image_read_tokens": ("input_image_tokens",),
    "input_audio_tokens": ("input_tokens",),
    "input_image_tokens": ("input_tokens",),
    "output_audio_tokens": ("output_tokens",),
    "output_image_tokens": ("output_tokens",),
}
#: Cached tokens of a kind are a part of the cache, not of their kind.
_CACHED_OF = {"input_audio_tokens": "cache_audio_read_tokens", "input_image_tokens": "cache_image_read_tokens"}


def _without(units: tuple[str, ...], counts: dict[str, Any]) -> dict[str, Any]:
    """How much less there is of every count if these were not there."""
    removed: dict[str, Any] = {}
    for unit in units:
        number = counts.get(unit, 0) - counts.get(_CACHED_OF.get(unit, ""), 0)
        for name in (unit, *_INSIDE.get(unit, ())):
            removed[name] = removed.get(name, 0) + number
    return removed


def _plain(value: Any) -> Any:
    """A price as JSON: a number, or what it is up to and above some number of tokens."""
    tiers = getattr(value, "tiers", None)
    if tiers is None:
        return float(value)
    return {"base": float(value.base), **{f"above {tier.start}": float(tier.price) for tier in tiers}}
