"""Describe what every provider's module reads from bodies of its own format."""

from __future__ import annotations

from typing import Any

import msgspec

from autolog.providers._fields import MAX_COUNT, count, mapping, text


class Usage(msgspec.Struct):
    """Count what was used: `input` is the whole input, with all that was read from or written to the cache."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_creation: int | None = None
    cache_creation_5m: int | None = None
    cache_creation_1h: int | None = None
    cache_creation_12h: int | None = None
    reasoning: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    input_image: int | None = None
    output_image: int | None = None
    web_searches: int | None = None
    file_searches: int | None = None
    audio_seconds: float | None = None
    input_characters: int | None = None
    cache_audio_read: int | None = None
    cache_image_read: int | None = None
    units: dict[str, float] = {}
    """What is billed by the piece, by the names in `_pricing.units.UNITS`."""


class LongRunning(msgspec.Struct, frozen=True):
    """A thing that outlives the call that made it: a background response, a batch, a run, a session.

    Attributes:
        key: what it is and its id, the same in every answer that tells of it.
        operation: the operation that it is. final: nothing more is to come, or what came stands for the whole so far.
        certain: the answer says by itself that it outlives its call; else the request that began it says so.
        other_keys: by what else a later answer may name it, that does not tell the id.
    """

    key: str
    operation: str
    final: bool
    certain: bool = True
    other_keys: tuple[str, ...] = ()


class BatchResult(msgspec.Struct, frozen=True):
    """One answer out of many that came in one body: an item of a batch.

    Attributes:
        key: its id, the same whenever it is read. custom_id: its name by the user. path: the path it was asked at.
        answer: the response body. error: type and message, if there is no answer.
    """

    key: str
    custom_id: str | None
    path: str
    answer: dict[str, Any]
    status_code: int | None = None
    error: tuple[str | None, str | None] | None = None


class Facts(msgspec.Struct):
    """The facts in one request and its response.

    Attributes:
        format: the name of the module that read them. path: the URL path that they were read by.
        request, response: the bodies as data, a stream assembled.
    """

    format: str = ""
    path: str = ""
    request: dict[str, Any] = {}
    response: Any = None
    model: str | None = None
    id: str | None = None
    finish_reasons: list[str] | None = None
    tool_calls: list[dict[str, Any]] = []
    service_tier: str | None = None
    usage: Usage = msgspec.field(default_factory=Usage)
    billed_usage: Usage | None = None
    """What is paid for, where that is told apart from what was used: Cohere's `billed_units`."""
    raw_usage: dict[str, Any] | None = None
    speed: str | None = None
    geo: str | None = None
    reported_cost: float | None = None
    long_running: LongRunning | None = None
    additional_usage: list[tuple[str | None, Usage]] = []
    """What was used beside `usage`, by model (None for the same): compactions, advisors, graders."""
    uncertainty: str | None = None
    """Why the usage may not be the whole bill."""
    unbilled_reason: str | None = None
    """Why there may be no usage to bill."""
    operation: str | None = None
    """The operation that the answer shows it to be, where its path leaves that open."""
    output_text: str | None = None
    error_type: str | None = None
    error_message: str | None = None


def invalid_usage(usage: Any) -> str | None:
    """Return what in a usage object cannot be: text where a number belongs, a negative count."""
    for key, value in mapping(usage).items():
        if type(value) is int and 0 <= value < MAX_COUNT and not key.endswith("_details"):
            continue  # as nearly all are
        if isinstance(value, dict):
            if inner := invalid_usage(value):
                return inner
        elif key.endswith("_details") or (key.endswith(("_tokens", "_requests")) and count(value) is None):
            if value is not None:
                return f"the response says {key}: {str(value)[:50]!r}"
        elif isinstance(value, list) and (inner := next(filter(None, map(invalid_usage, value)), None)):
            return inner
    return None


def read_error(body: Any) -> tuple[str | None, str | None]:
    """Return the type and message of an error body, in any of the shapes that providers use."""
    if not isinstance(body, dict):
        return None, None
    inner = body.get("error")
    if isinstance(inner, str):
        return text(body.get("type")) or text(body.get("code")), inner
    error = inner if isinstance(inner, dict) else body
    kind = error.get("type") or error.get("code")
    message = error.get("message") or error.get("detail") or error.get("msg")
    if message is not None and not isinstance(message, str):
        message = str(message)
    return None if kind is None else str(kind), message
