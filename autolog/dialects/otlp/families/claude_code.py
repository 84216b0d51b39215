"""Claude Code: its log records (`CLAUDE_CODE_ENABLE_TELEMETRY=1`), and its own spans, which are a beta feature.

The names of its attributes have no prefix, so they are applied only to its own items. Its input count excludes cached
tokens. With `OTEL_LOG_RAW_API_BODIES=1` whole requests and responses are sent, from which the cost is computed; without
it the cost is the estimate that Claude Code sends, and the lifetime of cache writes and the messages are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families._agent import Agent
from autolog.dialects.otlp.families._family import Family


def _requests(attributes: Attributes) -> Iterator[Any]:
    for key in ("user_prompt", "tool_input", "tool_parameters"):
        yield parsed(attributes.get(key))


def _responses(attributes: Attributes) -> Iterator[Any]:
    yield parsed(attributes.get("tool_output"))


FAMILY = Family(
    name="claude code",
    texts={
        "request_model": ("model",),
        "request_id": ("request_id",),
        "user": ("user.id", "user.account_uuid"),
        "session": ("session.id",),
    },
    counts={
        "usage_input_tokens": ("input_tokens",),
        "usage_output_tokens": ("output_tokens",),
        "usage_cache_read_input_tokens": ("cache_read_tokens",),
        "usage_cache_creation_input_tokens": ("cache_creation_tokens",),
        "status_code": ("status_code",),
    },
    costs=("cost_usd",),
    kinds={
        "span.type": {"interaction": "agent", "llm_request": "llm", "tool": "tool", "tool.execution": "span",
                      "tool.blocked_on_user": "span", "hook": "span"},
    },
    applies=lambda span: span.name.startswith("claude_code."),
    bodies=("user_prompt", "tool_input", "tool_parameters", "tool_output"),
    requests=_requests,
    responses=_responses,
    cache_beside=True,
)  # fmt: skip

AGENT = Agent(
    prefix="claude_code.",
    family=FAMILY,
    provider="anthropic",
    events={
        "user_prompt": "prompt", "assistant_response": "answer", "api_request": "call", "api_error": "call",
        "api_request_body": "request", "api_response_body": "response", "tool_result": "tool",
    },
    turn=("prompt.id",),
    call_id=("request_id",),
    tool_id=("tool_use_id",),
    tool_input=("tool_input", "tool_parameters"),
    tool_output=("tool_output", "tool_result"),
)  # fmt: skip
