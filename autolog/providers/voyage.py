"""Voyage AI: text, multimodal and contextualized embeddings, and reranking. All tokens are input tokens.

The format: https://docs.voyageai.com/reference/embeddings-api, read 2026-11.
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
from autolog.providers._fields import count, mapping, plain_path, text

name = "voyage"
provider_name = "voyage"

_CALL = r"/v1/(multimodal|contextualized)?embeddings$|/v1/rerank$"


@functools.lru_cache(maxsize=1024)
def operation(path: str) -> str:
    """Return the operation's name: `embeddings`, for any kind of embedding, or `rerank`."""
    end = plain_path(path).rpartition("/")[2]
    return "embeddings" if end.endswith("embeddings") else end


@functools.lru_cache(maxsize=1024)
def billable(method: str, path: str) -> bool:
    """Return whether a call is a model call."""
    return method.lower() == "post" and bool(re.search(_CALL, plain_path(path)))


def guess_path(request: dict[str, Any]) -> str:
    """Return the path for a request of this shape."""
    return "/v1/rerank" if "query" in request and "documents" in request else "/v1/embeddings"


def read(path: str, body: Any, headers: Mapping[str, str]) -> Facts:
    """Return the facts in a response."""
    body = mapping(body)
    facts = Facts(model=text(body.get("model")))
    if "detail" in body or "error" in body:
        facts.error_type, facts.error_message = read_error(body)
    if usage := mapping(body.get("usage")):
        facts.raw_usage = usage
        facts.usage.input = count(usage.get("total_tokens"))
        if count(usage.get("image_pixels")) or count(usage.get("video_pixels")):
            facts.uncertainty = "images are billed by the pixel"
    return facts


def assemble(path: str, events: list[Event]) -> dict[str, Any]:
    """Return the last event, or an empty dict: the API has no streams."""
    return events[-1].data if events else {}
