"""Prices by our own multiplication agree with genai-prices' calculation over its whole table, to the last digit."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import genai_prices
import pytest
from genai_prices import data, data_snapshot

from autolog._pricing.tariff import Tariff, find_tariff, price_at

NOW = datetime(2026, 11, 1, 18, 45, tzinfo=UTC)
CONTEXTS: list[dict[str, str]] = [{}, {"service_tier": "flex"}, {"service_tier": "priority"}, {"processing": "batch"}]
COUNTS: list[dict[str, int]] = [
    {"input_tokens": 1_234, "output_tokens": 567},
    {"input_tokens": 1_234},
    {"output_tokens": 567},
    {"input_tokens": 300_000, "output_tokens": 1, "cache_read_tokens": 250_000},
    {"input_tokens": 1_000, "cache_read_tokens": 300, "cache_write_tokens": 700},
    {
        "input_tokens": 250_001, "output_tokens": 9, "cache_read_tokens": 1, "cache_write_tokens": 900,
        "cache_write_5m_tokens": 500, "cache_write_1h_tokens": 400,
    },
]  # fmt: skip


def models() -> list[tuple[str, str]]:
    return [(provider.id, model.id) for provider in data.providers for model in provider.models]


@pytest.mark.parametrize("provider", [provider.id for provider in data.providers])
def test_every_model_costs_what_genai_prices_says(provider: str) -> None:
    for (_, model), context, counts in itertools.product(
        [known for known in models() if known[0] == provider], CONTEXTS, COUNTS
    ):
        try:
            wanted = genai_prices.calc_price(
                genai_prices.Usage(**counts),
                model,
                provider_id=provider,
                genai_request_timestamp=NOW,
                price_context=context,
            )
        except (LookupError, ValueError):
            continue
        tariff = find_tariff(provider, model, tuple(context.items()), NOW)
        parts, missing = tariff.parts(counts)
        assert (tariff.model, tariff.provider, missing) == (wanted.model.id, wanted.provider.id, [])
        assert math.fsum(parts.values()) == pytest.approx(float(wanted.total_price), rel=1e-12), (model, counts)
        assert parts.get("output", 0.0) == pytest.approx(float(wanted.output_price), rel=1e-12), (model, counts)


def test_both_ways_give_the_same_parts() -> None:
    for (provider, model), counts in itertools.product(models(), COUNTS):
        try:
            tariff = find_tariff(provider, model, (), NOW)
        except LookupError:  # an entry that does not match its own name
            continue
        if not tariff._simple:
            continue
        by_hand, calculated = tariff._parts_of_text(counts), tariff._calculated(counts)
        assert by_hand is not None
        assert {name: value for name, value in by_hand.items() if value} == pytest.approx(
            {name: value for name, value in calculated.items() if value}
        ), (model, counts)


def test_counts_that_cannot_be_are_refused() -> None:
    tariff = find_tariff("anthropic", "claude-sonnet-4-5", (), NOW)
    for counts in (
        {"input_tokens": 10, "cache_read_tokens": 11},
        {"input_tokens": 10, "cache_write_tokens": 5, "cache_write_1h_tokens": 6},
    ):
        with pytest.raises(ValueError, match="Invalid usage"):
            tariff.parts(counts)


def test_who_nobody_knows_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups: list[Any] = []
    find = data_snapshot.DataSnapshot.find_provider_model
    monkeypatch.setattr(
        data_snapshot.DataSnapshot, "find_provider_model", lambda *given: lookups.append(given) or find(*given)
    )
    for second in range(3):
        with pytest.raises(LookupError, match="my-own-llm"):
            find_tariff("openai", "my-own-llm", (), NOW + timedelta(seconds=second))
    assert len(lookups) == 1


def test_a_price_that_changes_with_the_hour_does(monkeypatch: pytest.MonkeyPatch) -> None:
    day, night = (find_tariff("deepseek", "deepseek-chat", (), datetime(2025, 8, 1, hour, 30, tzinfo=UTC))
                  for hour in (12, 18))  # fmt: skip
    assert day.unit_prices != night.unit_prices


def test_newer_prices_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = find_tariff("openai", "gpt-4o", (), NOW)
    newer = data_snapshot.DataSnapshot(providers=data.providers, from_auto_update=True)
    monkeypatch.setattr(data_snapshot, "_custom_snapshot", newer)
    after = find_tariff("openai", "gpt-4o", (), NOW)
    assert isinstance(after, Tariff)
    assert before.table.startswith("genai-prices ")
    assert after.table == "genai-prices, updated"
    assert after.date == newer.timestamp.date().isoformat()


def test_a_price_with_tiers_is_that_of_the_tier_that_the_input_reaches() -> None:
    price = {"base": 3.0, "above 200000": 6.0, "above 400000": 9.0}
    assert [price_at(price, tokens) for tokens in (0, 200_000, 200_001, 500_000)] == [3.0, 3.0, 6.0, 9.0]
    assert price_at(2, 10) == 2.0
    assert price_at(None, 10) is None
    assert price_at({"per image": 1.0}, 10) is None
