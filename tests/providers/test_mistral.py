"""Mistral's own API: completions, conversations, documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire import certainty, read_call, sse, tokens

from autolog.providers import format_named

mistral = format_named("mistral")
HOST = "https://api.mistral.ai/v1"
ASKED = {"model": "mistral-small-latest", "messages": [{"role": "user", "content": "Why?"}]}


def completion(usage: dict[str, Any], content: Any = "So.") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return {
        "id": "c",
        "object": "chat.completion",
        "model": "mistral-small-latest",
        "choices": [choice],
        "usage": usage,
    }


@pytest.mark.parametrize(
    "cached",
    [
        {"prompt_tokens_details": {"cached_tokens": 32}},
        {"num_cached_tokens": 32},
        {"prompt_token_details": None, "num_cached_tokens": 32},
    ],
)
def test_cached_tokens_under_either_name(cached: dict[str, Any]) -> None:
    record = read_call(
        f"{HOST}/chat/completions",
        ASKED,
        completion({"prompt_tokens": 49, "completion_tokens": 6, "total_tokens": 55, **cached}),
    )
    assert (record.provider_name, record.operation_name, tokens(record)[:3]) == ("mistral_ai", "chat", (49, 6, 32))
    assert record.output_preview == "So."


def test_the_tier_stands_in_the_usage() -> None:
    usage = {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10, "service_tier": "standard"}
    assert read_call(f"{HOST}/chat/completions", ASKED, completion(usage)).response_service_tier == "standard"


def test_a_stream_of_thoughts_and_words() -> None:
    def chunk(content: Any, **more: Any) -> dict[str, Any]:
        return {
            "id": "c",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": content}, **more}],
        }

    thoughts = [chunk([{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]) for text in ("H", "m.")]
    last = {**chunk("o.", finish_reason="stop"), "usage": {"prompt_tokens": 4, "completion_tokens": 6}}
    body = sse(chunk(""), *thoughts, chunk("S"), last)
    record = read_call(f"{HOST}/chat/completions#stream", {**ASKED, "stream": True}, body, "text/event-stream")
    assert (tokens(record)[:2], record.output_preview, record.response_finish_reasons) == ((4, 6), "So.", ["stop"])


OUTPUTS = [
    {"type": "tool.execution", "name": "web_search"},
    {"type": "message.output", "content": [{"type": "text", "text": "So."}], "model": "mistral-medium-2505"},
    {"type": "function.call", "tool_call_id": "t", "name": "f", "arguments": "{}"},
]
CONVERSATION_USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 6,
    "total_tokens": 116,
    "connector_tokens": 100,
    "connectors": {"web_search": 1},
}


def test_a_conversation() -> None:
    answer = {
        "object": "conversation.response",
        "conversation_id": "c",
        "outputs": OUTPUTS,
        "usage": CONVERSATION_USAGE,
    }
    record = read_call(f"{HOST}/conversations", {"model": "mistral-medium-2505", "inputs": "Why?"}, answer)
    assert (tokens(record)[:2], record.output_preview, record.input_preview) == ((110, 6), "So.", "Why?")
    assert record.tool_calls == [{"id": "t", "name": "f", "arguments": "{}"}]
    assert certainty(record) == "estimated"
    assert "web_search" in str(record.cost_details)


def test_a_stream_of_a_conversation() -> None:
    body = sse(
        {"type": "conversation.response.started", "conversation_id": "c"},
        {"type": "message.output.delta", "output_index": 0, "content": "S", "model": "mistral-medium-2505"},
        {"type": "message.output.delta", "output_index": 0, "content": {"type": "text", "text": "o."}},
        {"type": "function.call.delta", "output_index": 1, "name": "f", "tool_call_id": "t", "arguments": "{"},
        {"type": "function.call.delta", "output_index": 1, "name": "f", "tool_call_id": "t", "arguments": "}"},
        {
            "type": "conversation.response.done",
            "usage": {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16},
        },
        named=True,
    )
    record = read_call(f"{HOST}/conversations#stream", {"inputs": "Why?"}, body, "text/event-stream")
    assert (tokens(record)[:2], record.tool_calls) == ((10, 6), [{"id": "t", "name": "f", "arguments": "{}"}])
    assert str(record.output_preview).startswith("S")


def test_pages_of_documents_are_units() -> None:
    assert mistral.billable_units(
        "/v1/ocr", {}, {"model": "mistral-ocr-2505", "usage_info": {"pages_processed": 3}}
    ) == {"page of mistral-ocr-2505": 3}
    assert mistral.operation("/v1/ocr") == "ocr"


def test_embeddings_and_fill_in_the_middle() -> None:
    embedded = read_call(f"{HOST}/embeddings", {"model": "mistral-embed", "input": ["x"]},
                         {"object": "list", "model": "mistral-embed", "data": [], "usage": {"prompt_tokens": 7, "total_tokens": 7, "completion_tokens": 0}})  # fmt: skip
    assert (embedded.operation_name, embedded.usage_input_tokens) == ("embeddings", 7)
    filled = read_call(
        f"{HOST}/fim/completions",
        {"model": "codestral-latest", "prompt": "def"},
        completion({"prompt_tokens": 4, "completion_tokens": 6}),
    )
    assert filled.operation_name == "text_completion"


def test_the_model_at_vertex_is_in_the_path() -> None:
    url = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/mistralai/models/mistral-large:rawPredict"
    record = read_call(url, {"messages": []}, completion({"prompt_tokens": 4, "completion_tokens": 6}))
    assert (record.provider_name, record.request_model, tokens(record)[:2]) == (
        "gcp.vertex_ai",
        "mistral-large",
        (4, 6),
    )


@pytest.mark.parametrize(
    ("status", "final"), [("QUEUED", False), ("RUNNING", False), ("SUCCESS", True), ("TIMEOUT_EXCEEDED", True)]
)
def test_a_batch_is_known_again_and_its_results_are_read(status: str, final: bool) -> None:
    read = mistral.read("/v1/batch/jobs/b", {"object": "batch", "id": "b", "status": status, "output_file": "f"}, {})
    assert read.long_running is not None
    assert (read.long_running.key, read.long_running.operation, read.long_running.final) == ("batch:b", "batch", final)
    assert mistral.is_follow_up("GET", "/v1/batch/jobs/b")
    assert mistral.is_follow_up("GET", "/v1/files/f/content")
    assert mistral.results_id("/v1/files/f/content") == "f"


def test_responses_are_openais() -> None:
    assert mistral.billable("POST", "/v1/responses")
    assert mistral.operation("/v1/responses") == "chat"


def test_a_batch_may_have_its_results_in_it() -> None:
    answer = {"object": "chat.completion", "model": "mistral-small-latest", "choices": []}
    outputs = [{"id": "r", "custom_id": "a", "response": {"status_code": 200, "body": answer}}, None, {"custom_id": 5}]
    body = json.dumps({"object": "batch", "id": "b", "status": "SUCCESS", "outputs": outputs}).encode()
    (item,) = mistral.batch_results("/v1/batch/jobs/b", body)
    assert (mistral.results_id("/v1/batch/jobs/b"), item.custom_id, item.answer) == ("b", "a", answer)
    assert list(mistral.batch_results("/v1/batch/jobs/b", b'{"object": "batch", "id": "b", "outputs": null}')) == []


@pytest.mark.parametrize(("state", "final"), [("todo", False), ("in_progress", False), ("done", True), ("error", True)])
def test_a_document_of_a_library_is_processed_after_it_was_added(state: str, final: bool) -> None:
    path, body = "/v1/libraries/l/documents", {"id": "d", "process_status": state, "tokens_processing_total": 9}
    assert mistral.billable("POST", path)
    assert not mistral.is_follow_up("POST", path)
    for read, answer in ((f"{path}/d", body), (f"{path}/d/status", {"document_id": "d", "process_status": state})):
        assert mistral.is_follow_up("GET", read)
        found = mistral.read(read, answer, {}).long_running
        assert found is not None
        assert (found.key, found.operation, found.final) == ("document:d", "ocr", final)
    record = read_call(f"https://api.mistral.ai{path}", {}, body)
    assert "no published price" in (record.cost_details or {})["unknown"]


@pytest.mark.parametrize(
    ("path", "request_body", "body", "operation", "why"),
    [
        ("/v1/observability/judges/j/live-judging", {"messages": []}, {"analysis": "Fine.", "answer": 0.8},
         "evaluation", "judge"),
        ("/v1/context/search-indexes/i/search", {"query": "rivers"}, {"results": []}, "retrieval", "no published price"),
        ("/v1/context/search-indexes/i/documents", {"documents": []}, {}, "embeddings", "no published price"),
    ],
)  # fmt: skip
def test_judges_and_search_indexes_are_recorded_without_a_cost(
    path: str, request_body: Any, body: Any, operation: str, why: str
) -> None:
    assert mistral.billable("POST", path)
    assert not mistral.billable("GET", path)
    record = read_call(f"https://api.mistral.ai{path}", request_body, body)
    assert (record.operation_name, record.cost) == (operation, None)
    assert why in (record.cost_details or {})["unknown"]
