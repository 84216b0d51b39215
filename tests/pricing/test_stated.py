"""A report of a call has an exact cost only if it states every term of the model's tariff that can have another value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autolog._reading.derive import derive, fill_in
from autolog._record.record import Record

HOSTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "gcp.gemini": "generativelanguage.googleapis.com",
}


def chat(model: str = "gpt-4o", tier: str | None = "default", **usage: Any) -> dict[str, Any]:
    counts = {"prompt_tokens": 100, "completion_tokens": 10, **usage}
    return {"object": "chat.completion", "model": model, "service_tier": tier, "usage": counts}


def response(**fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 100, "output_tokens": 10}
    return {"object": "response", "model": "gpt-5", "output": [], "service_tier": "default", "usage": usage, **fields}


def claude(model: str, **usage: Any) -> dict[str, Any]:
    counts = {"input_tokens": 100, "output_tokens": 10, "service_tier": "standard", "inference_geo": "global", **usage}
    return {"type": "message", "model": model, "content": [], "usage": counts}


def gemini(**usage: Any) -> dict[str, Any]:
    counts = {"promptTokenCount": 100, "candidatesTokenCount": 10, "serviceTier": "standard", **usage}
    return {"modelVersion": "gemini-2.5-flash", "candidates": [], "usageMetadata": counts}


TEXT = {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}]}


@pytest.mark.parametrize(
    ("provider", "request_body", "answer", "why"),
    [
        ("openai", None, chat(), None),
        ("openai", None, chat(tier=None), "service tier"),
        ("openai", None, chat(tier="auto"), "service tier"),
        ("openai", {"model": "gpt-4o", "service_tier": "auto"}, chat(tier=None), "service tier"),
        ("openai", {"model": "gpt-4o", "service_tier": "auto"}, chat(), None),
        ("openai", None, response(), "in the background"),
        ("openai", None, response(background=True), "in the background"),
        ("openai", None, response(background=False), None),
        ("openai", {"model": "gpt-5"}, response(), None),
        ("openai", {"model": "gpt-5", "extra_body": {"background_options": {"completion_window": "8h"}}}, response(),
         "completion window"),
        ("openai", None, response(background=False, model="gpt-4.1", tools=[{"type": "web_search_preview"}]),
         "this tool's fee"),
        ("openai", None, chat("gpt-6.1-terra", prompt_tokens_details={"cache_write_tokens": 9}), "for 12 hours"),
        ("openai", None, chat("gpt-4o-mini-realtime-preview"), "audio"),
        ("openai", None, chat("gpt-4o-mini-realtime-preview", prompt_tokens_details={"audio_tokens": 0},
                              completion_tokens_details={"audio_tokens": 0}), None),
        ("anthropic", None, claude("claude-opus-4-8"), "at which speed"),
        ("anthropic", None, claude("claude-opus-4-8", speed="standard"), None),
        ("anthropic", {"model": "claude-opus-4-8"}, claude("claude-opus-4-8"), None),
        ("anthropic", {"model": "claude-opus-4-8", "extra_body": {"speed": "fast"}}, claude("claude-opus-4-8"), "speed: fast"),
        ("anthropic", None, claude("claude-haiku-4-5"), None),
        ("gcp.gemini", None, gemini(), "input tokens are audio"),
        ("gcp.gemini", None, gemini(**TEXT), None),
        ("gcp.gemini", None, {**gemini(**TEXT), "candidates": [{"groundingMetadata": {"groundingChunks": [{"maps": {"uri": "x"}}]}}]},
         "grounding"),
        ("gcp.gemini", {"contents": [{"parts": [{"text": "Hi"}]}]}, gemini(), None),
    ],
)  # fmt: skip
def test_what_a_report_leaves_open_is_why_its_cost_is_an_estimate(
    provider: str, request_body: Any, answer: dict[str, Any], why: str | None
) -> None:
    record = Record(id="1", provider_name=provider, operation_name="chat", request_model=answer.get("model"))
    record.extra = {"server_address": HOSTS[provider]}
    record.request_body = None if request_body is None else json.dumps(request_body).encode()
    record.response_body = json.dumps(answer).encode()
    derive(record)
    assert record.cost is not None
    assert (why or "None") in str((record.cost_details or {}).get("why"))


def test_a_call_on_the_wire_that_tells_only_the_requested_tier_is_an_estimate() -> None:
    record = Record(
        id="1", request_url="https://api.openai.com/v1/responses", request_body=b'{"model": "gpt-5"}',
        response_body=json.dumps(response(service_tier="auto", background=True)).encode(),
    )  # fmt: skip
    derive(record)
    assert "not what was served" in (record.cost_details or {})["why"]


def test_counts_of_a_reporter_are_exact_only_where_all_that_the_tariff_depends_on_is_told() -> None:
    def unstated(provider: str, model: str, **counts: int) -> str | None:
        record = Record(id="r", provider_name=provider, request_model=model, operation_name="chat", usage_input_tokens=100,
                        usage_output_tokens=10, **counts)  # fmt: skip
        fill_in(record)
        return (record.cost_details or {}).get("why")

    assert unstated("groq", "llama-3.3-70b-versatile") is None
    assert "tools of the provider" in str(unstated("groq", "openai/gpt-oss-120b"))
    assert "tools of the provider" in str(unstated("moonshotai", "kimi-k2"))
    assert "tokens are billed" in str(unstated("cohere", "command-a-03-2025"))
    claude = unstated("anthropic", "claude-sonnet-4-5")
    assert claude is not None
    for word in ("service tier", "read from the cache", "written to the cache", "web searches"):
        assert word in claude
    assert "5 minutes" not in claude
    assert "5 minutes" in str(unstated("anthropic", "claude-sonnet-4-5", usage_cache_creation_input_tokens=5))
    assert "audio" in str(unstated("openai", "gpt-4o-audio-preview"))
    assert "audio" not in str(unstated("openai", "gpt-4o"))


def test_a_usage_that_a_layer_above_the_sdks_made_is_not_the_providers_own() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    body = json.dumps({"model": "claude-sonnet-4-5", "choices": [], "usage": usage}).encode()
    above = Record(id="r", provider_name="anthropic", operation_name="chat", response_body=body)
    fill_in(above)
    assert (above.cost_details or {})["certainty"] == "estimated"
