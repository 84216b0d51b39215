"""What all dialects share: faults, strict JSON, validation, and the small translations between their words and ours."""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import pydantic

from autolog._ids import new_record_id
from autolog._record.bodies import decode_json, encode_json
from autolog._record.record import Record

M = TypeVar("M", bound=pydantic.BaseModel)

Json = dict[str, Any]


#: Larger figures are mistakes, and would break whoever reads them.
MAX_SECONDS = 1e9
MAX_DOLLARS = 1e12
MAX_TOKENS = 2**53


class Fault(Exception):  # noqa: N818 - what is wrong with a request; each dialect gives it its shape
    """A request that is refused: an HTTP status, a sentence, and where the problem lies."""

    def __init__(self, status: int, message: str, details: list[Json] | None = None) -> None:
        self.status = status
        self.message = message
        self.details = details or []
        super().__init__(message)


class Body(pydantic.BaseModel):
    """A request body: types are not guessed, unknown fields are kept."""

    model_config = pydantic.ConfigDict(strict=True, extra="allow", protected_namespaces=())


# JSON


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def parse_json(data: bytes) -> Any:
    """The JSON value in a request body, exactly: integers of any size, no NaN.

    Raises:
        Fault: 400, not JSON, not UTF-8, nested too deeply, or empty.
    """
    if not data.strip():
        raise Fault(400, "the body is empty; a JSON value is needed")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise Fault(400, "the body is not UTF-8") from error
    except RecursionError as error:
        raise Fault(400, "the JSON is nested too deeply") from error
    except ValueError as error:
        raise Fault(400, f"malformed JSON: {error}") from error
    if _depth(value) > MAX_DEPTH:
        raise Fault(400, "the JSON is nested too deeply")
    return value


#: Deeper JSON than this is refused: what reads it later recurses.
MAX_DEPTH = 200


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
    return depth


def parse_object(data: bytes) -> Json:
    """The JSON object in a request body.

    Raises:
        Fault: 400, not JSON or not an object.
    """
    value = parse_json(data)
    if not isinstance(value, dict):
        raise Fault(400, "the body is not a JSON object")
    return value


def validate(model: type[M], value: Any, status: int = 400, loc: tuple[str | int, ...] = ("body",)) -> M:
    """`value` as `model`.

    Raises:
        Fault: with `status`; its details are in the shape `{"loc", "msg", "type"}`.
    """
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        details = [
            {"loc": [*loc, *(_clean(part) for part in item["loc"])], "msg": item["msg"], "type": item["type"]}
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        first = details[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        raise Fault(status, f"{place}: {first['msg']}" if place else str(first["msg"]), details) from error


def _clean(part: str | int) -> str | int:
    return part if isinstance(part, int) else part.encode(errors="replace").decode()[:200]


# Bodies


def to_body(payload: Any) -> bytes | None:
    """A payload as a record keeps it."""
    return None if payload is None else encode_json(payload)


def from_body(body: bytes | None) -> Any:
    """A record's body as JSON data: parsed if it is JSON, else as text; None if there is none."""
    if body is None:
        return None
    value = decode_json(body)
    return body.decode(errors="replace") if value is None and body.strip() != b"null" else value


# Times and ids


def new_id(prefix: str = "") -> str:
    """A new record id, sorted by time."""
    return prefix + new_record_id(int(datetime.now(UTC).timestamp() * 1000))


def new_uuid() -> str:
    """A random UUID, for things that are no records."""
    return str(uuid.uuid4())


_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def parse_time(value: Any, name: str = "time", status: int = 400) -> datetime | None:
    """A time given as ISO 8601 text (naive is UTC) or as epoch seconds; None stays None.

    Raises:
        Fault: with `status`, not a time, or one outside of 1970 to 9999.
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
        raise Fault(status, f"{name}: {str(value)[:50]!r} is not a time", _detail(name, "not a time")) from error
    if not _EARLIEST <= at < _LATEST:
        raise Fault(status, f"{name}: {str(value)[:50]!r} is out of range", _detail(name, "out of range"))
    return at


def _detail(name: str, message: str) -> list[Json]:
    return [{"loc": ["body", name], "msg": message, "type": "value_error"}]


def nanoseconds(value: Any) -> datetime | None:
    """A time in epoch nanoseconds; None if it is none."""
    try:
        return datetime.fromtimestamp(int(value) / 1e9, UTC) if value else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def format_time(at: datetime | None) -> str | None:
    """ISO 8601 in UTC with a `Z`."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def fill_times(record: Record) -> None:
    """Start, end and duration each follow from the other two; `created_at` from the start."""
    computed = bool(record.extra.get("computed_duration"))
    if (record.duration is None or computed) and record.start_time and record.end_time:
        record.duration = max(0.0, (record.end_time - record.start_time).total_seconds())
        record.extra = {**record.extra, "computed_duration": True}
    record.created_at = record.created_at or record.start_time


# Words


def url_path(record: Record) -> str:
    """The path of the provider's URL, or the function, or the prompt."""
    path = urlsplit(record.request_url or "").path
    return path or str(record.extra.get("function_name") or "") or record.prompt_name or ""


def model_of(record: Record) -> str:
    """The model's name as vendors' rows have it: never null."""
    return record.request_model or record.response_model or ""


def model_type(record: Record) -> str:
    """The kind of model call in the vendors' words."""
    names = {"text_completion": "completion", "embeddings": "embedding", "image_generation": "image"}
    operation = record.operation_name or ("chat" if record.kind == "llm" else record.kind)
    return names.get(operation, operation)


def text_of(payload: Any) -> str | None:
    """A payload as text: itself if it is text, else its JSON."""
    if payload is None or isinstance(payload, str):
        return payload
    return json.dumps(payload, ensure_ascii=False)


#: Request headers that say who the caller is; their values are never kept.
_SECRET_WORDS = ("authorization", "api-key", "apikey", "token", "secret", "cookie", "password", "x-auth")


def redacted_headers(headers: Json) -> dict[str, str]:
    """Headers with the values of credentials replaced."""
    return {
        str(name): "REDACTED" if any(word in str(name).lower() for word in _SECRET_WORDS) else str(value)
        for name, value in headers.items()
    }
