"""Replicate: predictions, which may outlive their call."""

from __future__ import annotations

from typing import Any

import pytest
from wire import read_call, tokens

from autolog.providers import format_named

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
