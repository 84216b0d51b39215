"""Google's Agent Development Kit (`gcp.vertex.agent.*`), in addition to the conventions.

The request and the response are complete, in Gemini's shape. The spans cannot express the service tier.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog.dialects._chat import parsed, request_of, response_of
from autolog.dialects.otlp._wire import Attributes
from autolog.dialects.otlp.families._family import Family
from autolog.providers._fields import mapping

_PREFIX = "gcp.vertex.agent."


def _requests(attributes: Attributes) -> Iterator[Any]:
    value = parsed(attributes.get(_PREFIX + "llm_request"))
    if isinstance(value, dict) and value.get("contents"):
        config = mapping(value.get("config"))
        system = config.get("system_instruction")
        body = {**(request_of(value["contents"]) or {}), "model": value.get("model"), "config": config}
        yield {**body, "system": system} if system else body
    yield parsed(attributes.get(_PREFIX + "tool_call_args"))


def _responses(attributes: Attributes) -> Iterator[Any]:
    value = parsed(attributes.get(_PREFIX + "llm_response"))
    if isinstance(value, dict) and isinstance(value.get("content"), dict):
        yield response_of([{**value["content"], "finish_reason": value.get("finish_reason")}])
    yield parsed(attributes.get(_PREFIX + "tool_response"))


FAMILY = Family(
    name="google",
    texts={"session": (_PREFIX + "session_id",)},
    bodies=tuple(_PREFIX + name for name in ("llm_request", "llm_response", "tool_call_args", "tool_response")),
    requests=_requests,
    responses=_responses,
)
