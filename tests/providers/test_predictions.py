"""Vertex AI's predictions: by published models, by custom models, and videos made in the background."""

from __future__ import annotations

from typing import Any

import pytest
from wire import read_call, sse, tokens

from autolog.providers import format_for, format_named

gemini = format_named("gemini")
HOST = "https://us-central1-aiplatform.googleapis.com"
PLACE = "/v1/projects/p/locations/us-central1"
PUBLISHED, ENDPOINT = f"{HOST}{PLACE}/publishers/google/models/", f"{HOST}{PLACE}/endpoints/77"
CHAT = {"object": "chat.completion", "id": "c", "model": "qwen",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "So."}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "operation"),
    [("text-embedding-005", "embeddings"), ("multimodalembedding@001", "embeddings"), ("textembedding-gecko@003", "embeddings"),
     ("imagen-4.0-generate-001", "image_generation"), ("virtual-try-on-001", "image_generation"),
     ("lyria-002", "music_generation"), ("sec-palm", "prediction")],
)  # fmt: skip
def test_a_published_model_is_told_by_its_name(model: str, operation: str) -> None:
    assert gemini.operation(f"{PLACE}/publishers/google/models/{model}:predict") == operation


@pytest.mark.parametrize("verb", ["predict", "rawPredict", "streamRawPredict", "serverStreamingPredict"])
def test_an_endpoint_is_a_model_of_ones_own(verb: str) -> None:
    path = f"{PLACE}/endpoints/77:{verb}"
    for host in ("us-central1-aiplatform.googleapis.com", "proxy.internal"):
        assert format_for(host, path) is gemini
    assert gemini.billable("POST", path)
    assert (gemini.operation(path), gemini.model_in(path)) == ("prediction", "77")


@pytest.mark.parametrize("body", [{"predictions": CHAT}, CHAT], ids=["as a prediction", "bare"])
def test_a_chat_with_it_is_a_chat(body: dict[str, Any]) -> None:
    request = {"instances": [{"@requestFormat": "chatCompletions", "messages": [{"role": "user", "content": "Why?"}]}]}
    record = read_call(f"{ENDPOINT}:{'predict' if 'predictions' in body else 'rawPredict'}", request, body)
    assert (record.operation_name, record.response_model, tokens(record)[:2]) == ("chat", "qwen", (9, 2))
    assert (record.output_preview, record.response_finish_reasons) == ("So.", ["stop"])


def test_a_streamed_chat_with_it_is_a_chat() -> None:
    chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in ("S", "o.")]
    record = read_call(f"{ENDPOINT}:streamRawPredict", {"messages": []}, sse(*chunks), "text/event-stream")
    assert (record.operation_name, record.output_preview) == ("chat", "So.")


@pytest.mark.parametrize("predictions", [["So."], [{"content": "So."}], [{"generated_text": "So."}]])
def test_what_else_it_says_is_a_prediction_without_a_price(predictions: list[Any]) -> None:
    record = read_call(f"{ENDPOINT}:predict", {"instances": [{"prompt": "Why?"}]}, {"predictions": predictions})
    assert (record.operation_name, record.output_preview, record.cost) == ("prediction", "So.", None)
    assert "machines" in str(record.cost_details)


def test_embeddings_of_it_are_embeddings() -> None:
    answer = {"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": 3}}}]}
    record = read_call(f"{ENDPOINT}:predict", {"instances": [{"content": "x"}]}, answer)
    assert (record.operation_name, record.usage_input_tokens) == ("embeddings", 3)


def test_images_are_counted_without_those_that_were_filtered() -> None:
    answer = {"predictions": [{"bytesBase64Encoded": "aGk="}, {"gcsUri": "gs://b/1"}, {"raiFilteredReason": "x"}]}
    assert gemini.billable_units(f"{PLACE}/publishers/google/models/imagen-4.0-generate-001:predict", {}, answer) == {
        "image of imagen-4.0-generate-001": 2
    }


# Videos

MODEL = "veo-3.1-generate-001"
NAME = f"projects/p/locations/us-central1/publishers/google/models/{MODEL}/operations/7"
ASKED = {
    "instances": [{"prompt": "A dot"}],
    "parameters": {"durationSeconds": 8, "sampleCount": 2, "resolution": "720p"},
}


def test_a_video_is_known_again_by_its_operation() -> None:
    for body, final in (({"name": NAME}, False), ({"name": NAME, "done": True, "response": {"videos": []}}, True)):
        facts = gemini.read(f"{PLACE}/publishers/google/models/{MODEL}:fetchPredictOperation", body, {})
        assert facts.long_running is not None
        assert (facts.long_running.key, facts.long_running.final) == (f"operation:{NAME}", final)
        assert (facts.long_running.operation, facts.model, facts.id) == ("video_generation", MODEL, "7")


@pytest.mark.parametrize(
    ("host", "method", "path"),
    [("us-central1-aiplatform.googleapis.com", "POST", f"{PLACE}/publishers/google/models/{MODEL}:fetchPredictOperation"),
     ("generativelanguage.googleapis.com", "GET", f"/v1beta/models/{MODEL}/operations/7")],
)  # fmt: skip
def test_asking_how_far_it_is_is_a_follow_up(host: str, method: str, path: str) -> None:
    assert format_for(host, path) is gemini
    assert gemini.is_follow_up(method, path)
    assert gemini.billable(method, path)
    assert gemini.operation(path) == "video_generation"


@pytest.mark.parametrize(
    "response",
    [{"videos": [{"gcsUri": "gs://b/1"}, {"gcsUri": "gs://b/2"}], "raiMediaFilteredCount": 0},
     {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": "u"}}, {"video": {"uri": "v"}}]}}],
    ids=["Vertex AI", "Gemini"],
)  # fmt: skip
def test_the_seconds_of_all_that_were_made_are_counted(response: dict[str, Any]) -> None:
    path = f"{PLACE}/publishers/google/models/{MODEL}:predictLongRunning"
    units = gemini.billable_units(path, ASKED, {"name": NAME, "done": True, "response": response})
    assert units == {f"second of {MODEL}, 720p": 16}


@pytest.mark.parametrize(
    ("request_body", "response"),
    [({}, {"videos": [{"gcsUri": "gs://b/1"}]}), (ASKED, {"videos": [], "raiMediaFilteredCount": 2}), (ASKED, {})],
    ids=["of unknown length", "filtered", "not done"],
)  # fmt: skip
def test_what_is_not_told_is_not_counted(request_body: dict[str, Any], response: dict[str, Any]) -> None:
    path = f"{PLACE}/publishers/google/models/{MODEL}:predictLongRunning"
    assert gemini.billable_units(path, request_body, {"name": NAME, "response": response}) == {}


def test_a_video_that_failed() -> None:
    answer = {"name": NAME, "done": True, "error": {"code": 3, "message": "Bad prompt."}}
    facts = gemini.read(f"/v1beta/models/{MODEL}/operations/7", answer, {})
    assert (facts.error_message, facts.finish_reasons) == ("Bad prompt.", None)
