"""OTLP logs and metrics: log records of coding agents and instrumentations, and metrics.

The samples follow the documentation of Claude Code, Codex CLI and Gemini CLI.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from dialects.otlp_samples import CHAT, SPAN, START, TRACE, event, log, logs, metrics, span, traces
from dialects.samples import LOGS, Server
from engines import every_store

from autolog._record.record import Record
from autolog.dialects import otlp
from autolog.dialects.otlp._wire import Batch, read_logs, read_points, read_spans

CLAUDE = {"session.id": "s-1", "prompt.id": "p-1", "user.id": "u-1"}
REQUEST = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "Mend the tests"}]}
ANSWER = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "tool_use",
          "content": [{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "pytest"}}],
          "usage": {"input_tokens": 4, "output_tokens": 50, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200,
                    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 200}, "service_tier": "standard"}}  # fmt: skip


def claude(word: str, attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Claude Code has the event's whole name in the body, and the last part of it in an attribute."""
    return {**log(word, {**CLAUDE, **attributes}, **more), "body": {"stringValue": f"claude_code.{word}"}}


TURN = [
    claude("user_prompt", {"prompt": "Mend the tests", "prompt_length": 14}),
    claude("api_request", {"model": "claude-sonnet-4-5", "request_id": "req_1", "input_tokens": "4", "output_tokens": "50", "duration_ms": 2000,
                           "cache_read_tokens": "1000", "cache_creation_tokens": "200", "cost_usd": "0.0021"}),
    claude("tool_result", {"tool_name": "Bash", "tool_use_id": "toolu_1", "success": "false", "error": "exit 1", "duration_ms": 500,
                           "tool_parameters": '{"command": "pytest"}'}),
    claude("api_error", {"model": "claude-sonnet-4-5", "request_id": "req_2", "error": "overloaded", "status_code": "529"}),
    claude("assistant_response", {"response": "Done.", "model": "claude-sonnet-4-5"}),
    claude("permission_mode_changed", {"to": "plan"}),
]  # fmt: skip


def by_name(server: Server) -> dict[Any, Record]:
    return {record.name if record.kind != "llm" else record.status: record for record in server.rows()}


def test_a_session_of_claude_code_is_one_trace_with_its_bill(server: Server) -> None:
    assert server.call("POST", "/v1/logs", logs(*TURN)).json() == {"partialSuccess": None}
    found = by_name(server)
    prompt, call, tool, failed = found["claude_code.user_prompt"], found["ok"], found["Bash"], found["error"]
    assert len({record.trace_id for record in found.values()}) == 1
    assert {record.session for record in found.values()} == {"s-1"}
    assert {call.parent_span_id, tool.parent_span_id, failed.parent_span_id} == {prompt.span_id}
    assert (prompt.kind, prompt.input_preview or json.loads(prompt.request_body or b"")["messages"][0]["content"]) == (
        "agent",
        "Mend the tests",
    )
    assert b"Done." in (prompt.response_body or b"")
    assert (call.provider_name, call.request_model, call.user) == ("anthropic", "claude-sonnet-4-5", "u-1")
    assert (call.usage_input_tokens, call.usage_cache_read_input_tokens, call.usage_output_tokens) == (1204, 1000, 50)
    assert (call.cost, call.duration) == (0.0021, 2.0)
    assert (call.cost_details or {})["certainty"] == "estimated"
    assert (tool.kind, tool.status, tool.error_message, tool.duration) == ("tool", "error", "exit 1", 0.5)
    assert (failed.status_code, failed.error_message, failed.cost) == (529, "overloaded", None)
    assert found["claude_code.permission_mode_changed"].kind == "span"


def test_raw_bodies_make_a_call_whole_and_its_bill_exact(server: Server) -> None:
    raw = [claude("api_request_body", {"body": json.dumps(REQUEST)}), TURN[1],
           claude("api_response_body", {"request_id": "req_1", "body": json.dumps(ANSWER)})]  # fmt: skip
    server.call("POST", "/v1/logs", logs(*raw))
    record = server.only()
    assert (record.input_preview, record.response_id) == ("Mend the tests", "msg_1")
    assert [call["name"] for call in record.tool_calls or []] == ["Bash"]
    assert record.cost == pytest.approx((4 * 3 + 1000 * 0.3 + 200 * 6 + 50 * 15) / 1e6)
    assert (record.cost_details or {})["certainty"] == "exact"


@every_store
def test_a_batch_that_comes_twice_is_kept_once(server: Server) -> None:
    for _ in range(2):
        server.call("POST", "/v1/logs", logs(*TURN))
    assert len(server.rows()) == len(TURN) - 1  # the prompt and its answer are one record


def test_codex_is_billed_when_a_stream_has_ended(server: Server) -> None:
    common = {"conversation.id": "c-1", "model": "gpt-5.1", "user.email": "z@x.example"}
    server.call("POST", "/v1/logs", logs(
        log("codex.user_prompt", {**common, "prompt": "Mend it"}, traceId="ab" * 16, spanId="cd" * 8),
        log("codex.sse_event", {**common, "event.kind": "response.created"}),
        log("codex.sse_event", {**common, "event.kind": "response.completed", "input_token_count": 1000, "cached_token_count": 400,
                                "output_token_count": 30, "reasoning_token_count": 10}),
        log("codex.tool_result", {**common, "tool_name": "shell", "call_id": "k", "arguments": '{"cmd": "ls"}', "output": "a\nb", "success": "true"}),
    ))  # fmt: skip
    found = by_name(server)
    assert len(found) == 3
    assert len({record.trace_id for record in found.values()}) == 1
    call = found["ok"]
    assert (call.usage_input_tokens, call.usage_cache_read_input_tokens, call.usage_output_tokens) == (1000, 400, 30)
    assert (call.provider_name, call.session, call.user) == ("openai", "c-1", "z@x.example")
    assert call.cost
    assert (call.cost_details or {})["certainty"] == "estimated"
    assert (found["shell"].kind, json.loads(found["shell"].response_body or b"")) == ("tool", "a\nb")


@every_store
def test_gemini_tells_a_response_twice_and_is_billed_once(server: Server) -> None:
    common = {"session.id": "g-1", "prompt_id": "p-1", "model": "gemini-2.5-pro"}
    parts = [{"role": "user", "parts": [{"type": "text", "content": "Mend it"}]}]
    server.call("POST", "/v1/logs", logs(
        log("gemini_cli.user_prompt", {**common, "prompt": "Mend it"}),
        log("gemini_cli.api_request", {**common}),
        log("gemini_cli.api_response", {**common, "input_token_count": 12_000, "cached_content_token_count": 8000, "output_token_count": 350,
                                        "thoughts_token_count": 420, "status_code": 200, "duration_ms": 900, "response_text": "Done."}),
        log("gen_ai.client.inference.operation.details", {**common, "gen_ai.usage.input_tokens": 12_000, "gen_ai.request.model": "gemini-2.5-pro",
                                                          "gen_ai.input.messages": json.dumps(parts)}),
        log("gemini_cli.tool_call", {**common, "function_name": "edit", "function_args": '{"file": "a"}', "success": True},
            traceId="ab" * 16, spanId="1" * 16),
    ))  # fmt: skip
    found = by_name(server)
    call = found["ok"]
    assert len(found) == 3
    assert (call.usage_input_tokens, call.usage_output_tokens, call.usage_reasoning_output_tokens) == (12_000, 770, 420)
    assert (call.input_preview, call.output_preview, call.provider_name) == ("Mend it", "Done.", "gcp.gemini")
    assert call.parent_span_id == found["gemini_cli.user_prompt"].span_id
    assert (found["edit"].trace_id, found["edit"].parent_span_id) == (call.trace_id, call.parent_span_id)


@every_store
@pytest.mark.parametrize("span_first", [True, False])
def test_events_about_a_span_become_part_of_its_record(server: Server, span_first: bool) -> None:
    place = {"traceId": TRACE, "spanId": SPAN}
    events = logs(log("gen_ai.user.message", {}, body={"kvlistValue": {"values": [{"key": "content", "value": {"stringValue": "Weather?"}}]}}, **place),
                log("gen_ai.choice", {"finish_reason": "stop", "message": '{"content": "12 C"}'}, **place),
                log("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": 1.0}, **place))  # fmt: skip
    sent = [("/v1/traces", traces(span(CHAT))), ("/v1/logs", events)]
    for path, body in sent if span_first else reversed(sent):
        assert server.call("POST", path, body).status_code == 200
    record = server.only()
    assert (record.id, record.usage_input_tokens, record.request_model) == (f"{TRACE}-{SPAN}", 100, "gpt-4o")
    assert (record.input_preview, record.output_preview, record.scores) == ("Weather?", "12 C", {"tone": 1.0})
    assert record.cost


@pytest.mark.parametrize("order", [1, -1], ids=["span first", "span last"])
def test_the_user_may_be_named_in_the_details_of_a_call_only(server: Server, order: int) -> None:
    """As Google's Agent Development Kit does."""
    details = log("gen_ai.client.inference.operation.details", {"user.id": "u-1"}, traceId=TRACE, spanId=SPAN)
    for path, body in [("/v1/traces", traces(span(CHAT))), ("/v1/logs", logs(details))][::order]:
        server.call("POST", path, body)
    assert (server.only().user, server.only().usage_input_tokens) == ("u-1", 100)


def test_logs_that_are_about_no_call_are_acknowledged_and_not_kept(server: Server) -> None:
    plain = {"timeUnixNano": "1", "severityNumber": 9, "body": {"stringValue": "listening on port 80"}}
    answer = server.call("POST", "/v1/logs", logs(plain, {"body": {"intValue": "5"}}, {}))
    assert (answer.status_code, answer.json(), server.rows()) == (200, {"partialSuccess": None}, [])


def test_a_log_record_that_is_none_costs_itself(server: Server) -> None:
    answer = server.call("POST", "/v1/logs", logs(TURN[1], 5, {**TURN[1], "traceId": "x"}))
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "2"
    assert len(server.rows()) == 1


# Portkey has the same path


def test_portkey_keeps_its_path(server: Server) -> None:
    portkey = {"request": {"body": {"resourceLogs": []}}, "response": {}}
    assert server.call("POST", "/v1/logs", portkey).json()["status"] == "success"
    assert server.call("POST", "/v1/logs", [portkey]).json()["status"] == "success"
    assert server.call("POST", "/v1/logs", {"resourceLogs": []}).json() == {"partialSuccess": None}
    assert server.call("POST", "/v1/logs", {}).json()["success"] is False


@pytest.mark.parametrize("signal", ["trace", "logs", "metrics"])
def test_every_signal_is_taken_as_gzipped_protobuf(server: Server, signal: str) -> None:
    pytest.importorskip("opentelemetry.proto")
    headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
    path = "/v1/" + {"trace": "traces"}.get(signal, signal)
    answer = server.call("POST", path, gzip.compress(as_protobuf(signal)), headers=headers)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "application/x-protobuf")
    assert len(server.rows()) == 1
    assert server.call("POST", path, b"\xff\xff", headers={"content-type": "application/x-protobuf"}).status_code == 400


OF_EVERY_TYPE = [
    {"key": "flag", "value": {"boolValue": False}}, {"key": "number", "value": {"intValue": "-7"}},
    {"key": "part", "value": {"doubleValue": 0.5}}, {"key": "bytes", "value": {"bytesValue": "/w=="}},
    {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"arrayValue": {}}]}}},
    {"key": "map", "value": {"kvlistValue": {"values": [{"key": "in", "value": {"kvlistValue": {}}}]}}},
    {"key": "nothing", "value": {}},
]  # fmt: skip
SAMPLES = {
    "trace": traces(span(CHAT, events=[event("e", {"k": 1})], status={"code": 2, "message": "no"})),
    "logs": logs(TURN[1], {**TURN[1], "severityNumber": 17, "body": {"kvlistValue": {"values": OF_EVERY_TYPE}}}),
    "metrics": metrics("claude_code.cost.usage", ({"session.id": "s"}, 0.5)),
}
for listed in (SAMPLES["trace"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"],
               SAMPLES["logs"]["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"]):  # fmt: skip
    listed += OF_EVERY_TYPE


def as_protobuf(signal: str) -> bytes:
    """Return a sample as protobuf, in whose JSON mapping ids are base64."""
    from google.protobuf.json_format import ParseDict

    from autolog.dialects.otlp._protobuf import messages

    words = json.loads(json.dumps(SAMPLES[signal]), object_hook=_with_base64_ids)
    message = ParseDict(words, getattr(messages(signal), f"Export{signal.capitalize()}ServiceRequest")())
    data: bytes = message.SerializeToString()
    return data


def _with_base64_ids(item: dict[str, Any]) -> dict[str, Any]:
    return {
        key: base64.b64encode(bytes.fromhex(value)).decode() if key in {"traceId", "spanId", "parentSpanId"} else value
        for key, value in item.items()
    }


@pytest.mark.parametrize(("signal", "read"), [("trace", read_spans), ("logs", read_logs), ("metrics", read_points)])
def test_protobuf_says_what_json_says(signal: str, read: Callable[[Any], Batch[Any]]) -> None:
    pytest.importorskip("opentelemetry.proto")
    assert read(otlp.decode_protobuf(as_protobuf(signal), signal)) == read(SAMPLES[signal])


@pytest.mark.parametrize("prefix", ["/otel", "/api/otel", "/v1/otel", "/v1/logs/otel"])
def test_endpoints_with_a_prefix_take_all_signals(server: Server, prefix: str) -> None:
    for path, body in (
        ("/v1/traces", traces(span(CHAT))),
        ("/v1/logs", logs(TURN[1])),
        ("/v1/metrics", metrics("x", ({}, 1.0))),
    ):
        assert server.call("POST", prefix + path, body).status_code == 200
    assert len(server.rows()) == 2


# Metrics


def test_counters_of_agents_are_kept_as_what_they_are_and_count_in_no_total(server: Server) -> None:
    body = metrics(
        "claude_code.token.usage", ({"session.id": "s-1", "type": "cacheRead", "model": "claude-sonnet-4-5"}, 8000.0)
    )
    for _ in range(2):
        assert server.call("POST", "/v1/metrics", body).json() == {"partialSuccess": None}
    record = server.only()
    assert (record.kind, record.name, record.session, record.metadata["value"]) == (
        "metric",
        "claude_code.token.usage",
        "s-1",
        8000.0,
    )
    assert server.call("GET", "/api/v1/aggregate").json()["groups"] == []
    assert server.call("GET", LOGS).status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        {"gauge": {"dataPoints": [{"asInt": "5"}]}},
        {"histogram": {"dataPoints": [{"sum": 2.5, "count": "2"}]}},
        {},
        {"sum": {}},
    ],
)
def test_other_metrics_are_never_an_error(server: Server, data: dict[str, Any]) -> None:
    body = {
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {"metrics": [{"name": "process.cpu.time", **data}, {"name": "x", "sum": {"dataPoints": [{}]}}]}
                ]
            }
        ]
    }
    assert server.call("POST", "/v1/metrics", body).json() == {"partialSuccess": None}
    assert server.rows() == []


def test_messages_in_the_text_of_log_records_are_read(server: Server) -> None:
    """Send them like Semantic Kernel 1.45, one log record for each message of a call."""
    place = {"traceId": TRACE, "spanId": SPAN}
    conversation = {
        "system": {"role": "system", "content": "Be brief."},
        "user": {"role": "user", "content": "Weather?"},
    }
    listed = [
        log(f"gen_ai.{role}.message", {}, **place) | {"body": {"stringValue": json.dumps(message)}}
        for role, message in conversation.items()
    ]
    answer = json.dumps({"message": {"role": "assistant", "content": "Sunny."}, "finish_reason": "stop", "index": 0})
    server.call(
        "POST", "/v1/logs", logs(*listed, log("gen_ai.choice", {}, **place) | {"body": {"stringValue": answer}})
    )
    server.call("POST", "/v1/traces", traces(span(CHAT)))
    record = server.only()
    assert json.loads(record.request_body or b"")["messages"] == list(conversation.values())
    assert (record.input_preview, record.output_preview) == ("Weather?", "Sunny.")


@pytest.mark.parametrize("together", [True, False])
def test_a_call_without_an_id_and_its_response_are_one_bill(server: Server, together: bool) -> None:
    """Send them like Claude Code 2.1 behind a gateway that answers without `request-id`."""
    request_event = claude(
        "api_request",
        {
            "model": "claude-sonnet-4-5",
            "input_tokens": "4",
            "output_tokens": "50",
            "cache_read_tokens": "1000",
            "cache_creation_tokens": "200",
            "cost_usd": "0.0021",
        },
    )
    response_event = claude("api_response_body", {"model": "claude-sonnet-4-5", "body": json.dumps(ANSWER)})
    for body in [logs(request_event, response_event)] if together else [logs(request_event), logs(response_event)]:
        server.call("POST", "/v1/logs", body)
    (call,) = (record for record in server.rows() if record.kind == "llm")
    assert (call.cost is not None, call.output_preview is None or together) == (True, True)
    assert any(record.response_body for record in server.rows())


def test_an_event_is_called_as_its_attribute_says_where_its_name_is_a_place_in_the_source(server: Server) -> None:
    """Send events like Codex CLI 0.171."""
    attributes = {
        "event.kind": "response.completed",
        "model": "gpt-5",
        "conversation.id": "s-1",
        "input_token_count": "100",
        "output_token_count": "10",
    }
    completed = {
        **log("codex.sse_event", attributes),
        "eventName": "event otel/src/events/session_telemetry.rs:1123",
        "body": None,
    }
    first = {
        **completed,
        **log("codex.sse_event", {key: attributes[key] for key in ("event.kind", "model", "conversation.id")}),
    }
    server.call("POST", "/v1/logs", logs(first, completed))
    record = server.only()
    assert (record.kind, record.session, record.usage_input_tokens, record.usage_output_tokens) == (
        "llm",
        "s-1",
        100,
        10,
    )


def test_gemini_cli_tells_the_details_of_a_response_without_its_prompt(server: Server) -> None:
    """As Gemini CLI 0.61 does, with a span of the call that tells no tokens."""
    common, model = {"session.id": "g-1"}, {"gen_ai.request.model": "gemini-2.5-pro"}
    parts = [{"role": "model", "parts": [{"type": "text", "content": "Sunny."}]}]
    counts = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10, "gen_ai.response.id": "r-1"}
    sent = logs(
        log("gen_ai.client.inference.operation.details", {**common, **model}),
        log("gemini_cli.api_response", {**common, "prompt_id": "p-1", "model": "gemini-2.5-pro", "input_token_count": 100, "output_token_count": 10}),
        log("gen_ai.client.inference.operation.details", {**common, **model, **counts, "gen_ai.output.messages": json.dumps(parts)}),
    )  # fmt: skip
    sent["resourceLogs"][0]["scopeLogs"][0]["scope"] = {"name": "gemini-cli"}
    server.call("POST", "/v1/logs", sent)
    server.call(
        "POST", "/v1/traces", traces(span({"gen_ai.operation.name": "generate_content", **model}), scope="gemini-cli")
    )
    (call,) = (record for record in server.rows() if record.kind == "llm")
    assert (call.usage_input_tokens, call.response_id, call.output_preview) == (100, "r-1", "Sunny.")


CONTENTS = [{"role": "user", "parts": [{"text": "Weather in Lund?"}]}]
USAGE = {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110}


def chunk(part: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}, **more}], "responseId": "r-1"}


@pytest.mark.parametrize(
    "answer",
    [
        {**chunk({"text": "Sunny."}, finishReason="STOP"), "usageMetadata": USAGE},
        [chunk({"text": "Sun"}), {**chunk({"text": "ny."}, finishReason="STOP"), "usageMetadata": USAGE}],
    ],
    ids=["whole", "stream"],
)
def test_gemini_cli_logs_what_went_over_the_wire_as_text(server: Server, answer: Any) -> None:
    """Send them like Gemini CLI 0.61 with `logPrompts`."""
    common = {"session.id": "g-1", "prompt_id": "p-1", "model": "gemini-2.5-pro"}
    counts = {"input_token_count": 100, "output_token_count": 10}
    server.call("POST", "/v1/logs", logs(
        log("gemini_cli.user_prompt", {**common, "prompt": "Weather in Lund?"}),
        log("gemini_cli.api_request", {**common, "request_text": json.dumps(CONTENTS)}),
        log("gemini_cli.api_response", {**common, **counts, "finish_reasons": ["stop"], "response_text": json.dumps(answer)}),
    ))  # fmt: skip
    found = by_name(server)
    call = found["ok"]
    assert (call.input_preview, call.output_preview) == ("Weather in Lund?", "Sunny.")
    assert (call.response_id, call.usage_input_tokens, call.response_finish_reasons) == ("r-1", 100, ["stop"])
    assert found["gemini_cli.user_prompt"].input_preview == "Weather in Lund?"
    assert len(found) == 2


@pytest.mark.parametrize("span_first", [True, False])
def test_a_call_of_gemini_cli_in_a_span_and_a_log_record_with_its_tokens_is_billed_once(
    server: Server, span_first: bool
) -> None:
    """As Gemini CLI 0.61 does with `traces`."""
    counts = {"input_token_count": 100, "output_token_count": 10, "duration_ms": 1500}
    attributes = {"session.id": "g-1", "prompt_id": "p-1", "model": "gemini-2.5-flash", **counts}
    spent = {**CHAT, "gen_ai.provider.name": "gcp.gemini", "gen_ai.request.model": "gemini-2.5-flash"}
    ended = {"timeUnixNano": str(START + 1_500_000_000)}
    sent = [("/v1/traces", traces(span(spent), scope="gemini-cli")),
            ("/v1/logs", logs(log("gemini_cli.api_response", attributes, **ended), scope="gemini-cli"))]  # fmt: skip
    for path, body in sent if span_first else reversed(sent):
        server.call("POST", path, body)
    assert sorted(record.kind for record in server.rows()) == ["chain", "llm"]
    assert sum(record.cost is not None for record in server.rows()) == 1


def test_a_tool_call_in_a_stream_of_gemini_cli_is_read(server: Server) -> None:
    tool_call = chunk({"functionCall": {"name": "weather", "args": {"city": "Lund"}}}, finishReason="STOP")
    attributes = {
        "session.id": "g-1",
        "prompt_id": "p-1",
        "model": "gemini-2.5-pro",
        "response_text": json.dumps([tool_call]),
    }
    server.call("POST", "/v1/logs", logs(log("gemini_cli.api_response", attributes)))
    assert [called["name"] for called in server.only().tool_calls or []] == ["weather"]


@pytest.mark.parametrize(
    ("sent", "prompt"),
    [
        (log("gemini_cli.api_request", {"session.id": "g-1", "prompt_id": "p", "request_text": json.dumps(CONTENTS)}), "Lund"),
        (claude("api_request_body", {"body": json.dumps(REQUEST)}), "Mend"),
    ],
    ids=["gemini", "claude"],
)  # fmt: skip
def test_a_request_whose_call_comes_in_another_export_is_kept_as_a_step(
    server: Server, sent: dict[str, Any], prompt: str
) -> None:
    for _ in range(2):
        server.call("POST", "/v1/logs", logs(sent))
    record = server.only()
    assert (record.kind, prompt in (record.request_body or b"").decode()) == ("span", True)


def at(seconds: float, event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "timeUnixNano": str(START + int(seconds * 1e9))}


GEMINI = {"session.id": "g-1", "prompt_id": "p", "model": "gemini-2.5-pro"}
COUNTED = {"input_token_count": 100, "output_token_count": 10, "duration_ms": 7_000}
CLAUDE_COUNTED = {
    "model": "claude-sonnet-4-5",
    "request_id": "req_1",
    "input_tokens": "4",
    "output_tokens": "50",
    "duration_ms": 7_000,
}


@pytest.mark.parametrize(
    ("store_url", "agent", "order"),
    [("sqlite", agent, order) for agent in ("gemini", "claude") for order in itertools.permutations(range(3))]
    + [("clickhouse", "gemini", (1, 0, 2))], indirect=["store_url"], ids=str,
)  # fmt: skip
def test_a_request_and_its_call_in_different_exports_are_one(
    server: Server, agent: str, order: tuple[int, ...]
) -> None:
    """Send them like a processor that exports every second during a call of seven; another call begins beside it."""
    later = [{"role": "user", "parts": [{"text": "Weather in Oslo?"}]}]
    if agent == "gemini":
        started = log("gemini_cli.api_request", {**GEMINI, "request_text": json.dumps(CONTENTS)})
        other = log("gemini_cli.api_request", {**GEMINI, "request_text": json.dumps(later)})
        ended = log("gemini_cli.api_response", {**GEMINI, **COUNTED})
    else:
        started = claude("api_request_body", {"body": json.dumps(REQUEST)})
        other = claude("api_request_body", {"body": json.dumps(REQUEST | {"messages": []})})
        ended = claude("api_request", CLAUDE_COUNTED)
    sent = [logs(at(0, started)), logs(at(7.01, ended)), logs(at(3, other))]
    for body in [*(sent[place] for place in order), *sent]:  # everything is sent again
        server.call("POST", "/v1/logs", body)
    call, waiting = sorted(server.rows(), key=lambda record: record.kind)
    assert (call.kind, waiting.kind, waiting.cost) == ("llm", "span", None)
    assert call.input_preview == ("Weather in Lund?" if agent == "gemini" else "Mend the tests")
    assert call.cost
    assert call.usage_output_tokens in {10, 50}


ROLES = ("system", "user", "assistant", "tool")
CONVERSATION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
                {"role": "tool", "id": "c", "content": "12 C"}]  # fmt: skip


def spoken() -> list[dict[str, Any]]:
    """Return a call as one log record for each message, a thousandth of a second apart."""
    place = {"traceId": TRACE, "spanId": SPAN}
    answer = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "12 C in Lund."}}
    events = [*((f"gen_ai.{message['role']}.message", message) for message in CONVERSATION), ("gen_ai.choice", answer)]
    return [
        log(name, {}, **place)
        | {"body": {"stringValue": json.dumps(message)}, "timeUnixNano": str(START + number * 1_000_000)}
        for number, (name, message) in enumerate(events)
    ]


@every_store
@pytest.mark.parametrize(
    ("order", "span_at"),
    [([0, 1, 2, 3, 4], 0), ([4, 2, 0, 3, 1], 2), ([0, 1, 2, 3, 4], 5)],
    ids=["span first", "span between, out of order", "span last"],
)
def test_messages_of_a_call_in_several_exports_are_joined(server: Server, order: list[int], span_at: int) -> None:
    """Send them like a processor that exports each log record separately."""
    sent = [("/v1/logs", logs(spoken()[number])) for number in order]
    sent.insert(span_at, ("/v1/traces", traces(span(CHAT, name="chat gpt-4o"))))
    for path, body in [*sent, *sent[:3]]:  # the first three are sent again
        assert server.call("POST", path, body).status_code == 200
    record = server.only()
    messages = json.loads(record.request_body or b"")["messages"]
    assert [message["role"] for message in messages] == list(ROLES)
    (choice,) = json.loads(record.response_body or b"")["choices"]
    assert choice["message"]["content"] == "12 C in Lund."
    assert (record.input_preview, record.output_preview) == ("Weather?", "12 C in Lund.")
    assert (record.name, record.usage_input_tokens, record.response_finish_reasons) == ("chat gpt-4o", 100, ["stop"])
    assert record.cost


@pytest.mark.parametrize("order", [1, -1], ids=["span first", "span last"])
def test_what_a_span_says_itself_stays_if_its_log_records_say_less(server: Server, order: int) -> None:
    question, tools = [{"type": "text", "content": "Weather?"}], [{"type": "function", "name": "look"}]
    attributes = {**CHAT, "gen_ai.tool.definitions": json.dumps(tools), "gen_ai.input.messages": json.dumps(
        [{"role": "user", "parts": question}, {"role": "assistant", "parts": question}, {"role": "user", "parts": question}])}  # fmt: skip
    sent = [("/v1/traces", traces(span(attributes))), ("/v1/logs", logs(spoken()[1], spoken()[4]))]
    for path, body in sent[::order]:
        server.call("POST", path, body)
    record = server.only()
    request = json.loads(record.request_body or b"")
    assert (len(request["messages"]), request["tools"]) == (3, tools)
    assert json.loads(record.response_body or b"")["choices"][0]["message"]["content"] == "12 C in Lund."
    assert record.output_preview == "12 C in Lund."


def test_messages_at_one_time_stay_in_the_order_in_which_they_came(server: Server) -> None:
    place = {"traceId": TRACE, "spanId": SPAN}
    for text in ("one", "two", "two", "three"):
        twice = [log("gen_ai.user.message", {"content": text}, **place)] * (2 if text == "two" else 1)
        server.call("POST", "/v1/logs", logs(*twice))
    messages = json.loads(server.only().request_body or b"")["messages"]
    assert [message["content"] for message in messages] == ["one", "two", "two", "three"]


def test_choices_in_several_exports_are_all_kept(server: Server) -> None:
    place = {"traceId": TRACE, "spanId": SPAN}
    for number, reason in enumerate(("stop", "length")):
        attributes = {"finish_reason": reason, "message": json.dumps({"content": f"answer {number}"})}
        server.call("POST", "/v1/logs", logs(log("gen_ai.choice", attributes, **place)))
    record = server.only()
    choices = json.loads(record.response_body or b"")["choices"]
    assert [(choice["index"], choice["message"]["content"]) for choice in choices] == [(0, "answer 0"), (1, "answer 1")]
    assert record.response_finish_reasons == ["stop", "length"]
