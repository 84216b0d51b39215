"""Compute the cost of a call in US dollars, and how certain it is.

genai-prices provides the prices, by date, with variants by service tier, batch, speed and route. This module tells it
the usage and the terms that the response states. Units that genai-prices does not have (a container, a second of video)
are in `units`. If a provider states the cost itself (OpenRouter, Perplexity, xAI), that is the cost. An unknown cost is
None, with a reason, never 0.

A record's `cost_details` consist of

- `input`, `cache_read`, `cache_write`, `input_audio`, `input_image`, `output`, `output_audio`, `output_image`, `tools`,
  `other`: the parts that are not zero, in dollars; they add up to the cost;
- `certainty`: `exact`, `estimated` (with `why`, for example a tier without a published price) or `unknown` (with the
  reason as `unknown`);
- `tier`: the terms that were charged;
- `prices`, `prices_date`: the price table with its version, and its date;
- `model`, `provider`: the entry in the table;
- `unit_prices`: the prices used, in dollars per million tokens (or per unit).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from autolog._guard import logger
from autolog._lifecycle import in_c_library
from autolog._pricing.sellers import entries, names_profile
from autolog._pricing.tariff import PARTS, Context, Tariff, find_tariff
from autolog._pricing.units import TWELVE_HOUR_WRITES, UNITS, geo_factor
from autolog.providers import Usage

#: The counts of `Usage`, by genai-prices' names for them.
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

_counts_of = attrgetter(*_UNITS.values())

#: The parts to which a factor on token prices applies.
_PARTS_OF_TOKENS = frozenset({"input", "output"} | PARTS.keys() - {"tools", "other"})

#: Sellers that charge half for batches, whatever the model (platform.openai.com/docs/guides/batch,
#: platform.claude.com/docs/en/build-with-claude/batch-processing, read 2026-11).
_HALF_IN_BATCHES = frozenset({"openai", "anthropic", "azure"})

#: Service tiers charged at the standard price.
_STANDARD = {None, "", "default", "standard", "auto", "on_demand"}
#: Places of inference charged at the standard price.
_ANYWHERE = _STANDARD | {"global", "not_available"}


class Terms(msgspec.Struct, frozen=True):
    """The terms under which a call was served, as its response states them; None where it does not.

    Attributes:
        tier: the service tier, such as `flex` or `priority`.
        batch: whether the call is an item of a batch.
        speed: Anthropic's speed, such as `fast`.
        geo: where inference ran, if the provider charges for that.
        reported: the cost stated by the provider itself, in dollars.
    """

    tier: str | None = None
    batch: bool = False
    speed: str | None = None
    geo: str | None = None
    reported: float | None = None

    @property
    def name(self) -> str:
        """A short name of the terms, such as `standard` or `batch`."""
        return _name(self.tier, self.batch, self.speed)

    @property
    def context(self) -> Context:
        """The terms as genai-prices' price context."""
        return _context(self.tier, self.batch, self.speed)


@functools.lru_cache(maxsize=256)
def _name(tier: str | None, batch: bool, speed: str | None) -> str:
    words = ["batch" if batch else None, tier if tier not in _STANDARD else None, speed]
    return " ".join(word for word in words if word and word != "standard") or "standard"


@functools.lru_cache(maxsize=256)
def _context(tier: str | None, batch: bool, speed: str | None) -> Context:
    given = {
        "service_tier": None if tier in _STANDARD or batch else tier,
        "processing": "batch" if batch else None,
        "speed": speed if speed not in _STANDARD else None,
    }
    return tuple((key, value) for key, value in given.items() if value)


class Priced(msgspec.Struct, frozen=True):
    """A cost in dollars, or None if it is unknown, and the record's `cost_details`."""

    cost: float | None
    details: dict[str, Any] = {}

    def as_estimate(self, doubts: Sequence[str]) -> Priced:
        """Return this cost as an estimate, with further reasons; without any, return it unchanged."""
        if not doubts:
            return self
        why = "; ".join(dict.fromkeys(filter(None, [self.details.get("why"), *doubts])))
        return Priced(self.cost, {**self.details, "certainty": "estimated", "why": why})


def unknown(why: str) -> Priced:
    """Return an unknown cost, and the reason."""
    return Priced(None, {"certainty": "unknown", "unknown": why})


def price(
    by: str | None,
    models: tuple[str, ...],
    usage: Usage,
    terms: Terms,
    at: datetime | None,
    additional: Sequence[tuple[str | None, Usage]] = (),
    unstated: Callable[[str, frozenset[str]], Iterable[str]] = lambda *_: (),
) -> Priced:
    """Return the cost of `usage` under `terms`, at the price of the first of `models` that has one.

    Args:
        by: the seller, by genai-prices' name.
        models: names of the model, best first.
        usage: the usage to price.
        terms: the terms under which the call was served.
        at: the time of the call, which determines the prices; None for now.
        additional: further usage, each with the model that caused it (None for the same model).
        unstated: given a tariff's seller, and its prices and variants, returns the terms that the call does not state.
    """
    if terms.reported is not None:
        return Priced(
            terms.reported, {"certainty": "exact", "tier": terms.name, "prices": "as the provider reports it"}
        )
    bills = [(models, usage), *(((model,) if model else models, used) for model, used in additional)]
    priced = [_tokens(by, names, used, terms, at, unstated) for names, used in bills if _says_something(used)]
    if usage.units:
        priced.append(_by_unit(by, usage.units))
    if not priced:
        return unknown("the response does not report its usage")
    return _summed(priced)


def _says_something(usage: Usage) -> bool:
    return usage.input is not None or usage.output is not None or bool(_counts(usage))


def _counts(usage: Usage) -> dict[str, Any]:
    counts = {unit: value for unit, value in zip(_UNITS, _counts_of(usage), strict=True) if value}
    if usage.cache_read:  # genai-prices requires the number of cached tokens of each kind, even if it is 0
        kinds = [kind for kind in _CACHED_KINDS if counts.get(f"input_{kind}_tokens")]
        no_text = usage.cache_read - (usage.input or 0) + sum(counts[f"input_{kind}_tokens"] for kind in kinds)
        for kind in kinds:
            least = max(0, min(no_text, counts[f"input_{kind}_tokens"]))
            no_text -= counts.setdefault(f"cache_{kind}_read_tokens", least)
    return counts


#: Kinds of tokens that also have their own price when cached.
_CACHED_KINDS = ("audio", "image")


def _tokens(
    by: str | None,
    models: tuple[str, ...],
    usage: Usage,
    terms: Terms,
    at: datetime | None,
    unstated: Callable[[str, frozenset[str]], Iterable[str]],
) -> Priced:
    if problem := contradiction(usage):
        return unknown(problem)
    why = None
    for seller, name in entries(by, models):
        try:
            tariff = find_tariff(seller, name, terms.context, at)
            priced = _calculate(tariff, usage, terms)
        except LookupError as error:
            why = why or str(error.args[0] if error.args else error)
        except Exception as error:  # noqa: BLE001 - usage that genai-prices rejects must not cost the record
            logger.debug("no price for %s", name, exc_info=error)
            why = f"{type(error).__name__}: {error}"
        else:
            doubts = [*unstated(tariff.provider, tariff.has), *_of_another(tariff, seller, by, name)]
            if by != "aws" and name not in (known for _, known in entries(by, models[:1])):
                doubts.append(f"no price list has the model that served the call, {models[0]}; {name}'s price was used")
            return priced if priced.cost is None else priced.as_estimate(doubts)
    return unknown(why or "no model is named")


def _of_another(tariff: Tariff, seller: str | None, by: str | None, name: str) -> Iterator[str]:
    """Yield the reasons why a tariff may not be the one that the call was charged by."""
    if seller != by:
        yield f"no price list of {by or 'the seller'} has the model; its maker's price was used"
    if tariff.model.startswith("regional.") and not names_profile(name):
        yield "the response does not say which inference profile served it; the regional price was used"


def _by_unit(by: str | None, units: dict[str, float]) -> Priced:
    """Return the cost of units billed by the piece, from our own table."""
    parts: dict[str, float] = {}
    prices: dict[str, float] = {}
    for name, number in units.items():
        unit = UNITS.get(name)
        if unit is None:
            return unknown(f"no published price for: {name}")
        parts[unit.part] = parts.get(unit.part, 0.0) + number * unit.dollars
        prices[name] = unit.dollars
    sources = sorted({UNITS[name].source for name in units})
    pages = ", ".join(source.page for source in sources)
    terms = {"certainty": "exact", "tier": "standard", "prices": pages, "unit_prices": prices}
    others = [source.seller for source in sources if by is not None and source.seller != by]
    doubts = [f"no price list of {by} has these units; {other}'s price was used" for other in others]
    return Priced(sum(parts.values()), {**parts, **terms}).as_estimate(doubts)


def _summed(priced: list[Priced]) -> Priced:
    """Return several costs as one: unknown if any of them is, and only as certain as the least certain."""
    for part in priced:
        if part.cost is None:
            return part
    first = priced[0]
    if len(priced) == 1:
        return first
    details: dict[str, Any] = {}
    for part in priced:
        for key, value in part.details.items():
            if isinstance(value, float):
                details[key] = details.get(key, 0.0) + value
            elif key == "unit_prices":
                details[key] = {**details.get(key, {}), **value}
            elif key == "prices":
                known = details.get(key)
                details[key] = value if known in (None, value) else f"{known}; {value}"
            else:
                details.setdefault(key, value)
    unsure = [part.details for part in priced if part.details["certainty"] != "exact"]
    if unsure:
        details |= {"certainty": "estimated", "why": "; ".join(dict.fromkeys(detail["why"] for detail in unsure))}
    return Priced(sum(part.cost or 0.0 for part in priced), details)


def contradiction(usage: Usage) -> str | None:
    """Return why a usage's numbers contradict each other; None if they do not."""
    if usage.input is not None:
        if (usage.cache_creation_12h or 0) > (usage.cache_creation or 0):
            return f"the response says {usage.cache_creation_12h} tokens written for 12 hours of {usage.cache_creation}"
        by_lifetime = (usage.cache_creation_5m or 0) + (usage.cache_creation_1h or 0)
        if by_lifetime > (usage.cache_creation or 0):
            return f"the response says {by_lifetime} tokens of {usage.cache_creation or 0} written to the cache"
        inside = (usage.cache_read or 0) + (usage.cache_creation or 0)
        if inside > usage.input:
            return f"the response says {inside} cached tokens of {usage.input} input tokens"
    if usage.output is not None and (usage.reasoning or 0) > usage.output:
        return f"the response says {usage.reasoning} reasoning tokens of {usage.output} output tokens"
    for name, whole, parts in (
        ("input", usage.input, (usage.input_audio, usage.input_image)),
        ("output", usage.output, (usage.output_audio, usage.output_image)),
        ("cached", usage.cache_read, (usage.cache_audio_read, usage.cache_image_read)),
    ):
        kinds = (parts[0] or 0) + (parts[1] or 0)
        if whole is not None and kinds > whole:
            return f"the response says {kinds} audio and image tokens of {whole} {name} tokens"
    return None


def _calculate(tariff: Tariff, usage: Usage, terms: Terms) -> Priced:
    counts = _counts(usage)
    if not tariff.unit_prices:
        return unknown(f"{tariff.model} has no published price")
    parts, missing = tariff.parts(counts)
    if missing and not any(parts.values()):
        return unknown(f"no published price for {', '.join(missing)} of {tariff.model}")
    doubts = [f"no published price for {', '.join(missing)}"] if missing else []
    halved = False
    for key, value in tariff.unpublished:
        if key == "processing" and tariff.provider in _HALF_IN_BATCHES:
            halved = True
            continue
        words = key.replace("_", " ")
        doubts.append(f"no published price for {words} {value!r} then; the standard price was used")
    if counts.keys() != _PLAIN:
        doubts += _doubts_by_kind(tariff, counts, usage)
    if halved:
        parts = {name: value / 2 if name in _PARTS_OF_TOKENS else value for name, value in parts.items()}
    doubts += _surcharges(parts, tariff, usage, terms)
    details: dict[str, Any] = {
        **parts,
        "certainty": "estimated" if doubts else "exact",
        **({"why": "; ".join(doubts)} if doubts else {}),
        "tier": terms.name,
        "model": tariff.model,
        "provider": tariff.provider,
        "prices": tariff.table,
        "prices_date": tariff.date,
        "unit_prices": dict(tariff.unit_prices),
    }
    return Priced(math.fsum(parts.values()), details)


#: The counts of a call that uses only text, and no cache.
_PLAIN = {"input_tokens", "output_tokens"}


def _doubts_by_kind(tariff: Tariff, counts: dict[str, Any], usage: Usage) -> list[str]:
    """Return the reasons why the tokens of other kinds than plain text may be charged otherwise."""
    return [
        *(
            f"no published price for {kind.replace('_', ' ')} tokens; the text price was used"
            for kind in ("input_audio", "output_audio")
            if counts.get(f"{kind}_tokens") and f"{kind}_mtok" not in tariff.unit_prices
        ),
        *(
            f"no published price for {words}; the input price was used"
            for words, unit in (("cached tokens", "cache_read"), ("cache writes", "cache_write"))
            if counts.get(f"{unit}_tokens") and not any(name.startswith(unit) for name in tariff.unit_prices)
        ),
        *(
            f"the response does not say how many of the cached tokens are {kind}; the fewest possible were assumed"
            for kind in _CACHED_KINDS
            if usage.cache_read
            and counts.get(f"input_{kind}_tokens")
            and f"input_{kind}_mtok" in tariff.unit_prices
            and getattr(usage, f"cache_{kind}_read") is None
        ),
    ]


#: The sellers that charge more in some regions. Anthropic's responses name the region; the others' calls do in the URL.
_SELL_BY_REGION = frozenset({"anthropic", "google", "aws", "openai", "mistral"})


def _surcharges(parts: dict[str, float], tariff: Tariff, usage: Usage, terms: Terms) -> list[str]:
    """Add surcharges that genai-prices does not model to the parts; return the reasons why any could not be added."""
    doubts = []
    if usage.cache_creation_12h:
        if (twelve_hours := TWELVE_HOUR_WRITES.get(tariff.model)) is not None and terms.name == "standard":
            short = parts.get("cache_write", 0.0) / (usage.cache_creation or usage.cache_creation_12h)
            parts["cache_write"] = (
                short * ((usage.cache_creation or 0) - usage.cache_creation_12h)
                + usage.cache_creation_12h * twelve_hours / 1_000_000
            )
        else:
            doubts.append("no published price for 12-hour cache writes; the 30-minute price was used")
    if (
        terms.geo is None
        and tariff.provider in _SELL_BY_REGION
        and (geo_factor(tariff.provider, tariff.model, "us") or 1) > 1
    ):
        doubts.append("region: some cost more for this model, and the log does not say where it ran")
    if terms.geo not in _ANYWHERE:
        factor = geo_factor(tariff.provider, tariff.model, terms.geo or "")
        if factor is None:
            doubts.append(f"no published price for inference in {terms.geo!r}; the standard price was used")
        for part in parts.keys() & _PARTS_OF_TOKENS:
            parts[part] *= factor or 1.0
    return doubts


def keep_updated() -> None:
    """Fetch newer prices from genai-prices' repository, now and every hour, on a thread of that library."""
    global _updater
    if _updater is None:
        from genai_prices.update_prices import UpdatePrices

        class Updater(UpdatePrices):
            def fetch(self) -> Any:
                with in_c_library:  # `fetch` creates a TLS context
                    return super().fetch()

        _updater = Updater()
        _updater.start()


_updater: Any = None
