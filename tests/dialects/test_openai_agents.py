"""The OpenAI Agents SDK's trace ingest; the SDK itself runs in `tests/beside/senders/`."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from typing import Any

import pytest
from dialects.samples import Server
from engines import every_store

from autolog._record.record import Record
from autolog.dialects import openai_agents

PATH = "/v1/traces/ingest"
TRACE = "trace_" + "a" * 32
USAGE = {"requests": 1, "input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100,
         "input_tokens_details": {"cached_tokens": 400, "cache_write_tokens": 0},
         "output_tokens_details": {"reasoning_tokens": 30}}  # fmt: skip
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}]
CALLING = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]}  # fmt: skip


def trace(**more: Any) -> dict[str, Any]:
    return {"object": "trace", "id": TRACE, "workflow_name": "Agent workflow", "group_id": "talk-1",
            "metadata": {"plan": "gold"}, **more}  # fmt: skip


def span(name: str, data: dict[str, Any], parent: str | None = None, second: float = 5, **more: Any) -> dict[str, Any]:
    return {"object": "trace.span", "id": f"span_{name}", "trace_id": TRACE, "parent_id": parent and f"span_{parent}",
            "started_at": f"2026-01-02T03:04:{second:09.6f}+00:00", "ended_at": "2026-01-02T03:04:09.500000+00:00",
            "span_data": data, "error": None, **more}  # fmt: skip


def generation(**more: Any) -> dict[str, Any]:
    settings = {"temperature": 0, "top_p": None, "base_url": "https://api.openai.com/v1/"}
    return {"type": "generation", "input": ASKED, "output": [{"role": "assistant", "content": "Rain."}],
            "model": "gpt-4o", "model_config": settings, "usage": USAGE, **more}  # fmt: skip


TASK = span(
    "task",
    {
        "type": "custom",
        "name": "task",
        "data": {"sdk_span_type": "task", "name": "run", "usage": {"input_tokens": 1000}},
    },
)
AGENT = span(
    "agent",
    {"type": "agent", "name": "Guide", "handoffs": ["Second"], "tools": ["weather"], "output_type": "str"},
    "task",
    5.1,
)
TURN = span(
    "turn",
    {"type": "custom", "name": "turn", "data": {"sdk_span_type": "turn", "turn": 1, "agent_name": "Guide"}},
    "agent",
    5.2,
)
CALL = span("call", generation(), "turn", 5.5)
TOOL = span(
    "tool",
    {
        "type": "function",
        "name": "weather",
        "input": '{"city": "Porto"}',
        "output": '{"sky": "rain"}',
        "mcp_data": None,
    },
    "turn",
    7,
)


def send(server: Server, *items: Any) -> Any:
    return server.call("POST", PATH, {"data": list(items)}, headers={"openai-beta": "traces=v1"})


@every_store
@pytest.mark.parametrize("at_once", [True, False])
def test_a_run_is_one_tree_with_its_session_and_times(server: Server, at_once: bool) -> None:
    items = [trace(), CALL, TOOL, TURN, AGENT, TASK]
    for part in [items] if at_once else [[item] for item in items]:
        assert send(server, *part).status_code == 200
    found = {record.id: record for record in server.rows()}
    assert len(found) == 6
    assert {key: record.parent_span_id for key, record in found.items()} == {
        TRACE: None, "span_task": TRACE, "span_agent": "span_task", "span_turn": "span_agent",
        "span_call": "span_turn", "span_tool": "span_turn"}  # fmt: skip
    assert {record.kind for record in found.values()} == {"chain", "agent", "span", "llm", "tool"}
    assert {record.trace_id for record in found.values()} == {TRACE}
    assert {record.session for record in found.values()} == {"talk-1"}
    root = found[TRACE]
    assert (root.name, root.metadata, root.duration) == ("Agent workflow", {"plan": "gold"}, 4.5)
    assert (found["span_tool"].request_body, found["span_tool"].response_body) == (
        b'{"city":"Porto"}',
        b'{"sky":"rain"}',
    )
    assert found["span_agent"].metadata == {"handoffs": ["Second"], "tools": ["weather"], "output_type": "str"}
    assert sum(record.usage_input_tokens or 0 for record in found.values()) == 1000


@every_store
def test_a_batch_that_is_sent_again_changes_nothing(server: Server) -> None:
    for _ in range(2):
        send(server, trace(), CALL, AGENT, TASK)
    assert len(server.rows()) == 4
    assert next(record for record in server.rows() if record.id == TRACE).duration == 4.5


def test_the_traces_of_a_batch_are_looked_up_at_once() -> None:
    spans = [{**CALL, "id": f"span_{n}", "trace_id": f"trace_{n % 3}", "parent_id": None} for n in range(6)]
    lookups: list[set[str]] = []

    def find(trace_ids: Collection[str]) -> list[Record]:
        lookups.append({*trace_ids})
        return [Record(id="trace_1", session="talk-1")]

    records = openai_agents.join_traces(openai_agents.decode_items({"data": spans}), find)
    assert lookups == [{"trace_0", "trace_1", "trace_2"}]
    assert [record.id for record in records if record.kind == "chain"] == ["trace_0", "trace_1", "trace_2"]
    assert [record.id for record in records if record.session == "talk-1"] == ["span_1", "span_4"]


@every_store
def test_a_second_run_in_a_trace_ends_it_later(server: Server) -> None:
    send(server, trace(), TASK)
    send(server, {**span("later", {"type": "agent", "name": "B"}, second=10), "ended_at": "2026-01-02T03:04:15+00:00"})
    assert next(record for record in server.rows() if record.id == TRACE).duration == 10


def test_a_generation_is_a_call_with_its_tokens_and_a_price_that_is_no_more_than_it_knows(server: Server) -> None:
    send(server, CALL)
    record = next(record for record in server.rows() if record.kind == "llm")
    assert (record.name, record.request_model, record.provider_name, record.operation_name) == (
        "chat gpt-4o",
        "gpt-4o",
        "openai",
        "chat",
    )
    assert (record.usage_input_tokens, record.usage_cache_read_input_tokens, record.usage_output_tokens,
            record.usage_reasoning_output_tokens) == (1000, 400, 100, 30)  # fmt: skip
    assert (record.input_preview, record.output_preview, record.duration) == ("Weather?", "Rain.", 4.0)
    assert record.cost == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6)
    assert (record.cost_details or {})["certainty"] == "estimated"
    assert json.loads(record.request_body or b"") == {"model": "gpt-4o", "temperature": 0, "messages": ASKED}


def test_tool_calls_and_the_response_made_of_a_stream_are_read(server: Server) -> None:
    streamed = {"id": "__fake_id__", "object": "response", "model": "gpt-4o", "usage": {"input_tokens": 1}, "output": [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Rain."}]}]}  # fmt: skip
    send(server, span("one", generation(output=[CALLING])), span("two", generation(output=[streamed])))
    first, second = (record for record in server.rows() if record.kind == "llm")
    assert [call["name"] for call in first.tool_calls or []] == ["weather"]
    assert (second.output_preview, second.response_id, second.usage, second.usage_input_tokens) == (
        "Rain.",
        None,
        None,
        1000,
    )


def test_a_model_elsewhere_is_not_priced_as_openais(server: Server) -> None:
    place = {"base_url": "http://localhost:8000/v1"}
    send(server, span("one", generation(model="my-model", model_config=place)))
    record = next(record for record in server.rows() if record.kind == "llm")
    assert (record.provider_name, record.cost) == (None, None)


def test_a_response_tells_its_id_and_tokens_and_no_price_is_made_up(server: Server) -> None:
    send(server, span("one", {"type": "response", "response_id": "resp_1", "usage": USAGE}))
    record = next(record for record in server.rows() if record.kind == "llm")
    assert (record.response_id, record.usage_input_tokens, record.cost) == ("resp_1", 1000, None)
    assert "does not report the model" in (record.cost_details or {})["unknown"]


@pytest.mark.parametrize("responses", [1, 2])
def test_a_response_without_tokens_takes_those_of_its_turn_if_it_is_the_only_one(
    server: Server, responses: int
) -> None:
    """Send what @openai/agents 0.20 for JavaScript sends for calls to the Responses API."""
    usage = {"input_tokens": 100, "output_tokens": 10, "cached_input_tokens": 40, "cache_write_input_tokens": 0}
    turn = {"sdk_span_type": "turn", "turn": 1, "agent_name": "Guide", "usage": usage}
    calls = [span(f"r{n}", {"type": "response", "response_id": f"resp_{n}"}, "turn") for n in range(responses)]
    send(server, trace(), *calls, span("turn", {"type": "custom", "name": "turn", "data": turn}, "agent"))
    counts = [
        (record.usage_input_tokens, record.usage_output_tokens, record.usage_cache_read_input_tokens)
        for record in server.rows()
        if record.kind == "llm"
    ]
    assert counts == ([(100, 10, 40)] if responses == 1 else [(None, None, None)] * 2)


def test_what_failed_says_why(server: Server) -> None:
    failed = {"message": "Error getting response", "data": {"error": "RateLimitError"}}
    send(
        server,
        span("one", generation(output=None, usage=None), error=failed),
        {**TOOL, "error": {"message": "boom", "data": None}},
    )
    call, tool = (record for record in server.rows() if record.id != TRACE)
    assert (call.status, call.error_type, call.error_message, call.cost) == (
        "error", "agents.SpanError", "Error getting response", None)  # fmt: skip
    assert (call.metadata["error_data"], tool.status, tool.error_message) == (failed["data"], "error", "boom")


def test_handoffs_guardrails_tools_of_servers_and_custom_spans(server: Server) -> None:
    send(server, span("h", {"type": "handoff", "from_agent": "First", "to_agent": "Second"}),
         span("g", {"type": "guardrail", "name": "polite", "triggered": True}),
         span("m", {"type": "mcp_tools", "server": "files", "result": ["read"]}),
         span("c", {"type": "custom", "name": "mine", "data": {"step": 1}}),
         span("s", {"type": "speech_group", "input": "Hello."}), span("n", {"type": "later_kind", "x": 1}))  # fmt: skip
    found = {record.id: record for record in server.rows()}
    assert (found["span_h"].kind, found["span_h"].name, found["span_h"].metadata["from_agent"]) == (
        "handoff",
        "handoff to Second",
        "First",
    )
    assert (found["span_g"].kind, found["span_g"].response_body) == ("guardrail", b'{"triggered":true}')
    assert (found["span_m"].kind, found["span_m"].name, found["span_m"].response_body) == (
        "tool",
        "tools of files",
        b'["read"]',
    )
    assert (found["span_c"].kind, found["span_c"].name, found["span_c"].metadata) == ("span", "mine", {"step": 1})
    assert (found["span_s"].request_body, found["span_n"].metadata) == (b'"Hello."', {"x": 1})


def test_what_is_said_and_heard_is_kept_with_its_audio(server: Server) -> None:
    audio = base64.b64encode(b"\0\1" * 400).decode()
    send(server, span("t", {"type": "transcription", "input": {"data": audio, "format": "pcm"}, "output": "Weather?", "model": "gpt-4o-transcribe",
                            "model_config": {"language": "en"}}),
         span("s", {"type": "speech", "input": "Rain.", "output": {"data": audio, "format": "pcm"}, "model": "tts-1", "model_config": {"voice": "ash"},
                    "first_content_at": "2026-01-02T03:04:05.250000+00:00"}))  # fmt: skip
    transcription, speech_call = (record for record in server.rows() if record.kind == "llm")
    assert (transcription.operation_name, transcription.request_model, transcription.output_preview) == (
        "transcription",
        "gpt-4o-transcribe",
        "Weather?",
    )
    assert (
        speech_call.operation_name,
        speech_call.time_to_first_chunk,
        json.loads(speech_call.request_body or b"")["voice"],
    ) == (
        "speech",
        0.25,
        "ash",
    )
    assert [entry["size"] for record in (transcription, speech_call) for entry in record.media or []] == [800, 800]
    assert speech_call.cost == pytest.approx(5 * 15 / 1e6)


def test_a_bad_item_costs_that_item(server: Server) -> None:
    answer = send(server, trace(), 5, {"object": "trace"}, {"object": "run", "id": "x"}, span("x", {}, trace_id=None), {**TOOL, "started_at": "soon"},
                  {**TOOL, "id": "y" * 300}, {"object": "trace.span", "id": "odd", "trace_id": TRACE, "span_data": 5, "error": "no", "metadata": 7})  # fmt: skip
    assert (answer.status_code, answer.json()["rejected"]) == (200, 6)
    assert {record.id for record in server.rows()} == {TRACE, "odd"}


@pytest.mark.parametrize("body", [{}, {"data": 5}, [], b"{", {"data": [5]}])
def test_what_is_no_batch_is_refused_in_openais_shape(server: Server, body: Any) -> None:
    answer = server.call("POST", PATH, body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert server.rows() == []


def test_the_key_is_checked(server: Server) -> None:
    answer = server.call("POST", PATH, {"data": [trace()]}, key=None, headers={"authorization": "Bearer wrong"})
    assert (answer.status_code, bool(answer.json()["error"]["message"])) == (401, True)


def test_the_providers_own_response_which_the_javascript_sdk_sends_is_read(server: Server) -> None:
    """As @openai/agents 0.20 does, without a usage of the span."""
    body = {"id": "chatcmpl-9", "object": "chat.completion", "model": "gpt-4o-2024-08-06", "service_tier": "default",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Rain."}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}}  # fmt: skip
    send(
        server,
        span("one", {"type": "generation", "model": "gpt-4o", "model_config": {}, "input": ASKED, "output": [body]}),
    )
    call = next(record for record in server.rows() if record.kind == "llm")
    assert (call.usage_input_tokens, call.usage_output_tokens, call.response_id) == (100, 10, "chatcmpl-9")
    assert (call.output_preview, call.response_finish_reasons, call.response_model) == (
        "Rain.",
        ["stop"],
        body["model"],
    )
    assert call.cost
