"""Decodes PromptLayer's requests as records, and as changes of records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autolog._reading.derive import derive
from autolog._record.record import Record
from autolog._record.scores import DEFAULT, set_score
from autolog.dialects._convert import fill_times, nanoseconds, new_id, parse_time, to_body
from autolog.dialects._fault import NO_LIMIT, Fault, Json, check_count
from autolog.dialects._schema import Body, validate
from autolog.dialects.promptlayer._models import (
    ChatTemplate,
    CompletionTemplate,
    LogRequest,
    SpansBulk,
    Template,
    TrackGroup,
    TrackMetadata,
    TrackPrompt,
    TrackRequest,
    TrackScore,
)

# Logging


def decode_log_request(body: Json) -> Record:
    """Return the record for `POST /log-request`.

    Raises:
        Fault: 422, if the body is invalid.
    """
    log = validate(LogRequest, body, 422)
    for side in ("input", "output"):
        _check_template(side, getattr(log, side))
    # The client sends 0 if its caller gives no price.
    price = None if log.price == 0 and (log.input_tokens or log.output_tokens) else log.price
    record = Record(
        id=new_id(),
        dialect="promptlayer",
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
        cost=price,
        custom_cost=price is not None,
        name=log.function_name or None,
        status="error" if log.status == "ERROR" else "ok",
        error_type=log.error_type,
        error_message=log.error_message,
        extra={"function_name": log.function_name, "api_type": log.api_type, "status": log.status or "SUCCESS",
               "input": log.input, "output": log.output},
    )  # fmt: skip
    if log.score is not None:
        _set_score(record, log.score_name, log.score)
    fill_times(record)
    status = record.status
    derive(record)
    record.status = status
    return record


def _check_template(side: str, template: Json) -> None:
    kind = validate(Template, template, 422, ("body", side)).type
    validate(ChatTemplate if kind == "chat" else CompletionTemplate, template, 422, ("body", side))


def decode_track_request(body: Json) -> Record:
    """Return the record for a wrapped client's `POST /track-request`.

    Raises:
        Fault: 400, if the body is invalid.
    """
    log = validate(TrackRequest, body)
    failed = log.status == "ERROR" or bool(log.error_type) or bool(log.error_message)
    record = Record(
        id=new_id(),
        dialect="promptlayer",
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


def _set_score(record: Record, name: str | None, value: float) -> None:
    """Set a record's score; this vendor has only one for each record, whatever its name."""
    set_score(record, name or DEFAULT, value)
    record.score = value


def decode_track(model: type[Body], body: Json) -> tuple[str, Callable[[Record], None]]:
    """Return the id of the request that an enrichment names, and the change to make to its record.

    Raises:
        Fault: 400, if the body is invalid.
    """
    track: Any = validate(model, body)

    def change(record: Record) -> None:
        if isinstance(track, TrackMetadata):
            record.metadata = {**record.metadata, **track.metadata}
        elif isinstance(track, TrackScore):
            _set_score(record, track.name or track.score_name, track.score)
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


def decode_spans(body: Json, most: int = NO_LIMIT) -> list[tuple[Record, Record | None]]:
    """Return the spans of `POST /spans-bulk`, each with the request log in it, or None.

    Raises:
        Fault: 400, if the body is invalid; 413, if there are more than `most` spans.
    """
    decoded = []
    if isinstance(body.get("spans"), list):
        check_count(len(body["spans"]), most)
    for span in validate(SpansBulk, body).spans:
        failed = bool(span.status and (span.status.status_code or "").upper().endswith("ERROR"))
        record = Record(
            id=new_id(),
            dialect="promptlayer",
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
        decoded.append((record, log))
    return decoded
