"""Cohere: chat in versions 1 and 2, embeddings, and reranking, which is billed by the search.

The format: https://docs.cohere.com/reference/chat, read 2026-11. `tokens` counts all tokens of the model, including
those of prompt templates; `billed_units` counts those that are billed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from autolog._record.streams import Event
from autolog.providers._defaults import (
    batch_results as batch_results,
    has_usage_option as has_usage_option,
    model_in as model_in,
    results_id as results_id,
    streams as streams,
)
from autolog.providers._facts import Facts, LongRunning, Usage, read_error
from autolog.providers._fields import count, mapping, objects, plain_path, spelled_count, text, total
from autolog.providers._pieces import add_text, child, children, joined

name = "cohere"
provider_name = "cohere"

_ROUTES = (
    (r"/v[12]/chat$", "chat"),
    (r"/v1/(generate|summarize)$", "text_completion"),
    (r"/v[12]/embed$", "embeddings"),
    (r"/v[12]/rerank$", "rerank"),
    (r"/v1/classify$", "classification"),
    (r"/v1/embed-jobs(/[^/:]+)?$|/v2/batches(/[^/:]+)?$", "batch_prediction"),
    (r"/v2/audio/transcriptions$", "transcription"),
    (r"/v2/parse$", "ocr"),
    (r"/finetuning/finetuned-models$", "fine_tuning"),
)


#: Operations by the key of the response that only they have, for responses whose path is not known.
_BY_KEY = {"embeddings": "embeddings", "results": "rerank", "classifications": "classification"}
#: Units that are billed by the piece, by their keys in `billed_units`.
_PIECES = {"search_units": "search", "classifications": "classification", "pages": "page", "images": "image"}


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name: the GenAI conventions' name if there is one, else the end of the path."""
    path = plain_path(path)
    return next((kind for pattern, kind in _ROUTES if re.search(pattern, path)), path.rpartition("/")[2])


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call is a model call, or reads a batch."""
    known = any(re.search(pattern, plain_path(path)) for pattern, _ in _ROUTES)
    return is_follow_up(method, path) or (method.lower() == "post" and known)


@functools.lru_cache(maxsize=1024)
def is_follow_up(method: str, path: str) -> bool:
    """Return whether a call reads a batch that an earlier call began."""
    return method.lower() == "get" and bool(re.search(r"/v1/embed-jobs/[^/]+$|/v2/batches/[^/]+$", plain_path(path)))


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    if operation(path) == "fine_tuning":
        return "the response does not say how much was trained"
    return "billed by its tokens, when it is done" if operation(path) == "batch_prediction" else None


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    if "query" in request and "documents" in request:
        return "/v2/rerank"
    return "/v1/chat" if "message" in request else "/v2/embed" if "texts" in request else "/v2/chat"


def billable_units(path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
    """Return the searches, classifications, pages and images of a call, which are billed by the piece.

    Images are billed by their tokens where those are reported.
    """
    billed = mapping(_usage(mapping(response)).get("billed_units"))
    pieces = {unit: count(billed.get(key)) for key, unit in _PIECES.items()}
    if count(billed.get("image_tokens")):
        pieces["image"] = None
    return {f"{unit} of {request.get('model')}": number for unit, number in pieces.items() if number}


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response of either API version."""
    body = mapping(body)
    if (batch := _batch(body)) is not None:
        return batch
    facts = Facts(id=text(body.get("response_id")) or text(body.get("id")) or text(body.get("generation_id")))
    if "message" in body and not isinstance(body["message"], dict):
        facts.error_type, facts.error_message = read_error(body)
    facts.operation = next((name for key, name in _BY_KEY.items() if isinstance(body.get(key), (list, dict))), None)
    reason = text(body.get("finish_reason"))
    facts.finish_reasons = [reason] if reason else None
    message = mapping(body.get("message"))
    texts = [part["text"] for part in objects(message.get("content")) if text(part.get("text"))]
    texts += [generation["text"] for generation in objects(body.get("generations")) if text(generation.get("text"))]
    facts.output_text = text(body.get("text")) or "".join(texts) or None
    facts.tool_calls = [_call(call) for call in objects(message.get("tool_calls") or body.get("tool_calls"))]
    if usage := _usage(body):
        facts.raw_usage = usage
        facts.usage, facts.billed_usage = _read_usage(usage)
        billed = facts.billed_usage or facts.usage
        if not mapping(usage.get("billed_units")):
            facts.uncertainty = "the response does not say how many of the tokens are billed"
        elif billed.output is not None and billed.input is not None and billed.input == billed.input_image:
            facts.uncertainty = "the response does not say how many of the input tokens are text"
    return facts


def _batch(body: dict[str, Any]) -> Facts | None:
    """Return the facts in a batch or an embed job; None for other responses.

    The results of a batch are written to a dataset, so that its own record has the bill, by the totals that it reports.
    """
    batch, job = mapping(body.get("batch")), text(body.get("job_id"))
    if not batch and job is None:
        return None
    state = text(batch.get("status") or body.get("status"))
    final = state is not None and re.search(_ENDED, state, re.IGNORECASE) is not None
    identity = text(batch.get("id")) or job
    facts = Facts(id=identity, model=text(batch.get("model")) or text(body.get("model")), service_tier="batch")
    facts.finish_reasons = [state] if final and state else None
    facts.error_message = text(batch.get("status_reason")) if final and not str(state).endswith("COMPLETED") else None
    if identity is not None:
        facts.long_running = LongRunning(f"batch:{identity}", "batch_prediction", final)
    if final:
        tokens: dict[str, Any] = {
            key: spelled_count(batch[key]) for key in ("input_tokens", "output_tokens") if key in batch
        }
        billed = tokens or mapping(mapping(body.get("meta")).get("billed_units"))
        facts.raw_usage = billed or None
        facts.usage, _ = _read_usage({"billed_units": billed})
    return facts


_ENDED = r"(complete|completed|failed|canceled|cancelled)$"


def _call(call: dict[str, Any]) -> dict[str, Any]:
    """Return a tool call of either API version in autolog's form."""
    called = mapping(call.get("function")) or call
    return {
        "id": call.get("id"),
        "name": called.get("name"),
        "arguments": called.get("arguments", called.get("parameters")),
    }


def _usage(body: dict[str, Any]) -> dict[str, Any]:
    """Return the usage object, which v1 puts into `meta` with other things."""
    if isinstance(body.get("usage"), dict):
        return mapping(body["usage"])
    return {
        key: value
        for key, value in mapping(body.get("meta")).items()
        if key in {"billed_units", "tokens", "cached_tokens"}
    }


def _read_usage(usage: dict[str, Any]) -> tuple[Usage, Usage | None]:
    """Return the used and the billed quantities; the latter are None if not reported separately."""
    tokens, billed = mapping(usage.get("tokens")), mapping(usage.get("billed_units"))
    images, words = count(billed.get("image_tokens")), count(billed.get("text_tokens"))
    given = count(billed.get("input_tokens"))
    if given is None or (None not in (images, words) and given == total(images, words)):
        given = words
    paid = Usage(
        input=total(given, images),
        output=count(billed.get("output_tokens")),
        input_image=images or None,
    )
    used = Usage(
        input=count(tokens.get("input_tokens")),
        output=count(tokens.get("output_tokens")),
        cache_read=count(usage.get("cached_tokens")),
    )
    if used.input is None and used.output is None:
        return paid, None
    return used, paid if billed else None


# Streams


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream; v1 repeats the whole response at the end, v2 does not."""
    body: dict[str, Any] = {}
    for event in events:
        kind = str(event.data.get("type") or event.data.get("event_type") or event.name or "")
        if kind == "stream-end" or isinstance(event.data.get("response"), dict):
            body = {**body, **mapping(event.data.get("response"))}
            body.setdefault("finish_reason", event.data.get("finish_reason"))
        elif kind == "stream-start":
            body["generation_id"] = event.data.get("generation_id")
        elif kind == "text-generation":
            add_text(body, "text", str(event.data.get("text") or ""))
        elif kind == "tool-calls-generation":
            body["tool_calls"] = event.data.get("tool_calls")
        elif "delta" in event.data or kind.endswith("-start"):
            _add_delta(body, kind, event.data)
        elif "message" in event.data or "error" in event.data:
            body["error"] = event.data.get("error") or event.data
    return mapping(joined(body))


def _add_delta(body: dict[str, Any], kind: str, data: dict[str, Any]) -> None:
    """Add an event of a v2 stream: the start, a piece or the end of the message or of one of its parts."""
    delta = mapping(data.get("delta"))
    more = mapping(delta.get("message"))
    message = child(body, "message")
    message.setdefault("role", "assistant")
    if kind == "message-start":
        body["id"] = data.get("id")
        message.update({key: value for key, value in more.items() if value})
    elif kind == "message-end":
        body.update(delta)
    elif kind in {"content-start", "content-delta"}:
        _grow(_part(message, "content", data), mapping(more.get("content")))
    elif kind in {"tool-call-start", "tool-call-delta"}:
        _grow(_part(message, "tool_calls", data), mapping(more.get("tool_calls")))
    elif kind == "citation-start":
        children(message, "citations").append(more.get("citations"))
    else:
        _grow(message, {key: value for key, value in more.items() if isinstance(value, str)})


def _part(message: dict[str, Any], key: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a message that an event belongs to, appending one if there are fewer."""
    parts = children(message, key)
    index = min(count(data.get("index")) or 0, len(parts))
    if index == len(parts):
        parts.append({})
    elif not isinstance(parts[index], dict):
        parts[index] = {}
    part: dict[str, Any] = parts[index]
    return part


def _grow(part: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _grow(child(part, key), value)
        elif isinstance(value, str) and key not in {"id", "type", "name", "role"}:
            add_text(part, key, value)
        elif value is not None:
            part[key] = value
