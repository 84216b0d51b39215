"""Alibaba Cloud's DashScope (Qwen) in its native format: text and multimodal generation, embeddings, reranking, tasks.

The format: https://www.alibabacloud.com/help/en/model-studio/dashscope-api-reference, read 2026-11. Responses
of its OpenAI-compatible paths are read as OpenAI's.
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
    model_in as model_in,
    results_id as results_id,
    streams as streams,
)
from autolog.providers._facts import Facts, LongRunning
from autolog.providers._fields import mapping, objects, plain_path, text
from autolog.providers._openai_usage import read_usage
from autolog.providers._pieces import add_text, joined

name = "dashscope"
provider_name = "alibaba_cloud"

_ROUTES = (
    (r"/(text|multimodal)-generation/generation$", "chat"),
    (r"/embeddings/", "embeddings"),
    (r"/text-rerank/|/reranks$", "rerank"),
    (r"/apps/[^/]+/completion$|/agentstudio/(sessions/[^/]+/events|deployments/[^/]+/run)$", "invoke_agent"),
    (r"/compatible-mode/v1/systemone$", "decision"),
    (r"/api/v1/fine-tunes$", "fine_tuning"),
    (r"/(text2image|image2image|image-generation)/", "image_generation"),
    (r"/(video-generation|image2video)/", "video_generation"),
    (r"/audio/asr/", "transcription"),
    (r"/audio/tts/", "speech"),
)
#: The path of assistants' runs, which have OpenAI's format.
_RUNS = "/api/v1/threads/"
_CALL = (
    r"/api/v1/services/|/api/v1/apps/[^/]+/completion$|/api/v1/fine-tunes$|/compatible-api/v1/reranks$"
    r"|/api/v1/agentstudio/(sessions/[^/]+/events|deployments/[^/]+/run)$"
    rf"|/compatible-mode/v1/systemone$|{_RUNS}([^/]+/)?runs$"
)
_TASK = r"/api/v1/tasks/[^/]+$"
_ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"}


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name: the GenAI conventions' name if there is one, else the end of the path."""
    path = plain_path(path)
    if re.search(_TASK, path):
        return "task"
    if _RUNS in path:
        return openai.operation(path)
    return next((kind for pattern, kind in _ROUTES if re.search(pattern, path)), path.rpartition("/")[2])


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call is a model call, or reads the result of one."""
    return is_follow_up(method, path) or (method.lower() == "post" and bool(re.search(_CALL, plain_path(path))))


@functools.lru_cache(maxsize=1024)
def is_follow_up(method: str, path: str) -> bool:
    """Return whether a call reads or continues a task or an assistant's run that an earlier call began."""
    if _RUNS in path:
        return openai.is_follow_up(method, path)
    return method.lower() == "get" and bool(re.search(_TASK, plain_path(path)))


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    return "/api/v1/services/aigc/text-generation/generation"


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    if operation(path) == "fine_tuning":
        return "the response does not say how much was trained"
    if operation(path) in {"image_generation", "video_generation", "speech", "transcription", "task"}:
        return "billed per item, for which no price is known"
    return "billed with its session, whose models report to the session's stream" if "/agentstudio/" in path else None


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response."""
    if _RUNS in path:
        return openai.read(path, body, headers)
    body = mapping(body)
    facts, output = Facts(id=text(body.get("request_id")), model=text(body.get("model"))), mapping(body.get("output"))
    if text(body.get("code")):
        facts.error_type, facts.error_message = text(body.get("code")), text(body.get("message"))
    choices = objects(output.get("choices")) or ([output] if "text" in output else [])
    facts.finish_reasons = [
        reason for choice in choices if (reason := text(choice.get("finish_reason"))) and reason != "null"
    ] or None
    facts.output_text = "\n".join(filter(None, map(_text_of_choice, choices))) or None
    for choice in choices:
        for call in objects(mapping(choice.get("message")).get("tool_calls")):
            called = mapping(call.get("function"))
            call_facts = {"id": call.get("id"), "name": called.get("name"), "arguments": called.get("arguments")}
            facts.tool_calls.append(call_facts)
    task, status = text(output.get("task_id")), text(output.get("task_status"))
    if task is not None and status is not None:
        facts.long_running = LongRunning(f"task:{task}", "task", status in _ENDED)
    if usage := mapping(body.get("usage")):
        facts.raw_usage, facts.usage = usage, read_usage(usage)
        used = [
            (text(model_usage.get("model_id")), read_usage(model_usage)) for model_usage in objects(usage.get("models"))
        ]
        if len(used) == 1:  # of an application
            ((facts.model, facts.usage),) = used
        facts.additional_usage = used if len(used) > 1 else []
        if facts.usage.input is None and facts.usage.output is None and operation(path) in {"embeddings", "rerank"}:
            facts.usage.input = read_usage({"input_tokens": usage.get("total_tokens")}).input
    return facts


def _text_of_choice(choice: dict[str, Any]) -> str | None:
    """Return the text of a choice, which is a string or a list of parts."""
    content = mapping(choice.get("message")).get("content", choice.get("text"))
    if isinstance(content, list):
        return "".join(part["text"] for part in objects(content) if text(part.get("text")))
    return text(content)


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream.

    Each event has the whole text so far or, if the request asked for incremental output, only the new text. A text that
    does not begin with the one before is taken to be incremental.
    """
    if _RUNS in path:
        return openai.assemble(path, events)
    body: dict[str, Any] = {}
    for event in events:
        choices = objects(mapping(event.data.get("output")).get("choices"))
        before = objects(mapping(body.get("output")).get("choices"))
        for old, new in zip(before, choices, strict=False):
            _keep_text(mapping(old.get("message")), mapping(new.get("message")))
        if not choices and "text" in mapping(event.data.get("output")):
            _keep_text(mapping(body.get("output")), mapping(event.data.get("output")), "text")
        body = {**body, **{key: value for key, value in event.data.items() if value not in (None, "")}}
    return mapping(joined(body))


def _keep_text(before: dict[str, Any], after: dict[str, Any], *keys: str) -> None:
    """Prepend the text so far to a text that does not begin with it, and carry over tool calls that an event omits."""
    for key in keys or ("content", "reasoning_content"):
        old, new = joined(before.get(key)), after.get(key)
        if isinstance(old, list) or isinstance(new, list):
            old = "".join(text(part.get("text")) or "" for part in objects(old)) if isinstance(old, list) else old
            new = "".join(text(part.get("text")) or "" for part in objects(new)) if isinstance(new, list) else new
        if isinstance(old, str) and old and isinstance(new, str) and not new.startswith(old):
            after[key] = old
            add_text(after, key, new)
    if before.get("tool_calls") and not after.get("tool_calls"):
        after["tool_calls"] = before["tool_calls"]
