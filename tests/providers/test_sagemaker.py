"""SageMaker: endpoints that answer in the format of their server, and are billed by the hour."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from wire import AWS, ndjson, read_call, sse, tokens

from autolog._capture.libraries.calls import CallRules
from autolog.providers import format_for, provider_at, sagemaker

HOST = "runtime.sagemaker.eu-west-1.amazonaws.com"
URL = f"https://{HOST}/endpoints/llama/invocations"
CHAT = {"object": "chat.completion", "id": "c", "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "So."}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}  # fmt: skip
GENERATED = {"generated_text": "So.", "details": {"finish_reason": "length", "generated_tokens": 2}}


def parts(stream: bytes, size: int) -> bytes:
    """Return a stream cut into the payloads of AWS frames."""
    head = b"".join(
        bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in ((b":message-type", b"event"), (b":event-type", b"PayloadPart"))
    )
    payloads = (stream[at : at + size] for at in range(0, len(stream), size))
    return b"".join(
        struct.pack(">III", 16 + len(head) + len(payload), len(head), 0) + head + payload + b"\0\0\0\0"
        for payload in payloads
    )


def test_its_hosts_are_not_bedrocks() -> None:
    assert provider_at(HOST) == "aws.sagemaker"
    assert provider_at("bedrock-runtime.eu-west-1.amazonaws.com") == "aws.bedrock"
    for end in ("invocations", "async-invocations", "invocations-response-stream"):
        assert format_for(HOST, f"/endpoints/llama/{end}") is sagemaker
        assert sagemaker.billable("POST", f"/endpoints/llama/{end}")
    assert not sagemaker.billable("POST", "/endpoints/llama")
    for kind, path in (
        ("gateway", "/global-inference-gateway/llama/invocations-response-stream"),
        ("inferencerouter", "/inference-routers/llama/async-invocations"),
    ):
        host = f"{kind}-runtime.sagemaker.eu-west-1.amazonaws.com"
        assert (provider_at(host), format_for(host, path)) == ("aws.sagemaker", sagemaker)
        assert (sagemaker.billable("POST", path), sagemaker.model_in(path)) == (True, "llama")


@pytest.mark.parametrize("end", ["/sample", "/sample-with-response-stream"])
@pytest.mark.parametrize(("kind", "start"), [("job", ""), ("training-session", "/training-sessions/t")])
def test_a_model_in_training_answers_in_openais_format(kind: str, start: str, end: str) -> None:
    host, path = f"{kind}-runtime.sagemaker.us-east-1.amazonaws.com", start + end
    assert CallRules({}).reader("POST", host, path) is sagemaker
    record = read_call(f"https://{host}{path}", {"messages": []}, CHAT)
    assert (record.operation_name, record.provider_name, tokens(record)[:2]) == ("chat", "aws.sagemaker", (9, 2))
    assert record.cost is None


@pytest.mark.parametrize(
    ("answer", "operation", "counts"),
    [(CHAT, "chat", (9, 2)), (GENERATED, "text_completion", (None, 2)), ([GENERATED], "text_completion", (None, 2))],
)
def test_a_response_is_read_in_the_format_of_its_server(answer: Any, operation: str, counts: Any) -> None:
    record = read_call(URL, {"inputs": "Why?"}, answer)
    assert (record.operation_name, record.provider_name, record.request_model) == (operation, "aws.sagemaker", "llama")
    assert (tokens(record)[:2], record.output_preview) == (counts, "So.")
    assert (record.cost, record.cost_details) == (
        None,
        {"certainty": "unknown", "unknown": "billed by the hour for the endpoint's machines"},
    )


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "stream",
    [
        sse(
            {"id": "c", "choices": [{"index": 0, "delta": {"content": "So."}}]},
            {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}],
             "usage": {"prompt_tokens": 9, "completion_tokens": 2}},
        ),
        ndjson({"token": {"text": "S"}}, {"token": {"text": "o."}, **GENERATED}),
    ],
    ids=["events", "lines"],
)  # fmt: skip
def test_a_stream_is_read_however_its_frames_cut_it(stream: bytes, size: int) -> None:
    record = read_call(f"{URL}-response-stream", {"stream": True}, parts(stream, size), AWS)
    assert (record.output_preview, record.usage_output_tokens) == ("So.", 2)
    assert (record.response_finish_reasons, record.request_stream, record.cost) == (["length"], True, None)


def test_the_error_of_a_model() -> None:
    answer = {"ErrorCode": "CLIENT_ERROR_FROM_MODEL", "Message": "client error (400)", "OriginalMessage": "too long"}
    record = read_call(URL, {"inputs": "Why?"}, answer, status=424)
    assert (record.error_type, record.error_message) == ("CLIENT_ERROR_FROM_MODEL", "too long")


def test_embeddings_and_work_in_the_background() -> None:
    assert read_call(URL, {"inputs": "Why?"}, {"embedding": [[0.5]]}).operation_name == "embeddings"
    record = read_call(URL.replace("invocations", "async-invocations"), {}, {"InferenceId": "i"}, status=202)
    assert (record.status, record.operation_name, record.cost) == ("ok", "prediction", None)
    assert json.loads(record.response_body or b"")["InferenceId"] == "i"
