"""A call reported by any sender becomes the same row as the recorded call, except for fields that the sender lacks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dialects.otlp_samples import event, log, logs, span, traces
from dialects.samples import ANSWER, BODY, START, Server, described

from autolog._record.record import Record

ASKED, SAID = BODY["messages"][0]["content"], "It ships."
TIMES = ("2026-01-02T03:04:05.250000Z", "2026-01-02T03:04:06.750000Z")
MODEL, ANSWERED, RESPONSE = "gpt-4o", ANSWER["model"], ANSWER["id"]
_MESSAGES, _CHOICE = json.dumps(BODY["messages"]), {"role": "assistant", "content": SAID}

#: The attributes that all senders name by the conventions, before and after their change in 2025.
GENAI = {"gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL, "gen_ai.response.model": ANSWERED,
         "gen_ai.response.id": RESPONSE, "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": 12,
         "gen_ai.usage.output_tokens": 5}  # fmt: skip
NEW, OLD = {**GENAI, "gen_ai.provider.name": "openai"}, {**GENAI, "gen_ai.system": "openai"}
PARTS = {
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": SAID}], "finish_reason": "stop"}]
    ),
}
OPENINFERENCE = {"openinference.span.kind": "LLM", "llm.provider": "openai", "llm.model_name": MODEL,
                 "llm.token_count.prompt": 12, "llm.token_count.completion": 5}  # fmt: skip


def spans(attributes: dict[str, Any], *events: Any) -> tuple[str, Any]:
    return "/v1/traces", traces(span(attributes, events=list(events)))


SENDERS: dict[str, tuple[str, Any]] = {
    "genai": spans({**NEW, **PARTS}),
    "genai, details in an event": spans(NEW, event("gen_ai.client.inference.operation.details", PARTS)),
    "genai of 2024, messages in events": spans(
        OLD, event("gen_ai.user.message", {"content": ASKED}),
        event("gen_ai.choice", {"message": json.dumps(_CHOICE), "finish_reason": "stop"})),
    "openinference, raw": spans({**OPENINFERENCE, "input.value": json.dumps(BODY), "output.value": json.dumps(ANSWER)}),
    "openinference": spans({
        **OPENINFERENCE, "llm.finish_reason": "stop", "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": ASKED, "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": SAID}),
    "openllmetry, numbered": spans({
        **OLD, "llm.request.type": "chat", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": ASKED,
        "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": SAID,
        "gen_ai.completion.0.finish_reason": "stop"}),
    "logfire": spans({**OLD, "logfire.msg": "Chat with 'gpt-4o'", "request_data": json.dumps(BODY),
                      "response_data": json.dumps({"message": _CHOICE})}),
    "logfire, raw usage": spans({**NEW, **PARTS, "logfire.msg": "Chat with 'gpt-4o'",
                                 "gen_ai.usage.raw": json.dumps(ANSWER["usage"])}),
    "pydantic-ai": spans({**NEW, **PARTS, "logfire.msg": "chat gpt-4o"}),
    "vercel": spans({
        "ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "openai.chat", "ai.model.id": MODEL,
        "ai.response.model": ANSWERED, "ai.response.id": RESPONSE, "ai.usage.inputTokens": 12,
        "ai.usage.outputTokens": 5, "ai.response.finishReason": "stop", "ai.prompt.messages": _MESSAGES,
        "ai.response.text": SAID, "gen_ai.operation.name": "chat"}),
    "langsmith, spans": spans({**OLD, "langsmith.span.kind": "llm", "gen_ai.prompt": json.dumps(BODY),
                               "gen_ai.completion": json.dumps([_CHOICE])}),
    "langfuse, spans": spans({
        "langfuse.observation.type": "generation", "langfuse.observation.model.name": MODEL,
        "langfuse.observation.input": _MESSAGES, "langfuse.observation.output": json.dumps(ANSWER),
        "langfuse.observation.usage_details": json.dumps({"input": 12, "output": 5})}),
    "mlflow": spans({
        "mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": f'"{MODEL}"', "mlflow.llm.provider": '"openai"',
        "mlflow.spanInputs": json.dumps(BODY), "mlflow.spanOutputs": json.dumps(ANSWER),
        "mlflow.chat.tokenUsage": json.dumps({"input_tokens": 12, "output_tokens": 5})}),
    "codex": ("/v1/logs", logs(log("codex.sse_event", {
        "event.kind": "response.completed", "conversation.id": "c", "model": MODEL, "input_token_count": 12,
        "output_token_count": 5, "duration_ms": 1500}, timeUnixNano="1767323046750000000"))),
    "litellm": ("/litellm", [{
        "litellm_call_id": "l", "call_type": "acompletion", "status": "success", "model": MODEL,
        "custom_llm_provider": "openai", "messages": BODY["messages"], "model_parameters": {}, "response": ANSWER,
        "startTime": START.timestamp(), "endTime": START.timestamp() + 1.5}]),
    "langsmith": ("/runs/batch", {"post": [{
        "id": "5f0c0d0e-0000-4000-8000-000000000001", "run_type": "llm", "name": "call", "start_time": TIMES[0],
        "end_time": TIMES[1], "inputs": {"messages": BODY["messages"]}, "outputs": ANSWER,
        "extra": {"metadata": {"ls_provider": "openai", "ls_model_name": MODEL}}}]}),
    "langfuse": ("/api/public/ingestion", {"batch": [{
        "id": "e", "type": "generation-create", "timestamp": TIMES[0], "body": {
            "id": "g", "traceId": "t", "model": MODEL, "input": BODY["messages"], "output": ANSWER,
            "startTime": TIMES[0], "endTime": TIMES[1], "usageDetails": {"input": 12, "output": 5, "total": 17}}}]}),
}  # fmt: skip

#: The fields that are the same in every row.
SAME = ("kind", "status", "request_model", "provider_name", "operation_name", "usage_input_tokens",
        "usage_output_tokens", "duration", "created_at", "input_preview", "output_preview", "response_model",
        "response_id", "response_finish_reasons")  # fmt: skip
#: The fields that a sender cannot know, which are then empty and never wrong.
CANNOT_KNOW: dict[str, set[str]] = {
    "openinference": {"response_model", "response_id"},
    "codex": {"input_preview", "output_preview", "response_model", "response_id", "response_finish_reasons"},
}
#: Senders without the raw response report no service tier, so their cost is an estimate.
EXACT = {"openinference, raw", "mlflow", "litellm"}


def row(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in SAME}


@pytest.mark.parametrize("sender", SENDERS)
def test_a_sender_says_of_a_call_what_the_call_itself_says(server: Server, sender: str) -> None:
    path, body = SENDERS[sender]
    answer = server.call("POST", path, body)
    assert answer.is_success, answer.text
    record, call = server.only(), described()
    call.created_at = START
    unknown = CANNOT_KNOW.get(sender, set())
    assert row(record) == {name: None if name in unknown else value for name, value in row(call).items()}
    assert record.cost == pytest.approx(call.cost)
    assert (record.cost_details or {})["certainty"] == ("exact" if sender in EXACT else "estimated")
    if "input_preview" not in unknown:
        assert json.loads(record.request_body or b"")["messages"] == BODY["messages"]


# Any value of a field gives a record or the sender's error


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in JSON data."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


ODD = [None, True, -1, 2**70, 1e400, "", "\x00\ud800", "[" * 600, [], [[None]], {}, {"role": {"id": 3}}]


@pytest.mark.parametrize("sender", ["genai", "codex", "litellm", "langsmith", "langfuse"])
def test_whatever_stands_in_a_field_is_no_failure_of_ours(server: Server, sender: str, thorough: bool) -> None:
    path, body = SENDERS[sender]
    for number, place in enumerate(places(body)):
        for odd in ODD if thorough else ODD[number % 3 :: 3]:  # in every field a third of the values, in turn
            answer = server.call("POST", path, replaced(body, place, odd))
            assert answer.status_code < 500, (place, odd, answer.text)
