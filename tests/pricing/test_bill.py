"""Bills under faults: no call is lost or billed twice, and no cost is called exact that is not."""

from __future__ import annotations

from typing import Any

import pytest
from invoices import CHAT, MESSAGES as ANTHROPIC, OPENAI, Invoice, answer, bill, chat, message

from autolog._pricing.bill import price_record
from autolog._record.record import Record
from autolog.providers._facts import Facts


@pytest.mark.parametrize(
    ("url", "response", "request_body"),
    [
        (CHAT, {**chat("gpt-4o", 100, 10), "usage": {"prompt_tokens": 100, "completion_tokens": 10, "cost": float("inf")}}, {}),
        (CHAT, {**chat("gpt-4o", 100, 10), "usage": {"prompt_tokens": 100, "completion_tokens": 10, "cost": 10**400}}, {}),
        (CHAT, {**chat("gpt-4o", 100, 10), "usage": {"prompt_tokens": 100, "completion_tokens": 10, "cost_in_usd_ticks": -5}}, {}),
        (f"{OPENAI}/responses", {**answer("gpt-4o", 100, 10), "output": [{"type": ["x"]}, {"type": {}}, 5], "status": ["x"],
                                 "background": True, "id": "r"}, {}),
        (ANTHROPIC, message("claude-sonnet-4-5", 100, 10, iterations=[{"type": ["x"]}, 5]), {}),
    ],
)  # fmt: skip
def test_nonsense_beside_the_usage_costs_nothing_of_the_bill(url: str, response: Any, request_body: Any) -> None:
    record = bill(Invoice("", url, response, "", None, request=request_body))
    assert record.usage_input_tokens == 100
    assert record.cost == pytest.approx((100 * 2.5 + 10 * 10) / 1e6 if "openai" in url else (100 * 3 + 10 * 15) / 1e6)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (message("claude-sonnet-4-5", 1, 1, iterations=[{"type": "compaction", "input_tokens": "9", "output_tokens": -5}]), "says"),
        ({**chat("gpt-4o", 10, 5), "usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": "text"}}, "details"),
        (answer("gpt-6-sol", 1000, 1, cache_write=10, cache_write_tokens_details={"ttl_12h_tokens": 900}), "12 hours"),
    ],
)  # fmt: skip
def test_usage_that_cannot_be_is_unknown(response: Any, why: str) -> None:
    url = ANTHROPIC if response.get("type") == "message" else CHAT if "choices" in response else f"{OPENAI}/responses"
    record = bill(Invoice("", url, response, "", None))
    assert record.cost is None
    assert why in (record.cost_details or {})["unknown"]


@pytest.mark.parametrize(
    ("response", "request_body", "why"),
    [
        (chat("gpt-4o", 10, 5), {"service_tier": "flex"}, "flex was requested"),
        ({**chat("gpt-4o", 10, 5), "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 500}}, {}, "485 tokens more"),
        ({**answer("gpt-5", 10, 5), "output": [{"type": "code_interpreter_call", "container_id": "c"}]}, {}, "billed once"),
    ],
)  # fmt: skip
def test_doubts_make_an_estimate(response: Any, request_body: Any, why: str) -> None:
    record = bill(
        Invoice("", CHAT if "choices" in response else f"{OPENAI}/responses", response, "", None, request=request_body)
    )
    assert record.cost is not None
    assert (record.cost_details or {})["certainty"] == "estimated"
    assert why in (record.cost_details or {})["why"]


def test_a_container_made_before_is_not_billed_by_the_response() -> None:
    response = {**answer("gpt-5", 10, 5), "output": [{"type": "code_interpreter_call", "container_id": "c"}]}
    used = {"tools": [{"type": "code_interpreter", "container": "c"}]}
    assert bill(Invoice("", f"{OPENAI}/responses", response, "", None, request=used)).cost == pytest.approx(62.5e-6)


@pytest.mark.parametrize("details", [None, {"input": 0.25}, {"certainty": "exact", "prices": "yours"}])
def test_a_cost_that_came_with_the_record_stays_and_is_as_certain_as_it_says(details: dict[str, Any] | None) -> None:
    record = Record(id="r", kind="llm", cost=0.25, custom_cost=True, cost_details=details)
    price_record(record, Facts())
    assert record.cost == 0.25
    default = {"certainty": "estimated", "why": "as the sender computed it"}
    assert record.cost_details == (details if "certainty" in (details or {}) else {**(details or {}), **default})
