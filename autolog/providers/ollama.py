"""Ollama's native API. Streams are JSON lines; local models have no prices except those that the user configures.

The format: https://docs.ollama.com/api, read 2026-11. Token counts are missing if the whole prompt was cached.
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
)
from autolog.providers._facts import Facts
from autolog.providers._fields import count, mapping, objects, plain_path, text
from autolog.providers._pieces import add_text, child, joined

name = "ollama"
provider_name = "ollama"

_ROUTES = {
    "chat": "chat", "generate": "text_completion", "embed": "embeddings", "embeddings": "embeddings",
    "web_search": "search", "web_fetch": "fetch",
}  # fmt: skip
_CALL = r"/api/(chat|generate|embed|embeddings|web_search|web_fetch)$"


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name: the GenAI conventions' name if there is one, else the end of the path."""
    end = plain_path(path).rpartition("/")[2]
    return _ROUTES.get(end, end)


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call is a model call, or one of the cloud's web tools; pulling a model is not."""
    return method.lower() == "post" and bool(re.search(_CALL, plain_path(path)))


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    return "covered by the subscription" if operation(path) in {"search", "fetch"} else None


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    return "/api/chat" if "messages" in request else "/api/embed" if "input" in request else "/api/generate"


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response."""
    body = mapping(body)
    facts = Facts(model=text(body.get("model")), error_message=text(body.get("error")))
    reason = text(body.get("done_reason"))
    facts.finish_reasons = [reason] if reason else None
    message = mapping(body.get("message"))
    facts.output_text = text(message.get("content")) or text(body.get("response"))
    facts.tool_calls = [
        {"id": call.get("id"), "name": called.get("name"), "arguments": called.get("arguments")}
        for call in objects(message.get("tool_calls"))
        if (called := mapping(call.get("function")))
    ]
    usage = {key: body[key] for key in ("prompt_eval_count", "eval_count") if count(body.get(key)) is not None}
    facts.raw_usage = usage or None
    facts.usage.input, facts.usage.output = usage.get("prompt_eval_count"), usage.get("eval_count")
    return facts


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream: texts and tool calls arrive in pieces, and counts at the end."""
    body: dict[str, Any] = {}
    for event in events:
        for key, value in event.data.items():
            if key == "message" and isinstance(value, dict):
                _grow(child(body, "message"), value)
            elif key in {"response", "thinking"} and isinstance(value, str):
                add_text(body, key, value)
            elif value is not None:
                body[key] = value
    return mapping(joined(body))


def _grow(message: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if key in {"content", "thinking"} and isinstance(value, str):
            add_text(message, key, value)
        elif isinstance(value, list) and isinstance(message.get(key), list):
            message[key] = [*message[key], *value]
        elif value is not None:
            message[key] = value
