"""Bills under faults: no call is lost or billed twice, and no cost is called exact that is not."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from invoices import CHAT, MESSAGES as ANTHROPIC, OPENAI, Invoice, answer, bill, chat, message
from wire import read_call, sse

from autolog._pricing.bill import price_record
from autolog._reading.derive import derive
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


SEARCHED = {"type": "web_search_call", "status": "completed", "action": {"type": "search"}}


@pytest.mark.parametrize(
    ("url", "response"),
    [
        (f"{OPENAI}/responses", {**answer("gpt-4o", 100, 10), "output": [SEARCHED], "usage": None}),
        (f"{OPENAI}/responses/compact", {**answer("gpt-4o", 100, 10), "usage": {"output_tokens": 10}}),
        ("https://api.mistral.ai/v1/embeddings", {"model": "mistral-embed", "usage": {"completion_tokens": 0}}),
    ],
)
def test_a_part_of_what_is_billed_is_not_the_cost(url: str, response: Any) -> None:
    record = bill(Invoice("", url, response, "", None))
    assert record.cost is None
    assert "tokens" in (record.cost_details or {})["unknown"]


def test_a_model_without_a_price_that_served_the_call_makes_an_estimate() -> None:
    record = bill(Invoice("", CHAT, chat("some-model", 100, 10), "", None, request={"model": "gpt-4o"}))
    assert record.cost == pytest.approx((100 * 2.5 + 10 * 10) / 1e6)
    assert "some-model" in (record.cost_details or {})["why"]


def test_the_costs_so_far_of_a_stream_that_ends_early_are_not_used() -> None:
    so_far = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105, "cost": {"total_cost": 0}}
    chunk = {"id": "c", "model": "sonar", "choices": [{"index": 0, "delta": {"content": "So"}}], "usage": so_far}
    read = partial(read_call, "https://api.perplexity.ai/chat/completions", {"model": "sonar", "stream": True})
    cut = read(sse(chunk), "text/event-stream")
    assert cut.cost is None or cut.cost > 0
    assert (cut.cost_details or {})["certainty"] != "exact"
    chunk["choices"] = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    so_far["cost"] = {"total_cost": 0.006}
    assert read(sse(chunk), "text/event-stream").cost == 0.006


def test_the_usage_so_far_of_a_response_that_ends_early_makes_an_estimate() -> None:
    begun = {**answer("gpt-4o", 100, 10), "status": "in_progress"}
    events = sse({"type": "response.created", "response": begun})
    record = read_call(f"{OPENAI}/responses", {}, events, "text/event-stream")
    assert "not read to its end" in (record.cost_details or {})["why"]


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


GEMINI = "https://generativelanguage.googleapis.com/v1/models/gemini-2.5-flash:generateContent"
CONVERSE = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/converse"
GROK = "https://api.x.ai/v1/chat/completions"
COHERE = "https://api.cohere.com/v2/chat"
PAIR = {"prompt_tokens": 100, "completion_tokens": 50}


def as_chat(model: str, **usage: Any) -> dict[str, Any]:
    return {**chat(model, 1, 1), "usage": {**PAIR, **usage}}


def as_gemini(**usage: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 50, "totalTokenCount": 150, **usage}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}


def as_converse(tier: Any = None, **usage: Any) -> dict[str, Any]:
    output = {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}
    body = {"output": output, "stopReason": "end_turn", "usage": {"inputTokens": 100, "outputTokens": 50, **usage}}
    return body if tier is None else {**body, "serviceTier": {"type": tier}}


def as_claude(**usage: Any) -> dict[str, Any]:
    body = message("claude-sonnet-4-5", 100, 50)
    return {**body, "usage": {"input_tokens": 100, "output_tokens": 50, **usage}}


def as_cohere(**usage: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": "x"}]
    return {
        "id": "c",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": content},
        "usage": usage,
    }


@pytest.mark.parametrize(
    ("url", "response"),
    [
        (CHAT, as_chat("gpt-4o", total_tokens=10)),
        (CHAT, as_chat("gpt-4o", total_tokens=999)),
        (CHAT, as_chat("gpt-4o", input_tokens=7, output_tokens=3)),
        (CHAT, as_chat("gpt-4o", input_tokens=7, output_tokens=3, total_tokens=77)),
        (CHAT, as_chat("gpt-4o", cached_tokens=90, prompt_tokens_details={"cached_tokens": 5})),
        (CHAT, as_chat("gpt-4o", cost=0.0)),
        (CHAT, as_chat("gpt-4o", prompt_cache_hit_tokens=60, prompt_cache_miss_tokens=30)),
        (CHAT, as_chat("gpt-audio", prompt_tokens_details={"audio_tokens": 60, "cached_tokens": 50})),
        (CHAT, {**as_chat("gpt-4o"), "service_tier": 5}),
        (GROK, as_chat("grok-4", completion_tokens_details={"reasoning_tokens": 20})),
        (GROK, as_chat("grok-4", cost_in_usd_ticks="100")),
        (GROK, as_chat("grok-4", num_server_side_tools_used=2)),
        (GROK, as_chat("grok-4", server_side_tool_usage_details={"x_search_calls": 1})),
        (GEMINI, as_gemini(totalTokenCount=5)),
        (GEMINI, as_gemini(totalTokenCount=5000)),
        (GEMINI, as_gemini(candidatesTokensDetails=[{"modality": "VIDEO", "tokenCount": 50}])),
        (GEMINI, as_gemini(promptTokensDetails=[{"modality": "SMELL", "tokenCount": 100}])),
        (GEMINI, as_gemini(promptTokensDetails=[{"modality": "TEXT", "tokenCount": 60}])),
        (GEMINI, as_gemini(promptTokensDetails=[{"modality": "TEXT"}])),
        (GEMINI, as_gemini(promptTokensDetails=[{"tokenCount": 100}])),
        (GEMINI, as_gemini(candidatesTokensDetails=[{"modality": "TEXT", "tokenCount": 51}])),
        (GEMINI, as_gemini(cachedContentTokenCount=10, cacheTokensDetails=[{"modality": "TEXT", "tokenCount": 5}])),
        (GEMINI, as_gemini(serviceTier=5)),
        (GEMINI, as_gemini(serviceTier="standard", trafficType="PROVISIONED_THROUGHPUT")),
        (CONVERSE, as_converse(totalTokens=10)),
        (CONVERSE, as_converse(tier=5)),
        (CONVERSE, as_converse(cacheWriteInputTokens=10, cacheDetails=[{"ttl": "1d", "inputTokens": 10}])),
        (ANTHROPIC, as_claude(cache_creation_input_tokens=10, cache_creation={"ephemeral_24h_input_tokens": 10,
                                                                              "ephemeral_5m_input_tokens": 0})),
        (ANTHROPIC, as_claude(cache_creation_input_tokens=10, cache_creation={})),
        (ANTHROPIC, as_claude(cache_creation_input_tokens=10, cache_creation=[])),
        (ANTHROPIC, as_claude(cache_creation_input_tokens=10, cache_creation={"ephemeral_24h_input_tokens": 10})),
        (ANTHROPIC, as_claude(server_tool_use={"web_search_requests": 0, "new_requests": 4})),
        (ANTHROPIC, as_claude(iterations=[{"type": "new", "input_tokens": 1}])),
        (COHERE, as_cohere(tokens={"input_tokens": 60, "output_tokens": 5})),
        (COHERE, as_cohere(billed_units={"images": 1, "image_tokens": 50, "output_tokens": 5})),
    ],
)  # fmt: skip
def test_usage_that_says_two_things_or_leaves_one_open_is_an_estimate(url: str, response: Any) -> None:
    record = read_call(url, {"model": "command-a-03-2025"} if url == COHERE else {}, response)
    assert record.cost is not None
    assert (record.cost_details or {})["certainty"] == "estimated"
    assert (record.cost_details or {})["why"]


@pytest.mark.parametrize(
    ("url", "response"),
    [
        (CHAT, as_chat("gpt-4o-audio-preview", prompt_tokens_details={"audio_tokens": 500})),
        (CHAT, as_chat("gpt-4o-audio-preview", completion_tokens_details={"audio_tokens": 500})),
        (GEMINI, as_gemini(cachedContentTokenCount=10, cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 50}])),
        (ANTHROPIC, as_claude(cache_creation_input_tokens=10, cache_creation={"ephemeral_1h_input_tokens": 50})),
        (CONVERSE, as_converse(cacheWriteInputTokens=10, cacheDetails=[{"ttl": "1h", "inputTokens": 50}])),
    ],
)
def test_a_part_that_is_larger_than_the_whole_has_no_price(url: str, response: Any) -> None:
    record = read_call(url, {}, response)
    assert record.cost is None
    assert "the response says" in (record.cost_details or {})["unknown"]


@pytest.mark.parametrize(
    ("url", "response"),
    [
        (CHAT, as_chat("gpt-4o", input_tokens=0, output_tokens=0)),
        (CHAT, as_chat("gpt-4o", input_tokens=7, output_tokens=3, total_tokens=150)),
        (CHAT, as_chat("gpt-4o", cached_tokens=0, prompt_tokens_details={"cached_tokens": 5})),
        (GROK, as_chat("grok-4", total_tokens=170, completion_tokens_details={"reasoning_tokens": 20})),
        (GROK, as_chat("grok-4", total_tokens=150, num_server_side_tools_used=0)),
        (GEMINI, as_gemini(serviceTier="standard", trafficType="ON_DEMAND")),
        (GEMINI, as_gemini(promptTokensDetails=[{"modality": "TEXT", "tokenCount": 50}] * 2)),
        (CONVERSE, as_converse(totalTokens=150, cacheReadInputTokens=10)),
        (CONVERSE, as_converse(totalTokens=160, cacheReadInputTokens=10)),
        (CONVERSE, as_converse(cacheWriteInputTokens=20, cacheDetails=[{"ttl": "1h", "inputTokens": 10}] * 2)),
        (ANTHROPIC, as_claude(server_tool_use={"web_search_requests": 0, "web_fetch_requests": 4})),
        (ANTHROPIC, as_claude(cache_creation_input_tokens=0, cache_creation={})),
        (COHERE, as_cohere(billed_units={"input_tokens": 10, "output_tokens": 5})),
        (COHERE, as_cohere(billed_units={"input_tokens": 3, "images": 0, "output_tokens": 5})),
    ],
)
def test_usage_that_says_the_same_in_two_ways_is_exact(url: str, response: Any) -> None:
    record = read_call(url, {"model": "command-a-03-2025"} if url == COHERE else {}, response)
    assert (record.cost_details or {})["certainty"] == "exact", record.cost_details


@pytest.mark.parametrize(
    ("provider", "model", "usage", "certainty"),
    [
        ("x_ai", "grok-4", {"cost": 0.5}, "estimated"),
        ("x_ai", "grok-4", {"cost_in_usd_ticks": 5_000_000_000}, "exact"),
        ("perplexity", "sonar", {"cost": 0.5}, "estimated"),
        ("perplexity", "sonar", {"cost": {"total_cost": 0.5}}, "exact"),
        ("openrouter", "openai/gpt-4o", {"cost": 0.5}, "exact"),
    ],
)
def test_a_report_has_the_cost_of_a_provider_only_in_that_providers_form(
    provider: str, model: str, usage: dict[str, Any], certainty: str
) -> None:
    response = {**chat(model, 100, 10), "usage": {"prompt_tokens": 100, "completion_tokens": 10, **usage}}
    record = Record(id="1", provider_name=provider, request_model=model, response_body=json.dumps(response).encode())
    derive(record)
    assert (record.cost, (record.cost_details or {})["certainty"]) == (0.5, certainty)


OPUS = {**message("claude-opus-4-6", 100, 10), "usage": {"input_tokens": 100, "output_tokens": 10}}
STANDARD = {"input_tokens": 100, "output_tokens": 10, "service_tier": "standard"}
WRITTEN = {**STANDARD, "inference_geo": "global", "cache_creation_input_tokens": 10}


@pytest.mark.parametrize(
    ("provider", "request_body", "response", "why"),
    [
        ("openai", None, chat("gpt-4o", 100, 10), "service tier"),
        ("openai", {"messages": [{"role": "user", "content": "Hi"}]}, chat("gpt-4o", 100, 10), "service tier"),
        ("openai", None, {**chat("gpt-4o", 100, 10), "service_tier": "default"}, None),
        ("openai", {"model": "gpt-4o"}, chat("gpt-4o", 100, 10), None),
        ("openai", {"model": "gpt-4o", "service_tier": "flex"}, chat("gpt-4o", 100, 10), "service tier"),
        ("gcp.gemini", None, as_gemini(), "service tier"),
        ("gcp.gemini", {"contents": [{"parts": [{"text": "Hi"}]}]}, as_gemini(), None),
        ("aws.bedrock", None, as_converse(), "service tier"),
        ("anthropic", None, OPUS, "service tier"),
        ("anthropic", None, {**OPUS, "usage": STANDARD}, "region"),
        ("anthropic", {"model": "claude-opus-4-6"}, {**OPUS, "usage": STANDARD}, "region"),
        ("anthropic", None, {**OPUS, "usage": {**STANDARD, "inference_geo": "global"}}, None),
        ("anthropic", None, {**OPUS, "usage": WRITTEN}, "for 5 minutes or an hour"),
        ("anthropic", None, {**OPUS, "model": "claude-haiku-4-5", "usage": STANDARD}, None),
    ],
)
def test_a_report_without_the_request_is_exact_only_if_the_response_states_the_terms(
    provider: str, request_body: Any, response: dict[str, Any], why: str | None
) -> None:
    record = Record(id="1", provider_name=provider, operation_name="chat", extra={"server_address": HOSTS[provider]})
    record.request_model = MODELS.get(provider) or response.get("model")
    record.request_body = None if request_body is None else json.dumps(request_body).encode()
    record.response_body = json.dumps(response).encode()
    derive(record)
    assert record.cost is not None
    assert (why or "None") in str((record.cost_details or {}).get("why"))


MODELS = {"aws.bedrock": "amazon.nova-lite-v1:0", "gcp.gemini": "gemini-2.5-flash"}
HOSTS = {
    "anthropic": "api.anthropic.com",
    "aws.bedrock": "bedrock-runtime.us-east-1.amazonaws.com",
    "gcp.gemini": "generativelanguage.googleapis.com",
    "openai": "api.openai.com",
}


def test_a_report_of_embeddings_without_the_request_is_exact() -> None:
    response = {"object": "list", "model": "text-embedding-3-small", "data": [{"object": "embedding", "embedding": [0.5]}],
                "usage": {"prompt_tokens": 100, "total_tokens": 100}}  # fmt: skip
    record = Record(
        id="1", provider_name="openai", operation_name="embeddings", response_body=json.dumps(response).encode()
    )
    derive(record)
    assert (record.cost, (record.cost_details or {})["certainty"]) == (pytest.approx(100 * 0.02 / 1e6), "exact")
