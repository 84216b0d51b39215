"""Mistral's API: OpenAI's format, with Mistral's own conversations, OCR, batches and usage fields.

The format: https://docs.mistral.ai/api, read 2026-11.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from autolog._record.streams import Event
from autolog.providers import openai
from autolog.providers._defaults import (
    has_usage_option as has_usage_option,
    streams as streams,
    unbilled_reason as unbilled_reason,
)
from autolog.providers._facts import Facts, LongRunning
from autolog.providers._fields import count, kind_of, mapping, objects, text, total
from autolog.providers._openai_usage import read_usage
from autolog.providers._pieces import add_text, joined
from autolog.providers.openai import batch_results as batch_results, results_id as results_id

name = "mistral"
provider_name = "mistral_ai"

_ROUTES = (
    (r"/(chat|agents)/completions$|/conversations(/[^/]+(/restart)?)?$", "chat"),
    (r"/responses$", "chat"),
    (r"/responses/input_tokens$", "count_tokens"),
    (r"/fim/completions$", "text_completion"),
    (r"/embeddings$", "embeddings"),
    (r"/moderations$|/classifications$", "moderation"),
    (r"/ocr$", "ocr"),
    (r"/audio/transcriptions$", "transcription"),
    (r"/audio/speech$", "speech"),
    (r"/batch/jobs$", "batch"),
    (r"/fine_tuning/jobs$", "fine_tuning"),
    (r":(raw|streamRaw)Predict$", "chat"),
)


def _plain(path: str) -> str:
    """Return the path without its query, and without the `#stream` that the SDK appends to streams."""
    return re.split(r"[?#]", path, maxsplit=1)[0].rstrip("/")


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name: the GenAI conventions' name if there is one, else the end of the path."""
    path = _plain(path)
    return next(
        (kind for pattern, kind in _ROUTES if re.search(pattern, path)), re.split(r"/v\d+/", path)[-1].strip("/")
    )


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call is a model call, or reads or cancels a batch."""
    if is_follow_up(method, path):
        return True
    path = _plain(path)
    return method.lower() == "post" and any(re.search(pattern, path) for pattern, _ in _ROUTES)


@functools.lru_cache(maxsize=1024)
def is_follow_up(method: str, path: str) -> bool:
    """Return whether a call reads or cancels a batch, or reads a file, which may have its results."""
    pattern = r"/batch/jobs/[^/]+$|/files/[^/]+/content$" if method.lower() == "get" else r"/batch/jobs/[^/]+/cancel$"
    return method.lower() in {"get", "post"} and bool(re.search(pattern, _plain(path)))


@functools.lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """Return the model named in a path of Vertex AI; None for other paths."""
    found = re.search(r"/models/([^/:]+):", path)
    return found[1] if found else None


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    return "/v1/conversations" if "inputs" in request else openai.guess_path(request)


def billable_units(path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
    """Return the pages processed by OCR, which are billed per page."""
    pages = count(mapping(mapping(response).get("usage_info")).get("pages_processed"))
    return {f"page of {mapping(response).get('model')}": pages} if pages else {}


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response."""
    conversation = mapping(body).get("object") == "conversation.response" or "conversation_id" in mapping(body)
    facts = _read_conversation(mapping(body)) if conversation else openai.read(path, body, headers)
    if kind_of(body, "object") == "batch":
        facts.long_running = _batch(mapping(body))
    usage = mapping(facts.raw_usage)
    if tokens := count(usage.get("connector_tokens")):  # tokens that tools added to the prompt
        facts.usage.input = total(facts.usage.input, tokens)
    if used := mapping(usage.get("connectors")):
        facts.uncertainty = f"{', '.join(sorted(used))} is billed per call, in addition to the tokens"
    if seconds := count(usage.get("prompt_audio_seconds")):
        facts.usage.audio_seconds = seconds
    return facts


def _batch(body: dict[str, Any]) -> LongRunning:
    final = body.get("status") in {"SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"}
    return LongRunning(f"batch:{body.get('id')}", "batch", final)


def _read_conversation(body: dict[str, Any]) -> Facts:
    """Return the facts in a response of the Conversations API."""
    facts = Facts(id=text(body.get("conversation_id")))
    outputs = objects(body.get("outputs"))
    facts.model = next((model for item in outputs if (model := text(item.get("model")))), None)
    texts = [item.get("content") for item in outputs if kind_of(item) == "message.output"]
    facts.output_text = "".join(map(_text_of, texts)) or None
    facts.tool_calls = [
        {"id": item.get("tool_call_id") or item.get("id"), "name": item.get("name"), "arguments": item.get("arguments")}
        for item in outputs
        if kind_of(item) == "function.call"
    ]
    if usage := mapping(body.get("usage")):
        facts.raw_usage, facts.usage = usage, read_usage(usage)
    return facts


def _text_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(text(part.get("text")) or "" for part in objects(content))


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream, of a conversation or of a completion."""
    if not any(_kind(event).startswith("conversation.response") for event in events):
        return openai.assemble(path, events)
    body: dict[str, Any] = {"object": "conversation.response"}
    outputs: dict[int, dict[str, Any]] = {}
    for event in events:
        kind = _kind(event)
        if kind.endswith(".delta"):
            _grow(
                outputs.setdefault(count(event.data.get("output_index")) or 0, {}),
                kind.removesuffix(".delta"),
                event.data,
            )
        elif kind.startswith("conversation.response"):
            body.update({key: value for key, value in event.data.items() if key not in {"type", "created_at"}})
        if kind == "conversation.response.error" or "error" in event.data:
            body["error"] = event.data.get("error") or event.data
    return {**body, "outputs": joined([outputs[index] for index in sorted(outputs)])}


def _kind(event: Event) -> str:
    return str(event.data.get("type") or event.name or "")


def _grow(output: dict[str, Any], kind: str, data: dict[str, Any]) -> None:
    """Add a delta to an output item: texts and arguments are appended, other values replaced."""
    for key, value in data.items():
        if key in {"content", "arguments"}:
            add_text(output, key, _text_of(value))
        elif value is not None:
            output[key] = value
    output["type"] = kind
