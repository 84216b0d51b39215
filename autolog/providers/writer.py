"""Writer's API: chat in OpenAI's format at its own path, and applications, translation, vision and tools.

The format: the types of the `writer-sdk` package 3.0, read 2026-11. Only chat reports its usage.
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
    model_in as model_in,
    results_id as results_id,
    streams as streams,
)
from autolog.providers._facts import Facts, LongRunning
from autolog.providers._fields import mapping, plain_path, text
from autolog.providers._pieces import add_text, joined

name = "writer"
provider_name = "writer"

_ROUTES = (
    (r"v1/chat$", "chat"),
    (r"v1/completions$", "text_completion"),
    (r"v1/applications/[^/]+(/jobs)?$|v1/applications/jobs/[^/]+(/retry)?$", "invoke_agent"),
    (r"v1/graphs/question$", "retrieval"),
    (r"v1/translation$", "translation"),
    (r"v1/vision$", "vision"),
    (r"v1/tools/[^/]+(/[^/]+)?$", "execute_tool"),
)
#: The keys of the output text in responses other than chat's.
_TEXTS = ("data", "suggestion", "answer")


@functools.lru_cache(maxsize=1024)
def _route(path: str) -> str | None:
    path = plain_path(path)
    return next((operation_name for pattern, operation_name in _ROUTES if re.search(pattern, path)), None)


def operation(path: str) -> str:
    """Return the operation's name: the GenAI conventions' name if there is one, else the end of the path."""
    return _route(path) or plain_path(path).rpartition("/")[2]


def billable(method: str, path: str) -> bool:
    """Return whether a call is a model or tool call, or reads a job; file and graph management is not billed."""
    return is_follow_up(method, path) or (method.lower() == "post" and _route(path) is not None)


@functools.lru_cache(maxsize=1024)
def is_follow_up(method: str, path: str) -> bool:
    """Return whether a call reads or retries a job of an application, which an earlier call began."""
    end = {"get": "", "post": "/retry"}.get(method.lower())
    return end is not None and bool(re.search(rf"v1/applications/jobs/[^/]+{end}$", plain_path(path)))


def has_usage_option(path: str) -> bool:
    """Return whether a stream from this path reports its usage only on request."""
    return operation(path) == "chat"


def unbilled_reason(path: str) -> str | None:
    """Return why the cost of a call to this path cannot be computed; None if it can."""
    return None if operation(path) == "chat" else "the response does not say what was used"


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    return "/v1/chat" if "messages" in request else "/v1/completions"


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response."""
    body = mapping(body)
    facts = openai.read(path, body, headers)
    job, state = text(body.get("id")), text(body.get("status"))
    if "/jobs" in path and job is not None and state is not None:
        facts.long_running = LongRunning(f"job:{job}", "invoke_agent", state in {"completed", "failed"})
        facts.finish_reasons = [state] if facts.long_running.final else None
        facts.error_type = state if facts.error_message else None
    results = (body, mapping(body.get("data")))  # a job's result is in `data`
    facts.output_text = facts.output_text or next(
        (said for result in results for key in _TEXTS if (said := text(result.get(key)))), None
    )
    return facts


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the response assembled from a stream, of chat or of another call that sends pieces of text."""
    if any("choices" in event.data for event in events):
        return openai.assemble(path, events)
    body: dict[str, Any] = {}
    for event in events:
        value, delta = event.data.get("value"), mapping(event.data.get("delta"))
        if isinstance(value, str):
            add_text(body, "text", value)
        elif isinstance(delta.get("content"), str):
            add_text(body, "suggestion", delta["content"])
        elif isinstance(event.data.get("data"), dict):
            body.update({key: item for key, item in event.data["data"].items() if item or key not in body})
        else:
            body.update(event.data)
    return mapping(joined(body))
