"""Gemini CLI's log records (`telemetry` in its settings.json), recognised by their `gemini_cli.*` event names.

The output excludes thoughts, and the input includes cached tokens. The same response is reported again as
`gen_ai.client.inference.operation.details`, whose messages are used if the prompts are not logged with the request and
the response (`logPrompts`; 0.61 logs both as sent on the wire, older versions only the answer's text). The events do
not have the service tier.
"""

from __future__ import annotations

from typing import Any

from autolog._record.streams import Event as Chunk
from autolog.dialects._chat import parsed
from autolog.dialects.otlp.families._agent import Agent
from autolog.dialects.otlp.families._family import Family
from autolog.providers import gemini

#: The scope of its spans and log records.
SCOPE = "gemini-cli"

#: Its spans of calls have no token counts; its log records do, and are the calls (0.61).
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
        "error_type": ("error_type", "error.type"),
    },
    counts={
        "usage_input_tokens": ("input_token_count",),
        "usage_output_tokens": ("output_token_count",),
        "usage_cache_read_input_tokens": ("cached_content_token_count",),
        "usage_reasoning_output_tokens": ("thoughts_token_count",),
        "status_code": ("status_code", "http.status_code"),
    },
    reasons=("finish_reasons",),
    reasoning_beside=True,
)


def _read_request(value: Any) -> Any:
    contents = parsed(value)
    return {"contents": contents} if isinstance(contents, list) else contents


def _read_answer(value: Any) -> Any:
    """Return a response, combined from its chunks if it was streamed; return other text unchanged."""
    found = parsed(value)
    chunks = found if isinstance(found, list) else [found]
    if not chunks or not all(isinstance(chunk, dict) and _PARTS & chunk.keys() for chunk in chunks):
        return value
    return gemini.assemble("", [Chunk(None, chunk) for chunk in chunks])


#: Every response, and every chunk of one, has one of these.
_PARTS = {"candidates", "usageMetadata", "promptFeedback"}

AGENT = Agent(
    prefix="gemini_cli.",
    family=FAMILY,
    provider="gcp.gemini",
    events={
        "user_prompt": "prompt", "api_response": "call", "api_error": "call", "tool_call": "tool",
        "api_request": "request", "config": "skip",
    },
    turn=("prompt_id",),
    answer=("response_text",),
    body=("request_text",),
    read_request=_read_request,
    read_answer=_read_answer,
    tool=("function_name",),
    tool_input=("function_args",),
    one_trace=True,  # failed calls and tools are logged within spans, which are traces of their own
)  # fmt: skip
