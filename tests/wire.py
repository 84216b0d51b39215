"""Build responses in wire format by hand, and read them into records, for the tests of providers' formats."""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime
from typing import Any

from autolog._pricing.bill import price_record
from autolog._reading.describe import describe
from autolog._record.record import Record

AWS = "application/vnd.amazon.eventstream"


def sse(*events: Any, named: bool = False) -> bytes:
    """Return server-sent events; with `named`, the name of each is its type."""
    return b"".join(
        (f"event: {event['type']}\n" if named else "").encode() + b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in events
    )


def ndjson(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def aws_frame(payload: dict[str, Any], **headers: str) -> bytes:
    """Return an AWS event-stream frame with string headers (`_` for `-`) and without valid checksums."""
    head = b""
    for name, value in headers.items():
        key = (":" + name.replace("_", "-")).encode()
        head += bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    body = json.dumps(payload).encode()
    return struct.pack(">III", 16 + len(head) + len(body), len(head), 0) + head + body + b"\0\0\0\0"


def aws_events(*events: tuple[str, dict[str, Any]]) -> bytes:
    """Return a Converse stream, in which the events' names are in the frames' headers."""
    return b"".join(aws_frame(data, message_type="event", event_type=name) for name, data in events)


def aws_chunks(*chunks: dict[str, Any]) -> bytes:
    """Return an `invoke` stream, in which the model's own chunks are wrapped."""
    wrapped = (base64.b64encode(json.dumps(chunk).encode()).decode() for chunk in chunks)
    return b"".join(aws_frame({"bytes": chunk}, message_type="event", event_type="chunk") for chunk in wrapped)


def read_call(
    url: str,
    request: Any,
    response: Any,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
    status: int = 200,
) -> Record:
    """Return the described and priced record of a call; `response` is JSON, or the bytes of a stream."""
    record = Record(
        id="r",
        start_time=datetime(2026, 11, 1, tzinfo=UTC),
        request_method="POST",
        request_url=url,
        request_body=json.dumps(request).encode(),
        request_content_type="application/json",
        response_body=response if isinstance(response, bytes) else json.dumps(response).encode(),
        response_content_type=content_type,
        response_headers=headers or {},
        status_code=status,
    )
    price_record(record, describe(record))
    return record


def tokens(record: Record) -> tuple[int | None, ...]:
    """Return the token counts of a record: input, output, cache read, cache write, reasoning."""
    return (
        record.usage_input_tokens,
        record.usage_output_tokens,
        record.usage_cache_read_input_tokens,
        record.usage_cache_creation_input_tokens,
        record.usage_reasoning_output_tokens,
    )


def certainty(record: Record) -> str:
    return str((record.cost_details or {}).get("certainty"))
