"""DashScope: Qwen in DashScope's own format."""

from __future__ import annotations

from typing import Any

import pytest
from wire import read_call, sse, tokens

from autolog.providers import format_for, format_named, provider_at

dashscope = format_named("dashscope")
HOST = "https://dashscope-intl.aliyuncs.com/api/v1"
CHAT = f"{HOST}/services/aigc/text-generation/generation"
ASKED = {"model": "qwen-plus", "input": {"messages": [{"role": "user", "content": "Why?"}]}}
USAGE = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13, "prompt_tokens_details": {"cached_tokens": 3}}


def answer(content: Any, reason: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"finish_reason": reason, "message": {"role": "assistant", "content": content, **message}}
    return {"request_id": "r", "output": {"choices": [choice]}, "usage": USAGE}


def test_chat() -> None:
    calls = [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    record = read_call(CHAT, ASKED, answer("So.", tool_calls=calls))
    assert (record.provider_name, record.operation_name, record.response_id, record.request_model) == (
        "alibaba_cloud",
        "chat",
        "r",
        "qwen-plus",
    )
    assert (tokens(record)[:3], record.output_preview, record.input_preview) == ((9, 4, 3), "So.", "Why?")
    assert record.tool_calls == [{"id": "t", "name": "f", "arguments": "{}"}]


@pytest.mark.parametrize(
    "pieces", [("S", "So", "So."), ("S", "o", "."), (["S"], ["o"], ["."])], ids=["whole so far", "pieces", "parts"]
)
def test_streams_tell_the_whole_so_far_or_what_is_new(pieces: Any) -> None:
    contents = [[{"text": piece[0]}] if isinstance(piece, list) else piece for piece in pieces]
    events = [answer(content, "null" if number < 2 else "stop") for number, content in enumerate(contents)]
    record = read_call(CHAT, ASKED, sse(*events), "text/event-stream")
    assert (record.output_preview, tokens(record)[:2], record.response_finish_reasons) == ("So.", (9, 4), ["stop"])


def test_the_older_shape_of_a_text() -> None:
    events = [
        {"request_id": "r", "output": {"text": text, "finish_reason": reason}, "usage": USAGE}
        for text, reason in (("S", "null"), ("So.", "stop"))
    ]
    record = read_call(CHAT, ASKED, sse(*events), "text/event-stream")
    assert (record.output_preview, record.response_finish_reasons) == ("So.", ["stop"])


def test_embeddings_and_reranking_have_a_total_only() -> None:
    record = read_call(f"{HOST}/services/embeddings/text-embedding/text-embedding", {"model": "text-embedding-v4"},
                       {"request_id": "r", "output": {"embeddings": []}, "usage": {"total_tokens": 7}})  # fmt: skip
    assert (record.operation_name, record.usage_input_tokens) == ("embeddings", 7)


def test_tasks_are_read_later() -> None:
    task = {"request_id": "r", "output": {"task_id": "t", "task_status": "RUNNING"}}
    running = dashscope.read("/api/v1/tasks/t", task, {}).long_running
    assert running is not None
    assert (running.key, running.final) == ("task:t", False)
    assert dashscope.is_follow_up("GET", "/api/v1/tasks/t")


def test_an_error() -> None:
    record = read_call(CHAT, ASKED, {"code": "InvalidApiKey", "message": "No.", "request_id": "r"}, status=401)
    assert (record.status, record.error_type, record.error_message) == ("error", "InvalidApiKey", "No.")


APP = "https://dashscope.aliyuncs.com/api/v1/apps/a1/completion"


@pytest.mark.parametrize("models", [1, 2])
def test_an_application_tells_the_usage_of_each_model(models: int) -> None:
    used = [
        {"model_id": "qwen-max", "input_tokens": 9, "output_tokens": 4},
        {"model_id": "qwen-plus", "input_tokens": 1},
    ]
    body = {"output": {"text": "So.", "finish_reason": "stop", "session_id": "s"}, "usage": {"models": used[:models]},
            "request_id": "r"}  # fmt: skip
    record = read_call(APP, {"input": {"prompt": "Why?"}}, body)
    assert (record.operation_name, record.output_preview, record.response_finish_reasons) == (
        "invoke_agent",
        "So.",
        ["stop"],
    )
    if models == 1:
        assert (record.response_model, tokens(record)[:2]) == ("qwen-max", (9, 4))
    else:
        facts = dashscope.read("/api/v1/apps/a1/completion", body, {})
        assert [(model, usage.input) for model, usage in facts.additional_usage] == [("qwen-max", 9), ("qwen-plus", 1)]


def test_reranking_at_the_compatible_path() -> None:
    url = "https://dashscope.aliyuncs.com/compatible-api/v1/reranks"
    record = read_call(url, {"model": "qwen3-rerank", "query": "q", "documents": ["d"]},
                       {"object": "list", "model": "qwen3-rerank", "results": [], "usage": {"total_tokens": 7}})  # fmt: skip
    assert (record.operation_name, tokens(record)[:2]) == ("rerank", (7, None))


@pytest.mark.parametrize("host", ["dashscope-finance.aliyuncs.com", "cn-hongkong.dashscope.aliyuncs.com",
                                  "ws-1.eu-central-1.maas.aliyuncs.com", "dashscope-us.aliyuncs.com"])  # fmt: skip
def test_the_hosts_of_all_regions_are_known(host: str) -> None:
    for path, name in (("/api/v1/services/aigc/text-generation/generation", "dashscope"),
                       ("/compatible-mode/v1/chat/completions", "openai"), ("/apps/anthropic/v1/messages", "anthropic")):  # fmt: skip
        found = format_for(host, path)
        assert found is not None
        assert (found.name, provider_at(host)) == (name, "alibaba_cloud")


def test_a_run_of_an_assistant_is_recorded_once_with_its_usage() -> None:
    path = "/api/v1/threads/t/runs"
    run = {"id": "run_1", "object": "thread.run", "model": "qwen-max", "status": "completed",
           "usage": {"input_tokens": 9, "output_tokens": 4, "prompt_tokens": 9, "completion_tokens": 4}}  # fmt: skip
    record = read_call(f"https://dashscope.aliyuncs.com{path}", {"assistant_id": "a"}, run)
    assert (record.operation_name, record.response_model, tokens(record)[:2]) == ("invoke_agent", "qwen-max", (9, 4))
    assert dashscope.billable("POST", path)
    assert dashscope.is_follow_up("GET", f"{path}/run_1")
    assert dashscope.is_follow_up("POST", f"{path}/run_1/submit_tool_outputs")
    assert not dashscope.billable("POST", "/api/v1/threads")
    assert not dashscope.billable("POST", "/api/v1/assistants")


def test_a_decision() -> None:
    answer = {"model": "decision-model-preview", "answers": [], "usage": {"input_tokens": 9, "output_tokens": 0}}
    record = read_call("https://dashscope.aliyuncs.com/compatible-mode/v1/systemone", {}, answer)
    assert (record.operation_name, record.response_model) == ("decision", "decision-model-preview")
    assert record.usage_input_tokens == 9


@pytest.mark.parametrize("end", ["sessions/s/events", "deployments/d/run"])
def test_what_agents_of_the_studio_cost_is_not_in_the_response(end: str) -> None:
    url = f"https://ws.cn-beijing.maas.aliyuncs.com/api/v1/agentstudio/{end}"
    record = read_call(url, {"input": [{"type": "message"}]}, {"request_id": "r", "data": {}})
    assert (record.operation_name, record.provider_name, record.cost) == ("invoke_agent", "alibaba_cloud", None)
    assert "session" in str(record.cost_details)
    assert dashscope.billable("POST", url)
    assert not dashscope.billable("GET", url)
    assert not dashscope.billable("POST", "/api/v1/agentstudio/sessions")
