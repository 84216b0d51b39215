"""Hugging Face: its own tasks, and chat in OpenAI's format."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from wire import certainty, read_call, sse, tokens

from autolog.providers import format_for, huggingface

HOST = "https://router.huggingface.co"


def test_chat_is_openais() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "So."}, "finish_reason": "stop"}
    answer = {
        "object": "chat.completion",
        "model": "m",
        "choices": [choice],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4},
    }
    for path in (
        "/v1/chat/completions",
        "/together/v1/chat/completions",
        "/hf-inference/models/a/b/v1/chat/completions",
    ):
        record = read_call(HOST + path, {"model": "m", "messages": []}, answer)
        assert (record.provider_name, record.operation_name, tokens(record)[:2]) == ("huggingface", "chat", (9, 4))


def test_a_text_goes_on() -> None:
    answer = [{"generated_text": "So.", "details": {"finish_reason": "eos_token", "generated_tokens": 4}}]
    record = read_call(f"{HOST}/hf-inference/models/openai-community/gpt2", {"inputs": "Why?"}, answer)
    assert (record.operation_name, record.request_model, record.usage_output_tokens) == (
        "text_completion",
        "openai-community/gpt2",
        4,
    )
    assert (record.output_preview, record.input_preview, record.response_finish_reasons) == (
        "So.",
        "Why?",
        ["eos_token"],
    )
    assert record.cost is None


def test_a_stream_of_tokens() -> None:
    events = [{"index": 1, "token": {"text": "S"}}, {"index": 2, "token": {"text": "o."}},
              {"index": 3, "token": {"text": "</s>", "special": True}, "details": {"finish_reason": "eos_token", "generated_tokens": 3}}]  # fmt: skip
    record = read_call(
        "https://x.us-east-1.aws.endpoints.huggingface.cloud/generate_stream",
        {"inputs": "Why?"},
        sse(*events),
        "text/event-stream",
    )
    assert (record.provider_name, record.output_preview, record.usage_output_tokens) == ("huggingface", "So.", 3)


def test_tasks_are_told_by_the_path() -> None:
    record = read_call(f"{HOST}/hf-inference/models/a/b/pipeline/feature-extraction", {"inputs": ["x"]}, [[0.5, 0.25]])
    assert (record.operation_name, record.request_model, record.usage) == ("embeddings", "a/b", None)
    assert "time" in str(record.cost_details)


def test_an_error() -> None:
    record = read_call(
        f"{HOST}/hf-inference/models/a/b", {"inputs": "x"}, {"error": ["too long", "too odd"]}, status=422
    )
    assert record.status == "error"
    assert "too long" in str(record.error_message)


def test_the_errors_of_all_answers_are_kept() -> None:
    answers = [{"error": "too long", "error_type": "validation"}, {"error": ["too odd"]}, {"generated_text": "So."}]
    record = read_call(f"{HOST}/hf-inference/models/a/b", {"inputs": ["x", "y", "z"]}, answers)
    assert (record.error_type, record.error_message) == ("validation", "too long; too odd")


@pytest.mark.parametrize(
    ("path", "model", "headers"),
    [
        ("/groq/openai/v1/chat/completions", "llama-3.3-70b", {}),
        ("/v1/chat/completions", "meta-llama/Llama-3.3-70B-Instruct:groq", {}),
        ("/v1/chat/completions", "meta-llama/Llama-3.3-70B-Instruct", {"x-inference-provider": "groq"}),
    ],
)
def test_who_answered_behind_the_router_has_the_price(path: str, model: str, headers: dict[str, str]) -> None:
    answer = {"object": "chat.completion", "model": "meta-llama/Llama-3.3-70B-Instruct", "choices": [{"index": 0, "message": {}, "finish_reason": "stop"}],
              "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}}  # fmt: skip
    record = read_call(HOST + path, {"model": model, "messages": []}, answer, headers=headers)
    assert (record.cost_details or {}).get("provider") == "huggingface_groq"
    assert certainty(record) == "exact"


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://x.us-east-1.aws.endpoints.huggingface.cloud/", True),
        ("https://router.huggingface.co/fal-ai/fal-ai/flux/dev", True),
        ("https://router.huggingface.co/v1/responses", True),
        ("https://x.us-east-1.aws.endpoints.huggingface.cloud/tokenize", False),
    ],
)
def test_all_that_is_posted_to_these_hosts_is_a_call(url: str, recorded: bool) -> None:
    split = urlsplit(url)
    found = format_for(split.netloc, split.path)
    assert found is not None
    assert found.billable("POST", split.path) == recorded
    assert not found.billable("GET", split.path)
    record = read_call(url, {"inputs": "Why?"}, b"not JSON", "text/plain")
    assert (record.cost, record.response_body) == (None, b"not JSON")
    assert record.cost_details


def test_the_length_of_the_prompt_is_its_number_of_tokens() -> None:
    details = {"finish_reason": "length", "generated_tokens": 2, "input_length": 5}
    facts = huggingface.read("/generate", [{"generated_text": "So.", "details": details}], {})
    assert (facts.usage.input, facts.usage.output, facts.raw_usage) == (
        5,
        2,
        {"input_length": 5, "generated_tokens": 2},
    )


@pytest.mark.parametrize("path", ["/fal-ai/fal-ai/flux", "/wavespeed/api/v3/a/b", "/replicate/v1/models/a/b/predictions",
                                  "/novita/v3/hf/a", "/zai-org/api/paas/v4/async/images/generations"])  # fmt: skip
def test_images_and_videos_of_other_providers_are_no_texts(path: str) -> None:
    record = read_call(HOST + path, {"prompt": "A river"}, {"images": [{"url": "https://x/y.png"}]})
    assert (record.operation_name, record.provider_name, record.cost) == ("prediction", "huggingface", None)
    assert "per item" in str(record.cost_details)
