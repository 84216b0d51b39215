"""Google's Gemini, at the Gemini API and at Vertex AI: generation, embeddings, batches, caches and predictions.

The format: https://ai.google.dev/api/generate-content and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference, read 2026-11.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from autolog._record.bodies import decode_object
from autolog._record.streams import Event
from autolog.providers import _gemini_tasks as tasks, _predictions as predictions, openai
from autolog.providers._defaults import has_usage_option as has_usage_option
from autolog.providers._facts import BY_THE_HOUR, BatchResult, Facts, Usage, read_error
from autolog.providers._fields import count, mapping, objects, plain_path, text, total
from autolog.providers._interactions import (
    assemble_interaction,
    count_modalities,
    is_interaction,
    is_stream,
    read_decision,
    read_interaction,
    read_voice,
    uneven_details,
)
from autolog.providers._pieces import add_text, child, children, joined

name = "gemini"
provider_name = "gcp.gemini"

_OPERATIONS = {
    "generateContent": "chat",
    "streamGenerateContent": "chat",
    "generateAnswer": "chat",
    "embedContent": "embeddings",
    "batchEmbedContents": "embeddings",
    "countTokens": "count_tokens",
    "computeTokens": "count_tokens",
    "batchGenerateContent": "batch",
    "asyncBatchEmbedContent": "batch",
    "predictLongRunning": "video_generation",
    "fetchPredictOperation": "video_generation",
}
_INTERACTION = r"/interactions/[^/]+(/cancel)?$"
_RESULTS = r"/(batches/[^/:]+)$|/(files/[^/:]+):download$"


def _verb(path: str) -> str:
    """Return the verb at the end of a path, after the colon; the whole path if there is none."""
    return plain_path(path).rpartition(":")[2]


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name: the GenAI conventions' name if there is one, else the end of the path."""
    path = plain_path(path)
    if path.endswith("/cachedContents"):
        return "create_cache"
    if path.endswith("/interactions") or re.search(_INTERACTION, path):
        return "chat"
    if path.endswith("/decisions"):
        return "decision"
    if path.endswith("/voices"):
        return "create_voice"
    if (kind := tasks.operation_of(path)) is not None:
        return kind
    if _verb(path) in predictions.VERBS:
        return predictions.operation_of(None if "/endpoints/" in path else model_in(path))
    if predictions.reads_operation("get", path):
        return "video_generation"
    return _OPERATIONS.get(_verb(path)) or re.split(r"/v\d+\w*/", path)[-1].strip("/")


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call is a model call, stores a cache, or reads the results of a batch or other work."""
    if is_follow_up(method, path):
        return True
    path = plain_path(path)
    return method.lower() == "post" and (
        _verb(path) in _OPERATIONS
        or _verb(path) in predictions.VERBS
        or path.endswith(("/cachedContents", "/interactions", "/decisions", "/voices"))
        or tasks.begins(path)
    )


@functools.lru_cache(maxsize=1024)
def is_follow_up(method: str, path: str) -> bool:
    """Return whether a call reads the results of a batch, or polls or cancels work in the background."""
    plain = plain_path(path)
    if predictions.reads_operation(method, plain):
        return True
    if (match := re.search(_INTERACTION, plain)) is not None:
        return method.lower() == ("post" if match[1] else "get")
    return method.lower() == "get" and (results_id(path) is not None or tasks.reads(plain))


def results_id(path: str) -> str | None:
    """Return the name of the batch or file whose results are downloaded from the path; None for other paths."""
    match = re.search(_RESULTS, path.partition("?")[0])
    return (match[1] or match[2]) if match else None


def batch_results(path: str, body: bytes) -> Iterator[BatchResult]:
    """Yield the responses of a batch, from the batch object itself or from the lines of its file."""
    return tasks.batch_results(results_id(path), body, decode_object(body))


def guess_path(request: dict[str, Any]) -> str:
    """Return the path of `generateContent`, the only one that logs record without a path."""
    return ":generateContent"


@functools.lru_cache(maxsize=1024)
def model_in(path: str) -> str | None:
    """Return the model, tuned model or endpoint named in the path; None if there is none."""
    match = re.search(r"/(?:models|tunedModels|endpoints)/([^/:?]+)", path)
    return match[1] if match else None


def streams(path: str) -> bool:
    """Return whether a JSON array is a stream: `streamGenerateContent` sends one unless asked for SSE."""
    return _verb(path) == "streamGenerateContent"


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    if operation(path) == "video_generation":
        return "billed by the second of video, when it is made; it is known if the request has `durationSeconds`"
    if _verb(path) in predictions.VERBS and "/endpoints/" in path:
        return BY_THE_HOUR
    if operation(path) in {"image_generation", "music_generation"}:
        return "billed per item"
    if path.rstrip("/").endswith("/cachedContents"):
        return "a cache is billed by the hour"
    return tasks.unbilled_reason(plain_path(path))


def billable_units(path: str, request: dict[str, Any], response: Any) -> dict[str, float]:
    """Return the numbers of images and seconds of video made."""
    return predictions.units(model_in(path), request, mapping(response))


# Reading a response


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response."""
    body = mapping(body)
    if (answer := predictions.openai_answer(body)) is not None:
        return predictions.read_openai(answer)
    facts = Facts(model=text(body.get("modelVersion")) or text(body.get("model")))
    facts.id = text(body.get("responseId")) or text(body.get("id"))
    if body.get("error"):
        facts.error_type, facts.error_message = _read_error(body)
    if operation(path) == "count_tokens":
        facts.usage.input = count(body.get("totalTokens"))
        return facts
    if predictions.is_operation(body):
        predictions.read_operation(facts, body)
    elif tasks.is_task(body):
        tasks.read_task(facts, body)
    elif operation(path) == "decision":
        read_decision(facts, body)
    elif operation(path) == "create_voice":
        read_voice(facts, body)
    elif "predictions" in body:
        predictions.read_predictions(facts, body, operation(path))
        if facts.usage.input is not None and str(model_in(path)).startswith("text"):
            facts.uncertainty = "Vertex AI bills this by the character, not by the token"
    elif operation(path) == "chat" and "/interactions" in path and is_interaction(body):
        read_interaction(facts, body)
    else:
        _read_candidates(facts, objects(body.get("candidates")))
    if "embedding" in body and (tokens := tasks.embedded_tokens(body)) is not None:
        facts.raw_usage, facts.usage.input = {"tokenCount": tokens}, tokens
    usage = body.get("usageMetadata")
    if isinstance(usage, dict):
        facts.raw_usage, facts.usage = usage, read_usage(usage)
        facts.uncertainty = facts.uncertainty or uneven_details(usage, _TOTALS, "tokenCount")
        facts.service_tier = _tier(usage)
        facts.usage.web_searches = _searches(body)
    return facts


def _read_error(body: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the type and message of an error: Google's type is in `status`, while `code` repeats the HTTP status."""
    kind, message = read_error(body)
    return text(mapping(body["error"]).get("status")) or kind, message


def _read_candidates(facts: Facts, candidates: list[dict[str, Any]]) -> None:
    """Fill in the texts, without thoughts, the tool calls and the finish reasons of candidates."""
    facts.finish_reasons = [reason for item in candidates if (reason := text(item.get("finishReason")))] or None
    texts = []
    for candidate in candidates:
        parts = objects(mapping(candidate.get("content")).get("parts"))
        spoken = [part["text"] for part in parts if text(part.get("text")) and part.get("thought") is not True]
        texts.append("".join(spoken))
        for part in parts:
            if called := mapping(part.get("functionCall")):
                call = {"id": called.get("id"), "name": called.get("name"), "arguments": called.get("args")}
                facts.tool_calls.append(call)
    facts.output_text = "\n".join(filter(None, texts)) or None


#: Service tiers by Vertex AI's traffic types (https://cloud.google.com/vertex-ai/generative-ai/docs/priority-paygo).
_TRAFFIC = {
    "ON_DEMAND": "standard",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "PROVISIONED_THROUGHPUT": "provisioned_throughput",
}


def _tier(usage: dict[str, Any]) -> str | None:
    """Return the tier that served the call, as named in the price table."""
    tier, traffic = text(usage.get("serviceTier")), text(usage.get("trafficType"))
    by_traffic = _TRAFFIC.get(traffic, traffic.lower()) if traffic else None
    return by_traffic if tier in (None, "standard") and by_traffic else tier


def _searches(body: dict[str, Any]) -> int | None:
    """Return the number of billed searches: one per query since Gemini 3, one per grounded prompt before."""
    grounded = [mapping(candidate.get("groundingMetadata")) for candidate in objects(body.get("candidates"))]
    queries = [
        query
        for metadata in grounded
        for query in metadata.get("webSearchQueries") or ()
        if isinstance(query, str) and query
    ]
    by_prompt = re.match(r"(models/)?gemini-[12]\b", str(body.get("modelVersion")))
    return (1 if by_prompt else len(queries)) if queries else None


def read_usage(usage: dict[str, Any]) -> Usage:
    """Read a `usageMetadata`.

    Its prompt tokens include cached tokens, but exclude tool prompts, and its output tokens exclude thoughts.
    """
    thoughts = count(usage.get("thoughtsTokenCount"))
    given = total(count(usage.get("promptTokenCount")), count(usage.get("toolUsePromptTokenCount")))
    output = total(count(usage.get("candidatesTokenCount")), count(usage.get("responseTokenCount")), thoughts)
    if output is None and given is not None and count(usage.get("totalTokenCount")) == given:
        output = 0  # there was no output: the API omits zero counts
    cached = count(usage.get("cachedContentTokenCount"))
    if cached is None:
        cached = total(*(count(item.get("tokenCount")) for item in objects(usage.get("cacheTokensDetails"))))
    read = Usage(input=given, output=output, cache_read=cached, reasoning=thoughts)
    count_modalities(read, [usage.get(key) for key in _TOTALS], "tokenCount")
    return read


#: The keys of the details of each kind of tokens, and of their total.
_TOTALS = {
    "promptTokensDetails": "promptTokenCount",
    "toolUsePromptTokensDetails": "toolUsePromptTokenCount",
    "candidatesTokensDetails": "candidatesTokenCount",
    "cacheTokensDetails": "cachedContentTokenCount",
}


# Streams


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream, in which every chunk is a response that continues the one before."""
    if any("choices" in event.data for event in events):  # a custom model's
        return openai.assemble(path, events)
    if is_stream(events):
        return mapping(joined(assemble_interaction(events)))
    body: dict[str, Any] = {}
    candidates: dict[int, dict[str, Any]] = {}
    for event in events:
        for key, value in event.data.items():
            if key == "candidates":
                for position, part in enumerate(objects(value)):
                    index = count(part.get("index"))
                    _grow(candidates.setdefault(position if index is None else index, {}), part)
            elif key == "usageMetadata" and isinstance(value, dict):
                body[key] = {**mapping(body.get(key)), **value}  # every chunk has the totals so far
            elif value not in (None, "", {}, []):
                body[key] = value
    if candidates:
        body["candidates"] = [candidates[index] for index in sorted(candidates)]
    return mapping(joined(body))


def _grow(candidate: dict[str, Any], part: dict[str, Any]) -> None:
    """Merge a chunk's candidate into the candidate so far."""
    for key, value in part.items():
        if key == "content" and isinstance(value, dict):
            content = child(candidate, "content")
            content.setdefault("role", value.get("role") or "model")
            for piece in objects(value.get("parts")):
                _add_part(children(content, "parts"), piece)
        elif value not in (None, "", {}, []):
            candidate[key] = value


def _add_part(parts: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    """Add a piece, joining consecutive texts into one part; thoughts are kept apart from other texts."""
    last = parts[-1] if parts else {}
    goes_on = "text" in last and isinstance(piece.get("text"), str) and last.get("thought") == piece.get("thought")
    if not goes_on:
        parts.append(dict(piece))
        return
    for key, value in piece.items():
        if key == "text":
            add_text(last, "text", value)
        else:
            last[key] = value
