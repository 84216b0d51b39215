"""Refusals of requests, and the parsing of JSON bodies within limits."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any, NoReturn

import msgspec

Json = dict[str, Any]


class Fault(Exception):  # noqa: N818 - named for a fault of the request, which each dialect encodes in its shape
    """A refused request: an HTTP status, a sentence, the location of the problem, and when to try again."""

    def __init__(
        self, status: int, message: str, details: list[Json] | None = None, retry_after: float | None = None
    ) -> None:
        self.status = status
        self.message = message
        self.details = details or []
        self.retry_after = retry_after
        super().__init__(message)


#: The exceptions that decoding an item of a batch may raise if the item is malformed.
MISREAD = (Fault, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def why_misread(error: Exception) -> str:
    """Return the explanation for an item that could not be decoded, while the rest of its batch is accepted."""
    return error.message if isinstance(error, Fault) else f"an item has the wrong shape: {type(error).__name__}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def parse_json(data: bytes, prune: bool = False) -> Any:
    """Parse the JSON value in a request body, exactly: with integers of any size, and without NaN.

    With `prune`, values nested deeper than `MAX_DEPTH` are left out instead of refused, as far as they can be parsed.

    Raises:
        Fault: 400, if the body is empty, not JSON, not UTF-8, or nested too deeply; 413, if it has too many values.
    """
    if not data.strip():
        raise Fault(400, "the body is empty; a JSON value is needed")
    check_values(data)
    try:
        value = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):  # lone surrogates, or an error that `json` can name
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


#: The deepest nesting of JSON that is accepted, because the functions that read it later recurse.
MAX_DEPTH = 200
#: The most values in JSON that is accepted, because two bytes of JSON can take sixty bytes of memory.
MAX_VALUES = 4_000_000
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def check_values(data: bytes) -> None:
    """Check that JSON has at most `MAX_VALUES` values, without parsing it.

    Raises:
        Fault: 413, if it has more.
    """
    if len(data) > MAX_VALUES and _structure(data) > MAX_VALUES and _structure(_STRING.sub(b"", data)) > MAX_VALUES:
        raise Fault(413, f"the JSON has more than {MAX_VALUES} values")


def _structure(data: bytes) -> int:
    """Return a lower bound of the number of values in JSON: each one starts an array or object, or follows a comma."""
    return data.count(b",") + data.count(b"[") + data.count(b"{") + 1


#: The limit for callers that decode batches of their own, which may be of any size.
NO_LIMIT = sys.maxsize


def check_count(count: int, most: int) -> None:
    """Check that a request does not have too many records.

    Raises:
        Fault: 413, if it has more than `most`.
    """
    if count > most:
        raise Fault(413, f"more than {most} records in one call")


def _depth(value: Any, prune: bool) -> int:
    """Return how deeply JSON data is nested, at most `MAX_DEPTH` + 1; `prune` empties whatever is deeper."""
    depth, level = 0, [value] if type(value) in _CONTAINERS else []
    while level and depth <= MAX_DEPTH:
        depth += 1
        if prune and depth == MAX_DEPTH:
            for item in level:
                item.clear()
        level = [
            child
            for item in level
            for child in (item.values() if type(item) is dict else item)
            if type(child) in _CONTAINERS
        ]
    return depth


_CONTAINERS = {dict, list}


def parse_object(data: bytes, prune: bool = False) -> Json:
    """Parse the JSON object in a request body; `prune` leaves out what is nested too deeply, as in `parse_json`.

    Raises:
        Fault: 400, if the body is not a JSON object; and as `parse_json` does.
    """
    value = parse_json(data, prune)
    if not isinstance(value, dict):
        raise Fault(400, "the body is not a JSON object")
    return value


def detail(name: str, message: str) -> list[Json]:
    """Return the details of a fault in a single field."""
    return [{"loc": ["body", name], "msg": message, "type": "value_error"}]
