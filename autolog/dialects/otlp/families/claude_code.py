"""Claude Code's own spans (`CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1`); what it logs is read in `_agents`.

Its names have no prefix, so they are read on its spans alone; cached tokens are counted beside the input. What it
cannot know: the life of cache writes, so a bill with any is an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects.otlp._messages import parsed
from autolog.dialects.otlp._wire import Attributes
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
    requests=_requests,
    responses=_responses,
    cache_beside=True,
)  # fmt: skip
