"""Keep a Python value as it is now, at the least cost to the thread that owns it.

`freeze` runs on the caller's thread: immutable scalars are kept as they are, plain containers are copied by `marshal`
in C, and only what marshal cannot hold is walked in Python. `thaw` runs on the worker thread and gives plain JSON
data. Objects that have no plain form are kept as their type and a short `repr`, taken at the time of the call.
"""

from __future__ import annotations

import base64
import marshal
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from itertools import islice
from typing import Any

#: Immutable and small, or shared without harm: no copy is needed.
_ATOMS = frozenset({str, int, float, bool, type(None), bytes, complex})
_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})

_DEPTH = 32
_VALUES = 10_000
_REPR = 1_000

#: Marshal format 2 writes no back-references, so a cyclic value ends in a ValueError instead of a cycle.
_MARSHAL = 2


@dataclass(frozen=True, slots=True)
class Frozen:
    """Marshalled bytes."""

    data: bytes


def freeze(value: Any) -> Any:
    """`value` as it is now; later changes to it do not show. Never raises an `Exception`."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind in _CONTAINERS:
        try:
            return Frozen(marshal.dumps(value, _MARSHAL))
        except ValueError:
            pass
    return _Walk().plain(value, _DEPTH)


def thaw(value: Any) -> Any:
    """The plain JSON data of a frozen value: dict, list, str, int, float, bool or None."""
    if type(value) is Frozen:
        value = marshal.loads(value.data)  # noqa: S302 - written by `freeze` in this process
    return _json(value)


def _json(value: Any) -> Any:
    if value is None or value is True or value is False or type(value) in (str, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, dict):
        return {key if type(key) is str else str(_json(key)): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_json(item) for item in value), key=repr)
    if isinstance(value, (bytes, bytearray)):
        return _text(bytes(value))
    return str(value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


class _Walk:
    """One walk over a value that marshal cannot hold, bounded in depth and in the number of values."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _VALUES

    def plain(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _ATOMS:
            return value
        self.left -= 1
        if depth == 0 or self.left <= 0:
            return f"<{kind.__qualname__}: left out>"
        try:
            return self._object(value, depth)
        except Exception as error:  # noqa: BLE001 - the value's own code may raise anything
            return f"<{kind.__qualname__}: {type(error).__qualname__} while reading it>"

    def _object(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if isinstance(value, Mapping):
            return {
                key if type(key) is str else str(key): self.plain(item, depth - 1)
                for key, item in islice(value.items(), self.left)
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.plain(item, depth - 1) for item in islice(value, self.left)]
        if isinstance(value, Enum):
            return self.plain(value.value, depth - 1)
        if isinstance(value, (bytearray, memoryview)):
            return bytes(value)
        if isinstance(value, (str, int, float)):  # a subclass: its plain value
            return str.__str__(value) if isinstance(value, str) else value + 0
        if hasattr(kind, "model_dump"):  # pydantic, and the SDKs' own models
            return self.plain(value.model_dump(warnings=False), depth - 1)
        if is_dataclass(value):
            return {item.name: self.plain(getattr(value, item.name, None), depth - 1) for item in fields(value)}
        if hasattr(kind, "shape") and hasattr(kind, "dtype"):  # arrays: what they are, not what they hold
            return f"<{kind.__qualname__} {value.dtype} {tuple(value.shape)}>"
        if "__repr__" not in {name for base in kind.__mro__[:-1] for name in vars(base)}:
            return f"<{kind.__qualname__}>"
        text = repr(value)
        return text if len(text) <= _REPR else text[:_REPR] + "…"
