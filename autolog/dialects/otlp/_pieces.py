"""Reads an export request in protobuf item by item, where it cannot be read as a whole.

One text that is no UTF-8, or one attribute that is nested too deeply, makes the parser refuse all that came with it.
"""

from __future__ import annotations

from typing import Any

from autolog.dialects.otlp._count import sized_fields

#: The fields of what holds the items of a resource, and of a scope: whose they are, and they themselves.
_OF, _INNER = 1, 2


def read_pieces(data: bytes, request: Any, signal: str, items: str) -> list[str]:
    """Add the items that can be read to an empty request; return why each of the others cannot.

    Args:
        data: the request's bytes. signal, items: the words for them in the names of its fields: `spans`, `spans`.
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
    """Read a message; return why it cannot be read, if so, and then it is empty."""
    from google.protobuf.message import DecodeError

    if stop > len(data):
        return ["an item is truncated"]
    try:
        message.ParseFromString(data[start:stop])
    except DecodeError:
        message.Clear()
        return ["an item is not a message, has text that is not UTF-8, or is nested too deeply"]
    return []
