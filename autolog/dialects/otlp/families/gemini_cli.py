"""Gemini CLI's log records (`telemetry` in its settings.json), by its `gemini_cli.*` event names.

Thoughts are counted beside the output, cached tokens inside the input. The same response is told again as
`gen_ai.client.inference.operation.details`, of which the messages are taken. What it cannot know: the service tier.
"""

from __future__ import annotations

from autolog.dialects.otlp.families._agent import Agent
from autolog.dialects.otlp.families._family import Family

#: What its spans and log records come from.
SCOPE = "gemini-cli"

#: Its spans of calls tell no tokens: its log records do, and are the calls (0.61).
SPANS = Family(
    name="gemini cli, spans",
    applies=lambda span: span.scope.name == SCOPE,
    step=lambda span: "gen_ai.usage.input_tokens" not in span.attributes,
)

FAMILY = Family(
    name="gemini cli",
    texts={
        "request_model": ("model", "model_name"),
        "user": ("user.email", "installation.id"),
        "session": ("session.id",),
        "error_type": ("error_type",),
    },
    counts={
        "usage_input_tokens": ("input_token_count",),
        "usage_output_tokens": ("output_token_count",),
        "usage_cache_read_input_tokens": ("cached_content_token_count",),
        "usage_reasoning_output_tokens": ("thoughts_token_count",),
        "status_code": ("status_code", "http.status_code"),
    },
    reasoning_beside=True,
)

AGENT = Agent(
    prefix="gemini_cli.",
    family=FAMILY,
    provider="gcp.gemini",
    events={
        "user_prompt": "prompt", "api_response": "call", "api_error": "call", "tool_call": "tool",
        "api_request": "skip", "config": "skip",
    },
    turn=("prompt_id",),
    answer=("response_text",),
    tool=("function_name",),
    tool_input=("function_args",),
)  # fmt: skip
