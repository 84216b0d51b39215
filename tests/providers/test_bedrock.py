"""Bedrock: Converse, and `invoke` for every family of models, whole and streamed."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from wire import AWS, aws_chunks, aws_events, aws_frame, certainty, read_call, tokens

HOST = "https://bedrock-runtime.us-east-1.amazonaws.com/model/"
ASKED = {"messages": [{"role": "user", "content": [{"text": "Why?"}]}]}
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 40, "outputTokenCount": 20}}


def converse(usage: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    content = [
        {"reasoningContent": {"reasoningText": {"text": "Hm."}}},
        {"text": "So."},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"x": 1}}},
    ]
    usage = usage or {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use",
        "usage": usage,
        **more,
    }


def test_converse() -> None:
    record = read_call(f"{HOST}amazon.nova-micro-v1%3A0/converse", ASKED, converse())
    assert (record.provider_name, record.operation_name, record.request_model) == (
        "aws.bedrock",
        "chat",
        "amazon.nova-micro-v1:0",
    )
    assert (tokens(record), record.response_finish_reasons, record.output_preview) == (
        (100, 20, None, None, None),
        ["tool_use"],
        "So.",
    )
    assert record.tool_calls == [{"id": "t", "name": "f", "arguments": {"x": 1}}]
    assert record.cost == pytest.approx((100 * 0.035 + 20 * 0.14) / 1e6)


def test_converse_with_citations() -> None:
    cited = {"citationsContent": {"content": [{"text": "So "}, {"text": "they say."}], "citations": [{"title": "T"}]}}
    answer = converse(output={"message": {"role": "assistant", "content": [cited, {"text": " True."}]}})
    record = read_call(f"{HOST}amazon.nova-micro-v1%3A0/converse", ASKED, answer)
    assert record.output_preview == "So they say. True."


def test_the_cache_is_beside_the_input() -> None:
    usage = {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 300, "cacheWriteInputTokens": 200, "totalTokens": 515,
             "cacheDetails": [{"ttl": "5m", "inputTokens": 50}, {"ttl": "1h", "inputTokens": 150}]}  # fmt: skip
    record = read_call(f"{HOST}global.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse", ASKED, converse(usage))
    assert tokens(record)[:4] == (510, 5, 300, 200)
    assert record.cost == pytest.approx((10 * 1 + 300 * 0.1 + 50 * 1.25 + 150 * 2 + 5 * 5) / 1e6)


EVENTS = (
    ("messageStart", {"role": "assistant", "p": "ab"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "H"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "m."}}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "S"}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "o."}}),
    ("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"x":'}}}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "1}"}}}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}, "metrics": {"latencyMs": 5}}),
)


def check_stream(record: Any) -> None:
    assert (tokens(record)[:2], record.response_finish_reasons, record.output_preview) == (
        (100, 20),
        ["tool_use"],
        "So.",
    )
    assert record.tool_calls == [{"id": "t", "name": "f", "arguments": {"x": 1}}]
    assert record.request_stream


def test_a_stream_of_converse() -> None:
    check_stream(read_call(f"{HOST}amazon.nova-micro-v1%3A0/converse-stream", ASKED, aws_events(*EVENTS), AWS))


def test_a_stream_of_nova_by_invoke_has_the_same_events_within() -> None:
    chunks = [{name: data} for name, data in EVENTS]
    check_stream(
        read_call(f"{HOST}amazon.nova-micro-v1%3A0/invoke-with-response-stream", ASKED, aws_chunks(*chunks), AWS)
    )


def test_a_stream_that_fails_in_the_middle() -> None:
    body = aws_events(*EVENTS[:5]) + aws_frame(
        {"message": "Slow down."}, message_type="exception", exception_type="throttlingException"
    )
    record = read_call(f"{HOST}amazon.nova-micro-v1%3A0/converse-stream", ASKED, body, AWS)
    assert (record.status, record.error_type, record.error_message) == ("error", "throttlingException", "Slow down.")
    assert (record.output_preview, record.cost) == ("S", None)


COUNTED = {"x-amzn-bedrock-input-token-count": "40", "x-amzn-bedrock-output-token-count": "20"}


@pytest.mark.parametrize(
    ("model", "response", "headers", "reasons"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0",
         {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "So."}], "stop_reason": "end_turn",
          "usage": {"input_tokens": 40, "output_tokens": 20}}, {}, ["end_turn"]),
        ("anthropic.claude-v2", {"completion": "So.", "stop_reason": "stop_sequence"}, COUNTED, ["stop_sequence"]),
        ("amazon.nova-lite-v1:0", {"output": {"message": {"content": [{"text": "So."}]}}, "stopReason": "end_turn",
                                   "usage": {"inputTokens": 40, "outputTokens": 20}}, {}, ["end_turn"]),
        ("amazon.titan-text-lite-v1", {"inputTextTokenCount": 40, "results": [{"tokenCount": 20, "outputText": "So.", "completionReason": "FINISH"}]}, {}, ["FINISH"]),
        ("meta.llama3-70b-instruct-v1:0", {"generation": "So.", "prompt_token_count": 40, "generation_token_count": 20, "stop_reason": "stop"}, {}, ["stop"]),
        ("mistral.mistral-7b-instruct-v0:2", {"outputs": [{"text": "So.", "stop_reason": "stop"}]}, COUNTED, ["stop"]),
        ("cohere.command-text-v14", {"generations": [{"text": "So.", "finish_reason": "COMPLETE"}]}, COUNTED, ["COMPLETE"]),
        ("cohere.command-r-v1:0", {"text": "So.", "finish_reason": "COMPLETE", "generation_id": "g"}, COUNTED, ["COMPLETE"]),
        ("ai21.j2-mid-v1", {"completions": [{"data": {"text": "So."}, "finishReason": {"reason": "endoftext"}}]}, COUNTED, ["endoftext"]),
        ("deepseek.r1-v1:0", {"choices": [{"text": "So.", "stop_reason": "stop", "finish_reason": "stop"}]}, COUNTED, ["stop"]),
        ("qwen.qwen3-32b-v1:0", {"choices": [{"message": {"content": "So."}, "finish_reason": "stop"}],
                                 "usage": {"prompt_tokens": 40, "completion_tokens": 20}}, {}, ["stop"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("profile", ["{}", "us.{}", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"])
def test_invoke_of_every_family(
    model: str, response: dict[str, Any], headers: dict[str, str], reasons: list[str], profile: str
) -> None:
    name = profile.format(model)
    record = read_call(
        f"{HOST}{name.replace(':', '%3A').replace('/', '%2F')}/invoke", {"prompt": "Why?"}, response, headers=headers
    )
    assert record.request_model == name
    assert (tokens(record)[:2], record.output_preview, record.response_finish_reasons) == ((40, 20), "So.", reasons)
    assert record.operation_name == "chat"


@pytest.mark.parametrize(
    ("chunks", "reasons"),
    [
        ([{"type": "completion", "completion": "S", "stop_reason": None}, {"type": "completion", "completion": "o.", "stop_reason": "stop_sequence", **METRICS}],
         ["stop_sequence"]),
        ([{"type": "message_start", "message": {"type": "message", "usage": {"input_tokens": 40, "output_tokens": 1}}},
          {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
          {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "So."}},
          {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}}, {"type": "message_stop", **METRICS}], ["end_turn"]),
        ([{"outputText": "S", "index": 0, "inputTextTokenCount": 40}, {"outputText": "o.", "index": 0, "totalOutputTextTokenCount": 20, "completionReason": "FINISH", **METRICS}],
         ["FINISH"]),
        ([{"generation": "S", "prompt_token_count": 40, "generation_token_count": 1}, {"generation": "o.", "prompt_token_count": None, "generation_token_count": 20, "stop_reason": "stop", **METRICS}],
         ["stop"]),
        ([{"outputs": [{"text": "S", "stop_reason": None}]}, {"outputs": [{"text": "o.", "stop_reason": "stop"}], **METRICS}], ["stop"]),
        ([{"text": "S", "is_finished": False}, {"text": "o.", "is_finished": False}, {"is_finished": True, "finish_reason": "COMPLETE", **METRICS}], ["COMPLETE"]),
        ([{"choices": [{"index": 0, "delta": {"content": "So."}}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **METRICS}], ["stop"]),
    ],
)  # fmt: skip
def test_streams_of_every_family(chunks: list[dict[str, Any]], reasons: list[str]) -> None:
    record = read_call(f"{HOST}some.model/invoke-with-response-stream", {"prompt": "Why?"}, aws_chunks(*chunks), AWS)
    assert (tokens(record)[:2], record.output_preview, record.response_finish_reasons) == ((40, 20), "So.", reasons)


@pytest.mark.parametrize(
    ("model", "response", "operation"),
    [("amazon.titan-embed-text-v2:0", {"embedding": [0.5], "inputTextTokenCount": 40}, "embeddings"),
     ("cohere.embed-english-v3", {"embeddings": [[0.5]]}, "embeddings"),
     ("cohere.rerank-v3-5:0", {"results": [{"index": 0, "relevance_score": 0.5}]}, "rerank"),
     ("amazon.titan-image-generator-v2:0", {"images": ["x"]}, "image_generation")],
)  # fmt: skip
def test_invoke_of_what_is_no_chat(model: str, response: dict[str, Any], operation: str) -> None:
    headers = {"x-amzn-bedrock-input-token-count": "40"}
    record = read_call(f"{HOST}{model}/invoke", {"inputText": "x"}, response, headers=headers)
    assert (record.operation_name, record.usage_input_tokens) == (operation, 40)


def test_terms_that_are_told() -> None:
    response = converse(serviceTier={"type": "priority"}, performanceConfig={"latency": "optimized"})
    record = read_call(f"{HOST}amazon.nova-micro-v1%3A0/converse", ASKED, response)
    assert (record.response_service_tier, certainty(record)) == ("priority", "estimated")
    routed = read_call(
        f"{HOST}arn%3Aaws%3Abedrock%3Ax%3Arouter/converse",
        ASKED,
        converse(trace={"promptRouter": {"invokedModelId": "amazon.nova-micro-v1:0"}}),
    )
    assert routed.response_model == "amazon.nova-micro-v1:0"


def test_an_error() -> None:
    headers = {"x-amzn-errortype": "ValidationException:http://x"}
    record = read_call(f"{HOST}m/converse", ASKED, {"message": "No."}, headers=headers, status=400)
    assert (record.status, record.error_type, record.error_message) == ("error", "ValidationException", "No.")


def test_bytes_that_are_no_stream_are_no_error_of_ours() -> None:
    for body in (b"", b"\x00" * 40, base64.b64encode(b"x" * 99), aws_frame({"bytes": "%%%"}, event_type="chunk")):
        assert read_call(f"{HOST}m/invoke-with-response-stream", {}, body, AWS).usage is None


@pytest.mark.parametrize(
    ("parameters", "response", "wanted"),
    [
        ({}, {}, "exact"),
        ({"serviceTier": {"type": "priority"}}, {}, "estimated"),
        ({"serviceTier": {"type": "priority"}}, {"serviceTier": {"type": "default"}}, "exact"),
        ({"performanceConfig": {"latency": "optimized"}}, {}, "estimated"),
        ({"guardrailConfig": {"guardrailIdentifier": "g"}}, {}, "estimated"),
    ],
)
def test_a_cost_is_exact_only_if_every_term_was_told(
    parameters: dict[str, Any], response: dict[str, Any], wanted: str
) -> None:
    record = read_call(f"{HOST}amazon.nova-micro-v1%3A0/converse", {**ASKED, **parameters}, converse(**response))
    assert certainty(record) == wanted
