"""Refusals of requests, and the JSON that a request is: parsed and bounded."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any, NoReturn

import msgspec

Json = dict[str, Any]


class Fault(Exception):  # noqa: N818 - what is wrong with a request; each dialect gives it its shape
    """A request that is refused: an HTTP status, a sentence, where the problem lies, and when to try again."""

    def __init__(
        self, status: int, message: str, details: list[Json] | None = None, retry_after: float | None = None
    ) -> None:
        self.status = status
        self.message = message
        self.details = details or []
        self.retry_after = retry_after
        super().__init__(message)


#: What reading an item of a batch may raise if it is not of the shape of one.
MISREAD = (Fault, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def why_misread(error: Exception) -> str:
    """Return what to tell of an item that could not be read, for the sake of which nothing else is refused."""
    return error.message if isinstance(error, Fault) else f"an item has the wrong shape: {type(error).__name__}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def parse_json(data: bytes, prune: bool = False) -> Any:
    """Return the JSON value in a request body, exactly: integers of any size, no NaN.

    With `prune`, what is deeper than `MAX_DEPTH` is left out instead of refused, as far as it can be parsed.

    Raises:
        Fault: 400, not JSON, not UTF-8, nested too deeply, or empty; 413, of too many values.
    """
    if not data.strip():
        raise Fault(400, "the body is empty; a JSON value is needed")
    check_values(data)
    try:
        value = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):  # lone surrogates, or something wrong: which it says
        value = _parse_slowly(data)
    if _depth(value, prune) > MAX_DEPTH:
        raise Fault(400, "the JSON is nested too deeply")
    return value


_decoder = msgspec.json.Decoder()


def _parse_slowly(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError as error:
        packed = ": it is gzip, which the content-encoding header must say" if data[:2] == b"\x1f\x8b" else ""
        raise Fault(400, f"the body is not UTF-8{packed}") from error
    except RecursionError as error:
        raise Fault(400, "the JSON is nested too deeply") from error
    except ValueError as error:
        raise Fault(400, f"malformed JSON: {error}") from error


#: Deeper JSON than this is refused: what reads it later recurses.
MAX_DEPTH = 200
#: JSON of more values than this is refused before it is read: two bytes of it can become sixty in memory.
MAX_VALUES = 4_000_000
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def check_values(data: bytes) -> None:
    """Refuse JSON of more than `MAX_VALUES` values, without reading it.

    Raises:
        Fault: 413.
    """
    if len(data) > MAX_VALUES and _structure(data) > MAX_VALUES and _structure(_STRING.sub(b"", data)) > MAX_VALUES:
        raise Fault(413, f"the JSON has more than {MAX_VALUES} values")


def _structure(data: bytes) -> int:
    """Return at least the number of values in JSON: each begins something or follows a comma."""
    return data.count(b",") + data.count(b"[") + data.count(b"{") + 1


#: For callers that read their own batches, of whatever size.
NO_LIMIT = sys.maxsize


def check_count(count: int, most: int) -> None:
    """Refuse a call that brings more records than it may.

    Raises:
        Fault: 413.
    """
    if count > most:
        raise Fault(413, f"more than {most} records in one call")


def _depth(value: Any, prune: bool) -> int:
    """Return how deeply JSON data is nested, counted up to one more than `MAX_DEPTH`; `prune` empties the rest."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        if prune and depth == MAX_DEPTH:
            for item in level:
                item.clear()
        children = (item.values() if type(item) is dict else item for item in level if type(item) in _CONTAINERS)
        level = [child for some in children for child in some if type(child) in _CONTAINERS]
    return depth


_CONTAINERS = {dict, list}


def parse_object(data: bytes, prune: bool = False) -> Json:
    """Return the JSON object in a request body; with `prune`, what is nested too deeply in it is left out.

    Raises:
        Fault: 400, not JSON or not an object.
    """
    value = parse_json(data, prune)
    if not isinstance(value, dict):
        raise Fault(400, "the body is not a JSON object")
    return value


def detail(name: str, message: str) -> list[Json]:
    """Return the details of a fault in one field."""
    return [{"loc": ["body", name], "msg": message, "type": "value_error"}]
