"""Conversions of values that the dialects share: bodies, times, ids and words."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from autolog._reading.describe import bodies
from autolog._record.bodies import decode_json, encode_json
from autolog._record.ids import new_record_id
from autolog._record.record import Record
from autolog.dialects import Request
from autolog.dialects._fault import Fault, detail

#: Larger durations, in seconds, are mistakes, and would cause errors in readers.
MAX_SECONDS = 1e9
MAX_DOLLARS = 1e12
MAX_TOKENS = 2**53


# Bodies


def to_body(payload: Any) -> bytes | None:
    """Encode a payload as a record stores it."""
    return None if payload is None else encode_json(payload)


def json_request(method: str, path: str, payload: Any) -> Request:
    """Return a request with a JSON body."""
    return Request(method, path, json.dumps(payload, default=str).encode(), {"content-type": "application/json"})


def from_body(body: bytes | None) -> Any:
    """Return a record's body as JSON data: parsed if it is JSON, else as text; None if there is no body."""
    if body is None:
        return None
    value = decode_json(body)
    return body.decode(errors="replace") if value is None and body.strip() != b"null" else value


def read_bodies(record: Record) -> tuple[Any, Any]:
    """Return a record's request and response as `from_body` does, but the response of a streamed call assembled."""
    request, response = from_body(record.request_body), from_body(record.response_body)
    if isinstance(response, str) and record.kind == "llm":
        response = bodies(record)[1] or response
    return request, response


# Times and ids


def new_id(prefix: str = "") -> str:
    """Return a new record id; ids sort by time."""
    return prefix + new_record_id(int(datetime.now(UTC).timestamp() * 1000))


def new_uuid() -> str:
    """Return a random UUID, for things other than records."""
    return str(uuid.uuid4())


_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def parse_time(value: Any, name: str = "time", status: int = 400) -> datetime | None:
    """Parse a time given as ISO 8601 text (UTC if it has no offset) or as Unix time in seconds; None stays None.

    Raises:
        Fault: with `status`, if it is not a time, or outside 1970 to 9999.
    """
    if value is None:
        return None
    try:
        if isinstance(value, bool):
            raise TypeError
        if isinstance(value, (int, float)):
            at = datetime.fromtimestamp(value, UTC)
        else:
            at = datetime.fromisoformat(value)
            at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise Fault(status, f"{name}: {str(value)[:50]!r} is not a time", detail(name, "not a time")) from error
    if not _EARLIEST <= at < _LATEST:
        raise Fault(status, f"{name}: {str(value)[:50]!r} is out of range", detail(name, "out of range"))
    return at


#: The earliest Unix time, in seconds, that is believed: an earlier time is from a clock that was never set, or in
#: another unit.
_FIRST = 946_684_800


def nanoseconds(value: Any) -> datetime | None:
    """Convert a Unix time in nanoseconds; return None if it is not one, or before 2000."""
    try:
        seconds = int(value) / 1e9 if value else 0
        return datetime.fromtimestamp(seconds, UTC) if seconds >= _FIRST else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def format_time(at: datetime | None) -> str | None:
    """Format a time as ISO 8601 in UTC with a `Z`; None stays None."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def fill_times(record: Record) -> None:
    """Fill in whichever of start, end and duration follows from the other two, and `created_at` from the start or end.

    A record's `created_at` stays as it is first stored, also if an update of the record arrives before its beginning.
    """
    computed = bool(record.extra.get("computed_duration"))
    if (record.duration is None or computed) and record.start_time and record.end_time:
        record.duration = max(0.0, (record.end_time - record.start_time).total_seconds())
        record.extra = {**record.extra, "computed_duration": True}
    record.created_at = record.created_at or record.start_time or record.end_time


# Words


def url_path(record: Record) -> str:
    """Return the path of the provider's URL; or else the name of the function or the prompt."""
    path = urlsplit(record.request_url or "").path
    return path or str(record.extra.get("function_name") or "") or record.prompt_name or ""


_ADDRESS = re.compile(r"(?:[\w+.-]+://)?(?:[^/@]*@)?([\w.-]+(?::\d+)?)(?:[/?#]|$)")


def host_of(address: Any) -> str | None:
    """Return the host, with its port, in a URL or an address without a scheme; None if there is none."""
    match = _ADDRESS.match(address) if isinstance(address, str) else None
    return match and match[1]


def model_of(record: Record) -> str:
    """Return the model's name for vendors' rows, in which it is never null."""
    return record.request_model or record.response_model or ""


def model_type(record: Record) -> str:
    """Return the kind of model call, in the vendors' words."""
    names = {"text_completion": "completion", "embeddings": "embedding", "image_generation": "image"}
    operation = record.operation_name or ("chat" if record.kind == "llm" else record.kind)
    return names.get(operation, operation)


def text_of(payload: Any) -> str | None:
    """Return a payload as text: a text unchanged, everything else as JSON."""
    if payload is None or isinstance(payload, str):
        return payload
    return json.dumps(payload, ensure_ascii=False)


def refused(reply: Any, sent: int) -> int | None:  # noqa: ARG001 - every dialect's takes it; here one is sent
    """Return 0 if a reply has the id of the record that was sent, which is then stored; None if it does not say."""
    return 0 if isinstance(reply, dict) and reply.get("id") else None
