"""Cohere: both versions of chat, embeddings, reranking; their usage and what is billed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire import ndjson, read_call, sse, tokens

from autolog._reading.derive import derive
from autolog._record.record import Record
from autolog.providers import format_named

cohere = format_named("cohere")
HOST = "https://api.cohere.com"
V2 = {"model": "command-r-08-2024", "messages": [{"role": "user", "content": "Why?"}]}
V1 = {"model": "command-r-08-2024", "message": "Why?", "chat_history": [{"role": "USER", "message": "Hi."}]}
USAGE = {
    "billed_units": {"input_tokens": 50, "output_tokens": 4},
    "tokens": {"input_tokens": 1_537, "output_tokens": 18},
    "cached_tokens": 1_408,
}
CALL = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}


def test_chat_is_billed_by_its_billed_units() -> None:
    answer = {
        "id": "c",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "So."}], "tool_calls": [CALL]},
        "usage": USAGE,
    }
    record = read_call(f"{HOST}/v2/chat", V2, answer)
    assert (record.provider_name, record.operation_name, record.response_id) == ("cohere", "chat", "c")
    assert (tokens(record)[:3], record.output_preview, record.response_finish_reasons) == (
        (1_537, 18, 1_408),
        "So.",
        ["COMPLETE"],
    )
    assert record.tool_calls == [{"id": "t", "name": "f", "arguments": '{"x":1}'}]
    assert record.cost == pytest.approx((50 * 0.15 + 4 * 0.6) / 1e6)


def test_the_first_version() -> None:
    answer = {"response_id": "r", "text": "So.", "generation_id": "g", "finish_reason": "COMPLETE",
              "tool_calls": [{"name": "f", "parameters": {"x": 1}}], "meta": {"api_version": {"version": "1"}, **USAGE}}  # fmt: skip
    record = read_call(f"{HOST}/v1/chat", V1, answer)
    assert (tokens(record)[:2], record.output_preview, record.input_preview) == ((1_537, 18), "So.", "Why?")
    assert record.tool_calls == [{"id": None, "name": "f", "arguments": {"x": 1}}]
    assert record.usage == USAGE


def test_a_stream_of_the_first_version() -> None:
    whole = {"response_id": "r", "text": "So.", "finish_reason": "COMPLETE", "meta": USAGE}
    lines = [{"event_type": "stream-start", "generation_id": "g"}, {"event_type": "text-generation", "text": "S"},
             {"event_type": "text-generation", "text": "o."}, {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": whole}]  # fmt: skip
    record = read_call(f"{HOST}/v1/chat", V1, ndjson(*lines), "application/stream+json")
    assert (tokens(record)[:2], record.output_preview, record.request_stream) == ((1_537, 18), "So.", True)
    broken = read_call(f"{HOST}/v1/chat", V1, ndjson(*lines[:3]), "application/stream+json")
    assert (broken.output_preview, broken.usage, broken.cost) == ("So.", None, None)


def delta(kind: str, message: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"type": kind, "delta": {"message": message or {}}, **more}


def test_a_stream_of_the_second_version() -> None:
    body = sse(
        delta("message-start", {"role": "assistant", "content": [], "tool_calls": []}, id="c"),
        delta("tool-plan-delta", {"tool_plan": "I w"}), delta("tool-plan-delta", {"tool_plan": "ill"}),
        delta("content-start", {"content": {"type": "text", "text": ""}}, index=0),
        delta("content-delta", {"content": {"text": "S"}}, index=0), delta("content-delta", {"content": {"text": "o."}}, index=0),
        {"type": "content-end", "index": 0},
        delta("tool-call-start", {"tool_calls": {"id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}}, index=0),
        delta("tool-call-delta", {"tool_calls": {"function": {"arguments": '{"x":'}}}, index=0),
        delta("tool-call-delta", {"tool_calls": {"function": {"arguments": "1}"}}}, index=0),
        delta("citation-start", {"citations": {"start": 0, "end": 1}}, index=0),
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": USAGE}},
        named=True,
    )  # fmt: skip
    record = read_call(f"{HOST}/v2/chat", V2, body, "text/event-stream")
    assert (record.response_id, tokens(record)[:3], record.response_finish_reasons) == (
        "c",
        (1_537, 18, 1_408),
        ["TOOL_CALL"],
    )
    assert (record.output_preview, record.tool_calls) == ("So.", [{"id": "t", "name": "f", "arguments": '{"x":1}'}])


def test_embeddings_of_texts_and_images() -> None:
    record = read_call(f"{HOST}/v2/embed", {"model": "embed-v4.0", "texts": ["x"]},
                       {"id": "e", "embeddings": {"float": [[0.5]]}, "meta": {"billed_units": {"input_tokens": 3, "image_tokens": 7}}})  # fmt: skip
    assert (record.operation_name, record.usage_input_tokens, record.input_preview) == ("embeddings", 10, "x")


def test_reranking_is_billed_by_the_search() -> None:
    answer = {"id": "r", "results": [], "meta": {"billed_units": {"search_units": 2}}}
    record = read_call(f"{HOST}/v2/rerank", {"model": "rerank-v3.5", "query": "Why?", "documents": ["x"]}, answer)
    assert (record.operation_name, record.usage, record.usage_input_tokens) == (
        "rerank",
        {"billed_units": {"search_units": 2}},
        None,
    )
    assert cohere.billable_units("/v2/rerank", {"model": "rerank-v3.5"}, answer) == {"search of rerank-v3.5": 2}


def test_an_error() -> None:
    record = read_call(f"{HOST}/v2/chat", V2, {"message": "invalid api token"}, status=401)
    assert (record.status, record.error_message) == ("error", "invalid api token")


@pytest.mark.parametrize(
    ("path", "operation"),
    [("/v2/batches", "batch_prediction"), ("/v1/embed-jobs", "batch_prediction"), ("/v2/audio/transcriptions", "transcription"), ("/v2/parse", "ocr"),
     ("/v1/finetuning/finetuned-models", "fine_tuning")],
)  # fmt: skip
def test_what_else_is_billed(path: str, operation: str) -> None:
    assert cohere.billable("POST", path)
    assert cohere.operation(path) == operation


BATCH = {"id": "b", "name": "n", "model": "command-a-03-2025", "input_dataset_id": "d"}


@pytest.mark.parametrize(
    ("path", "answer", "counts"),
    [
        ("/v2/batches/b", {"batch": {**BATCH, "status": "BATCH_STATUS_COMPLETED", "input_tokens": "1000",
                                     "output_tokens": "10"}}, (1000, 10)),
        ("/v1/embed-jobs/j", {"job_id": "j", "status": "complete", "model": "embed-v4.0",
                              "meta": {"billed_units": {"input_tokens": 1000}}}, (1000, None)),
    ],
)  # fmt: skip
def test_a_batch_that_is_done_is_billed_by_the_totals_that_it_reports(path: str, answer: Any, counts: Any) -> None:
    assert cohere.is_follow_up("GET", path)
    record = read_call(f"{HOST}{path}", {}, answer)
    assert (record.operation_name, tokens(record)[:2]) == ("batch_prediction", counts)
    assert (record.cost_details or {})["certainty"] == "estimated"
    assert "batch" in (record.cost_details or {})["why"]


def test_a_batch_that_goes_on_has_no_bill_yet() -> None:
    record = read_call(f"{HOST}/v2/batches", BATCH, {"batch": {**BATCH, "status": "BATCH_STATUS_IN_PROGRESS"}})
    found = cohere.read("/v2/batches", {"batch": {**BATCH, "status": "BATCH_STATUS_IN_PROGRESS"}}, {}).long_running
    assert found is not None
    assert not found.final
    assert (record.cost_details or {})["unknown"] == "billed by its tokens, when it is done"


@pytest.mark.parametrize(
    ("units", "billed", "pieces"),
    [
        ({"images": 1, "image_tokens": 50, "text_tokens": 5, "input_tokens": 55}, 55, {}),
        ({"image_tokens": 50, "text_tokens": 5}, 55, {}),
        ({"images": 2}, None, {"image of embed-v4.0": 2}),
        ({"pages": 3}, None, {"page of embed-v4.0": 3}),
        ({"classifications": 4}, None, {"classification of embed-v4.0": 4}),
    ],
)
def test_what_is_billed_by_the_piece_and_what_by_the_token(units: Any, billed: Any, pieces: Any) -> None:
    answer = {"id": "e", "meta": {"billed_units": units}}
    assert cohere.read("/v2/embed", answer, {}).usage.input == billed
    assert cohere.billable_units("/v2/embed", {"model": "embed-v4.0"}, answer) == pieces


@pytest.mark.parametrize(
    ("operation", "model", "answer", "cost"),
    [
        ("chat", "command-r-08-2024", {"message": {"role": "assistant", "content": []}, "usage": USAGE},
         (50 * 0.15 + 4 * 0.6) / 1e6),
        ("chat", "command-r-08-2024", {"text": "So.", "meta": USAGE}, (50 * 0.15 + 4 * 0.6) / 1e6),
        ("embeddings", "embed-v4.0", {"embeddings": {"float": [[0.5]]}, "meta": {"billed_units": {"input_tokens": 9}}},
         9 * 0.12 / 1e6),
        ("rerank", "rerank-v3.5", {"results": [], "meta": {"billed_units": {"search_units": 1}}}, None),
    ],
)  # fmt: skip
def test_a_response_is_recognised_without_its_request(
    operation: str, model: str, answer: dict[str, Any], cost: float | None
) -> None:
    record = Record(id="1", provider_name="cohere", request_model=model, response_body=json.dumps(answer).encode())
    derive(record)
    assert (record.operation_name, record.cost) == (operation, None if cost is None else pytest.approx(cost))
