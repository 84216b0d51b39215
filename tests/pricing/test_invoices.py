"""Invoices: the costs of calls by the providers' published price pages, each with its arithmetic in words.

Prices are those of genai-prices 0.2.3, verified there against the providers' pages in October 2026. Amounts agree to
the millionth of a cent.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from invoices import CHAT, MESSAGES as ANTHROPIC, OPENAI, RESPONSES, Invoice, answer, bill, chat, message

MILLION = 1_000_000

INVOICES = [
    # OpenAI: input, cached input, output
    Invoice("plain", CHAT, chat("gpt-4o-2024-08-06", 1000, 100), "1,000 x 2.50 + 100 x 10", 0.0035),
    Invoice("nothing said back", CHAT, chat("gpt-4o", 1000, 0), "1,000 x 2.50", 0.0025),
    Invoice("cached input", CHAT, chat("gpt-4o", 1000, 100, cached=800), "200 x 2.50 + 800 x 1.25 + 100 x 10", 0.0025),
    Invoice("all cached", CHAT, chat("gpt-4o", 1000, 0, cached=1000), "1,000 x 1.25", 0.00125),
    Invoice("reasoning is output", CHAT, chat("gpt-5", 100, 1000, out_reasoning=900), "100 x 1.25 + 1,000 x 10", 0.010125),
    Invoice("small model", CHAT, chat("gpt-4o-mini", 1_000_000, 1_000_000), "0.15 + 0.60", 0.75),
    Invoice("asked for by an alias", CHAT, chat("", 1000, 100), "as gpt-4o: 1,000 x 2.50 + 100 x 10", 0.0035,
            request={"model": "gpt-4o"}),
    # OpenAI: the tier as served
    Invoice("default tier", CHAT, chat("gpt-5", 1000, 100, "default"), "1,000 x 1.25 + 100 x 10", 0.00225),
    Invoice("flex", CHAT, chat("gpt-5", 1000, 100, "flex"), "1,000 x 0.625 + 100 x 5", 0.001125, tier="flex"),
    Invoice("flex, cached", CHAT, chat("gpt-5", 1000, 0, "flex", cached=1000), "1,000 x 0.0625", 0.0000625, tier="flex"),
    Invoice("priority", CHAT, chat("gpt-5", 1000, 100, "priority"), "1,000 x 2.50 + 100 x 20", 0.0045, tier="priority"),
    Invoice("asked for flex, served default", CHAT, chat("gpt-5", 1000, 100, "default"), "1,000 x 1.25 + 100 x 10", 0.00225,
            request={"model": "gpt-5", "service_tier": "flex"}),
    Invoice("a tier without a price", CHAT, chat("gpt-4-turbo", 1000, 100, "flex"), "standard: 1,000 x 10 + 100 x 30", 0.013,
            certainty="estimated", tier="flex"),
    Invoice("flex before its price was published", CHAT, chat("gpt-5", 1000, 100, "flex"), "standard: 1,000 x 1.25 + 100 x 10",
            0.00225, certainty="estimated", tier="flex", at=datetime(2025, 9, 1, tzinfo=UTC)),
    # OpenAI: the Responses API and its tools
    Invoice("response", RESPONSES, {"object": "response", "model": "gpt-4o", "output": [],
            "usage": {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 500}, "output_tokens": 100}},
            "500 x 2.50 + 500 x 1.25 + 100 x 10", 0.002875),
    Invoice("two web searches", RESPONSES, {"object": "response", "model": "gpt-5",
            "output": [{"type": "web_search_call"}, {"type": "web_search_call"}],
            "usage": {"input_tokens": 1000, "output_tokens": 100}}, "1,000 x 1.25 + 100 x 10 + 2 x 0.01", 0.02225),
    Invoice("a file search", RESPONSES, {"object": "response", "model": "gpt-5", "output": [{"type": "file_search_call"}],
            "usage": {"input_tokens": 1000, "output_tokens": 100}}, "1,000 x 1.25 + 100 x 10 + 0.0025", 0.00475),
    Invoice("embeddings", f"{OPENAI}/embeddings", {"object": "list", "model": "text-embedding-3-small", "data": [],
            "usage": {"prompt_tokens": 1_000_000, "total_tokens": 1_000_000}}, "1,000,000 x 0.02", 0.02),
    # OpenAI: cache writes, long prompts, batches, fast
    Invoice("a cache write", RESPONSES, answer("gpt-6-sol", 1000, 100, cached=200, cache_write=300),
            "500 x 2 + 200 x 0.20 + 300 x 2.50 + 100 x 10", 0.00279),
    Invoice("a cache write for twelve hours", RESPONSES, answer("gpt-6.1-terra", 1000, 0, cache_write=400,
            cache_write_tokens_details={"ttl_12h_tokens": 300, "ttl_30m_tokens": 100}),
            "600 x 1 + 100 x 1.25 + 300 x 2.50", 0.001475),
    Invoice("a cache write for twelve hours, elsewhere", RESPONSES, answer("gpt-6-sol", 1000, 0, cache_write=1000,
            cache_write_tokens_details={"ttl_12h_tokens": 1000, "ttl_30m_tokens": 0}),
            "as for 30 minutes: 1,000 x 2.50", 0.0025, certainty="estimated"),
    Invoice("a long prompt", RESPONSES, answer("gpt-6-sol", 300_000, 1000, cached=100_000),
            "above 272,000 all is dearer: 200,000 x 4 + 100,000 x 0.40 + 1,000 x 15", 0.855),
    Invoice("a prompt just short of long", RESPONSES, answer("gpt-6-sol", 272_000, 1000),
            "272,000 x 2 + 1,000 x 10", 0.554),
    Invoice("a batch item of OpenAI", CHAT, chat("gpt-4o", 1000, 100, "batch"), "half of 1,000 x 2.50 + 100 x 10", 0.00175,
            tier="batch"),
    Invoice("a batch item of embeddings", f"{OPENAI}/embeddings", {"object": "list", "model": "text-embedding-3-small",
            "data": [], "usage": {"prompt_tokens": 1_000_000, "total_tokens": 1_000_000}, "service_tier": "batch"},
            "half of 1,000,000 x 0.02", 0.01, tier="batch"),
    Invoice("bound to Europe", "https://eu.api.openai.com/v1/chat/completions", chat("gpt-4o", 1000, 100),
            "standard, for the table has no surcharge: 1,000 x 2.50 + 100 x 10", 0.0035, certainty="estimated"),
    # OpenAI: audio, images and calls without tokens
    Invoice("spoken to and speaking", CHAT, chat("gpt-audio", 1000, 500, in_audio=800, out_audio=400),
            "200 x 2.50 + 800 x 32 + 100 x 10 + 400 x 64", 0.0527),
    Invoice("spoken to, without a price of sound", CHAT, chat("gpt-4o", 100, 10, in_audio=50),
            "as text: 100 x 2.50 + 10 x 10", 0.00035, certainty="estimated"),
    Invoice("transcription by tokens", f"{OPENAI}/audio/transcriptions", {"text": "Hi", "usage": {"type": "tokens",
            "input_tokens": 100, "input_token_details": {"audio_tokens": 90, "text_tokens": 10}, "output_tokens": 20}},
            "10 x 2.50 + 90 x 6 + 20 x 10", 0.000765, request={"model": "gpt-4o-transcribe"}),
    Invoice("transcription by the minute", f"{OPENAI}/audio/transcriptions",
            {"text": "Hi", "usage": {"type": "duration", "seconds": 90}}, "90 seconds at 0.36 an hour", 0.009,
            request={"model": "whisper-1"}),
    Invoice("transcription that tells nothing", f"{OPENAI}/audio/transcriptions", {"text": "Hi"}, "unknown", None,
            certainty="unknown", request={"model": "whisper-1"}),
    Invoice("speech by the character", f"{OPENAI}/audio/speech", {}, "1,000 characters at 15 a million", 0.015,
            request={"model": "tts-1", "input": "a" * 1000}),
    Invoice("better speech by the character", f"{OPENAI}/audio/speech", {}, "1,000 characters at 30 a million", 0.03,
            request={"model": "tts-1-hd", "input": "a" * 1000}),
    Invoice("speech by tokens that are not told", f"{OPENAI}/audio/speech", {}, "billed by audio tokens", None,
            certainty="unknown", request={"model": "gpt-4o-mini-tts", "input": "a" * 1000}),
    Invoice("an image", f"{OPENAI}/images/generations", {"created": 1, "data": [{}], "usage": {"input_tokens": 50,
            "input_tokens_details": {"text_tokens": 50, "image_tokens": 0}, "output_tokens": 4160}},
            "50 x 5 + 4,160 x 40", 0.16665, request={"model": "gpt-image-1"}),
    Invoice("an edited image", f"{OPENAI}/images/edits", {"created": 1, "data": [{}], "usage": {"input_tokens": 373,
            "input_tokens_details": {"text_tokens": 50, "image_tokens": 323}, "output_tokens": 4160}},
            "50 x 5 + 323 x 10 + 4,160 x 40", 0.16988, request={"model": "gpt-image-1"}),
    Invoice("an image with its lines", f"{OPENAI}/images/generations", {"created": 1, "data": [{}],
            "usage": {"input_tokens": 50, "output_tokens": 1000},
            "svg_usage": {"model": "gpt-5", "input_tokens": 1000, "output_tokens": 100, "reasoning_tokens": 0}},
            "50 x 5 + 1,000 x 40 + gpt-5: 1,000 x 1.25 + 100 x 10", 0.0425, request={"model": "gpt-image-1"}),
    Invoice("an image by the piece", f"{OPENAI}/images/generations", {"created": 1, "data": [{}]}, "one at 0.04", 0.04,
            request={"model": "dall-e-3"}),
    Invoice("two images, large and fine", f"{OPENAI}/images/generations", {"created": 1, "data": [{}, {}]}, "two at 0.12",
            0.24, request={"model": "dall-e-3", "size": "1792x1024", "quality": "hd"}),
    Invoice("a video", f"{OPENAI}/videos", {"object": "video", "id": "v", "status": "completed", "model": "sora-2",
            "seconds": "8", "size": "720x1280"}, "8 seconds at 0.10", 0.80),
    Invoice("a fine video", f"{OPENAI}/videos", {"object": "video", "id": "v", "status": "completed",
            "model": "sora-2-pro", "seconds": "4", "size": "1792x1024"}, "4 seconds at 0.50", 2.00),
    Invoice("a video of a size without a price", f"{OPENAI}/videos", {"object": "video", "id": "v", "status": "completed",
            "model": "sora-2", "seconds": "4", "size": "1x1"}, "unknown", None, certainty="unknown"),
    Invoice("a code interpreter called twice", RESPONSES, {"object": "response", "model": "gpt-5", "output": [
            {"type": "code_interpreter_call", "container_id": "c"}, {"type": "code_interpreter_call", "container_id": "c"}],
            "usage": {"input_tokens": 1000, "output_tokens": 100}}, "1,000 x 1.25 + 100 x 10 + one container at 0.03",
            0.03225, certainty="estimated"),
    Invoice("pages opened are no searches", RESPONSES, {"object": "response", "model": "gpt-5", "output": [
            {"type": "web_search_call", "action": {"type": "search"}},
            {"type": "web_search_call", "action": {"type": "open_page"}}],
            "usage": {"input_tokens": 1000, "output_tokens": 100}}, "1,000 x 1.25 + 100 x 10 + 0.01", 0.01225),
    Invoice("a container of four gigabytes", f"{OPENAI}/containers", {"object": "container", "id": "c", "memory_limit": "4g"},
            "one at 0.12", 0.12),
    Invoice("training", f"{OPENAI}/fine_tuning/jobs", {"object": "fine_tuning.job", "id": "f", "status": "succeeded",
            "model": "gpt-4.1-mini-2025-04-14", "trained_tokens": 2_000_000}, "2,000,000 x 5", 10.0),
    Invoice("an evaluation by two models", f"{OPENAI}/evals/e/runs", {"object": "eval.run", "id": "r", "status": "completed",
            "model": "gpt-5", "per_model_usage": [
                {"model_name": "gpt-5", "prompt_tokens": 1000, "completion_tokens": 100, "cached_tokens": 400},
                {"model_name": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100, "cached_tokens": 0}]},
            "600 x 1.25 + 400 x 0.125 + 100 x 10 and 1,000 x 2.50 + 100 x 10", 0.0053),
    Invoice("a grader", f"{OPENAI}/fine_tuning/alpha/graders/run", {"reward": 1, "metadata": {},
            "model_grader_token_usage_per_model": {"gpt-4o": {"prompt_tokens": 1000, "completion_tokens": 100}}},
            "1,000 x 2.50 + 100 x 10", 0.0035),
    Invoice("an assistant's run", f"{OPENAI}/threads/t/runs", {"object": "thread.run", "id": "r", "status": "completed",
            "model": "gpt-4o", "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}},
            "1,000 x 2.50 + 100 x 10", 0.0035),
    Invoice("a decision", f"{OPENAI}/decisions", {"object": "decision", "model": "gpt-6-luna",
            "usage": {"input_tokens": 10_000, "output_tokens": 10}}, "10,000 x 0.10, and nothing for the answer", 0.001),
    Invoice("moderation", f"{OPENAI}/moderations", {"id": "m", "model": "omni-moderation-latest", "results": []},
            "no price", None, certainty="unknown"),
    # Azure prices OpenAI's models by the kind of deployment, which no response states
    Invoice("azure, cached and reasoning", "https://x.openai.azure.com/openai/v1/chat/completions",
            chat("gpt-5", 1000, 100, cached=600, out_reasoning=50), "400 x 1.25 + 600 x 0.125 + 100 x 10", 0.001575,
            certainty="estimated"),
    Invoice("azure embeddings", "https://x.openai.azure.com/openai/deployments/d/embeddings", {"object": "list",
            "model": "text-embedding-3-small", "data": [], "usage": {"prompt_tokens": 1_000_000}}, "1,000,000 x 0.02", 0.02,
            certainty="estimated"),
    Invoice("azure", "https://x.openai.azure.com/openai/deployments/d/chat/completions", chat("gpt-4o-2024-08-06", 1000, 100),
            "1,000 x 2.50 + 100 x 10", 0.0035, certainty="estimated"),
    # Anthropic: input without the cache, cache reads, writes by class, output
    Invoice("message", ANTHROPIC, message("claude-sonnet-4-5", 1000, 100), "1,000 x 3 + 100 x 15", 0.0045),
    Invoice("cache read", ANTHROPIC, message("claude-sonnet-4-5", 100, 100, cache_read_input_tokens=10_000),
            "100 x 3 + 10,000 x 0.30 + 100 x 15", 0.0048),
    Invoice("five-minute write", ANTHROPIC, message("claude-sonnet-4-5", 100, 100, cache_creation_input_tokens=10_000,
            cache_creation={"ephemeral_5m_input_tokens": 10_000, "ephemeral_1h_input_tokens": 0}),
            "100 x 3 + 10,000 x 3.75 + 100 x 15", 0.0393),
    Invoice("one-hour write", ANTHROPIC, message("claude-sonnet-4-5", 100, 100, cache_creation_input_tokens=10_000,
            cache_creation={"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 10_000}),
            "100 x 3 + 10,000 x 6 + 100 x 15", 0.0618),
    Invoice("both writes", ANTHROPIC, message("claude-sonnet-4-5", 0, 0, cache_creation_input_tokens=3000,
            cache_creation={"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000}),
            "1,000 x 3.75 + 2,000 x 6", 0.01575),
    Invoice("a write of an unsaid class is the five-minute one", ANTHROPIC,
            message("claude-sonnet-4-5", 0, 0, cache_creation_input_tokens=1000), "1,000 x 3.75", 0.00375),
    Invoice("web searches", ANTHROPIC, message("claude-sonnet-4-5", 1000, 100, server_tool_use={"web_search_requests": 3}),
            "1,000 x 3 + 100 x 15 + 3 x 0.01", 0.0345),
    Invoice("a batch item", ANTHROPIC, message("claude-sonnet-4-5", 1000, 100, service_tier="batch"),
            "half of 1,000 x 3 + 100 x 15", 0.00225, tier="batch"),
    Invoice("inference bound to a place", ANTHROPIC, message("claude-sonnet-4-5", 1000, 100, inference_geo="us"),
            "before Claude 4.6 the place is free: 1,000 x 3 + 100 x 15", 0.0045),
    Invoice("inference bound to the US", ANTHROPIC, message("claude-opus-4-6", 1000, 100, inference_geo="us"),
            "1.1 times (1,000 x 5 + 100 x 25)", 0.00825),
    Invoice("fast", ANTHROPIC, message("claude-opus-4-8", 1000, 100, speed="fast"), "twice: 1,000 x 10 + 100 x 50", 0.015,
            tier="fast"),
    Invoice("fast where it is not sold", ANTHROPIC, message("claude-haiku-4-5", 1000, 100, speed="fast"),
            "standard: 1,000 x 1 + 100 x 5", 0.0015, certainty="estimated", tier="fast"),
    Invoice("a batch item of before", ANTHROPIC, message("claude-sonnet-4-5", 1000, 100, service_tier="batch"),
            "half of 1,000 x 3 + 100 x 15", 0.00225, tier="batch", at=datetime(2026, 5, 1, tzinfo=UTC)),
    Invoice("a batch item, read from the cache", ANTHROPIC, message("claude-sonnet-4-5", 100, 100, service_tier="batch",
            cache_read_input_tokens=10_000), "half of 100 x 3 + 10,000 x 0.30 + 100 x 15", 0.0024, tier="batch"),
    Invoice("a compaction on top", ANTHROPIC, message("claude-sonnet-4-5", 1000, 100, iterations=[
            {"type": "compaction", "input_tokens": 2000, "output_tokens": 200},
            {"type": "message", "input_tokens": 1000, "output_tokens": 100}]),
            "(1,000 + 2,000) x 3 + (100 + 200) x 15", 0.0135),
    Invoice("an advisor of another model", ANTHROPIC, message("claude-haiku-4-5", 1000, 100, iterations=[
            {"type": "message", "input_tokens": 1000, "output_tokens": 100},
            {"type": "advisor_message", "model": "claude-opus-4-6", "input_tokens": 1000, "output_tokens": 100}]),
            "1,000 x 1 + 100 x 5, and 1,000 x 5 + 100 x 25", 0.009),
    Invoice("a session by its own account", "https://api.anthropic.com/v1/sessions/s", {"type": "session", "id": "s",
            "status": "idle", "agent": {"model": {"id": "claude-sonnet-4-5"}}, "usage": {"input_tokens": 1, "output_tokens": 1,
            "list_cost": {"amount": "250", "currency": "USD"}}}, "250 cents", 2.50),
    Invoice("a session without an account", "https://api.anthropic.com/v1/sessions/s", {"type": "session", "id": "s",
            "status": "idle", "agent": {"model": {"id": "claude-sonnet-4-5"}}, "usage": {"input_tokens": 1000,
            "output_tokens": 100, "active_seconds": 1800}}, "1,000 x 3 + 100 x 15 + half an hour at 0.08", 0.0445),
    Invoice("a dream", "https://api.anthropic.com/v1/dreams", {"type": "dream", "id": "d", "status": "completed",
            "model": {"id": "claude-sonnet-4-5"}, "usage": {"input_tokens": 1000, "output_tokens": 100,
            "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}}, "1,000 x 3 + 100 x 15", 0.0045),
    Invoice("counting", "https://api.anthropic.com/v1/messages/count_tokens", {"input_tokens": 10}, "no price", None,
            certainty="unknown"),
    # Compatible vendors
    Invoice("groq", "https://api.groq.com/openai/v1/chat/completions", chat("llama-3.3-70b-versatile", 1000, 100),
            "1,000 x 0.59 + 100 x 0.79", 0.000669),
    Invoice("groq bills ten seconds at least", "https://api.groq.com/openai/v1/audio/transcriptions",
            {"text": "Hi", "usage": {"type": "duration", "seconds": 3}}, "10 seconds at 0.111 an hour", 0.111 / 360,
            request={"model": "whisper-large-v3"}),
    Invoice("mistral", "https://api.mistral.ai/v1/chat/completions", chat("mistral-large-2411", 1000, 100),
            "1,000 x 2 + 100 x 6", 0.0026),
    Invoice("deepseek, from its cache", "https://api.deepseek.com/chat/completions",
            {**chat("deepseek-chat", 0, 0), "usage": {"prompt_tokens": 1000, "prompt_cache_hit_tokens": 1000,
             "prompt_cache_miss_tokens": 0, "completion_tokens": 0}}, "by night: 1,000 x 0.035", 0.000035),
    Invoice("openrouter says itself", "https://openrouter.ai/api/v1/chat/completions",
            {**chat("anthropic/claude-sonnet-4.5", 10, 5), "usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.000837}},
            "as reported", 0.000837),
    Invoice("perplexity says itself", "https://api.perplexity.ai/chat/completions",
            {**chat("sonar", 9, 9), "usage": {"prompt_tokens": 9, "completion_tokens": 9, "cost": {"total_cost": 0.00609}}},
            "as reported: tokens and 0.006 for the request", 0.00609),
    Invoice("xai counts in ticks", "https://api.x.ai/v1/responses",
            {"object": "response", "model": "grok-4", "output": [], "usage": {"input_tokens": 303, "output_tokens": 272,
             "cost_in_usd_ticks": 9243500}}, "9,243,500 of 10,000,000,000 ticks a dollar", 0.00092435),
    Invoice("deepseek", "https://api.deepseek.com/chat/completions",
            chat("deepseek-chat", 0, 0), "nothing used", 0.0),
    # Costs that cannot be determined
    Invoice("a model that nobody knows", CHAT, chat("gpt-unheard-of", 10, 5), "no price", None, certainty="unknown"),
    Invoice("no usage", CHAT, {"object": "chat.completion", "model": "gpt-4o", "choices": []}, "no usage", None,
            certainty="unknown"),
    Invoice("more cached than given", CHAT, chat("gpt-4o", 10, 5, cached=20), "impossible", None, certainty="unknown"),
    Invoice("negative tokens", CHAT, {"object": "chat.completion", "model": "gpt-4o", "choices": [],
            "usage": {"prompt_tokens": -5, "completion_tokens": -1}}, "no usage that can be read", None, certainty="unknown"),
    Invoice("one word among the numbers", CHAT, {"object": "chat.completion", "model": "gpt-4o", "choices": [],
            "usage": {"prompt_tokens": 10, "completion_tokens": "many"}}, "half a bill is none", None, certainty="unknown"),
    Invoice("half the usage", CHAT, {"object": "chat.completion", "model": "gpt-4o", "choices": [],
            "usage": {"prompt_tokens": 10}}, "half a bill is none", None, certainty="unknown"),
    Invoice("usage of another kind", CHAT, {"object": "chat.completion", "model": "gpt-4o", "choices": [],
            "usage": "a lot"}, "no usage that can be read", None, certainty="unknown"),
    Invoice("words for numbers", CHAT, {"object": "chat.completion", "model": "gpt-4o", "choices": [],
            "usage": {"prompt_tokens": "many"}}, "no usage that can be read", None, certainty="unknown"),
]  # fmt: skip


@pytest.mark.parametrize("invoice", INVOICES, ids=lambda invoice: invoice.name)
def test_invoice(invoice: Invoice) -> None:
    record = bill(invoice)
    details = record.cost_details or {}
    if invoice.cost is None:
        assert record.cost is None
        assert details["unknown"]
    else:
        assert record.cost == pytest.approx(invoice.cost, abs=1e-8), invoice.arithmetic
        assert details["tier"] == invoice.tier
        parts = [value for value in details.values() if isinstance(value, float)]
        if parts:
            assert sum(parts) == pytest.approx(invoice.cost, abs=1e-8)
    assert details["certainty"] == invoice.certainty, details


def test_the_parts() -> None:
    both = next(invoice for invoice in INVOICES if invoice.name == "cache read")
    details = bill(both).cost_details or {}
    assert {key: value for key, value in details.items() if isinstance(value, float)} == pytest.approx(
        {"input": 0.0003, "cache_read": 0.003, "output": 0.0015}
    )
    assert details["unit_prices"]["cache_read_mtok"] == {"base": 0.3, "above 200000": 0.6}
