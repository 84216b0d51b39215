"""Price records by the user's own prices: `Config.prices`, which is a mapping of models to prices or a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autolog._guard import logger
from autolog._pricing.cost import Priced, Terms, unknown
from autolog._record.record import Record
from autolog.providers import Usage

#: Prices in dollars per million tokens, by model and by name (see `_config.PRICE_NAMES`).
Prices = Mapping[str, Mapping[str, float]]


def price_by_function(record: Record, function: Callable[[Record], Any]) -> Priced | None:
    """Return the cost of a record by the user's function; None if the function returns None."""
    try:
        cost = function(record)
        if cost is not None and not 0 <= float(cost) < float("inf"):
            return unknown(f"the price function returned {cost!r}")
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything; the record is kept
        logger.warning("the price function failed for record %s", record.id, exc_info=error)
        return unknown(f"the price function raised {type(error).__name__}: {error}")
    details: dict[str, Any] = {"certainty": "exact", "tier": "standard", "prices": "your function"}
    return None if cost is None else Priced(float(cost), details)


def price_by_mapping(
    record: Record, prices: Prices, usage: Usage, terms: Terms, doubts: Sequence[str] = ()
) -> Priced | None:
    """Return the cost of `usage` by the user's prices; None if they lack the model, or the tokens are unknown."""
    names = (record.response_model, record.request_model, _undated(record.response_model))
    entry = next((prices[name] for name in names if name is not None and name in prices), None)
    if entry is None or (usage.input is None and usage.output is None):
        return None
    counts = _counts(usage, entry)
    missing = [name for name, count in counts.items() if count and name not in entry]
    if missing:
        return unknown(f"your prices do not cover {', '.join(missing)}")
    parts = {name: count * entry[name] / 1_000_000 for name, count in counts.items() if count}
    uncovered = []
    if terms.name != "standard":
        uncovered.append(f"your prices do not cover {terms.name}")
    if usage.units or usage.web_searches or usage.file_searches or usage.audio_seconds or usage.input_characters:
        uncovered.append("your prices do not cover tools and other units")
    details: dict[str, Any] = {
        **parts,
        "certainty": "exact",
        "tier": terms.name,
        "prices": "yours",
        "unit_prices": dict(entry),
    }
    return Priced(sum(parts.values()), details).as_estimate([*doubts, *uncovered])


def _counts(usage: Usage, entry: Mapping[str, float]) -> dict[str, int]:
    """Return token counts by price name; cached tokens without their own price count as input."""
    read, written = usage.cache_read or 0, usage.cache_creation or 0
    counts = {
        "input": max(0, (usage.input or 0) - read - written),
        "cache_read": read,
        "cache_write": written,
        "output": usage.output or 0,
    }
    for name in ("cache_read", "cache_write"):
        if name not in entry:
            counts["input"] += counts.pop(name)
    return counts


def _undated(model: str | None) -> str | None:
    """Return a model's name without the date of its version, if it has one."""
    return re.sub(r"-(\d{4}-\d\d-\d\d|\d{8})$", "", model) if model else None
