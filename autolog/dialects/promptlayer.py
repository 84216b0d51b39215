"""PromptLayer: log-request, the tracker that wrapped clients use, enrichment, spans. Design notes, sections 5 and 6.

What the format cannot hold: HTTP status and headers, cached tokens, finish reasons outside of the output, a text id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import pydantic

from autolog._reading.describe import derive
from autolog._record.record import Record
from autolog.dialects import Request
from autolog.dialects._convert import (
    MAX_DOLLARS,
    MAX_TOKENS,
    fill_times,
    format_time,
    from_body,
    json_request,
    nanoseconds,
    new_id,
    parse_time,
    to_body,
)
from autolog.dialects._fault import Body, Fault, Json, validate

name = "promptlayer"
why_not_shipped = ""
batches = False
key_headers = ("x-api-key",)
prefixes = (
    "/log-request", "/track-", "/rest/", "/library-track-", "/prompt-templates/", "/create-group", "/spans-bulk",
    "/api/public/v2/",
)  # fmt: skip

#: The largest integer that JSON readers of every language keep.
MAX_ID = 2**53 - 1

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


# Logging


def decode_log_request(body: Json) -> Record:
    """The record that `POST /log-request` makes.

    Raises:
        Fault: 422.
    """
    log = validate(LogRequest, body, 422)
    for side in ("input", "output"):
        _check_template(side, getattr(log, side))
    record = Record(
        id=new_id(),
        dialect=name,
        provider_name=log.provider,
        request_model=log.model,
        request_body=to_body({**(log.parameters or {}), **log.input}),
        response_body=to_body(log.output),
        start_time=parse_time(log.request_start_time, "request_start_time", 422),
        end_time=parse_time(log.request_end_time, "request_end_time", 422),
        request_meta={"parameters": log.parameters} if log.parameters else {},
        tags=log.tags or [],
        metadata=dict(log.metadata or {}),
        prompt_name=log.prompt_name,
        prompt_id=None if log.prompt_id is None else str(log.prompt_id),
        prompt_version=None if log.prompt_version_number is None else str(log.prompt_version_number),
        prompt_variables=log.prompt_input_variables,
        usage_input_tokens=log.input_tokens,
        usage_output_tokens=log.output_tokens,
        cost=log.price,
        custom_cost=log.price is not None,
        name=log.function_name or None,
        score=log.score,
        scores={} if log.score is None else {log.score_name or "default": log.score},
        status="error" if log.status == "ERROR" else "ok",
        error_type=log.error_type,
        error_message=log.error_message,
        extra={"function_name": log.function_name, "api_type": log.api_type, "status": log.status or "SUCCESS",
               "input": log.input, "output": log.output},
    )  # fmt: skip
    fill_times(record)
    status = record.status
    derive(record)
    record.status = status
    return record


def _check_template(side: str, template: Json) -> None:
    kind = validate(Template, template, 422, ("body", side)).type
    validate(ChatTemplate if kind == "chat" else CompletionTemplate, template, 422, ("body", side))


def decode_track_request(body: Json) -> Record:
    """The record that a wrapped client's `POST /track-request` makes.

    Raises:
        Fault: 400.
    """
    log = validate(TrackRequest, body)
    failed = log.status == "ERROR" or bool(log.error_type) or bool(log.error_message)
    record = Record(
        id=new_id(),
        dialect=name,
        provider_name=log.provider_type or None,
        name=log.function_name or None,
        request_body=to_body(log.kwargs),
        response_body=to_body(log.request_response),
        tags=log.tags or [],
        metadata=dict(log.metadata or {}),
        start_time=parse_time(log.request_start_time, "request_start_time"),
        end_time=parse_time(log.request_end_time, "request_end_time"),
        span_id=None if log.span_id is None else str(log.span_id),
        prompt_id=None if log.prompt_id is None else str(log.prompt_id),
        prompt_version=None if log.prompt_version is None else str(log.prompt_version),
        prompt_variables=log.prompt_input_variables,
        status="error" if failed else "ok",
        error_type=log.error_type,
        error_message=log.error_message,
        extra={"function_name": log.function_name, "args": log.args or []},
    )
    if log.group_id is not None:
        record.extra["group_id"] = log.group_id
    fill_times(record)
    derive(record)
    return record


# Enrichment


def decode_track(model: type[Body], body: Json) -> tuple[str, Callable[[Record], None]]:
    """The request id that an enrichment names, and what it changes.

    Raises:
        Fault: 400.
    """
    track: Any = validate(model, body)

    def change(record: Record) -> None:
        if isinstance(track, TrackMetadata):
            record.metadata = {**record.metadata, **track.metadata}
        elif isinstance(track, TrackScore):
            record.score = track.score
            record.scores = {**record.scores, (track.name or track.score_name or "default"): track.score}
        elif isinstance(track, TrackPrompt):
            record.prompt_name = track.prompt_name
            if track.prompt_input_variables is not None:
                record.prompt_variables = track.prompt_input_variables
            if track.version is not None:
                record.prompt_version = str(track.version)
            if track.label is not None:
                record.extra = {**record.extra, "prompt_label": track.label}
        elif isinstance(track, TrackGroup):
            record.extra = {**record.extra, "group_id": track.group_id}

    if isinstance(track.request_id, bool):
        raise Fault(400, "request_id: is neither a number nor text")
    return str(track.request_id), change


def decode_spans(body: Json) -> list[tuple[Record, Record | None]]:
    """The spans of `POST /spans-bulk`, each with the request log inside it.

    Raises:
        Fault: 400.
    """
    made = []
    for span in validate(SpansBulk, body).spans:
        failed = bool(span.status and (span.status.status_code or "").upper().endswith("ERROR"))
        record = Record(
            id=new_id(),
            dialect=name,
            kind="span",
            name=span.name,
            trace_id=span.context.trace_id,
            span_id=span.context.span_id,
            parent_span_id=span.parent_id,
            start_time=nanoseconds(span.start_time),
            end_time=nanoseconds(span.end_time),
            status="error" if failed else "ok",
            error_message=span.status.description if span.status and failed else None,
            metadata=span.attributes or {},
            extra={"resource": span.resource} if span.resource else {},
        )
        fill_times(record)
        log = None
        if span.log_request is not None:
            times = {
                "request_start_time": record.start_time and record.start_time.timestamp(),
                "request_end_time": record.end_time and record.end_time.timestamp(),
            }
            log = decode_log_request({**times, **span.log_request})
            log.trace_id, log.parent_span_id = record.trace_id, record.span_id
        made.append((record, log))
    return made


# Replies


def encode_logged(record: Record, seq: int) -> Json:
    """What `POST /log-request` answers; its status must be 201."""
    version = None
    if record.prompt_name is not None:
        model = {
            "provider": record.provider_name,
            "name": record.request_model,
            "parameters": record.request_meta.get("parameters") or {},
        }
        version = {"prompt_template": record.extra.get("input"), "commit_message": None, "metadata": {"model": model}}
    return {
        "id": seq,
        "request_id": seq,
        "prompt_version": version,
        "status": record.extra.get("status", "SUCCESS"),
        "error_type": record.error_type,
        "error_message": record.error_message,
    }


def encode_tracked(record: Record, seq: int) -> Json:
    """What `POST /track-request` answers; its status must be 200."""
    return {"success": True, "request_id": seq, "prompt_blueprint": encode_blueprint(record)}


def encode_blueprint(record: Record) -> Json:
    """The prompt that a request was made from."""
    request = from_body(record.request_body)
    request = request if isinstance(request, dict) else {}
    template = record.extra.get("input") or {"type": "chat", "messages": _blocks(request.get("messages"))}
    model = {
        "provider": record.provider_name,
        "name": record.request_model,
        "parameters": record.request_meta.get("parameters") or {},
    }
    return {"prompt_template": template, "metadata": {"model": model}}


def _blocks(messages: Any) -> list[Json]:
    """Messages with their content as blocks, which this vendor's templates need."""
    made = []
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict):
            content = message.get("content")
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            made.append({**message, "content": blocks if isinstance(blocks, list) else []})
    return made


def encode_request_row(record: Record) -> Json:
    """One request, as `GET /api/public/v2/requests/{id}` and its search answer."""
    known = [n for n in (record.usage_input_tokens, record.usage_output_tokens) if n is not None]
    return {
        "request_id": record.seq,
        "id": record.seq,
        "prompt_blueprint": encode_blueprint(record),
        "provider": record.provider_name,
        "model": record.request_model or record.response_model,
        "input_tokens": record.usage_input_tokens,
        "output_tokens": record.usage_output_tokens,
        "tokens": sum(known) if known else None,
        "price": record.cost,
        "request_start_time": format_time(record.start_time or record.created_at),
        "request_end_time": format_time(record.end_time),
        "latency_ms": None if record.duration is None else round(record.duration * 1000),
        "trace_id": record.trace_id,
        "status": "ERROR" if record.status == "error" else record.extra.get("status", "SUCCESS"),
        "tags": record.tags,
        "metadata": record.metadata,
        "scores": record.scores,
        "prompt_name": record.prompt_name,
    }


def encode_fault(fault: Fault) -> Json:
    """An error in this vendor's shape."""
    body: Json = {"success": False, "message": fault.message}
    return {**body, "detail": fault.details} if fault.status == 422 else body


# Requests, for the client's exporter


def encode_request(records: Sequence[Record]) -> Request:
    """The request that logs a record with the vendor, which takes one at a time."""
    (record,) = records
    from autolog._reading.messages import plain_text, request_messages, response_messages

    request, response = from_body(record.request_body), from_body(record.response_body)
    roles = {"system", "user", "assistant", "developer", "tool", "function", "placeholder"}

    def template(messages: list[Any], default: str) -> Json:
        return {
            "type": "chat",
            "messages": [
                {"role": m.role if m.role in roles else default, "content": [{"type": "text", "text": plain_text(m)}]}
                for m in messages
            ],
        }

    fields: Json = {
        "provider": record.provider_name or "unknown",
        "model": record.request_model or record.response_model or "unknown",
        "input": template(request_messages(request), "user"),
        "output": template(response_messages(response), "assistant"),
        "request_start_time": format_time(record.start_time or record.created_at),
        "request_end_time": format_time(record.end_time or record.start_time or record.created_at),
        "tags": [tag[:512] for tag in record.tags],
        "metadata": {
            key[:1024]: value if isinstance(value, str) else to_text(value) for key, value in record.metadata.items()
        },
        "prompt_input_variables": record.prompt_variables,
        "input_tokens": record.usage_input_tokens,
        "output_tokens": record.usage_output_tokens,
        "price": record.cost,
        "function_name": record.name or "",
        "status": "ERROR" if record.status == "error" else "SUCCESS",
        "error_type": "PROVIDER_ERROR" if record.status == "error" else None,
        "error_message": (record.error_message or "")[:1024] or None,
    }
    return json_request("POST", "/log-request", {key: value for key, value in fields.items() if value is not None})


def to_text(value: Any) -> str:
    """A metadata value as this vendor takes it."""
    return value if isinstance(value, str) else (to_body(value) or b"").decode()
