"""Vertex AI's `predict`: embeddings, images, music and custom models; and videos, which take a long-running operation.

The formats: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/predict,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api and .../veo-video-generation, and
https://ai.google.dev/gemini-api/docs/video for Gemini's own API, read 2026-11. Custom models respond in their own
formats; servers such as vLLM respond to chats in OpenAI's, which `predict` wraps under the key `predictions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from autolog.providers import openai
from autolog.providers._facts import Facts, LongRunning, read_error
from autolog.providers._fields import count, mapping, objects, seconds, text, total

#: The verbs of synchronous calls. `rawPredict` of Claude and of Mistral is read by their own modules.
VERBS = frozenset({
    "predict", "rawPredict", "streamRawPredict", "serverStreamingPredict", "streamingPredict", "directPredict",
    "directRawPredict", "explain",
})  # fmt: skip
#: The operation of a published model, by its name.
_KINDS = (
    (r"embed|gecko", "embeddings"),
    (r"imagen|image|virtual-try-on", "image_generation"),
    (r"lyria", "music_generation"),
)
_OPERATION = r"(?:^|/)models/([^/]+)/operations/([^/]+)$"


def operation_of(model: str | None) -> str:
    """Return the operation of a model, by its name; `prediction` if unknown, as for an endpoint."""
    return next((kind for pattern, kind in _KINDS if re.search(pattern, model or "")), "prediction")


def reads_operation(method: str, path: str) -> bool:
    """Return whether a call polls the operation of a video, at Gemini's API or at Vertex AI."""
    if method.lower() == "post":
        return path.endswith(":fetchPredictOperation")
    return method.lower() == "get" and bool(re.search(_OPERATION, path))


def is_operation(body: dict[str, Any]) -> bool:
    """Return whether a response is a long-running operation of a model."""
    return bool(re.search(_OPERATION, text(body.get("name")) or ""))


def read_operation(facts: Facts, body: dict[str, Any]) -> None:
    """Fill in the facts in the operation of a video, in its current state."""
    name = text(body.get("name")) or ""
    match = re.search(_OPERATION, name)
    if match is None:
        return
    facts.model, facts.id = match[1], match[2]
    done = body.get("done") is True
    facts.long_running = LongRunning(f"operation:{name}", "video_generation", done)
    if error := mapping(body.get("error")):
        facts.error_type, facts.error_message = read_error({"error": error})
    facts.finish_reasons = ["stop"] if done and not facts.error_message else None


def _videos(response: dict[str, Any]) -> int:
    """Return the number of videos made, without those filtered out, which are not billed."""
    result = mapping(response.get("response"))
    return len(
        objects(result.get("videos")) or objects(mapping(result.get("generateVideoResponse")).get("generatedSamples"))
    )


def units(model: str | None, request: dict[str, Any], response: dict[str, Any]) -> dict[str, float]:
    """Return the images or seconds of video made, if the model's name and the request determine them."""
    parameters = mapping(request.get("parameters"))
    length = seconds(parameters.get("durationSeconds"))
    if is_operation(response):
        videos = _videos(response)
        size = f", {parameters['resolution']}" if text(parameters.get("resolution")) else ""
        return {f"second of {model}{size}": videos * length} if videos and length else {}
    if operation_of(model) != "image_generation":
        return {}
    images = [
        prediction
        for prediction in objects(response.get("predictions"))
        if "bytesBase64Encoded" in prediction or "gcsUri" in prediction
    ]
    return {f"image of {model}": len(images)} if images else {}


def read_predictions(facts: Facts, body: dict[str, Any], kind: str) -> None:
    """Fill in the facts in predictions: the tokens of embeddings, or the text of a custom model."""
    predictions = body["predictions"]
    facts.model = facts.model or text(body.get("modelDisplayName"))
    embedded = [mapping(item.get("embeddings")) for item in objects(predictions)]
    statistics = [mapping(item.get("statistics")) for item in embedded]
    facts.usage.input = total(*(count(item.get("token_count")) for item in statistics))
    if facts.usage.input is not None:
        facts.operation = "embeddings"
        facts.raw_usage = {"statistics": statistics, **mapping(body.get("metadata"))}
    elif kind == "prediction":
        facts.output_text = "\n".join(_texts(predictions)) or None


def _texts(predictions: Any) -> Iterator[str]:
    for prediction in predictions if isinstance(predictions, list) else [predictions]:
        if isinstance(prediction, str):
            yield prediction
        for key in ("content", "generated_text", "text"):
            if value := text(mapping(prediction).get(key)):
                yield value


def openai_answer(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return a custom model's response in OpenAI's format, bare or in `predictions`; None if in another format."""
    for answer in (body, mapping(body.get("predictions"))):
        if isinstance(answer.get("choices"), list):
            return answer
    return None


def read_openai(answer: dict[str, Any]) -> Facts:
    """Return the facts in a custom model's response in OpenAI's format."""
    chat = any("message" in choice for choice in objects(answer["choices"]))
    facts = openai.read("/v1/chat/completions" if chat else "/v1/completions", answer, {})
    facts.operation = "chat" if chat else "text_completion"
    return facts
