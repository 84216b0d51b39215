"""Costs from the price table: which table, as of which date, and what cannot be priced."""

from __future__ import annotations

import openai
import pytest

import autolog
from autolog._lifecycle import in_c_library
from autolog._pricing import cost as _cost
from autolog.cli._standin import standin
from autolog.testing import Records


def test_updated_prices_are_used_and_named(patched: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    from genai_prices import data, data_snapshot, update_prices

    fetched = data_snapshot.DataSnapshot(providers=data.providers, from_auto_update=True)
    guarded: list[bool] = []

    def fetch(_: update_prices.UpdatePrices) -> data_snapshot.DataSnapshot:  # the tests need no network
        guarded.append(bool(in_c_library._inside))  # no process forks while it makes a TLS context
        return fetched

    monkeypatch.setattr(update_prices.UpdatePrices, "fetch", fetch)
    with standin() as address:
        autolog.configure(update_prices=True)
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="k")
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
        assert len(patched) == 1
        _cost._updater.wait(5)
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
    details = patched[1].cost_details or {}
    assert guarded == [True]
    _cost._updater.stop()
    monkeypatch.setattr(_cost, "_updater", None)
    data_snapshot.set_custom_snapshot(None)
    assert (details["prices"], details["prices_date"]) == (
        "genai-prices, updated",
        fetched.timestamp.date().isoformat(),
    )
    assert details["certainty"] == "estimated"
    assert "who charges" in details["why"]
