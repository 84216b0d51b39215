"""Encodes records as spans, for any OpenTelemetry backend."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from autolog._record.record import Record
from autolog.dialects import Request
from autolog.dialects._convert import json_request
from autolog.dialects._fault import Fault, Json
from autolog.dialects.otlp._attributes import span_attributes

#: The codes of google.rpc.Code by HTTP status.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 413: 8, 415: 3, 429: 8, 500: 13, 503: 14, 507: 8}


def encode_request(records: Sequence[Record]) -> Request:
    """Return the OTLP JSON request that ships records to any OpenTelemetry backend."""
    return json_request("POST", "/v1/traces", payload(records))


def payload(records: Sequence[Record]) -> Json:
    """Return an export request with records as spans, in OTLP JSON."""
    scope = {"scope": {"name": "autolog"}, "spans": [_span(record) for record in records]}
    resource = {"attributes": [{"key": key, "value": _any_value(value)} for key, value in _resource().items()]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def _resource() -> dict[str, str]:
    """Return the resource attributes of this program, from the variables that OpenTelemetry's SDKs read.

    OTEL_RESOURCE_ATTRIBUTES is `key=value,key=value` with percent-encoded values; OTEL_SERVICE_NAME overrides it
    (https://opentelemetry.io/docs/specs/otel/resource/sdk/).
    """
    given = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    pairs = [part.partition("=") for part in given.split(",") if part.strip()]
    named = {key.strip(): unquote(value.strip()) for key, _, value in pairs if key.strip() and value}
    service = os.environ.get("OTEL_SERVICE_NAME") or named.get("service.name") or "autolog"
    return {**named, "service.name": service}


def _span(record: Record) -> Json:
    start = record.start_time or record.created_at
    attributes = span_attributes(record)
    span: Json = {
        "traceId": _hex(record.trace_id, record.id, 32),
        "spanId": _hex(record.span_id, record.id, 16),
        "name": record.name or record.kind,
        "kind": 3 if record.kind == "llm" else 1,
        "startTimeUnixNano": _nanos(start),
        "endTimeUnixNano": _nanos(record.end_time or start),
        "attributes": [
            {"key": key, "value": _any_value(value)} for key, value in attributes.items() if value is not None
        ],
        "status": {"code": 2, "message": record.error_message or ""} if record.status == "error" else {},
    }
    if record.parent_span_id:
        span["parentSpanId"] = _hex(record.parent_span_id, record.parent_span_id, 16)
    return span


def refused(reply: Any, sent: int) -> int | None:
    """Return how many records of a batch a backend refused; None if its reply does not say.

    All but `rejectedSpans` are accepted (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response); many backends
    reply with an empty object.
    """
    if reply is None:
        return 0
    if not isinstance(reply, dict) or not reply.keys() <= {"partialSuccess"}:
        return None
    rejected = (reply.get("partialSuccess") or {}).get("rejectedSpans", 0)
    return min(sent, max(0, int(rejected))) if str(rejected).isdecimal() else 0  # 64-bit numbers may be texts


def encode_fault(fault: Fault) -> Json:
    """Encode an error as OTLP requires: as a `google.rpc.Status`."""
    return {"code": _CODES.get(fault.status, 2), "message": fault.message}


def is_fault(reply: Any) -> bool:
    """Return whether a reply is an error of a backend, that is, a `google.rpc.Status`."""
    return isinstance(reply, dict) and {"code", "message"} <= reply.keys() <= {"code", "message", "details"}


def _hex(value: str | None, other: str, size: int) -> str:
    """Return an id of the right size in hexadecimal: `value` if it is one, else one derived from what is known."""
    if value and len(value) == size and all(digit in "0123456789abcdef" for digit in value):
        return value
    return hashlib.sha256((value or other).encode(errors="replace")).hexdigest()[:size]


def _nanos(at: datetime | None) -> str:
    return "0" if at is None else str(int(at.timestamp() * 1_000_000) * 1000)


def _any_value(value: Any) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any_value(item) for item in value]}}
    return {"stringValue": str(value)}
