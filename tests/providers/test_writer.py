"""Writer: a chat in OpenAI's format under another path, and Writer's other calls."""

from __future__ import annotations

import pytest
from wire import read_call, sse, tokens

from autolog.providers import writer

HOST = "https://api.writer.com/v1"
ASKED = {"model": "palmyra-x5", "messages": [{"role": "user", "content": "Why?"}]}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "prompt_token_details": {"cached_tokens": 2},
         "completion_tokens_details": {"reasoning_tokens": 1}}  # fmt: skip


def test_chat_whole_and_streamed() -> None:
    message = {"role": "assistant", "content": "So.", "tool_calls": []}
    whole = {"id": "w1", "object": "chat.completion", "model": "palmyra-x5", "usage": USAGE,
             "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}  # fmt: skip
    started = {"id": "w1", "object": "chat.completion.chunk", "model": "palmyra-x5"}
    chunks = [{**started, "choices": [{"index": 0, "delta": {"content": "S"}, "finish_reason": None}]},
              {**started, "choices": [{"index": 0, "delta": {"content": "o."}, "finish_reason": "stop"}], "usage": USAGE}]  # fmt: skip
    for record in (
        read_call(f"{HOST}/chat", ASKED, whole),
        read_call(f"{HOST}/chat", {**ASKED, "stream": True}, sse(*chunks), "text/event-stream"),
    ):
        assert (record.provider_name, record.operation_name, record.response_model) == ("writer", "chat", "palmyra-x5")
        assert (tokens(record)[:2], record.output_preview, record.response_finish_reasons) == ((9, 4), "So.", ["stop"])
        assert (record.usage_cache_read_input_tokens, record.usage_reasoning_output_tokens) == (2, 1)
        assert record.cost is None


@pytest.mark.parametrize(
    ("path", "answer", "operation"),
    [
        ("completions", {"choices": [{"text": "So."}], "model": "palmyra-x5"}, "text_completion"),
        ("completions", sse({"value": "S"}, {"value": "o."}), "text_completion"),
        ("applications/a1", {"suggestion": "So."}, "invoke_agent"),
        ("applications/a1", sse({"delta": {"content": "S"}}, {"delta": {"content": "o."}}), "invoke_agent"),
        ("graphs/question", {"question": "Why?", "answer": "So.", "sources": []}, "retrieval"),
        ("graphs/question", sse({"data": {"question": "Why?", "answer": "So.", "sources": []}}), "retrieval"),
        ("translation", {"data": "So."}, "translation"),
        ("vision", {"data": "So."}, "vision"),
    ],
)
def test_what_does_not_tell_its_usage_has_no_cost_and_says_why(path: str, answer: object, operation: str) -> None:
    kind = "text/event-stream" if isinstance(answer, bytes) else "application/json"
    record = read_call(f"{HOST}/{path}", {"model": "palmyra-x5", "stream": kind != "application/json"}, answer, kind)
    assert (record.operation_name, record.output_preview, record.cost) == (operation, "So.", None)
    assert "does not say what was used" in str(record.cost_details)


def test_files_graphs_and_lists_cost_nothing_by_the_call() -> None:
    assert not any(
        writer.billable("POST", f"/v1/{path}") for path in ("files", "files/retry", "graphs", "graphs/g/file")
    )
    assert not writer.billable("GET", "/v1/applications/a1")
    assert writer.billable("POST", "/v1/tools/web-search")


def test_a_job_of_an_application_is_begun_retried_and_read() -> None:
    started = writer.read("/v1/applications/a/jobs", {"id": "j", "status": "in_progress"}, {}).long_running
    body = {"id": "j", "application_id": "a", "status": "completed", "data": {"title": "T", "suggestion": "So."}}
    facts = writer.read("/v1/applications/jobs/j", body, {})
    assert started is not None
    assert facts.long_running is not None
    assert (started.key, started.final, facts.long_running.final) == (facts.long_running.key, False, True)
    assert (facts.output_text, facts.finish_reasons) == ("So.", ["completed"])
    assert writer.billable("POST", "/v1/applications/a/jobs")
    assert not writer.is_follow_up("POST", "/v1/applications/a/jobs")
    assert writer.is_follow_up("POST", "/v1/applications/jobs/j/retry")
    assert writer.is_follow_up("GET", "/v1/applications/jobs/j")
    assert not writer.billable("GET", "/v1/applications/a/jobs")


def test_a_job_that_failed() -> None:
    record = read_call(f"{HOST}/applications/jobs/j", {}, {"id": "j", "status": "failed", "error": "no such file"})
    assert (record.status, record.error_type, record.error_message) == ("error", "failed", "no such file")
