"""Parses a protobuf export request item by item, if it cannot be parsed as a whole.

A single text that is not UTF-8, or an attribute that is nested too deeply, makes the parser refuse the whole request.
"""

from __future__ import annotations

from typing import Any

from autolog.dialects.otlp._count import sized_fields

#: The field numbers of the resource or scope, and of its contents, in the messages around them.
_OF, _INNER = 1, 2


def read_pieces(data: bytes, request: Any, signal: str, items: str) -> list[str]:
    """Add the items that can be parsed to an empty request; return the problem of each of the others.

    Args:
        data: the request in protobuf.
        request: the empty request.
        signal: the signal's word in the names of its fields, such as `spans`.
        items: the name of the field with the items, such as `spans`.
    """
    problems: list[str] = []
    for _, start, stop in sized_fields(data, 0, len(data)):
        resource = getattr(request, f"resource_{signal}").add()
        for number, begin, end in sized_fields(data, start, min(stop, len(data))):
            if number == _OF:
                problems += _read(resource.resource, data, begin, end)
            elif number == _INNER:
                problems += _read_scope(getattr(resource, f"scope_{signal}").add(), items, data, begin, end)
    return problems


def _read_scope(scope: Any, items: str, data: bytes, start: int, stop: int) -> list[str]:
    problems: list[str] = []
    for number, begin, end in sized_fields(data, start, min(stop, len(data))):
        if number == _OF:
            problems += _read(scope.scope, data, begin, end)
        elif number == _INNER:
            listed = getattr(scope, items)
            if why := _read(listed.add(), data, begin, end):
                del listed[-1]
                problems += why
    return problems


def _read(message: Any, data: bytes, start: int, stop: int) -> list[str]:
    """Parse a message; return its problems, and leave it empty if it has any."""
    from google.protobuf.message import DecodeError

    if stop > len(data):
        return ["an item is truncated"]
    try:
        message.ParseFromString(data[start:stop])
    except DecodeError:
        message.Clear()
        return ["an item is not a message, has text that is not UTF-8, or is nested too deeply"]
    return []
