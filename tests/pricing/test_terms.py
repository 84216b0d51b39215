"""A cost is exact only if every term of the model's tariff has its usual value or is stated in the response."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from invoices import CHAT, MESSAGES, RESPONSES, Invoice, answer, bill, chat, message

from autolog._pricing.terms import TERMS, values_at

HAIKU = "claude-haiku-4-5"
CONVERSE = "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-pro-v1:0/converse"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"

NOVA = "https://{}/model/amazon.nova-pro-v1:0/converse"
PROFILE = "https://bedrock-runtime.{}.amazonaws.com/model/{}.anthropic.claude-sonnet-4-5-20250929-v1:0/converse"
AZURE = "https://r.openai.azure.com/openai/deployments/d/chat/completions"
INVOKE = "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn:aws:bedrock:us-east-1:123456789012:{}/invoke"


def searched(model: str) -> dict[str, Any]:
    call = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
    return {**answer(model, 10, 5), "output": [call]}


def credited(status: str) -> dict[str, Any]:
    body = message(HAIKU, 10, 5)
    return {**body, "usage": {**body["usage"], "fallback_credit": {"status": {"type": status}}}}


def converse(**more: Any) -> dict[str, Any]:
    output = {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}
    return {"output": output, "stopReason": "end_turn", "usage": {"inputTokens": 10, "outputTokens": 5}, **more}


def gemini() -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}


def drawn() -> dict[str, Any]:
    image = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    return {**gemini(), "modelVersion": "gemini-2.5-flash-image", "candidates": [{"content": {"parts": [image]}}]}


IMAGES = "https://api.openai.com/v1/images/generations"


def pictures(model: str, **usage: Any) -> dict[str, Any]:
    counts = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, **usage}
    return {"created": 1, "model": model, "data": [{"b64_json": "AA=="}], "usage": counts}


INTERACTIONS = "https://generativelanguage.googleapis.com/v1/interactions"
AUDIO = {"type": "audio", "mime_type": "audio/wav", "data": "AA=="}


def interaction(**usage: Any) -> dict[str, Any]:
    usage = {"total_input_tokens": 10, "total_output_tokens": 5, "total_tokens": 15, **usage}
    return {"id": "i", "model": "gemini-2.5-flash", "status": "completed", "steps": [], "usage": usage}


@pytest.mark.parametrize(
    ("url", "request_body", "response", "why"),
    [
        (CHAT, {"service_tier": "priority"}, chat("gpt-4o", 10, 5), "service tier: priority was requested"),
        (CHAT, {"service_tier": "priority"}, chat("gpt-4o", 10, 5, "default"), None),
        (CHAT, {"service_tier": "auto"}, chat("gpt-4o", 10, 5), None),
        (CHAT, {"web_search_options": {}}, chat("gpt-4o-search-preview", 10, 5), "web searches: used"),
        (CHAT, {"model": "gpt-4o-mini-search-preview"}, chat("gpt-4o-mini-search-preview", 10, 5), "web searches"),
        (CHAT, {"model": "gpt-5-search-api"}, chat("gpt-5-search-api", 10, 5), "web searches"),
        (RESPONSES, {"tools": [{"type": "web_search"}]}, answer("gpt-5", 10, 5), None),
        (RESPONSES, {"prompt_cache_options": {"ttl": "12h"}}, answer("gpt-6.1-terra", 10, 5), "cache lifetime: 12h"),
        (RESPONSES, {"prompt_cache_options": {"ttl": "12h"}},
         answer("gpt-6.1-terra", 10, 5, cache_write_tokens_details={"ttl_12h_tokens": 1}, cache_write=1), None),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
         chat("gpt-4o-mini-realtime-preview", 10, 5), "audio input"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
         chat("gpt-4o-mini-realtime-preview", 10, 5, in_audio=5), None),
        (CHAT, {"messages": [{"role": "user", "content": "Hi"}]}, chat("gpt-4o-mini-realtime-preview", 10, 5), None),
        (CHAT, {"modalities": ["text", "audio"]}, chat("gpt-4o-audio-preview", 10, 5), "audio output: its price"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
         chat("gpt-4o-mini-audio-preview", 10, 5), "audio input: its price"),
        (CHAT, {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, chat("gpt-4o-audio-preview", 10, 5),
         "audio input: its price"),
        (CHAT, {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, chat("gpt-audio", 10, 5), "audio input: used"),
        (CHAT, {"modalities": ["text", "audio"]}, chat("gpt-audio", 10, 5), "audio output: audio was requested"),
        (CHAT, {"modalities": ["text"]}, chat("gpt-4o-audio-preview", 10, 5), None),
        (RESPONSES, {"background": True, "background_options": {"completion_window": "8h"}}, answer("gpt-5", 10, 5),
         "completion window: responses within some hours are discounted"),
        (RESPONSES, {"background": True, "background_options": {"completion_window": "soonest"}},
         answer("gpt-5", 10, 5), None),
        (MESSAGES, {"speed": "fast"}, message("claude-opus-4-6", 10, 5), "speed: fast"),
        (MESSAGES, {"billing_policy": {"bill_to": "user_profile"}}, message(HAIKU, 10, 5), "who is billed"),
        (MESSAGES, {"billing_policy": {"bill_to": "self"}}, message(HAIKU, 10, 5), None),
        (MESSAGES, {}, credited("redeemed"), "fallback credit"),
        (MESSAGES, {}, credited("not_applied"), None),
        (MESSAGES, {"speed": "fast"}, message("claude-opus-4-6", 10, 5, speed="standard"), None),
        (MESSAGES, {"inference_geo": "us"}, message("claude-opus-4-6", 10, 5), "inference geo: us"),
        (MESSAGES, {"inference_geo": "us"}, message("claude-opus-4-6", 10, 5, inference_geo="us"), None),
        (MESSAGES, {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
         message(HAIKU, 10, 5, cache_creation_input_tokens=5), "cache lifetime: 1h"),
        (MESSAGES, {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
         message(HAIKU, 10, 5, cache_creation_input_tokens=5, cache_creation={"ephemeral_1h_input_tokens": 5}), None),
        (MESSAGES, {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
         message(HAIKU, 10, 5, cache_creation_input_tokens=5), None),
        (CONVERSE, {"performanceConfig": {"latency": "optimized"}}, converse(), "latency: optimized"),
        (CONVERSE, {"serviceTier": {"type": "priority"}}, converse(), "service tier: priority"),
        (CONVERSE, {"serviceTier": {"type": "priority"}}, converse(serviceTier={"type": "default"}), None),
        (GEMINI, {"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": ""}}]}]}, gemini(), "audio input"),
        (GEMINI, {"contents": [{"parts": [{"text": "Hi"}]}]}, gemini(), None),
        (MESSAGES, {}, {**message(HAIKU, 10, 5), "content": [{"type": "bash_code_execution_tool_result"}]},
         "code execution time"),
        (RESPONSES, {"tools": [{"type": "web_search_preview"}]}, answer("gpt-4.1", 10, 5), "web searches"),
        (RESPONSES, {"tools": [{"type": "web_search_preview"}]}, answer("gpt-5", 10, 5), None),
        (RESPONSES, {"tools": [{"type": "web_search"}]}, searched("gpt-4.1"), None),
        (RESPONSES, {"tools": [{"type": "web_search"}]}, searched("gpt-4.1-mini"), "content of searches"),
        (RESPONSES, {}, {**answer("gpt-5", 10, 5), "output": [{"type": "image_generation_call"}]}, "image generation"),
        (RESPONSES, {"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, answer("gpt-5", 10, 5),
         "container"),
        (RESPONSES, {"tools": [{"type": "shell", "environment": {"type": "local"}}]}, answer("gpt-5", 10, 5), None),
        (CHAT, {"web_search_options": None}, chat("gpt-4o", 10, 5), None),
        (AZURE, {}, chat("gpt-4o", 10, 5), "deployment type"),
        (AZURE, {}, chat("gpt-4o", 10, 5, "default"), "deployment type"),
        (AZURE.replace("openai.azure", "services.ai.azure"), {}, chat("gpt-4o", 10, 5), "deployment type"),
        ("https://openrouter.ai/api/v1/chat/completions", {}, chat("openai/gpt-4o", 10, 5), "route"),
        ("https://api.perplexity.ai/chat/completions", {}, chat("sonar", 10, 5), "fee by the request"),
        ("https://api.perplexity.ai/chat/completions", {}, chat("sonar-deep-research", 10, 5), "citations"),
        ("https://api.groq.com/openai/v1/chat/completions", {}, chat("llama-3.3-70b-versatile", 10, 5), None),
        ("https://api.groq.com/openai/v1/chat/completions", {},
         {**chat("llama-3.3-70b-versatile", 10, 5), "choices": [{"message": {"executed_tools": [{"type": "search"}]}}]},
         "tools of the provider"),
        ("https://api.moonshot.ai/v1/chat/completions", {"tools": [{"type": "builtin_function"}]},
         chat("kimi-k2.6", 10, 5), "tools of the provider"),
        ("https://api.moonshot.ai/v1/chat/completions", {}, chat("kimi-k2.6", 10, 5), None),
        ("https://api.moonshot.cn/v1/chat/completions", {}, chat("kimi-k2.6", 10, 5), "currency"),
        ("https://open.bigmodel.cn/api/paas/v4/chat/completions", {}, chat("glm-4.7", 10, 5), "currency"),
        ("https://api.x.ai/v1/chat/completions", {"search_parameters": {"mode": "auto"}}, chat("grok-4.3", 10, 5),
         "live search"),
        (CONVERSE.replace("us-east-1", "eu-west-1"), {}, converse(), "inference in 'eu-west-1'"),
        (CONVERSE.replace("us-east-1", "us-gov-west-1"), {}, converse(), "inference in 'us-gov-west-1'"),
        (CONVERSE.replace("us-east-1", "us-west-2"), {}, converse(), None),
        (CONVERSE, {}, converse(**{"amazon-bedrock-guardrailAction": "NONE"}), "guardrails"),
        (INVOKE.format("provisioned-model/abc"), {}, message("claude-3-haiku-20240307", 10, 5),
         "provisioned throughput"),
        (INVOKE.format("custom-model-deployment/abc"), {}, message("claude-3-haiku-20240307", 10, 5),
         "provisioned throughput"),
        (GEMINI, {"tools": [{"enterpriseWebSearch": {}}]}, gemini(), "grounding"),
        (NOVA.format("vpce-0a1-b2.bedrock-runtime.eu-west-1.vpce.amazonaws.com"), {}, converse(), "inference in 'eu-west-1'"),
        (NOVA.format("bedrock-runtime.eu-west-1.api.aws"), {}, converse(), "inference in 'eu-west-1'"),
        (NOVA.format("bedrock-runtime-fips.ca-central-1.amazonaws.com"), {}, converse(), "inference in 'ca-central-1'"),
        (NOVA.format("bedrock-runtime-fips.us-east-1.amazonaws.com"), {}, converse(), None),
        (PROFILE.format("us-gov-west-1", "us-gov"), {}, converse(), "inference in 'us-gov-west-1'"),
        (PROFILE.format("eu-west-1", "eu"), {}, converse(), None),
        (PROFILE.format("us-east-1", "us"), {}, converse(usage={"inputTokens": 200_001, "outputTokens": 5}), "long input"),
        (NOVA.format("bedrock-runtime.us-east-1.amazonaws.com"), {},
         converse(usage={"inputTokens": 200_001, "outputTokens": 5}), None),
        (CONVERSE, {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}, converse(), "nova_grounding"),
        (CONVERSE, {"toolConfig": {"tools": [{"toolSpec": {"name": "mine"}}]}}, converse(), None),
        (MESSAGES, {}, {**message(HAIKU, 10, 5), "container": {"id": "container_1"}}, "code execution time"),
        (GEMINI, {"cachedContent": "cachedContents/1"}, gemini(), "audio input"),
        (GEMINI.replace("flash:", "flash-image:"), {}, drawn(), "image or audio output"),
        ("https://api.z.ai/api/paas/v4/chat/completions", {}, chat("glm-4.6", 10, 5), None),
        ("https://api.z.ai/api/coding/paas/v4/chat/completions", {}, chat("glm-4.6", 10, 5), "coding plan"),
        (INTERACTIONS, {}, interaction(), None),
        (INTERACTIONS, {"tools": [{"type": "google_maps"}]}, interaction(), "grounding"),
        (INTERACTIONS, {}, interaction(grounding_tool_count=[{"type": "google_maps", "count": 2}]), "grounding"),
        (INTERACTIONS, {}, interaction(grounding_tool_count=[{"type": "google_search", "count": 2}]), "free searches"),
        (INTERACTIONS, {"input": [AUDIO]}, interaction(), "audio input"),
        (INTERACTIONS, {"input": [AUDIO]},
         interaction(input_tokens_by_modality=[{"modality": "text", "tokens": 2}, {"modality": "audio", "tokens": 8}]),
         None),
        (INTERACTIONS, {}, interaction(output_tokens_by_modality=[{"modality": "video", "tokens": 5}]), "other output"),
        (GEMINI, {"tools": [{"retrieval": {"vertexAiSearch": {"datastore": "x"}}}]}, gemini(), "grounding"),
        (GEMINI, {"contents": [{"parts": [{"fileData": {"mimeType": "video/mp4", "fileUri": "x"}}]}]}, gemini(),
         "audio input"),
        (GEMINI, {"contents": [{"parts": [{"fileData": {"fileUri": "https://youtu.be/x"}}]}]}, gemini(), "audio input"),
        (IMAGES.replace("generations", "edits"), {"image": "file"}, pictures("gpt-image-1"), "image input"),
        (IMAGES, {}, pictures("gpt-image-1"), None),
        (IMAGES, {}, pictures("gpt-image-1.5"), "text beside images"),
        (IMAGES, {}, pictures("gpt-image-1.5", output_tokens_details={"image_tokens": 4, "text_tokens": 1}), None),
    ],
)  # fmt: skip
def test_a_term_that_was_asked_for_and_not_told_makes_an_estimate(
    url: str, request_body: Any, response: Any, why: str | None
) -> None:
    record = bill(Invoice("", url, response, "", None, request=request_body))
    assert record.cost is not None
    details = record.cost_details or {}
    assert details["certainty"] == ("exact" if why is None else "estimated"), details
    assert (why or "") in details.get("why", "")


def test_cached_tokens_of_a_fine_tuned_model_have_no_published_price() -> None:
    plain, cached = (
        bill(Invoice("", CHAT, chat("ft:gpt-4o-2024-08-06:a::b", 1000, 0, cached=n), "", None)) for n in (0, 500)
    )
    assert (plain.cost_details or {})["certainty"] == "exact"
    assert (cached.cost_details or {})["certainty"] == "estimated"
    assert "cached tokens" in (cached.cost_details or {})["why"]


@pytest.mark.parametrize(
    ("hour", "certainty"), [(2, "estimated"), (5, "exact"), (7, "estimated"), (12, "exact"), (23, "exact")]
)
def test_peak_hours_are_not_known_to_be_of_a_workday(hour: int, certainty: str) -> None:
    at = datetime(2026, 11, 3, hour, 30, tzinfo=UTC)
    response = chat("deepseek-v4-pro", 10, 5)
    record = bill(Invoice("", "https://api.deepseek.com/chat/completions", response, "", None, at=at))
    assert (record.cost_details or {})["certainty"] == certainty


def test_every_table_of_terms_belongs_to_a_format() -> None:
    for name in TERMS:
        assert import_module(f"autolog.providers.{name}").name == name


def test_a_path_walks_lists_and_names_any_depth() -> None:
    data = {"a": [{"b": 1}, {"b": 2, "c": {"b": 3}}], "b": 4}
    assert sorted(values_at(data, ("a", "b"))) == [1, 2]
    assert sorted(values_at(data, ("**", "b"))) == [1, 2, 3, 4]
    assert sorted(values_at(data, ("a", "*", "b"))) == [3]
    assert list(values_at(data, ("a", "x"))) == []
