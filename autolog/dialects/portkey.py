"""Portkey: logs, feedback and log exports.

A log consists of the provider's original request and response, and of metadata for everything else. The format cannot
express token counts and cost (they follow from the bodies), finish reasons, tags, and scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pydantic

from autolog._reading.derive import derive
from autolog._record.bodies import decode_json
from autolog._record.record import Record
from autolog._redaction.headers import clean_url, redacted_headers
from autolog.dialects import Request
from autolog.dialects._convert import (
    MAX_SECONDS,
    fill_times,
    format_time,
    from_body,
    json_request,
    nanoseconds,
    new_id,
    parse_time,
    read_bodies,
    to_body,
)
from autolog.dialects._fault import NO_LIMIT, Fault, Json, check_count, parse_json
from autolog.dialects._schema import Body, validate
from autolog.providers import provider_at
from autolog.providers._fields import mapping

name = "portkey"
why_not_shipped = ""
batches = True
key_headers = ("x-portkey-api-key",)
prefixes = ("/v1/",)


class Log(Body):
    request: Json
    response: Json
    metadata: Json | None = None


class Feedback(Body):
    trace_id: str
    value: int = pydantic.Field(ge=-10, le=10)
    weight: float | None = pydantic.Field(default=None, ge=0, le=1)
    metadata: Json | None = None


class FeedbackUpdate(Body):
    value: int = pydantic.Field(ge=-10, le=10)
    weight: float | None = pydantic.Field(default=None, ge=0, le=1)
    metadata: Json | None = None


class ExportRequest(Body):
    filters: Json
    requested_data: list[str]
    workspace_id: str | None = None
    description: str | None = None


class ExportUpdate(Body):
    filters: Json | None = None
    requested_data: list[str] | None = None
    workspace_id: str | None = None
    description: str | None = None


#: Fields of a record, and the names that senders use for each in `metadata`, at the top level, or in headers.
_IDENTITY = {
    "trace_id": ("traceId", "trace_id"),
    "span_id": ("spanId", "span_id"),
    "parent_span_id": ("parentSpanId", "parent_span_id"),
    "name": ("spanName", "span_name"),
    "user": ("_user", "user", "user_id", "userId"),
    "prompt_name": ("_prompt",),
}
_HEADERS = {
    "x-portkey-trace-id": "traceId",
    "x-portkey-span-id": "spanId",
    "x-portkey-parent-span-id": "parentSpanId",
    "x-portkey-span-name": "spanName",
}


def decode_logs(data: bytes, headers: dict[str, str], most: int = NO_LIMIT) -> list[Record]:
    """Return the records of one request: an object or an array of objects; one invalid object refuses all.

    Raises:
        Fault: 400, if the body is invalid; 413, if there are more than `most` logs.
    """
    value = parse_json(data)
    if isinstance(value, dict):
        return [_decode_log(value, headers, ())]
    if isinstance(value, list):
        check_count(len(value), most)
        return [_decode_log(item, headers, (number,)) for number, item in enumerate(value)]
    raise Fault(400, "the body is neither a log object nor an array of them")


def is_otlp(data: bytes) -> bool:
    """Return whether a JSON body is an OpenTelemetry export request for logs, rather than a log of Portkey's."""
    return b'"resourceLogs"' in data[:10_000] and "resourceLogs" in mapping(decode_json(data))


def _decode_log(item: Any, headers: dict[str, str], place: tuple[int, ...]) -> Record:
    log = validate(Log, item, loc=("body", *place))
    request, response = log.request, log.response
    sources = _sources(log, headers)
    record = Record(id=new_id(), dialect=name, metadata={**sources[2], **sources[0]})
    for field, spellings in _IDENTITY.items():
        value = next((part[word] for part in sources for word in spellings if part.get(word) not in (None, "")), None)
        if value is not None:
            setattr(record, field, value if isinstance(value, str) else str(value))
    metadata = record.metadata
    _read_request(record, request, headers)
    _read_response(record, response)
    _read_times(record, log, metadata)
    _read_kind(record, metadata)
    fill_times(record)
    derive(record)
    return record


def _sources(log: Log, headers: dict[str, str]) -> tuple[Json, Json, Json, Json]:
    """Return the sources of identity, in order of precedence: metadata, top level, header metadata, other headers."""
    given: Any = {}
    if headers.get("x-portkey-metadata"):
        try:
            given = parse_json(headers["x-portkey-metadata"].encode("latin-1", errors="replace"))
        except Fault:
            given = {}
    from_headers = {word: headers[header] for header, word in _HEADERS.items() if headers.get(header)}
    return log.metadata or {}, log.model_extra or {}, given if isinstance(given, dict) else {}, from_headers


def _read_request(record: Record, request: Json, headers: dict[str, str]) -> None:
    url = request.get("url")
    if isinstance(url, str) and url:
        record.request_url = clean_url(url)
    host = (record.request_url or "").partition("://")[2].partition("/")[0]
    provider = request.get("provider") or headers.get("x-portkey-provider")
    record.provider_name = provider if isinstance(provider, str) and provider else provider_at(host)
    method = request.get("method")
    record.request_method = method.upper() if isinstance(method, str) and method else "POST"
    if isinstance(request.get("headers"), dict):
        record.request_headers = redacted_headers(request["headers"])
        record.request_content_type = _content_type(record.request_headers)
    record.request_body = to_body(request["body"] if "body" in request else _rest(request))


def _read_response(record: Record, response: Json) -> None:
    status = response.get("status", 200)
    if status is None:
        status = 200
    if isinstance(status, bool) or not isinstance(status, (int, float)):
        raise Fault(400, "response.status: is not a number")
    if not 0 <= status <= 9999:
        raise Fault(400, f"response.status: {str(status)[:20]} is not an HTTP status")
    record.status_code = int(status)
    if isinstance(response.get("headers"), dict):
        record.response_headers = redacted_headers(response["headers"])
        record.response_content_type = _content_type(record.response_headers)
    record.response_body = to_body(response["body"] if "body" in response else _rest(response))
    if response.get("streamingMode") is not None:
        record.response_meta = {"streaming": bool(response["streamingMode"])}
        record.request_stream = bool(response["streamingMode"])
    took = response.get("response_time")
    took = response.get("time") if took in (None, "") else took
    if took not in (None, ""):
        record.duration = _milliseconds(took)


def _milliseconds(value: Any) -> float:
    try:
        seconds = float(value) / 1000
    except (TypeError, ValueError, OverflowError):
        seconds = -1.0
    if isinstance(value, bool) or not 0 <= seconds <= MAX_SECONDS:
        raise Fault(400, "response.response_time: is not a number of milliseconds")
    return seconds


def _rest(part: Json) -> Json | None:
    """Return the payload of a sender that sends it directly instead of as `body`."""
    known = {"url", "provider", "method", "headers", "status", "response_time", "time", "streamingMode"}
    rest = {key: value for key, value in part.items() if key not in known}
    return rest or None


def _content_type(headers: dict[str, str]) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == "content-type"), None)


def _read_times(record: Record, log: Log, metadata: Json) -> None:
    record.start_time = nanoseconds(metadata.get("startTime"))
    record.end_time = nanoseconds(metadata.get("endTime"))
    started = (log.model_extra or {}).get("start_time")
    if record.start_time is None and isinstance(started, (int, float)) and not isinstance(started, bool):
        record.start_time = parse_time(started, "start_time")


def _read_kind(record: Record, metadata: Json) -> None:
    if metadata.get("_logType") == "opentelemetry":
        record.kind = "span"
    source = metadata.get("source_metadata")
    if isinstance(source, str) and source:
        try:
            source = parse_json(source.encode())
        except Fault:
            source = None
    if isinstance(source, dict):
        if source.get("type") in {"chain", "llm", "tool"}:
            record.kind = source["type"]
        if isinstance(source.get("tags"), list):
            record.tags = [tag for tag in source["tags"] if isinstance(tag, str)]


# Replies


def encode_reply(ids: list[str]) -> Json:
    """Encode the reply to a write: the ids in the order of the logs."""
    return {"status": "success", "ids": ids}


_CODES = {400: "AB01", 401: "AB05", 403: "AB03", 404: "AB08", 429: "AB06"}


def encode_fault(fault: Fault) -> Json:
    """Encode an error in this vendor's shape; its client shows `error.message`."""
    code = _CODES.get(fault.status, "AB04" if fault.status >= 500 else "AB01")
    return {
        "success": False,
        "data": {"message": fault.message, "errorCode": code},
        "error": {"message": fault.message, "type": "invalid_request_error", "code": code},
    }


def encode_log(record: Record) -> Json:
    """Encode a log as `GET /v1/logs/{id}` returns it."""
    return {
        "_id": record.id,
        "request": {
            "url": record.request_url or "",
            "method": (record.request_method or "POST").lower(),
            "headers": record.request_headers or {},
            "body": from_body(record.request_body),
            "portkeyHeaders": {},
        },
        "response": {
            "status": record.status_code or (200 if record.status == "ok" else 500),
            "headers": record.response_headers or {},
            "body": read_bodies(record)[1],
            "responseTime": round((record.duration or 0) * 1000),
            "lastUsedOptionJsonPath": "config",
        },
        "organisation_id": record.project,
        "created_at": format_time(record.created_at),
        "metrics": {
            "cost": record.cost,
            "req_units": record.usage_input_tokens,
            "res_units": record.usage_output_tokens,
            "total_units": _total(record),
            "response_time": round((record.duration or 0) * 1000),
        },
    }


def _total(record: Record) -> int | None:
    known = [n for n in (record.usage_input_tokens, record.usage_output_tokens) if n is not None]
    return sum(known) if known else None


#: The columns of an export, each with the function that reads it from a record.
EXPORT_COLUMNS: dict[str, Any] = {
    "id": lambda r: r.id,
    "trace_id": lambda r: r.trace_id,
    "created_at": lambda r: format_time(r.created_at),
    "request": lambda r: encode_log(r)["request"],
    "response": lambda r: encode_log(r)["response"],
    "is_success": lambda r: r.status == "ok",
    "ai_org": lambda r: r.provider_name,
    "ai_model": lambda r: r.request_model or r.response_model,
    "req_units": lambda r: r.usage_input_tokens,
    "res_units": lambda r: r.usage_output_tokens,
    "total_units": _total,
    "request_url": lambda r: r.request_url,
    "cost": lambda r: r.cost,
    "cost_currency": lambda r: "USD",  # noqa: ARG005 - a column like the others
    "response_time": lambda r: round((r.duration or 0) * 1000),
    "response_status_code": lambda r: r.status_code,
    "mode": lambda r: r.extra.get("mode", "single"),
    "config": lambda r: r.extra.get("config"),
    "prompt_slug": lambda r: r.prompt_name,
    "metadata": lambda r: r.metadata,
}


def encode_export_row(record: Record, columns: list[str]) -> Json:
    """Encode a record as a line of an export."""
    return {column: EXPORT_COLUMNS[column](record) for column in columns if column in EXPORT_COLUMNS}


# Requests, for the client's exporter


def refused(reply: Any, sent: int) -> int | None:  # noqa: ARG001 - all or nothing
    return 0 if isinstance(reply, dict) and reply.get("status") == "success" else None


def is_fault(reply: Any) -> bool:
    return isinstance(reply, dict) and reply.get("success") is False and {"data", "error"} & reply.keys() != set()


def encode_request(records: Sequence[Record]) -> Request:
    """Return the request that logs records with the vendor."""
    return json_request("POST", "/logs", [_encode(record) for record in records])


def _encode(record: Record) -> Json:
    metadata: Json = dict(record.metadata)
    for field, word in (("trace_id", "traceId"), ("span_id", "spanId"), ("parent_span_id", "parentSpanId"),
                        ("name", "spanName"), ("user", "_user"), ("prompt_name", "_prompt")):  # fmt: skip
        if getattr(record, field):
            metadata[word] = getattr(record, field)
    request: Json = {
        "url": record.request_url,
        "provider": record.provider_name,
        "method": (record.request_method or "POST").lower(),
        "headers": record.request_headers,
        "body": from_body(record.request_body),
    }
    response: Json = {
        "status": record.status_code or (200 if record.status == "ok" else 500),
        "headers": record.response_headers,
        "body": read_bodies(record)[1],
        "response_time": None if record.duration is None else record.duration * 1000,
        "streamingMode": bool(record.request_stream),
    }
    if record.start_time is not None:
        metadata["startTime"] = _nanoseconds(record.start_time)
    return {
        "request": {key: value for key, value in request.items() if value is not None},
        "response": {key: value for key, value in response.items() if value is not None},
        "metadata": metadata,
    }


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
