"""Hugging Face's inference API and endpoints, in their native formats; chat uses OpenAI's.

The formats: https://huggingface.co/docs/inference-providers/tasks/index and
https://huggingface.github.io/text-generation-inference, read 2026-11.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from autolog._record.streams import Event
from autolog.providers import openai
from autolog.providers._defaults import (
    batch_results as batch_results,
    billable_units as billable_units,
    has_usage_option as has_usage_option,
    is_follow_up as is_follow_up,
    results_id as results_id,
    streams as streams,
)
from autolog.providers._facts import Facts
from autolog.providers._fields import count, mapping, objects, plain_path, text, total

name = "huggingface"
provider_name = "huggingface"

_OPERATIONS = {
    "feature-extraction": "embeddings",
    "sentence-similarity": "embeddings",
    "text-to-image": "image_generation",
    "automatic-speech-recognition": "transcription",
    "text-to-speech": "speech",
    "text-to-video": "video_generation",
}
#: The keys of texts, by task.
_TEXTS = ("generated_text", "text", "summary_text", "translation_text", "answer")
#: Paths of other providers' own formats behind `router.huggingface.co`.
_ROUTED = r"/(fal-ai|wavespeed|replicate|novita/v3/hf|zai-org)/"
#: Paths of inference servers that are not model calls.
_FREE = r"/(chat_)?(de)?tokenize$|/(info|health|metrics|decode)$"


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name, from the task in the path.

    It is `text_completion` for models and servers whose path names no task, and `prediction` for the paths of other
    providers behind the router, which make images and videos, too.
    """
    path = plain_path(path)
    if re.search(r"/chat/completions$", path):
        return "chat"
    if re.search(r"/embed(dings)?$", path):
        return "embeddings"
    task = re.search(r"/pipeline/([^/]+)", path)
    if task is not None:
        return _OPERATIONS.get(task[1], task[1].replace("-", "_"))
    if path.endswith("/rerank"):
        return "rerank"
    return "prediction" if re.match(_ROUTED, path) else "text_completion"


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call is a model call: at these hosts nearly every POST is, whatever its path."""
    return method.lower() == "post" and not re.search(_FREE, plain_path(path))


@functools.lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """Return the model named in the path, as `owner/name` or just a name; None if there is none."""
    match = re.search(r"/models/(.+?)(?:/pipeline/.*|/v1/.*)?$", plain_path(path))
    return match[1] if match else None


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    return "/generate"


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    if path.endswith("/chat/completions"):
        return None
    return "billed per item" if operation(path) == "prediction" else "billed by compute time"


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response, which is an object or a list of objects."""
    answers = objects(body) if isinstance(body, list) else [mapping(body)]
    if any("choices" in answer or "object" in answer for answer in answers):
        return openai.read(path, body, headers)
    facts = Facts()
    texts = (text(answer.get(key)) for answer in answers for key in _TEXTS)
    facts.output_text = "\n".join(filter(None, texts)) or None
    details = [mapping(answer.get("details")) for answer in answers]
    facts.finish_reasons = [reason for detail in details if (reason := text(detail.get("finish_reason")))] or None
    names = ("input_length", "generated_tokens")
    counts = {key: total(*(count(detail.get(key)) for detail in details)) for key in names}
    facts.usage.input, facts.usage.output = counts.values()
    facts.raw_usage = {key: number for key, number in counts.items() if number is not None} or None
    facts.error_message = "; ".join(error for answer in answers for error in _errors(answer)) or None
    facts.error_type = next((kind for answer in answers if (kind := text(answer.get("error_type")))), None)
    return facts


def _errors(answer: dict[str, Any]) -> list[str]:
    """Return the messages of an answer's `error`, which is a text or a list of reasons."""
    error = answer.get("error")
    return list(map(str, error)) if isinstance(error, list) else list(filter(None, [text(error)]))


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream, which has a token per event, and the whole text in the last one."""
    if any("choices" in event.data for event in events):
        return openai.assemble(path, events)
    body: dict[str, Any] = {}
    tokens = []
    for event in events:
        token = mapping(event.data.get("token"))
        if token.get("special") is not True:
            tokens.append(str(token.get("text") or ""))
        body.update(
            {key: value for key, value in event.data.items() if value is not None and key not in {"token", "index"}}
        )
    body.setdefault("generated_text", "".join(tokens))
    return body
