"""Anthropic's messages: which calls are recorded, what is read from them, and how their streams are assembled."""

from __future__ import annotations

from typing import Any

import pytest
from wire import AWS, aws_chunks, certainty, read_call, sse, tokens

from autolog._record.streams import Event
from autolog.providers import anthropic

URL = "https://api.anthropic.com/v1/messages"
ASKED = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Why?"}]}
START = {"type": "message", "id": "m", "role": "assistant", "model": "claude-sonnet-4-5-20250929", "content": [], "stop_reason": None,
         "usage": {"input_tokens": 1_000, "cache_read_input_tokens": 200, "output_tokens": 1}}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "recorded"),
    [("post", "/v1/messages", True), ("post", "/v1/messages/count_tokens", True), ("get", "/v1/models", False), ("post", "/v1/files", False),
     ("post", "/v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict", True), ("get", "/v1/messages/batches/b/results", True),
     ("post", "/model/anthropic.claude/invoke", True)],
)  # fmt: skip
def test_which_calls_are_recorded(method: str, path: str, recorded: bool) -> None:
    assert anthropic.billable(method, path) is recorded


def events(*middle: dict[str, Any], end: bool = True) -> list[dict[str, Any]]:
    last = [
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 50}},
        {"type": "message_stop"},
    ]
    return [{"type": "message_start", "message": START}, {"type": "ping"}, *middle, *(last if end else [])]


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
    ]


TEXT = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "S"}, {"type": "text_delta", "text": "o."})


def test_a_stream() -> None:
    thought = block(0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "H"},
                    {"type": "thinking_delta", "thinking": "m."}, {"type": "signature_delta", "signature": "s"})  # fmt: skip
    text = block(
        1,
        {"type": "text", "text": "", "citations": []},
        {"type": "text_delta", "text": "So."},
        {"type": "citations_delta", "citation": {"url": "u"}},
    )
    call = block(
        2,
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"x":'},
        {"type": "input_json_delta", "partial_json": "1}"},
    )
    record = read_call(URL, ASKED, sse(*events(*thought, *text, *call), named=True), "text/event-stream")
    assert (tokens(record)[:3], record.response_finish_reasons, record.output_preview) == (
        (1_200, 50, 200),
        ["end_turn"],
        "So.",
    )
    assert record.tool_calls == [{"id": "t", "name": "f", "arguments": {"x": 1}}]
    assert record.cost == pytest.approx((1_000 * 3 + 200 * 0.3 + 50 * 15) / 1e6)
    whole = anthropic.assemble("", [Event(None, event) for event in events(*thought, *text, *call)])
    assert whole["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    assert whole["content"][1]["citations"] == [{"url": "u"}]


def test_the_placeholder_of_a_stream_that_was_stopped_is_no_count() -> None:
    record = read_call(URL, ASKED, sse(*events(*TEXT, end=False)), "text/event-stream")
    assert (tokens(record)[:3], record.output_preview) == ((1_200, None, 200), "So.")
    assert certainty(record) != "exact"
    for end in (
        {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}},
        {"type": "content_block_stop", "index": 0},
    ):
        assert tokens(read_call(URL, ASKED, sse(*events(*TEXT, end=False), end), "text/event-stream"))[1] is None
    bedrock = read_call("https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-x/invoke-with-response-stream", ASKED,
                        aws_chunks(*events(*TEXT, end=False)), AWS)  # fmt: skip
    assert tokens(bedrock)[1] is None


def test_a_stream_that_counts_only_at_its_start_but_ends_is_counted() -> None:
    ended = [
        *events(*TEXT, end=False),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    assert tokens(read_call(URL, ASKED, sse(*ended), "text/event-stream"))[1] == 1


def test_counts_of_the_input_are_not_replaced_by_zeros_at_the_end() -> None:
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    again = {"type": "message_delta", "delta": {"stop_reason": None}, "usage": None}
    record = read_call(URL, ASKED, sse(*events(*TEXT, end=False), end, again), "text/event-stream")
    assert (tokens(record)[:3], record.response_finish_reasons) == ((1_200, 0, 200), ["end_turn"])


@pytest.mark.parametrize("index", [0, None])
def test_blocks_without_an_index_of_their_own_are_all_kept(index: int | None) -> None:
    call = block(
        0, {"type": "tool_use", "id": "t", "name": "f", "input": {}}, {"type": "input_json_delta", "partial_json": "{}"}
    )
    stream = [{**event, "index": index} for event in (*TEXT, *call)]
    record = read_call(URL, ASKED, sse(*events(*stream)), "text/event-stream")
    assert record.output_preview == "So."
    assert record.tool_calls == [{"id": "t", "name": "f", "arguments": {}}]


def test_an_unfinished_call_of_a_tool_keeps_what_had_arrived() -> None:
    call = block(
        0,
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"x":'},
    )
    record = read_call(URL, ASKED, sse(*events(*call, end=False)), "text/event-stream")
    assert record.tool_calls == [{"id": "t", "name": "f", "arguments": '{"x":'}]


def test_writes_to_the_cache_by_their_classes() -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 300,
             "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}}  # fmt: skip
    record = read_call(URL, ASKED, {**START, "stop_reason": "end_turn", "usage": usage})
    assert tokens(record)[:4] == (310, 5, None, 300)
    assert record.cost == pytest.approx((10 * 3 + 100 * 3.75 + 200 * 6 + 5 * 15) / 1e6)


def test_completions_before_messages() -> None:
    record = read_call("https://api.anthropic.com/v1/complete", {"model": "claude-2", "prompt": "Why?"},
                       sse({"type": "completion", "completion": "S", "model": "claude-2"}, {"type": "completion", "completion": "o.", "stop_reason": "stop_sequence"}),
                       "text/event-stream")  # fmt: skip
    assert (record.output_preview, record.response_finish_reasons, record.response_model) == (
        "So.",
        ["stop_sequence"],
        "claude-2",
    )


def test_errors() -> None:
    refused = read_call(
        URL, ASKED, {"type": "error", "error": {"type": "invalid_request_error", "message": "No."}}, status=400
    )
    assert (refused.status, refused.error_type, refused.error_message) == ("error", "invalid_request_error", "No.")


def test_the_results_of_a_batch() -> None:
    lines = b'{"custom_id": "a", "result": {"type": "succeeded", "message": {"type": "message"}}}\n{"custom_id": "b", "result": {"type": "expired"}}\n{"cus'
    results = list(anthropic.batch_results("/v1/messages/batches/b/results", lines))
    assert [(result.key, result.custom_id, result.error) for result in results] == [
        ("b:a", "a", None),
        ("b:b", "b", ("expired", None)),
    ]


def test_a_compaction_is_counted_beside_the_message() -> None:
    usage = {
        "input_tokens": 1,
        "output_tokens": 2,
        "iterations": [
            {"type": "compaction", "input_tokens": 5, "output_tokens": 6},
            {"type": "message", "input_tokens": 1},
        ],
    }
    facts = anthropic.read("/v1/messages", {"type": "message", "model": "m", "usage": usage}, {})
    assert [(model, used.input, used.output) for model, used in facts.additional_usage] == [(None, 5, 6)]
    fallen = anthropic.read(
        "/v1/messages",
        {"type": "message", "model": "m", "usage": {**usage, "iterations": [{"type": "fallback_message"}]}},
        {},
    )
    assert "several models" in str(fallen.uncertainty)
