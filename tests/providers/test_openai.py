"""OpenAI's calls and responses: which calls are recorded, and what is read from them."""

from __future__ import annotations

from typing import Any

import pytest
from wire import certainty, read_call, sse, tokens

from autolog.providers import format_for, openai
from autolog.providers._facts import LongRunning

CHAT, RESPONSES = "https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/responses"
ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Why?"}]}


@pytest.mark.parametrize(
    ("method", "path", "recorded"),
    [
        ("post", "/chat/completions", True), ("post", "/v1/responses", True), ("get", "/v1/responses/r", True), ("post", "/v1/embeddings", True),
        ("post", "/models/chat/completions", True), ("post", "/v1/projects/p/locations/l/endpoints/openapi/chat/completions", True),
        ("get", "/v1/models", False), ("post", "/v1/files", False), ("get", "/v1/files/f/content", True), ("post", "/v1/chat/completions/c", False),
        ("post", "/v1/vector_stores", False), ("post", "/v1/vector_stores/v/files", True), ("delete", "/v1/responses/r", False),
        ("post", "/api/v1/presets/p/messages", False), ("post", "/v1/prompts/p/completions", True), ("post", "/v1/prompts/p/render", False),
        ("post", "/v1/virtual-keys", False), ("post", "/v1/fine-tunes/preview", False), ("post", "/api/paas/v4/assistant", True),
        ("post", "/api/paas/v4/assistant/conversation/list", False), ("post", "/v1/accounts/a/datasets/d:upload", False),
        ("post", "/v1/batches/b/requests", False), ("post", "/v1/accounts/a/dpoJobs", True), ("post", "/v1/accounts/a/dpoJobs/j:cancel", False),
    ],
)  # fmt: skip
def test_which_calls_are_recorded(method: str, path: str, recorded: bool) -> None:
    assert openai.billable(method, path) is recorded


@pytest.mark.parametrize(
    "body",
    [{"task_id": "t", "message": "ok", "words_result": []}, {"success": True, "message": "ok"}, {"id": "i", "message": "ok"}],
)  # fmt: skip
def test_a_message_in_an_answer_is_no_error(body: dict[str, Any]) -> None:
    assert openai.read("/v1/files/ocr", body, {}).error_message is None
    assert openai.read("/v1/files/ocr", {"message": "boom"}, {}).error_message == "boom"


@pytest.mark.parametrize(
    ("path", "operation"),
    [("/v1/chat/completions", "chat"), ("/v1/completions/", "text_completion"), ("/v1/responses", "chat"), ("/v1/embeddings", "embeddings"),
     ("/v1/images/edits", "image_generation"), ("/v1/brand/new", "brand/new"), ("/v1/rerank", "rerank"),
     ("/v1/accounts/a/supervisedFineTuningJobs", "fine_tuning"), ("/v1/accounts/a/batchInferenceJobs", "batch"),
     ("/v1/rl/training-sessions/s/operations/sample", "fine_tuning"), ("/v1/contextualizedembeddings", "embeddings"), ("/openai/deployments/d/chat/completions", "chat")],
)  # fmt: skip
def test_operations(path: str, operation: str) -> None:
    assert openai.operation(path) == operation


def completion(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    usage = {
        "prompt_tokens": 1_000,
        "completion_tokens": 100,
        "total_tokens": 1_100,
        "prompt_tokens_details": {"cached_tokens": 400},
    }
    return {
        "id": "c",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "choices": [choice],
        "usage": usage,
    }


def test_a_completion() -> None:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    record = read_call(CHAT, ASKED, completion(content="So.", tool_calls=[call]))
    assert (tokens(record)[:3], record.response_finish_reasons, record.output_preview) == (
        (1_000, 100, 400),
        ["stop"],
        "So.",
    )
    assert record.tool_calls == [{"id": "t", "name": "f", "arguments": "{}"}]
    assert record.cost == pytest.approx((600 * 0.15 + 400 * 0.075 + 100 * 0.6) / 1e6)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ({"content": None, "refusal": "No."}, "No."),
        ({"content": [{"type": "text", "text": "So."}]}, "So."),
        ({"content": ""}, None),
        ({"content": None, "audio": {"id": "a", "transcript": "Yes."}}, "Yes."),
    ],
)
def test_what_was_said(message: dict[str, Any], shown: str | None) -> None:
    assert read_call(CHAT, ASKED, completion(**message)).output_preview == shown


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "too large", "code": 400}},
        {"error": "too large"},
        {"message": "too large"},
        {"detail": "too large"},
        {"choices": None, "base_resp": {"status_code": 1026, "status_msg": "too large"}},
    ],
)
def test_an_error_inside_of_a_success(body: dict[str, Any]) -> None:
    for url in (CHAT, RESPONSES):
        record = read_call(url, ASKED, body)
        assert (record.status, record.error_message, record.cost) == ("error", "too large", None)


def test_a_stream_that_was_not_read_to_its_end_has_no_exact_cost() -> None:
    def chunk(text: str, reason: str | None = None) -> dict[str, Any]:
        usage = {"prompt_tokens": 9, "completion_tokens": 1}
        return {
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}],
            "usage": usage,
        }

    broken, whole = sse(chunk("S"), chunk("o.")), sse(chunk("S"), chunk("o.", "stop"))
    assert certainty(read_call(CHAT, ASKED, broken, "text/event-stream")) == "estimated"
    assert certainty(read_call(CHAT, ASKED, whole, "text/event-stream")) == "exact"


def test_xai_reports_reasoning_beside_the_completion() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 115,
        "completion_tokens_details": {"reasoning_tokens": 100},
    }
    body = {"object": "chat.completion", "model": "grok-3-mini", "choices": [], "usage": usage}
    record = read_call("https://api.x.ai/v1/chat/completions", {"model": "grok-3-mini"}, body)
    assert tokens(record) == (10, 105, None, None, 100)
    assert record.provider_name == "x_ai"


def test_a_response_in_the_background_is_long_running() -> None:
    body = {"object": "response", "id": "r", "background": True, "status": "queued", "output": []}
    running = openai.read("/v1/responses", body, {}).long_running
    assert running is not None
    assert (running.key, running.final) == ("response:r", False)


def test_the_results_of_a_batch() -> None:
    line = b'{"id": "b1", "custom_id": "a", "response": {"status_code": 200, "body": {"object": "chat.completion"}}, "error": null}\n'
    bad = b'{"id": "b2", "custom_id": "b", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}, "error": null}\n'
    results = list(openai.batch_results("/v1/files/f/content", line + bad + b'{"custom_id'))
    assert [(result.key, result.custom_id, result.path, result.status_code) for result in results] == [
        ("b1", "a", "/v1/chat/completions", 200), ("b2", "b", "/v1/chat/completions", 400),
    ]  # fmt: skip
    assert openai.results_id("/v1/files/f/content") == "f"


def test_units_that_are_billed_by_the_piece() -> None:
    video = {"object": "video", "status": "completed", "model": "sora-2", "size": "1280x720", "seconds": "4"}
    assert openai.billable_units("/v1/videos", {}, video) == {"second of sora-2, 1280x720": 4}
    assert openai.billable_units("/v1/videos", {}, {**video, "status": "failed"}) == {}


@pytest.mark.parametrize(
    ("path", "started", "ended"),
    [
        ("/api/paas/v4/async-result/t", {"id": "t", "task_status": "PROCESSING"}, {"id": "t", "task_status": "SUCCESS"}),
        ("/async/chat/completions/t", {"id": "t", "status": "CREATED", "response": None}, {"id": "t", "status": "COMPLETED"}),
    ],
    ids=["Z.ai", "Perplexity"],
)  # fmt: skip
def test_a_task_of_a_chat_is_completed_by_who_reads_it(
    path: str, started: dict[str, Any], ended: dict[str, Any]
) -> None:
    answer = {"model": "glm-4.6", "choices": [{"message": {"content": "So."}, "finish_reason": "stop"}],
              "usage": {"prompt_tokens": 9, "completion_tokens": 4}}  # fmt: skip
    whole = {**ended, "response": answer} if "status" in ended else {**ended, **answer}
    assert openai.is_follow_up("GET", path)
    first, last = openai.read(path, started, {}), openai.read(path, whole, {})
    assert (first.long_running, last.long_running) == (
        LongRunning("task:t", "chat", False),
        LongRunning("task:t", "chat", True),
    )
    assert (last.usage.input, last.usage.output, last.output_text) == (9, 4, "So.")


def test_googles_openai_paths_are_openais() -> None:
    found = format_for("generativelanguage.googleapis.com", "/v1beta/openai/embeddings")
    assert found is not None
    assert (found.name, found.operation("/v1beta/openai/embeddings")) == ("openai", "embeddings")


def test_all_tokens_of_embeddings_are_input() -> None:
    body = {"object": "list", "data": [], "model": "voyage-4", "usage": {"total_tokens": 7}}
    assert openai.read("/v1/embeddings", body, {}).usage.input == 7
    assert openai.read("/v1/rerank", body, {}).usage.input == 7
    assert openai.read("/v1/chat/completions", body, {}).usage.input is None


@pytest.mark.parametrize(
    ("path", "operation"),
    [("/inference/v1/workflows/accounts/fireworks/models/flux-1-schnell/text_to_image", "image_generation"),
     ("/inference/v1/workflows/accounts/fireworks/models/flux-kontext-pro", "image_generation"),
     ("/providers/mistral/azure/ocr", "ocr"), ("/api/v1/agents", "invoke_agent")],
)  # fmt: skip
def test_calls_at_paths_that_look_like_management(path: str, operation: str) -> None:
    assert openai.billable("POST", path)
    assert openai.operation(path) == operation


def test_pages_are_billed_by_the_piece() -> None:
    response = {"model": "mistral-ocr-latest", "usage_info": {"pages_processed": 3}}
    assert openai.billable_units("/ocr", {}, response) == {"page of mistral-ocr-latest": 3}
