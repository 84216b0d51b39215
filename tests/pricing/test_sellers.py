"""Which seller charges for a call, and which entry of the price table applies."""

from __future__ import annotations

from typing import Any

import pytest
from invoices import Invoice, bill, chat, message

from autolog._reading.derive import derive
from autolog._record.record import Record
from autolog.dialects._convert import to_body

HAIKU = "claude-haiku-4-5-20251001"
BEDROCK = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/{}/invoke"
M = 1_000_000


def dollars(url: str, response: Any, request_body: Any = None, provider: str | None = None) -> tuple[Any, Any]:
    """Return the cost of a million input tokens, and its certainty."""
    record = bill(Invoice("", url, response, "", None, request=request_body or {}), provider=provider)
    return record.cost, (record.cost_details or {})["certainty"]


@pytest.mark.parametrize(
    ("model", "cost", "certainty"),
    [
        (f"global.anthropic.{HAIKU}-v1:0", 1.0, "exact"),
        (f"us.anthropic.{HAIKU}-v1:0", 1.1, "exact"),
        (f"eu.anthropic.{HAIKU}-v1:0", 1.1, "exact"),
        (f"us-gov.anthropic.{HAIKU}-v1:0", 1.1, "exact"),
        (f"anthropic.{HAIKU}-v1:0", 1.1, "exact"),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.{HAIKU}-v1:0", 1.0, "exact"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/anthropic.{HAIKU}-v1:0", 1.1, "exact"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", 1.1, "estimated"),
        ("global.anthropic.claude-haiku-4-5", 1.0, "exact"),
    ],
)
def test_bedrock_charges_by_the_inference_profile_that_was_asked_for(model: str, cost: float, certainty: str) -> None:
    found = dollars(BEDROCK.format("x"), message(HAIKU, M, 0), {"model": model}, "aws.bedrock")
    assert found == (pytest.approx(cost), certainty)


@pytest.mark.parametrize(
    ("url", "model", "cost"),
    [
        ("https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic/models/m:rawPredict", HAIKU, 1.0),
        ("https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/m:rawPredict", HAIKU, 1.1),
        ("https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/anthropic/models/m:rawPredict", HAIKU, 1.1),
        ("https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/m:rawPredict",
         "claude-3-5-haiku-20241022", 0.8),
    ],
)  # fmt: skip
def test_vertex_charges_a_tenth_more_for_claude_at_regional_endpoints(url: str, model: str, cost: float) -> None:
    for usage in ({}, {"inference_geo": "not_available"}, {"inference_geo": "global"}):
        assert dollars(url, message(model, M, 0, **usage), provider="gcp.vertex_ai") == (pytest.approx(cost), "exact")


OPENAI_LIKE = {"openai", "mistral_ai"}


@pytest.mark.parametrize(
    ("host", "model", "cost"),
    [
        ("eu.api.openai.com", "gpt-5.4", 1.1 * 2.5),
        ("api.openai.com", "gpt-5.4", 2.5),
        ("api.eu.mistral.ai", "mistral-small-2506", 1.1 * 0.1),
        ("api.us.mistral.ai", "mistral-small-2506", 1.1 * 0.1),
        ("api.mistral.ai", "mistral-small-2506", 0.1),
    ],
)
def test_regional_hosts_of_openai_and_mistral_charge_a_tenth_more(host: str, model: str, cost: float) -> None:
    found = dollars(f"https://{host}/v1/chat/completions", chat(model, 100_000, 0), provider=None)
    assert found == (pytest.approx(cost / 10), "exact")


@pytest.mark.parametrize(
    ("provider", "model", "certainty"),
    [
        ("gcp.vertex_ai", HAIKU, "estimated"),
        ("google", HAIKU, "estimated"),
        ("gcp.vertex_ai", "claude-3-5-haiku-20241022", "exact"),
        ("aws.bedrock", f"global.anthropic.{HAIKU}-v1:0", "exact"),
        ("anthropic", HAIKU, "exact"),
        ("openai", "gpt-5.4", "estimated"),
        ("openai", "gpt-6-sol", "estimated"),
        ("openai", "gpt-5.2", "exact"),
        ("mistral_ai", "mistral-small-2506", "estimated"),
    ],
)
def test_without_an_address_a_model_that_costs_more_in_some_regions_is_an_estimate(
    provider: str, model: str, certainty: str
) -> None:
    record = Record(id="1", provider_name=provider, request_model=model, operation_name="chat")
    record.response_service_tier = "default"
    record.response_body = to_body(chat(model, M, 0) if provider in OPENAI_LIKE else message(model, M, 0))
    derive(record)
    assert record.cost is not None
    assert (record.cost_details or {})["certainty"] == certainty


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://aws-external-anthropic.us-east-1.api.aws/v1/messages", "aws.bedrock"),
        ("https://claude.googleapis.com/v1/projects/p/messages", "gcp.vertex_ai"),
    ],
)
def test_anthropics_platforms_on_other_clouds_charge_anthropics_prices(url: str, provider: str) -> None:
    assert dollars(url, message("claude-opus-4-6", M, 0), provider=provider) == (pytest.approx(5.0), "exact")
    bound = message("claude-opus-4-6", M, 0, inference_geo="us")
    assert dollars(url, bound, provider=provider) == (pytest.approx(5.5), "exact")


@pytest.mark.parametrize(
    ("model", "provider", "cost", "certainty"),
    [
        ("openai/gpt-4o", "openai", 2.5, "exact"),
        ("openai/gpt-4o", "openrouter", 2.5, "estimated"),
        ("openai/gpt-4o", "a-gateway", 2.5, "estimated"),
        (f"anthropic/{HAIKU}", "openai", 1.0, "estimated"),
        (f"bedrock/us.anthropic.{HAIKU}-v1:0", "openai", 1.1, "estimated"),
        ("google/gemini-2.5-pro", "gcp.vertex_ai", 1.25, "exact"),
        ("somebody/gpt-4o-like", "openai", None, "unknown"),
    ],
)
def test_a_makers_prefix_is_no_part_of_a_models_name(
    model: str, provider: str, cost: float | None, certainty: str
) -> None:
    found = dollars("https://api.openai.com/v1/chat/completions", chat(model, 100_000, 0), provider=provider)
    assert found == (None if cost is None else pytest.approx(cost / 10), certainty)


@pytest.mark.parametrize(
    "host",
    ["gateway.example", "127.0.0.1:4000", "localhost:8000", "[::1]:8000", "10.0.0.5", "gateway.ai.cloudflare.com",
     "api.openai.com.evil.example", "llm.internal:8000"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("path", "response", "provider"),
    [
        ("/v1/chat/completions", chat("gpt-4o", 1000, 0), "openai"),
        ("/v1/messages", message(HAIKU, 1000, 0), "anthropic"),
        ("/v1/images/generations", {"data": [{"url": "x"}], "created": 1}, "openai"),
    ],
)
def test_who_charges_behind_an_unknown_host_is_a_guess(host: str, path: str, response: Any, provider: str) -> None:
    request = {"model": "dall-e-3"} if "data" in response else {}
    record = bill(Invoice("", f"https://{host}{path}", response, "", None, request=request), provider=provider)
    details = record.cost_details or {}
    assert record.cost
    assert details["certainty"] == "estimated"
    assert f"who charges for calls to {host}" in details["why"]


def test_prices_of_ones_own_hold_at_any_host() -> None:
    invoice = Invoice("", "https://gateway.example/v1/chat/completions", chat("gpt-4o", M, 0), "", None)
    record = bill(invoice, own={"gpt-4o": {"input": 2, "output": 8}}, provider="openai")
    assert (record.cost, (record.cost_details or {})["certainty"]) == (2.0, "exact")


def test_a_cost_that_an_unknown_host_reports_is_its_own_bill() -> None:
    response = {**chat("gpt-4o", 1000, 0), "usage": {"prompt_tokens": 1000, "completion_tokens": 0, "cost": 0.5}}
    assert dollars("https://gateway.example/v1/chat/completions", response, provider="openai") == (0.5, "exact")
