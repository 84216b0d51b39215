"""Meta's Llama API in its native format; the paths under `/compat/` use OpenAI's.

The format: the types of the `llama-api-client` package 0.6, read 2026-11. Usage is a list of metrics, which streams
send with the last event.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from autolog._record.streams import Event
from autolog.providers._defaults import (
    batch_results as batch_results,
    billable_units as billable_units,
    has_usage_option as has_usage_option,
    is_follow_up as is_follow_up,
    model_in as model_in,
    results_id as results_id,
    streams as streams,
    unbilled_reason as unbilled_reason,
)
from autolog.providers._facts import Facts, read_error
from autolog.providers._fields import count, kind_of, mapping, objects, plain_path, text
from autolog.providers._pieces import add_text, child, children, joined

name = "llama_api"
provider_name = "meta"

_ROUTES = {"chat/completions": "chat", "moderations": "moderation"}
_CALL = r"(?:^|/)(chat/completions|moderations)$"


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name: the GenAI conventions' name if there is one, else the end of the path."""
    path = plain_path(path)
    return next((name for end, name in _ROUTES.items() if path.endswith(end)), path.rpartition("/")[2])


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call is a model call; the SDK gives its paths without the `/v1` of the base address."""
    return method.lower() == "post" and bool(re.search(_CALL, plain_path(path)))


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    return "/v1/chat/completions"


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response; the model is usually named only in the request."""
    body = mapping(body)
    facts = Facts(id=text(body.get("id")), model=text(body.get("model")))
    message = mapping(body.get("completion_message"))
    if not message:
        facts.error_type, facts.error_message = (
            read_error(body) if "error" in body or "detail" in body else (None, None)
        )
    content = message.get("content")
    facts.output_text = text(content) or text(mapping(content).get("text"))
    reason = text(message.get("stop_reason"))
    facts.finish_reasons = [reason] if reason else None
    facts.tool_calls = [
        {"id": call.get("id"), "name": called.get("name"), "arguments": called.get("arguments")}
        for call in objects(message.get("tool_calls"))
        if (called := mapping(call.get("function")))
    ]
    counts = {kind_of(item, "metric"): count(item.get("value")) for item in objects(body.get("metrics"))}
    facts.raw_usage = {metric: number for metric, number in counts.items() if number is not None} or None
    facts.usage.input, facts.usage.output = counts.get("num_prompt_tokens"), counts.get("num_completion_tokens")
    return facts


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream, in which texts and tool arguments arrive in pieces."""
    body: dict[str, Any] = {}
    for event in events:
        data = mapping(event.data.get("event"))
        for key in ("id", "error", "detail"):
            if event.data.get(key) is not None:
                body[key] = event.data[key]
        if data:
            message = child(body, "completion_message")
            message["role"] = "assistant"
            _grow(message, mapping(data.get("delta")))
            if data.get("stop_reason"):
                message["stop_reason"] = data["stop_reason"]
        if isinstance(data.get("metrics"), list):
            body["metrics"] = data["metrics"]
    return mapping(joined(body))


def _grow(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta to the message: text, or the start or a piece of a tool call."""
    if isinstance(words := delta.get("text"), str):
        add_text(message, "content", words)
    called = mapping(delta.get("function"))
    if not called:
        return
    calls = children(message, "tool_calls")
    begins = called.get("name") or (delta.get("id") and delta["id"] != mapping(calls[-1] if calls else {}).get("id"))
    if begins or not calls:
        calls.append({"id": delta.get("id"), "function": {"name": called.get("name")}})
    if isinstance(arguments := called.get("arguments"), str):
        add_text(child(calls[-1], "function"), "arguments", arguments)
