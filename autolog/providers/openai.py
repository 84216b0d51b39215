"""OpenAI and the many that speak its API: what the SDK's calls are, and how their bodies are read and put together."""

from __future__ import annotations

import functools
import re
from typing import Any

from autolog._bodies import Event
from autolog.providers._reading import Reading, Usage, count, mapping, objects, read_error, text

name = "openai"
module = "openai._base_client"
oldest = (2, 0)
provider_name = "openai"
client_providers = {"Azure": "azure.ai.openai", "Bedrock": "aws.bedrock"}

_ROUTES = tuple(
    (re.compile(pattern), operation_name)
    for pattern, operation_name in (
        (r"/chat/completions$", "chat"),
        (r"/completions$", "text_completion"),
        (r"/responses/input_tokens$", "count_tokens"),
        (r"/responses/compact$", "compact"),
        (r"/responses$", "chat"),
        (r"/decisions$", "decision"),
        (r"/embeddings$", "embeddings"),
        (r"/moderations$", "moderation"),
        (r"/images/(generations|edits|variations)$", "image_generation"),
        (r"/audio/speech$", "speech"),
        (r"/audio/transcriptions$", "transcription"),
        (r"/audio/translations$", "translation"),
        (r"/videos(/[^/]+/remix|/edits|/extensions|/characters)?$", "video_generation"),
        (r"/batches$", "batch"),
        (r"/threads/runs$|/threads/[^/]+/runs(/[^/]+/submit_tool_outputs)?$", "invoke_agent"),
    )
)
#: Calls that create or change things and cost nothing by themselves, or repeat what was billed before.
_FREE = re.compile(
    r"^/?(.*/)?(files|uploads|models|assistants|conversations|skills|organization|projects|webhooks|admin)(/|$)"
    r"|/(cancel|pause|reject|hangup|refer|delete|archive)$"
    r"|/chat/completions/[^/]+$"
    r"|/threads(/[^/]+)?$|/threads/[^/]+/messages(/|$)|/threads/[^/]+/runs/[^/]+$"
    r"|/vector_stores(/[^/]+)?$|/vector_stores/[^/]+/files/[^/]+$"
    r"|/evals(/[^/]+)?$|/checkpoints/.*/permissions$|/graders/validate$"
)
_VECTOR_STORE_FILES = re.compile(r"/vector_stores/[^/]+/(files|file_batches)$")


#: Calls that give an earlier response again, perhaps now complete: reading it, resuming its stream, cancelling it.
_LATER = re.compile(r"/responses/[^/]+$|/responses/[^/]+/cancel$")
_NEW_RESPONSES = re.compile(r"/responses/(compact|input_tokens)$")


@functools.lru_cache(maxsize=1024)
def later(method: str, path: str) -> bool:
    """Whether a call gives an earlier response again, which must not be billed twice."""
    path = path.partition("?")[0].rstrip("/")
    wanted = "post" if path.endswith("/cancel") else "get"
    return method.lower() == wanted and bool(_LATER.search(path)) and not _NEW_RESPONSES.search(path)


@functools.lru_cache(maxsize=1024)  # the calling thread asks at every call, mostly for the same few paths
def billable(method: str, path: str) -> bool:
    """Whether a call costs money, or is a model call all the same, or completes one."""
    if later(method, path):
        return True
    if method.lower() != "post":
        return False
    path = path.partition("?")[0].rstrip("/")
    return not _FREE.search(path) or bool(_VECTOR_STORE_FILES.search(path))


def operation(path: str) -> str:
    """The operation's name: as the conventions have it where they do, else the end of the path."""
    path = path.rstrip("/")
    for pattern, operation_name in _ROUTES:
        if pattern.search(path):
            return operation_name
    return re.split(r"/v\d+/", path)[-1].strip("/")


def guess_path(request: dict[str, Any]) -> str:
    """The path that a request of this shape goes to, for logs that do not say."""
    if "messages" in request:
        return "/v1/chat/completions"
    if "input" in request:
        return "/v1/embeddings" if "embedding" in str(request.get("model")) else "/v1/responses"
    return "/v1/completions" if "prompt" in request else ""


def model_in(path: str) -> str | None:
    """The deployment that an Azure path names."""
    found = re.search(r"/deployments/([^/]+)/", path)
    return found[1] if found else None


# Reading a whole response

#: An error body without `error`, and what tells an answer from one.
_MESSAGE_ALONE = {"message", "detail", "msg"}
_ANSWER = {"object", "id", "model", "choices", "output", "data", "usage", "text", "messages", "content"}


def read(path: str, body: Any) -> Reading:
    """The facts in a response body."""
    reading = Reading()
    body = mapping(body)
    if not body:
        return reading
    if body.get("error") or (_MESSAGE_ALONE & body.keys() and not _ANSWER & body.keys()):
        reading.error_type, reading.error_message = read_error(body)
    reading.model = text(body.get("model"))
    reading.id = text(body.get("id"))
    reading.service_tier = text(body.get("service_tier"))
    operation_name = operation(path)
    if operation_name == "count_tokens":
        reading.usage.input = count(body.get("input_tokens"))
    elif operation_name != "batch":
        usage = body.get("usage") or mapping(body.get("x_groq")).get("usage")
        if isinstance(usage, dict):
            reading.raw_usage, reading.usage = usage, read_usage(usage)
            reading.reported_cost = reported_cost(usage)
    if isinstance(body.get("choices"), list):
        _read_choices(reading, objects(body["choices"]))
    elif body.get("object") == "response" or isinstance(body.get("output"), list):
        _read_output(reading, body)
    elif isinstance(body.get("messages"), list):  # a template of messages, as some loggers have it
        _read_choices(reading, [{"message": message} for message in objects(body["messages"])])
    elif isinstance(body.get("text"), str):
        reading.output_text = body["text"]
    return reading


def read_usage(usage: dict[str, Any]) -> Usage:
    """The usage object of chat completions (prompt/completion) or of everything newer (input/output)."""
    inner = mapping(
        usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or usage.get("input_token_details")
    )
    outer = mapping(
        usage.get("completion_tokens_details")
        or usage.get("output_tokens_details")
        or usage.get("output_token_details")
    )
    return Usage(
        input=_first(usage, "input_tokens", "prompt_tokens"),
        output=_first(usage, "output_tokens", "completion_tokens"),
        cache_read=_known(_first(inner, "cached_tokens"), _first(usage, "cached_tokens", "prompt_cache_hit_tokens")),
        cache_creation=_first(inner, "cache_write_tokens", "cache_creation_tokens"),
        reasoning=_known(_first(outer, "reasoning_tokens"), _first(usage, "reasoning_tokens")),
        input_image=_first(inner, "image_tokens"),
        output_image=_first(outer, "image_tokens"),
        audio_seconds=seconds if isinstance(seconds := usage.get("seconds"), (int, float)) and seconds >= 0 else None,
        input_audio=_first(inner, "audio_tokens"),
        output_audio=_first(outer, "audio_tokens"),
    )


#: xAI states costs in ticks: this many are a dollar (https://docs.x.ai/docs/models, read 2026-11).
_TICKS = 10_000_000_000


def reported_cost(usage: dict[str, Any]) -> float | None:
    """The cost in dollars by the provider's own account: OpenRouter, Perplexity, xAI."""
    cost, ticks = usage.get("cost"), usage.get("cost_in_usd_ticks")
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    if isinstance(ticks, (int, float)) and not isinstance(ticks, bool):
        cost = ticks / _TICKS
    return float(cost) if isinstance(cost, (int, float)) and not isinstance(cost, bool) and cost >= 0 else None


def _first(values: dict[str, Any], *names: str) -> int | None:
    return _known(*(count(values.get(name)) for name in names))


def _known(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _read_choices(reading: Reading, choices: list[dict[str, Any]]) -> None:
    reasons = [reason for choice in choices if (reason := text(choice.get("finish_reason")))]
    reading.finish_reasons = reasons or None
    texts = []
    for choice in choices:
        message = mapping(choice.get("message"))
        said = message.get("content")
        if isinstance(said, list):
            said = "".join(part for block in objects(said) if (part := text(block.get("text"))))
        texts.append(text(said) or text(message.get("refusal")) or text(choice.get("text")))
        calls = objects(message.get("tool_calls"))
        if isinstance(message.get("function_call"), dict):
            calls.append({"id": None, "function": message["function_call"]})
        for call in calls:
            called = mapping(call.get("function") or call.get("custom"))
            reading.tool_calls.append(
                {
                    "id": call.get("id"),
                    "name": called.get("name"),
                    "arguments": called.get("arguments", called.get("input")),
                }
            )
    reading.output_text = "\n".join(filter(None, texts)) or None


def _read_output(reading: Reading, body: dict[str, Any]) -> None:
    """A response of the Responses API: its finish reason is its status, or why it is incomplete."""
    reason = text(mapping(body.get("incomplete_details")).get("reason")) or text(body.get("status"))
    reading.finish_reasons = [reason] if reason else None
    if body.get("status") == "failed" and not reading.error_message:
        reading.error_type = "failed"
    texts: list[str | None] = []
    for word, kind in (("web_searches", "web_search_call"), ("file_searches", "file_search_call")):
        calls = sum(item.get("type") == kind for item in objects(body.get("output")))
        setattr(reading.usage, word, calls or None)
    for item in objects(body.get("output")):
        if item.get("type") in {"function_call", "custom_tool_call"}:
            reading.tool_calls.append(
                {
                    "id": item.get("call_id"),
                    "name": item.get("name"),
                    "arguments": item.get("arguments", item.get("input")),
                }
            )
        if item.get("type") == "message":
            texts += [text(part.get("text")) or text(part.get("refusal")) for part in objects(item.get("content"))]
    reading.output_text = "".join(filter(None, texts)) or None


# Putting a stream together


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """The response that a stream amounts to, as far as it came."""
    if any("choices" in event.data for event in events):
        return _assemble_choices(events)
    if any(isinstance(event.data.get("response"), dict) for event in events):
        return _assemble_response(events)
    return _assemble_typed(path, events)


def _assemble_choices(events: list[Event]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for event in events:
        for key, value in event.data.items():
            if key == "choices":
                for part in objects(value):
                    _grow_choice(choices.setdefault(count(part.get("index")) or 0, {}), part)
            elif value is not None or key not in body:
                body[key] = value if value or not body.get(key) else body[key]
    body["choices"] = [choices[index] for index in sorted(choices)]
    body["object"] = str(body.get("object", "")).removesuffix(".chunk") or None
    return body


def _grow_choice(choice: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in part.items():
        if key == "delta":
            _grow_message(choice.setdefault("message", {}), mapping(value))
        elif key == "text":
            choice["text"] = choice.get("text", "") + str(value or "")
        elif key == "logprobs" and isinstance(value, dict):
            choice["logprobs"] = _grown(mapping(choice.get("logprobs")), value)
        elif value is not None or key not in choice:
            choice[key] = value


def _grow_message(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Lay a delta over what is there: texts and lists grow, objects merge, tool calls go by their index."""
    for key, value in delta.items():
        before = message.get(key)
        if key == "tool_calls":
            message[key] = _grow_calls(before if isinstance(before, list) else [], objects(value))
        elif isinstance(before, str) and isinstance(value, str) and key not in {"role", "id", "type", "name"}:
            message[key] = before + value
        elif isinstance(before, dict) and isinstance(value, dict):
            _grow_message(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            message[key] = before + value
        elif value is not None or key not in message:
            message[key] = dict(value) if isinstance(value, dict) else value


def _grown(before: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    after = dict(before)
    _grow_message(after, delta)
    return after


def _grow_calls(calls: list[Any], parts: list[dict[str, Any]]) -> list[Any]:
    for part in parts:
        index = count(part.get("index"))
        rest = {key: value for key, value in part.items() if key != "index"}
        if index is None or index > len(calls):  # a vendor that sends whole calls, or skips
            index = len(calls)
        if index == len(calls):
            calls.append({})
        _grow_message(calls[index], rest)
    return calls


def _assemble_response(events: list[Event]) -> dict[str, Any]:
    """The Responses API repeats the whole response in its first and last event; between them, what was done."""
    body: dict[str, Any] = {}
    items: dict[int, dict[str, Any]] = {}
    error: Any = None
    for event in events:
        data = event.data
        kind = str(data.get("type") or event.name or "")
        if isinstance(data.get("response"), dict):
            body = data["response"]
        elif kind in {"response.output_item.added", "response.output_item.done"}:
            items[count(data.get("output_index")) or 0] = dict(mapping(data.get("item")))
        elif kind == "response.output_text.delta":
            _grow_text(items, data)
        elif kind == "error" or "error" in data:
            error = data.get("error") or data
    if items and not body.get("output"):
        body = {**body, "output": [items[index] for index in sorted(items)]}
    return {**body, "error": error} if error and not body.get("error") else body


def _grow_text(items: dict[int, dict[str, Any]], data: dict[str, Any]) -> None:
    item = items.setdefault(count(data.get("output_index")) or 0, {"type": "message", "role": "assistant"})
    parts = item.setdefault("content", [])
    if isinstance(parts, list):
        if not parts:
            parts.append({"type": "output_text", "text": ""})
        if isinstance(parts[-1], dict):
            parts[-1]["text"] = str(parts[-1].get("text") or "") + str(data.get("delta") or "")


def _assemble_typed(path: str, events: list[Event]) -> dict[str, Any]:
    """Streams whose last event says it all: transcriptions, speech, images, assistants' runs."""
    body: dict[str, Any] = {}
    texts: list[str] = []
    for event in events:
        data = mapping(event.data.get("data")) or event.data
        kind = str(data.get("type") or event.name or "")
        if kind == "error" or "error" in data:
            body["error"] = data.get("error") or body.get("error") or (data if kind == "error" else None)
        if kind.endswith(".delta"):
            texts.append(str(data.get("delta") or ""))
        elif kind.endswith((".done", ".completed")) or "usage" in data:
            body.update({key: value for key, value in data.items() if value is not None and key != "type"})
    if texts and "text" not in body and "audio" in path:
        body["text"] = "".join(texts)
    return body
