"""Read fields of JSON from outside, whose types every function checks, and URL paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog._record.bodies import decode_object

#: Larger numbers are no plausible counts, and not all stores can hold them as integers.
MAX_COUNT = 2**53


def count(value: Any) -> int | None:
    """Return a value as a count if it is a non-negative whole number, else None."""
    if type(value) is int:
        return value if 0 <= value < MAX_COUNT else None
    if value is None or not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return int(value) if 0 <= value < MAX_COUNT and value == int(value) else None
    except (OverflowError, ValueError):
        return None


def spelled_count(value: Any) -> int | None:
    """Return a count that may be given as text, as in JSON of Google's for 64-bit numbers; else None."""
    digits = isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdecimal()
    return count(int(value) if digits else value)


def kind_of(item: Any, key: str = "type") -> str:
    """Return the string under `key` of a JSON object; empty if there is none."""
    value = mapping(item).get(key)
    return value if isinstance(value, str) else ""


def money(value: Any) -> float | None:
    """Return a value as an amount of money if it is a non-negative number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        amount = float(value)
    except OverflowError:
        return None
    return amount if 0 <= amount < MAX_COUNT else None


def seconds(value: Any) -> float | None:
    """Return a value as seconds if it is a non-negative number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < MAX_COUNT else None


def text(value: Any) -> str | None:
    """Return `value` if it is a string that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def texts(value: Any) -> list[str]:
    """Return the strings in `value` if it is a JSON array, else an empty list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def mapping(value: Any) -> dict[str, Any]:
    """Return `value` if it is a JSON object, else an empty dict."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the JSON objects in `value` if it is a JSON array, else an empty list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def first_count(values: dict[str, Any], *names: str) -> int | None:
    """Return the first of the named values that is a count; None if none is."""
    return next((known for name in names if (known := count(values.get(name))) is not None), None)


def total(*parts: int | None) -> int | None:
    """Return the sum of the parts that are not None; None if all are."""
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def plain_path(path: str) -> str:
    """Return a URL's path without its query and without slashes at its end."""
    return path.partition("?")[0].rstrip("/")


def lines(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the objects in JSON lines, skipping all other lines."""
    for line in body.splitlines():
        if line[:1] == b"{" and (value := decode_object(line)):
            yield value
