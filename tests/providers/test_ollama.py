"""Ollama: chat, completions and embeddings of local models, which have no price."""

from __future__ import annotations

from typing import Any

import pytest
from wire import ndjson, read_call, tokens

from autolog.providers import ollama

HOST = "http://localhost:11434/api"
ASKED = {"model": "qwen3:4b", "messages": [{"role": "user", "content": "Why?"}]}
DONE = {
    "model": "qwen3:4b",
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 9,
    "eval_count": 4,
    "total_duration": 5,
}
CALL = {"function": {"index": 0, "name": "f", "arguments": {"x": 1}}}


def line(done: bool = False, **message: Any) -> dict[str, Any]:
    return {"model": "qwen3:4b", "message": {"role": "assistant", **message}, **(DONE if done else {"done": False})}


def test_chat() -> None:
    record = read_call(f"{HOST}/chat", ASKED, line(done=True, content="So.", thinking="Hm.", tool_calls=[CALL]))
    assert (record.provider_name, record.operation_name, record.response_model) == ("ollama", "chat", "qwen3:4b")
    assert (tokens(record)[:2], record.output_preview, record.response_finish_reasons) == ((9, 4), "So.", ["stop"])
    assert record.tool_calls == [{"id": None, "name": "f", "arguments": {"x": 1}}]
    assert (record.usage, record.cost) == ({"prompt_eval_count": 9, "eval_count": 4}, None)
    assert "no price list covers ollama" in str(record.cost_details)


@pytest.mark.parametrize("kind", ["application/x-ndjson", ""])
def test_a_stream(kind: str) -> None:
    lines = [line(content="", thinking="Hm"), line(content="", thinking="."), line(content="S"), line(content="", tool_calls=[CALL]),
             line(content="", tool_calls=[{"function": {"name": "g", "arguments": {}}}]), line(done=True, content="o.")]  # fmt: skip
    record = read_call(f"{HOST}/chat", ASKED, ndjson(*lines), kind)
    assert (tokens(record)[:2], record.output_preview, record.request_stream) == ((9, 4), "So.", True)
    assert [call["name"] for call in record.tool_calls or []] == ["f", "g"]


def test_completions_whole_and_streamed() -> None:
    for body, kind in (
        (ndjson({"response": "So.", **DONE}), "application/json"),
        (ndjson({"response": "S"}, {"response": "o.", **DONE}), "application/x-ndjson"),
    ):
        record = read_call(f"{HOST}/generate", {"model": "qwen3:4b", "prompt": "Why?"}, body, kind)
        assert (record.operation_name, tokens(record)[:2], record.output_preview, record.input_preview) == (
            "text_completion",
            (9, 4),
            "So.",
            "Why?",
        )


def test_a_prompt_that_was_cached_whole_is_not_counted() -> None:
    done = {key: value for key, value in DONE.items() if key != "prompt_eval_count"}
    assert tokens(read_call(f"{HOST}/generate", ASKED, {"response": "So.", **done}))[:2] == (None, 4)


def test_embeddings() -> None:
    record = read_call(
        f"{HOST}/embed",
        {"model": "all-minilm", "input": "x"},
        {"model": "all-minilm", "embeddings": [[0.5]], "prompt_eval_count": 3},
    )
    assert (record.operation_name, tokens(record)[:2]) == ("embeddings", (3, None))


def test_an_error_and_one_in_the_middle_of_a_stream() -> None:
    refused = read_call(f"{HOST}/chat", ASKED, {"error": "model not found"}, status=404)
    assert (refused.status, refused.error_message) == ("error", "model not found")
    broken = read_call(
        f"{HOST}/chat", ASKED, ndjson(line(content="S"), {"error": "out of memory"}), "application/x-ndjson"
    )
    assert (broken.status, broken.error_message, broken.output_preview) == ("error", "out of memory", "S")


@pytest.mark.parametrize(("path", "operation"), [("web_search", "search"), ("web_fetch", "fetch")])
def test_web_tools_of_the_cloud_are_covered_by_a_subscription(path: str, operation: str) -> None:
    record = read_call(f"https://ollama.com/api/{path}", {"query": "Why?"}, {"results": []})
    assert (record.operation_name, record.cost) == (operation, None)
    assert "subscription" in str(record.cost_details)
    assert ollama.billable("POST", f"/api/{path}")
