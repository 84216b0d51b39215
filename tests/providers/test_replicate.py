"""Replicate: predictions, which may outlive their call."""

from __future__ import annotations

from typing import Any

import pytest
from wire import read_call, tokens

from autolog._record.streams import read_events
from autolog.providers import format_for, format_named

replicate = format_named("replicate")
URL = "https://api.replicate.com/v1/models/meta/meta-llama-3-8b-instruct/predictions"
ASKED = {"input": {"system_prompt": "Be brief.", "prompt": "Why?"}}


def prediction(**more: Any) -> dict[str, Any]:
    return {"id": "p", "model": "meta/meta-llama-3-8b-instruct", "status": "succeeded", "output": ["S", "o."], "error": None,
            "metrics": {"input_token_count": 9, "output_token_count": 4, "predict_time": 0.5}, **more}  # fmt: skip


def test_a_prediction_that_is_done() -> None:
    record = read_call(URL, ASKED, prediction())
    assert (record.provider_name, record.request_model, record.response_id) == (
        "replicate",
        "meta/meta-llama-3-8b-instruct",
        "p",
    )
    assert (tokens(record)[:2], record.output_preview, record.input_preview) == ((9, 4), "So.", "Why?")


@pytest.mark.parametrize(
    ("status", "final"),
    [("starting", False), ("processing", False), ("succeeded", True), ("failed", True), ("canceled", True)],
)
def test_one_that_goes_on_is_found_again_by_its_id(status: str, final: bool) -> None:
    running = replicate.read("/v1/predictions/p", prediction(status=status, output=None), {}).long_running
    assert running is not None
    assert (running.key, running.final) == ("prediction:p", final)


def test_calls_that_read_it_are_follow_ups() -> None:
    assert replicate.is_follow_up("GET", "/v1/predictions/p")
    assert replicate.is_follow_up("POST", "/v1/predictions/p/cancel")
    assert not replicate.is_follow_up("POST", "/v1/predictions")
    assert replicate.billable("POST", "/v1/deployments/o/n/predictions")


def test_one_that_failed() -> None:
    record = read_call(URL, ASKED, prediction(status="failed", error="CUDA out of memory", output=None), status=201)
    assert (record.status, record.error_type, record.error_message) == ("error", "failed", "CUDA out of memory")


def test_without_tokens_the_machine_is_billed() -> None:
    record = read_call(URL, ASKED, prediction(metrics={"predict_time": 0.5}))
    assert record.cost is None
    assert "machine" in str(record.cost_details)


def test_its_stream_is_known_by_the_address_that_it_names() -> None:
    started = replicate.read(
        "/v1/predictions",
        prediction(status="starting", urls={"stream": "https://stream.replicate.com/v1/files/f-1"}),
        {},
    )
    completed = replicate.read(
        "/v1/files/f-1", replicate.assemble("/v1/files/f-1", read_events(TOLD, "text/event-stream")), {}
    )
    assert started.long_running is not None
    assert completed.long_running is not None
    assert completed.long_running.key in started.long_running.other_keys
    assert (completed.long_running.final, completed.long_running.certain) == (True, False)
    assert format_for("stream.replicate.com", "/v1/files/f-1") is replicate
    assert replicate.is_follow_up("GET", "/v1/files/f-1")


TOLD = (
    b"event: output\nid: 1:0\ndata: Once\n\nevent: output\nid: 2:0\ndata:  upon {\n\nevent: output\nid: 3:0\ndata: \ndata: \n\n"
    b"event: logs\nid: 4:0\ndata: x\n\nevent: output\nid: 5:0\ndata: {}\n\n: hi\n\nevent: output\nid: 6:0\ndata: 12\n\n"
)


@pytest.mark.parametrize(
    ("end", "facts"),
    [(b"event: done\nid: 7:0\ndata: {}\n\n", (["succeeded"], None, None)),
     (b"event: error\nid: 7:0\ndata: out of memory\n\n", (["failed"], "failed", "out of memory")),
     (b'event: error\nid: 7:0\ndata: {"detail": "busy"}\n\n', (["failed"], "failed", "busy")),
     (b'event: done\nid: 7:0\ndata: {"reason": "canceled"}\n\n', (["canceled"], None, None)),
     (b"event: output\nid: 7:0\ndata: cut o", (None, None, None))],
)  # fmt: skip
def test_a_stream_of_tokens_is_its_output(end: bytes, facts: tuple[Any, ...]) -> None:
    body = replicate.assemble("/v1/files/f-1", read_events(TOLD + end, "text/event-stream"))
    read = replicate.read("/v1/files/f-1", body, {})
    assert read.output_text == "Once upon {\n{}12"
    assert (read.finish_reasons, read.error_type, read.error_message) == facts
