"""What a pair of bodies says: the answer that every provider's module gives for its own formats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from autolog._record.bodies import decode_object


class Usage(msgspec.Struct):
    """What was used. `input` is the whole input, cached and cache-writing tokens included; `output` all output."""

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
    """What is billed by the piece, by the names in `_units.UNITS`."""


class Lasting(msgspec.Struct, frozen=True):
    """A thing that outlives the call that made it: a background response, a batch, a run, a session.

    Attributes:
        key: what it is and its id, the same in every answer that tells of it.
        operation: the operation that it is. final: nothing more is to come, or what came stands for the whole so far.
    """

    key: str
    operation: str
    final: bool


class Item(msgspec.Struct, frozen=True):
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


class Reading(msgspec.Struct):
    """The facts in one request and its response."""

    model: str | None = None
    id: str | None = None
    finish_reasons: list[str] | None = None
    tool_calls: list[dict[str, Any]] = []
    service_tier: str | None = None
    usage: Usage = msgspec.field(default_factory=Usage)
    raw_usage: dict[str, Any] | None = None
    speed: str | None = None
    geo: str | None = None
    reported_cost: float | None = None
    lasting: Lasting | None = None
    further: list[tuple[str | None, Usage]] = []
    """What was used beside `usage`, by model (None for the same): compactions, advisors, graders."""
    doubt: str | None = None
    """Why the usage may not be the whole bill."""
    output_text: str | None = None
    error_type: str | None = None
    error_message: str | None = None


#: Larger counts are nobody's tokens, and no store's integers.
MAX_COUNT = 2**53


def count(value: Any) -> int | None:
    """A token count as providers give them: a non-negative whole number, else None."""
    if type(value) is int:
        return value if 0 <= value < MAX_COUNT else None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return int(value) if 0 <= value < MAX_COUNT and value == int(value) else None
    except (OverflowError, ValueError):
        return None


def flaw(usage: Any) -> str | None:
    """What in a usage object cannot be: text where a number belongs, a negative count."""
    for key, value in mapping(usage).items():
        if key.endswith(("_tokens", "_requests")) and not isinstance(value, dict):
            if value is not None and count(value) is None:
                return f"the response says {key}: {str(value)[:50]!r}"
        elif key.endswith("_details") and value is not None and not isinstance(value, dict):
            return f"the response says {key}: {str(value)[:50]!r}"
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict) and (inner := flaw(part)):
                return inner
    return None


def kind_of(item: Any, key: str = "type") -> str:
    """A word that says what an object is; empty if it is no word."""
    value = mapping(item).get(key)
    return value if isinstance(value, str) else ""


def money(value: Any) -> float | None:
    """An amount of money, if it is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        amount = float(value)
    except OverflowError:
        return None
    return amount if 0 <= amount < MAX_COUNT else None


def seconds(value: Any) -> float | None:
    """A duration in seconds, if it is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < MAX_COUNT else None


def text(value: Any) -> str | None:
    """A text that says something, else None."""
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in `value`, if it is a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def total(*parts: int | None) -> int | None:
    """The sum of what is known; None if nothing is."""
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def read_error(body: Any) -> tuple[str | None, str | None]:
    """The type and message of an error body, in the shapes that providers use."""
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


def lines(body: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects of JSON lines; lines that are none are left out."""
    for line in body.splitlines():
        if line[:1] == b"{" and (value := decode_object(line)):
            yield value
