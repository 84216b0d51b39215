"""Calls that outlive their request in OpenAI's format: xAI's deferred responses, which do not repeat their id."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autolog.providers import openai
from autolog.providers._openai_tasks import long_running

CHAT = {"id": "c", "object": "chat.completion", "choices": []}
VIDEO = {"status": "done", "video": {"url": "u", "duration": 6}, "model": "grok-imagine-video"}


@pytest.mark.parametrize(
    ("begin", "read", "answer"),
    [("/v1/chat/completions", "/v1/chat/deferred-completion/r-1", {"choices": []}),
     ("/v1/videos/generations", "/v1/videos/r-1", VIDEO)],
)  # fmt: skip
def test_what_xai_defers_is_known_again(begin: str, read: str, answer: dict[str, Any]) -> None:
    first, last = long_running(begin, {"request_id": "r-1"}), long_running(read, answer)
    assert first is not None
    assert last is not None
    assert first.key == last.key == "deferred:r-1"
    assert (first.final, last.final, first.operation) == (False, True, openai.operation(begin))
    assert openai.is_follow_up("GET", read)
    waiting = long_running(read, {"status": "pending"})
    assert waiting is not None
    assert not waiting.final


def test_the_chat_that_was_deferred_has_an_id_of_its_own_and_is_found_all_the_same() -> None:
    read = long_running("/v1/chat/deferred-completion/r-1", CHAT)
    assert read is not None
    assert (read.key, read.final) == ("deferred:r-1", True)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/videos", "/v1/videos/v-1"])
def test_other_answers_are_not(path: str) -> None:
    assert long_running(path, CHAT) is None
    assert long_running(path, {"error": {"message": "no"}}) is None


def test_its_videos_are_counted_by_the_second() -> None:
    assert openai.billable_units("/v1/videos/r-1", {}, VIDEO) == {"second of grok-imagine-video": 6}


def test_an_agent_of_zai_that_goes_on_is_completed_by_a_later_post() -> None:
    started = {"agent_id": "translator", "async_id": "t", "status": "pending"}
    answer = {"finish_reason": "stop", "message": {"role": "assistant", "content": "So."}}
    ended = {**started, "status": "success", "choices": [answer], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
    for path in ("/api/v1/agents", "/api/paas/v4/v1/agents"):  # as documented, and as its SDK sends it
        assert openai.billable("POST", path)
        assert openai.is_follow_up("POST", f"{path}/async-result")
    first, last = (openai.read("/api/v1/agents", body, {}) for body in (started, ended))
    assert first.long_running is not None
    assert last.long_running is not None
    assert (first.long_running.key, first.long_running.final, last.long_running.final) == ("task:t", False, True)
    assert (last.output_text, last.usage.input) == ("So.", 9)


XAI_PAGE = {
    "results": [
        {"batch_request_id": "a", "batch_result": {"response": {"chat_get_completion": {"object": "chat.completion"}}}},
        {"batch_request_id": "b", "batch_result": {"error": "no"}},
    ],
    "pagination_token": None,
}
OPENROUTER_PAGE = {
    "data": [
        {"id": "1", "custom_id": "a", "response": {"status_code": 200, "body": {"object": "chat.completion"}}},
        {"id": "2", "custom_id": "b", "response": None, "error": {"message": "no", "type": "server_error"}},
    ],
    "has_more": False,
}


@pytest.mark.parametrize("page", [XAI_PAGE, OPENROUTER_PAGE])
def test_the_results_of_a_batch_are_read_page_by_page(page: dict[str, Any]) -> None:
    path = "/v1/batches/b1/results"
    assert openai.is_follow_up("GET", path)
    assert openai.results_id(f"{path}?limit=100") == "b1"
    good, bad = openai.batch_results(path, json.dumps(page).encode())
    assert (good.custom_id, good.answer, good.error) == ("a", {"object": "chat.completion"}, None)
    assert bad.error is not None
    assert (bad.custom_id, bad.error[1]) == ("b", "no")
