"""The prices of a model under given terms, looked up in genai-prices and cached per minute.

genai-prices finds the model, the price valid at a given time, and its variants by service tier, batch and speed. It can
also calculate the cost, but most calls use only text and cached text, for which a multiplication by the same prices
yields the same parts in a twentieth of the time (`tests/pricing/test_tariff.py` compares the two for the whole table).
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

#: The parts of a cost, and the counts that belong to each; the rest of the input and output forms the plain parts.
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

#: Counts that no token price covers, with the prices that do; without one of these, they are missing from the total.
_OWN_PRICE = {
    "web_searches": {"web_searches_kcount"},
    "storage_searches": {"storage_searches_kcount"},
    "audio_seconds": {"audio_hours", "input_audio_hours"},
    "input_characters": {"input_mchars"},
}

#: The prices that apply to each count of text tokens; the first one that a model has is used.
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

#: genai-prices' price context, as hashable pairs.
Context = tuple[tuple[str, str], ...]


def import_ahead() -> None:
    """Import genai-prices and its table, and with them pydantic and httpx2, before the worker thread needs them.

    One calculation imports all of them, as genai-prices imports some of its parts lazily. It takes 30 ms if an SDK has
    been imported before.
    """
    import genai_prices

    if not hasattr(genai_prices, "calc_price"):
        return  # this thread is still importing genai-prices, whose import of httpx2 runs a patch that led here
    with contextlib.suppress(LookupError):
        genai_prices.calc_price(genai_prices.Usage(input_tokens=1), "gpt-4o", provider_id="openai")


def import_http_client() -> None:
    """Import our HTTP client, and with it httpx2 and what httpx2 imports for its first client.

    Raises:
        ImportError: if httpx2 is not installed.
    """
    importlib.import_module("autolog._record.http_client")


def find_tariff(provider: str | None, model: str, context: Context, at: datetime | None) -> Tariff:
    """Return the tariff of a model at a time (None for now); provider and model are genai-prices' names.

    Raises:
        LookupError: if the model or its provider is unknown.
    """
    minute = int((at or datetime.now(UTC)).timestamp()) // 60  # a time with a zone takes long to hash
    found = _find(provider, model, context, minute, id(_snapshots().get_snapshot()))
    if isinstance(found, Tariff):
        return found
    raise LookupError(found)


@functools.cache
def _snapshots() -> Any:
    """Return genai-prices' module with its current table, imported when first needed."""
    return importlib.import_module("genai_prices.data_snapshot")


@functools.lru_cache(maxsize=1024)
def _find(provider: str | None, model: str, context: Context, minute: int, _table: int) -> Tariff | str:
    snapshot = _snapshots().get_snapshot()
    try:
        seller, found = snapshot.find_provider_model(model, None, provider, None)
    except LookupError as error:
        return str(error.args[0] if error.args else error)
    table, date = _bundled()
    if snapshot.from_auto_update:
        table, date = "genai-prices, updated", snapshot.timestamp.date().isoformat()
    return Tariff(found, seller, dict(context), datetime.fromtimestamp(60 * minute, UTC), table, date)


class Tariff:
    """The prices of one model under given terms at a given time.

    Attributes:
        model: the id of the model's entry in the price table.
        provider: the id of the provider's entry in the price table.
        table: the name and version of the price table.
        date: the date of the price table.
        unit_prices: prices in dollars per million tokens (or per unit); for tiered prices, an object of prices.
        has: the names of the prices, and of the terms that distinguish variants.
        unpublished: the given terms without effect on the price, because no price for them is published.
        window: the size of the context window in tokens; None if unknown.
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
        # The seller's variants do not apply if the model was found in another provider's entry.
        self._context = context if any(model is known for known in provider.models) else {}
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
        # Models that also charge by the request, or separately for text, need genai-prices' own calculation.
        self._simple = not any(key.startswith("requests") or "text" in key for key in prices)
        self._of_text = {
            unit: next((prices[name] for name in names if name in prices), _NOTHING) for unit, names in _OF_TEXT.items()
        }

    def _price_with(self, context: Mapping[str, str]) -> Any:
        model, _, at = self._priced_by
        return model.get_prices(at, context if self._context else {})

    def parts(self, counts: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
        """Return the nonzero parts of the cost, in dollars, and the counts without a published price.

        Raises:
            ValueError: if the counts contradict each other, such as more cached tokens than tokens.
        """
        missing = [
            unit.replace("_", " ") for unit in _OWN_PRICE if unit in counts and not _OWN_PRICE[unit] & self._keys
        ]
        parts = self._parts_of_text(counts) if self._simple and counts.keys() <= _OF_TEXT.keys() else None
        if parts is None:
            parts = self._calculated(counts)
        return {name: float(value) for name, value in parts.items() if value}, missing

    def _parts_of_text(self, counts: Mapping[str, int]) -> dict[str, Decimal] | None:
        """Return the parts, computed by multiplication; None if the counts contradict each other."""
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
        """Return the parts by genai-prices' calculation: the effect of removing each, and the plain rest."""
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
        if plain_input < 0:  # cached and audio tokens overlap, by an unknown amount
            audio = next(name for name in ("input_audio", "input_image", "cache_read", "output") if name in parts)
            parts[audio] += parts.pop("input")
        return parts


@functools.cache
def _bundled() -> tuple[str, str]:
    """Return the name of genai-prices' bundled table, and the latest date on which it says a price was verified."""
    import genai_prices
    from genai_prices.data import providers

    comments = (
        str(getattr(item, "price_comments", "")) for provider in providers for item in (provider, *provider.models)
    )
    today = datetime.now(UTC).date().isoformat()
    days = (day for words in comments for day in re.findall(r"20\d\d-\d\d-\d\d", words) if day <= today)
    return f"genai-prices {genai_prices.__version__}", max(days, default="unknown")


def _of_some_hours(model: Any, at: datetime) -> bool:
    """Return whether a model has a price for certain hours of the day, and `at` is within them."""
    prices = model.prices if isinstance(model.prices, list) else []
    return any(hasattr(price.constraint, "end_time") and price.constraint.active(at) for price in prices)


def _at(price: Any, input_tokens: int) -> Decimal:
    """Return the price at a number of input tokens: a plain price, or that of the highest tier reached."""
    tiers = [tier.price for tier in getattr(price, "tiers", ()) if input_tokens > tier.start]
    applies: Decimal = tiers[-1] if tiers else getattr(price, "base", price)
    return applies


def _flat(model_price: Any, input_tokens: int) -> Any:
    """Return untiered prices, fixed at a number of input tokens, because smaller counts would select other tiers."""
    prices = {key: _at(value, input_tokens) for key, value in vars(model_price).items() if value is not None}
    return type(model_price)(**prices)


#: Counts, each with the counts that include it: cached audio is included in audio, which is included in input.
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
#: Cached tokens of a kind belong to the cache's part of the cost, not to the kind's.
_CACHED_OF = {"input_audio_tokens": "cache_audio_read_tokens", "input_image_tokens": "cache_image_read_tokens"}


def _without(units: tuple[str, ...], counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return by how much each count would decrease without these units."""
    removed: dict[str, Any] = {}
    for unit in units:
        number = counts.get(unit, 0) - counts.get(_CACHED_OF.get(unit, ""), 0)
        for name in (unit, *_INSIDE.get(unit, ())):
            removed[name] = removed.get(name, 0) + number
    return removed


def _plain(value: Any) -> Any:
    """Return a price as JSON data: a number, or an object with the base price and the price above each tier's start."""
    tiers = getattr(value, "tiers", None)
    if tiers is None:
        return float(value)
    return {"base": float(value.base), **{f"above {tier.start}": float(tier.price) for tier in tiers}}


def price_at(price: Any, input_tokens: int) -> float | None:
    """Return the price in an entry of `unit_prices` for a call with `input_tokens`, or None if there is none."""
    if isinstance(price, dict):
        above = [int(match[1]) for name in price if (match := re.fullmatch(r"above (\d+)", name))]
        reached = max((start for start in above if input_tokens > start), default=None)
        price = price.get("base" if reached is None else f"above {reached}")
    return float(price) if isinstance(price, (int, float)) else None
