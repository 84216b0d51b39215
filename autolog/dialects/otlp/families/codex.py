"""Codex CLI's log records (`[otel]` in its config.toml), recognised by their `codex.*` event names.

A model call is reported when its stream has ended (`codex.sse_event`, `response.completed`; 0.171 sends it twice, first
without counts). The input includes cached tokens, and the output reasoning. The events do not have the cost, the
service tier, bodies, and the prompt that a call belongs to, so that all calls of a conversation are siblings.
"""

from __future__ import annotations

from autolog.dialects.otlp.families._agent import Agent
from autolog.dialects.otlp.families._family import Family

FAMILY = Family(
    name="codex",
    texts={
        "request_model": ("model", "slug"),
        "response_id": ("response.id",),
        "user": ("user.email", "user.account_id"),
        "session": ("conversation.id", "session.id"),
    },
    counts={
        "usage_input_tokens": ("input_token_count",),
        "usage_output_tokens": ("output_token_count",),
        "usage_cache_read_input_tokens": ("cached_token_count",),
        "usage_cache_creation_input_tokens": ("cache_write_token_count",),
        "usage_reasoning_output_tokens": ("reasoning_token_count",),
        "status_code": ("http.response.status_code",),
    },
)

AGENT = Agent(
    prefix="codex.",
    family=FAMILY,
    provider="openai",
    one_trace=True,  # calls are logged outside of any span, all else within spans
    events={
        "user_prompt": "prompt", "sse_event": "call", "websocket_event": "call", "tool_result": "tool",
        "startup_phase": "skip", "turn_ttft": "skip", "turn_cost": "skip", "websocket_request": "skip",
    },
    only={"sse_event": ("event.kind", "response.completed"), "websocket_event": ("event.kind", "response.completed")},
    counted=frozenset({"sse_event", "websocket_event"}),
    call_id=("response.id",),
    tool_id=("call_id",),
    tool_input=("arguments",),
    tool_output=("output",),
)  # fmt: skip
