"""Mistral's API: OpenAI's format, with Mistral's own conversations, OCR, batches and usage fields.

The format: https://docs.mistral.ai/api, read 2026-11.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from autolog._record.bodies import decode_object
from autolog._record.streams import Event
from autolog.providers import openai
from autolog.providers._defaults import (
    has_usage_option as has_usage_option,
    streams as streams,
)
from autolog.providers._facts import BatchResult, Facts, LongRunning
from autolog.providers._fields import count, kind_of, mapping, objects, text, total
from autolog.providers._openai_usage import read_usage
from autolog.providers._pieces import add_text, joined

name = "mistral"
provider_name = "mistral_ai"

_ROUTES = (
    (r"/(chat|agents)/completions$|/conversations(/[^/]+(/restart)?)?$", "chat"),
    (r"/responses$", "chat"),
    (r"/responses/input_tokens$", "count_tokens"),
    (r"/fim/completions$", "text_completion"),
    (r"/embeddings$", "embeddings"),
    (r"/moderations$|/classifications$", "moderation"),
    (r"/live-judging$", "evaluation"),
    (r"/search-indexes/[^/]+/search$", "retrieval"),
    (r"/search-indexes/[^/]+/documents$", "embeddings"),
    (r"/ocr$|/libraries/[^/]+/documents(/[^/]+(/(status|reprocess))?)?$", "ocr"),
    (r"/audio/transcriptions$", "transcription"),
    (r"/audio/speech$", "speech"),
    (r"/batch/jobs$", "batch"),
    (r"/fine_tuning/jobs$", "fine_tuning"),
    (r":(raw|streamRaw)Predict$", "chat"),
)


_JOB = r"/batch/jobs/([^/]+)$"
_FOLLOW_UP = {
    "get": rf"{_JOB}|/files/[^/]+/content$|/libraries/[^/]+/documents/[^/]+(/status)?$",
    "post": r"/batch/jobs/[^/]+/cancel$",
}


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
    """Return whether a call reads or cancels a batch, or reads a library's document or a file with results."""
    pattern = _FOLLOW_UP.get(method.lower())
    return pattern is not None and bool(re.search(pattern, _plain(path)))


@functools.lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """Return the model named in a path of Vertex AI; None for other paths."""
    match = re.search(r"/models/([^/:]+):", path)
    return match[1] if match else None


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    return "/v1/conversations" if "inputs" in request else openai.guess_path(request)


def results_id(path: str) -> str | None:
    """Return the id of the batch, which may have its results in it, or of the file read from a path; else None."""
    match = re.search(_JOB, _plain(path))
    return match[1] if match else openai.results_id(_plain(path))


def batch_results(path: str, body: bytes) -> Iterator[BatchResult]:
    """Yield the responses of a batch, from the batch itself (`inline=true`) or from its file."""
    if re.search(_JOB, _plain(path)):
        return openai.batch_items(results_id(path), objects(decode_object(body).get("outputs")))
    return openai.batch_results(path, body)


#: Why the cost of a call cannot be computed, by a part of its path.
_UNBILLED = {
    "/libraries/": "processing a library's document has no published price",
    "/live-judging": "the response does not report the tokens of the judge's model",
    "/search-indexes/": "search indexes have no published price",
}


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    return next((reason for part, reason in _UNBILLED.items() if part in path), None)


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
    if (document := _document(path, mapping(body))) is not None:
        _read_document(facts, document, mapping(body))
    usage = mapping(facts.raw_usage)
    if tokens := count(usage.get("connector_tokens")):  # tokens that tools added to the prompt
        facts.usage.input = total(facts.usage.input, tokens)
    if used := mapping(usage.get("connectors")):
        facts.uncertainty = f"{', '.join(sorted(used))} is billed per call, in addition to the tokens"
    if seconds := count(usage.get("prompt_audio_seconds")):
        facts.usage.audio_seconds = seconds
    return facts


def _batch(body: dict[str, Any]) -> LongRunning:
    final = kind_of(body, "status") in {"SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"}
    return LongRunning(f"batch:{body.get('id')}", "batch", final)


def _document(path: str, body: dict[str, Any]) -> str | None:
    """Return the id of the document whose processing a response describes; None if it describes none."""
    if "process_status" not in body and "processing_status" not in body:
        return None
    return text(body.get("document_id")) or text(body.get("id"))


#: The states of a document that is not processed yet, in two generations of names.
_IN_PROCESS = {"todo", "in_progress", "waiting_for_capacity", "running", "queued", "created"}


def _read_document(facts: Facts, document: str, body: dict[str, Any]) -> None:
    """Fill in the facts in the state of a library's document, which is read and summarised when it is added."""
    state = str(text(body.get("process_status")) or body.get("processing_status")).lower()
    final = state not in _IN_PROCESS
    facts.id, facts.finish_reasons = document, [state] if final else None
    facts.long_running = LongRunning(f"document:{document}", "ocr", final)
    used = {key: body[key] for key in ("tokens_processing_total", "number_of_pages") if count(body.get(key))}
    facts.raw_usage = used or None


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
