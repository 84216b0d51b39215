"""Users' own prices: a mapping of models, or a function."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from invoices import CHAT, Invoice, bill, chat

import autolog
from autolog._pricing.bill import price_record
from autolog._record.record import Record
from autolog.cli._standin import standin
from autolog.providers import Facts
from autolog.testing import Records

USED = {
    "request_model": "mine",
    "usage_input_tokens": 1000,
    "usage_output_tokens": 100,
    "usage_cache_read_input_tokens": 400,
}


@pytest.mark.parametrize(
    ("prices", "cost", "why"),
    [
        ({"mine": {"input": 2, "output": 10, "cache_read": 1}}, 600 * 2e-6 + 400 * 1e-6 + 100 * 10e-6, None),
        ({"mine": {"input": 2, "output": 10}}, 1000 * 2e-6 + 100 * 10e-6, None),
        ({"mine": {"input": 2}}, None, "do not cover output"),
        (lambda record: record.usage_output_tokens * 1.0, 100.0, None),
        (lambda record: -1, None, "returned -1"),
        (lambda record: record.nonsense, None, "raised AttributeError"),
    ],
)
def test_own_prices(prices: Any, cost: float | None, why: str | None) -> None:
    record = Record(id="x", **USED)  # type: ignore[arg-type]
    price_record(record, Facts(), prices)
    assert record.cost == (None if cost is None else pytest.approx(cost))
    assert (why or "") in str((record.cost_details or {}).get("unknown", ""))


def test_own_prices_leave_other_models_alone() -> None:
    for prices in ({"other": {"input": 1}}, lambda _: None):
        record = Record(id="x", **{**USED, "request_model": "gpt-4o"})  # type: ignore[arg-type]
        price_record(record, Facts(), prices)
        assert (record.cost_details or {})["prices"].startswith("genai-prices")


def test_own_prices_in_use(patched: Records) -> None:
    with standin() as address:
        autolog.configure(prices={"gpt-4o": {"input": 1_000_000, "output": 0}})
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="k")
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
    assert patched[0].cost == patched[0].usage_input_tokens


def test_own_prices_do_not_hide_what_is_not_theirs() -> None:
    prices = {"gpt-4o": {"input": 1, "output": 1}}
    dated = bill(Invoice("", CHAT, chat("gpt-4o-2024-08-06", 10, 5), "", None), prices)
    assert dated.cost == pytest.approx(15e-6)
    batch = bill(Invoice("", CHAT, chat("gpt-4o", 10, 5, "batch"), "", None), prices)
    assert (batch.cost_details or {})["certainty"] == "estimated"
    assert bill(Invoice("", CHAT, chat("gpt-4o", 10, 5, cached=50), "", None), prices).cost is None
