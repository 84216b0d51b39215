"""Counts the items of a protobuf export request before it is parsed, since parsing makes an object of each.

Malformed protobuf is counted as far as possible; the parser then reports the error, and limits the nesting.
"""

from __future__ import annotations

from collections.abc import Iterator

from autolog.dialects._fault import check_count

#: The field numbers in the three signals' requests, from the outside in: resources, scopes, items
#: (opentelemetry/proto/collector/*/v1).
_FIELDS = (1, 2, 2)
_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5


def check_items(data: bytes, most: int) -> None:
    """Check that a request does not have too many items, resources or scopes.

    Raises:
        Fault: 413, if it has more than `most`.
    """
    _count(data, 0, len(data), 0, [0, 0, 0], most)


def _count(data: bytes, at: int, end: int, level: int, counts: list[int], most: int) -> None:
    for number, start, stop in sized_fields(data, at, end):
        if number == _FIELDS[level]:
            counts[level] += 1
            check_count(counts[level], most)
            if level < 2:
                _count(data, start, min(end, stop), level + 1, counts, most)


def sized_fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the length-delimited fields of a message: number, start and stop, which exceeds `end` if truncated."""
    while at < end:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        if kind == _SIZED:
            size, at = _varint(data, at, end)
            yield tag >> 3, at, at + size
            at += size
        elif kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            return


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Decode a varint; return its value and the position after it."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    return value, at
