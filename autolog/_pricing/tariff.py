"""The prices of a model under given terms, looked up in genai-prices and cached for a minute.

genai-prices finds the model, the price that was valid at a time, and its variants by service tier, batch and speed. It
also calculates; but most calls use text and its cache only, for which a multiplication by the same prices gives the
same parts in a twentieth of the time (`tests/pricing/test_tariff.py` compares the two over its whole table).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from autolog._pricing.terms import HOURS
from autolog._pricing.units import TWELVE_HOUR_WRITES

#: The parts of a cost, and the counts that each is for; what is left of the input and output is their plain part.
PARTS = {
    "cache_read": ("cache_read_tokens", "cache_audio_read_tokens", "cache_image_read_tokens"),
    "cache_write": ("cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"),
    "input_audio": ("input_audio_tokens",),
    "input_image": ("input_image_tokens",),
    "output_audio": ("output_audio_tokens",),
    "output_image": ("output_image_tokens",),
    "tools": ("web_searches", "storage_searches"),
    "other": ("audio_seconds", "input_characters"),
}

#: Counts that no token price includes: without a price of their own they are missing from the total.
_OWN_PRICE = {
    "web_searches": {"web_searches_kcount"},
    "storage_searches": {"storage_searches_kcount"},
    "audio_seconds": {"audio_hours", "input_audio_hours"},
    "input_characters": {"input_mchars"},
}

#: The prices of text, and by which a token is charged that has none of its own, nearest first.
_OF_TEXT = {
    "input_tokens": ("input_mtok",),
    "cache_read_tokens": ("cache_read_mtok", "input_mtok"),
    "cache_write_tokens": ("cache_write_mtok", "input_mtok"),
    "cache_write_5m_tokens": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h_tokens": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "output_tokens": ("output_mtok",),
}
_MILLION = Decimal(1_000_000)
_NOTHING = Decimal(0)

#: Context for prices, as sorted pairs.
Context = tuple[tuple[str, str], ...]


def import_ahead() -> None:
    """Import genai-prices, its table and, where the program has not, pydantic and httpx2 (see `_recorder`).

    One calculation does it, for parts of genai-prices are imported when they are first needed. Takes 30 ms once an SDK
    has been imported.
    """
    import genai_prices

    if not hasattr(genai_prices, "calc_price"):
        return  # this thread is importing it further out: it imports httpx2, whose patch asks for prices in turn
    with contextlib.suppress(LookupError):
        genai_prices.calc_price(genai_prices.Usage(input_tokens=1), "gpt-4o", provider_id="openai")


def import_http_client() -> None:
    """Import httpx2, with what it imports itself for its first client only (see `_recorder`).

    Raises:
        ImportError: it is not installed.
    """
    for name in ("httpx2", "httpcore2", "truststore"):
        importlib.import_module(name)


def find_tariff(provider: str | None, model: str, context: Context, at: datetime | None) -> Tariff:
    """Return the tariff of a model at a time (now if None), by genai-prices' names.

    Raises:
        LookupError: nobody knows the model, or its provider.
    """
    from genai_prices import data_snapshot

    minute = (at or datetime.now(UTC)).replace(second=0, microsecond=0)
    found = _find(provider, model, context, minute, id(data_snapshot.get_snapshot()))
    if isinstance(found, Tariff):
        return found
    raise LookupError(found)


@functools.lru_cache(maxsize=1024)
def _find(provider: str | None, model: str, context: Context, at: datetime, _table: int) -> Tariff | str:
    from genai_prices import data_snapshot

    snapshot = data_snapshot.get_snapshot()
    try:
        seller, found = snapshot.find_provider_model(model, None, provider, None)
    except LookupError as error:
        return str(error.args[0] if error.args else error)
    table, date = _bundled()
    if snapshot.from_auto_update:
        table, date = "genai-prices, updated", snapshot.timestamp.date().isoformat()
    return Tariff(found, seller, dict(context), at, table, date)


class Tariff:
    """The prices of one model under given terms at one time.

    Attributes:
        model, provider: its entry in the table. table, date: which table that is, and its date.
        unit_prices: dollars for a million tokens, or as the unit says; with tiers, an object of prices.
        has: the names of its prices, and of what its variants are told apart by.
        unpublished: those of the terms that change nothing: no price for them is published.
        window: how many tokens its context holds; None if that is not known.
    """

    def __init__(
        self, model: Any, provider: Any, context: Mapping[str, str], at: datetime, table: str, date: str
    ) -> None:
        self.model: str = model.id
        self.provider: str = provider.id
        self.window: int | None = model.context_window
        self.table = table
        self.date = date
        self._priced_by = model, provider, at
        # A model that another provider's entry stands for has none of its seller's variants.
        self._context = context if any(model is one for one in provider.models) else {}
        self._price = self._price_with(self._context)
        prices = {key: value for key, value in vars(self._price).items() if value is not None}
        self._keys = prices.keys()
        self.has = frozenset(prices) | {key for variant in model.price_variants or () for key in variant.when}
        if self.model in TWELVE_HOUR_WRITES:
            self.has |= {"cache_write_12h_mtok"}
        if _of_some_hours(model, at):
            self.has |= {HOURS}
        self.unit_prices = {key: _plain(value) for key, value in prices.items()}
        self.unpublished = [
            (key, value)
            for key, value in context.items()
            if vars(self._price_with({k: v for k, v in context.items() if k != key})) == vars(self._price)
        ]
        # Some charge by the request, too, or for text by itself: then it is not a matter of these alone.
        self._simple = not any(key.startswith("requests") or "text" in key for key in prices)
        self._of_text = {
            unit: next((prices[name] for name in names if name in prices), _NOTHING) for unit, names in _OF_TEXT.items()
        }

    def _price_with(self, context: Mapping[str, str]) -> Any:
        model, _, at = self._priced_by
        return model.get_prices(at, context if self._context else {})

    def parts(self, counts: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
        """Return the parts of the cost in dollars that are not zero, and the counts that have no published price.

        Raises:
            ValueError: counts that cannot be, such as more cached tokens than tokens.
        """
        missing = [
            unit.replace("_", " ") for unit in _OWN_PRICE if unit in counts and not _OWN_PRICE[unit] & self._keys
        ]
        parts = self._parts_of_text(counts) if self._simple and counts.keys() <= _OF_TEXT.keys() else None
        if parts is None:
            parts = self._calculated(counts)
        return {name: float(value) for name, value in parts.items() if value}, missing

    def _parts_of_text(self, counts: Mapping[str, int]) -> dict[str, Decimal] | None:
        """Return the parts, by multiplication; None for counts that cannot be right."""
        whole, written = counts.get("input_tokens", 0), counts.get("cache_write_tokens", 0)
        read, output = counts.get("cache_read_tokens", 0), counts.get("output_tokens", 0)
        short, long = counts.get("cache_write_5m_tokens", 0), counts.get("cache_write_1h_tokens", 0)
        if whole < read + written or written < short + long:
            return None

        def dollars(unit: str, count: int) -> Decimal:
            if not count:
                return _NOTHING
            price = self._of_text[unit]
            return (price if isinstance(price, Decimal) else _at(price, whole)) * count / _MILLION

        parts = {"input": dollars("input_tokens", whole - read - written), "output": dollars("output_tokens", output)}
        if read or written:
            parts["cache_read"] = dollars("cache_read_tokens", read)
            parts["cache_write"] = (
                dollars("cache_write_tokens", written - short - long)
                + dollars("cache_write_5m_tokens", short)
                + dollars("cache_write_1h_tokens", long)
            )
        return parts

    def _calculated(self, counts: Mapping[str, Any]) -> dict[str, Decimal]:
        """Return the parts by genai-prices' own calculation: what the total lacks without each, and the plain rest."""
        import genai_prices

        model, provider, at = self._priced_by
        result = model.calc_price(
            genai_prices.Usage(**counts), provider, genai_request_timestamp=at, price_context=self._context
        )
        flat = _flat(self._price, counts.get("input_tokens", 0))

        def total(removed: dict[str, Any]) -> Decimal:
            left = {unit: value - removed.get(unit, 0) for unit, value in counts.items()}
            sum_left: Decimal = flat.calc_price(genai_prices.Usage(**left))["total_price"]
            return sum_left

        whole = Decimal(result.total_price)
        parts: dict[str, Decimal] = {}
        for name, units in PARTS.items():
            if any(counts.get(unit) for unit in units):
                parts[name] = whole - total(_without(units, counts))
        outputs = sum(parts.get(name, _NOTHING) for name in ("output_audio", "output_image"))
        plain_output = result.output_price - outputs
        plain_input = whole - plain_output - sum(parts.values(), _NOTHING)
        parts = {"input": plain_input, "output": plain_output, **parts}
        if plain_input < 0:  # what is cached and what is audio overlap, and nobody says by how much
            audio = next(name for name in ("input_audio", "input_image", "cache_read", "output") if name in parts)
            parts[audio] += parts.pop("input")
        return parts


@functools.cache
def _bundled() -> tuple[str, str]:
    """Return the name of genai-prices' own table, and the newest day on which it says a price was verified."""
    import genai_prices
    from genai_prices.data import providers

    said = (str(getattr(item, "price_comments", "")) for provider in providers for item in (provider, *provider.models))
    today = datetime.now(UTC).date().isoformat()
    days = (day for words in said for day in re.findall(r"20\d\d-\d\d-\d\d", words) if day <= today)
    return f"genai-prices {genai_prices.__version__}", max(days, default="unknown")


def _of_some_hours(model: Any, at: datetime) -> bool:
    """Return whether a model has a price for some hours of the day, and this is one of them."""
    prices = model.prices if isinstance(model.prices, list) else []
    return any(hasattr(one.constraint, "end_time") and one.constraint.active(at) for one in prices)


def _at(price: Any, input_tokens: int) -> Decimal:
    """Return a price at so many input tokens: a number, or the highest of its tiers that applies."""
    tiers = [tier.price for tier in getattr(price, "tiers", ()) if input_tokens > tier.start]
    applies: Decimal = tiers[-1] if tiers else getattr(price, "base", price)
    return applies


def _flat(model_price: Any, input_tokens: int) -> Any:
    """Return the prices at this many input tokens: of tiers, a smaller count would choose another."""
    prices = {key: _at(value, input_tokens) for key, value in vars(model_price).items() if value is not None}
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


def _without(units: tuple[str, ...], counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return how much lower each count would be without these units."""
    removed: dict[str, Any] = {}
    for unit in units:
        number = counts.get(unit, 0) - counts.get(_CACHED_OF.get(unit, ""), 0)
        for name in (unit, *_INSIDE.get(unit, ())):
            removed[name] = removed.get(name, 0) + number
    return removed


def _plain(value: Any) -> Any:
    """Return a price as JSON: a number, or an object with the price up to and above each number of tokens."""
    tiers = getattr(value, "tiers", None)
    if tiers is None:
        return float(value)
    return {"base": float(value.base), **{f"above {tier.start}": float(tier.price) for tier in tiers}}


def price_at(price: Any, input_tokens: int) -> float | None:
    """Return what `unit_prices` says of a call with so many input tokens: a price, or the one of its tier."""
    if isinstance(price, dict):
        above = [int(found[1]) for name in price if (found := re.fullmatch(r"above (\d+)", name))]
        reached = max((start for start in above if input_tokens > start), default=None)
        price = price.get("base" if reached is None else f"above {reached}")
    return float(price) if isinstance(price, (int, float)) else None
