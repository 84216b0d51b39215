"""The bodies that PromptLayer's clients send (from the API reference, and promptlayer 1.5.16)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic

from autolog.dialects._convert import MAX_DOLLARS, MAX_TOKENS
from autolog.dialects._fault import Json
from autolog.dialects._schema import Body

Text512 = Annotated[str, pydantic.Field(max_length=512)]
Count = Annotated[int, pydantic.Field(ge=0, lt=MAX_TOKENS)]
Time = Annotated[str | int | float, pydantic.Field(union_mode="left_to_right")]


class Template(Body):
    type: Literal["chat", "completion"]


class ChatTemplate(Template):
    messages: list[Json]


class CompletionTemplate(Template):
    content: list[Any] | str


class LogRequest(Body):
    provider: Annotated[str, pydantic.Field(min_length=1)]
    model: Annotated[str, pydantic.Field(min_length=1)]
    input: Json
    output: Json
    request_start_time: Time
    request_end_time: Time
    parameters: Json | None = None
    tags: list[Text512] | None = None
    metadata: dict[str, str] | None = None
    prompt_name: str | None = None
    prompt_id: int | None = None
    prompt_version_number: Annotated[int, pydantic.Field(gt=0)] | None = None
    prompt_input_variables: Json | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    price: Annotated[float, pydantic.Field(ge=0, le=MAX_DOLLARS)] | None = None
    function_name: str | None = None
    score: Annotated[int, pydantic.Field(ge=0, le=100)] | None = None
    score_name: str | None = None
    api_type: str | None = None
    status: Literal["SUCCESS", "WARNING", "ERROR"] | None = None
    error_type: (
        Literal[
            "PROVIDER_TIMEOUT",
            "PROVIDER_QUOTA_LIMIT",
            "PROVIDER_RATE_LIMIT",
            "PROVIDER_PARTIAL_RESPONSE",
            "PROVIDER_AUTH_ERROR",
            "PROVIDER_ERROR",
            "TEMPLATE_RENDER_ERROR",
            "VARIABLE_MISSING_OR_EMPTY",
            "UNKNOWN_ERROR",
        ]
        | None
    ) = None
    error_message: Annotated[str, pydantic.Field(max_length=1024)] | None = None


class TrackRequest(Body):
    function_name: str | None = None
    provider_type: str | None = None
    args: list[Any] | None = None
    kwargs: Json | None = None
    tags: list[str] | None = None
    request_response: Any = None
    request_start_time: Time | None = None
    request_end_time: Time | None = None
    metadata: Json | None = None
    span_id: str | int | None = None
    prompt_id: int | str | None = None
    prompt_version: int | str | None = None
    prompt_input_variables: Json | None = None
    group_id: int | str | None = None
    status: str | None = None
    error_type: str | None = None
    error_message: str | None = None


RequestId = Annotated[int | str, pydantic.Field(union_mode="left_to_right")]


class TrackMetadata(Body):
    request_id: RequestId
    metadata: Json


class TrackScore(Body):
    request_id: RequestId
    score: Annotated[float, pydantic.Field(ge=0, le=100)]
    name: str | None = None
    score_name: str | None = None


class TrackPrompt(Body):
    request_id: RequestId
    prompt_name: str
    prompt_input_variables: Json | None = None
    version: int | None = None
    label: str | None = None


class TrackGroup(Body):
    request_id: RequestId
    group_id: RequestId


class SpanContext(Body):
    trace_id: str
    span_id: str


class SpanStatus(Body):
    status_code: str | None = None
    description: str | None = None


class BulkSpan(Body):
    name: str
    context: SpanContext
    parent_id: str | None = None
    start_time: int | float | None = None
    end_time: int | float | None = None
    status: SpanStatus | None = None
    attributes: Json | None = None
    resource: Json | None = None
    log_request: Json | None = None


class SpansBulk(Body):
    spans: list[BulkSpan]
