"""Keep a Python value as it is now, at the least cost to the thread that owns it.

`freeze` runs on the caller's thread: immutable scalars are kept as they are, plain containers are copied by `marshal`
in C, and only what marshal cannot hold is walked in Python. `thaw` runs on the worker thread and gives plain JSON
data. Objects that have no plain form are kept as their type and a short `repr`, taken at the time of the call.
"""

from __future__ import annotations

import base64
import gc
import marshal
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import islice
from typing import Any

import msgspec

from autolog._guard import pass_on

#: Immutable and small, or shared without harm: no copy is needed.
_ATOMS = frozenset({str, int, float, bool, type(None), bytes, complex})
_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
#: What marshal writes as what it is, or nearly: a bytearray as its bytes.
PLAIN = _ATOMS | _CONTAINERS | {bytearray}
#: From a value of a subclass to the plain one.
_EXACT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__), (int, int.__int__), (float, float.__float__),
)  # fmt: skip
#: So many values are looked at one by one; more than that, level by level.
_FEW = 16

_DEPTH = 32
_VALUES = 10_000
_REPR = 1_000
#: Arrays and tables of at most so many values are kept with their values, others by type and shape.
_ARRAY = 100

#: Marshal format 4 writes a value that stands in several places once, so shared and cyclic values stay small.
_MARSHAL = 4
#: How much of a value is written out at the end; and of containers that stand in several places of it, how many again.
_JSON_VALUES = 500_000
_JSON_REPEATS = 50_000
_JSON_DEPTH = 100
#: Longer integers are written in hexadecimal: decimal digits take quadratic time, and Python refuses many.
_LONG = 10_000


class Frozen(msgspec.Struct, frozen=True, gc=False):
    """Marshalled bytes."""

    data: bytes


def freeze(value: Any) -> Any:
    """Return `value` as it is now; later changes to it do not show. Never raises an `Exception` of its own."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is tuple and _ATOMS.issuperset(map(type, value)):
        return value
    if kind in _CONTAINERS and _is_plain(value):
        try:
            return Frozen(marshal.dumps(value, _MARSHAL))
        except ValueError as error:  # too deep
            pass_on(error)
    return _Walk().plain(value, _DEPTH)


def thaw(value: Any) -> Any:
    """Return the plain JSON data of a frozen value: dict, list, str, int, float, bool or None."""
    if type(value) is Frozen:
        value = marshal.loads(value.data)  # noqa: S302 - written by `freeze` in this process
    return _Writer().json(value, _JSON_DEPTH)


def _is_plain(value: Any) -> bool:
    """Return whether a container and all inside it are of the types that marshal writes as what they are.

    Marshal itself does not tell: of whatever has a buffer, a number or an array of numpy's say, it writes the bytes.
    """
    found = [value]
    for item in found:
        kind = type(item)
        if kind in _ATOMS:
            continue
        if kind is dict:
            found += item
            found += item.values()
        elif kind in _CONTAINERS:
            found += item
        elif kind is not bytearray:
            return False
        if len(found) > _FEW:
            return _are_many_plain(value)
    return True


def _are_many_plain(value: Any) -> bool:
    """Return the same of many values, which may be shared by many others, or contain themselves.

    The garbage collector gives all that stands one level deeper at once, which takes about as long as marshalling.
    """
    seen: set[int] = set()
    level = [value]
    while level:
        level = gc.get_referents(*level)
        if not PLAIN.issuperset(map(type, level)):
            return False
        unseen = {id(item): item for item in level if type(item) in _CONTAINERS and id(item) not in seen}
        seen.update(unseen)
        level = list(unseen.values())
    return True


def weigh(value: Any) -> int:
    """Return about how many bytes a frozen value holds."""
    kind = type(value)
    if kind is Frozen:
        return len(value.data)
    if kind is str or kind is bytes:
        return len(value)
    if kind is tuple or kind is list:
        size = 0
        for item in value:
            size += weigh(item)
        return size
    return 100 * len(value) if kind is dict else 0


class _Writer:
    """Writes plain data as JSON data, bounded in depth and in the number of values.

    What contains itself is not written inside itself; what stands in many places, in a limited number of them.
    """

    __slots__ = ("left", "repeats", "written")

    def __init__(self) -> None:
        self.left = _JSON_VALUES
        self.repeats = _JSON_REPEATS
        self.written: dict[int, bool] = {}
        """The containers that were written, by id; False while one is being written."""

    def json(self, value: Any, depth: int) -> Any:
        if value is None or value is True or value is False or type(value) is str:
            return value
        self.left -= 1
        if isinstance(value, int):
            return hex(value) if value.bit_length() > _LONG else int(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else repr(value)
        if isinstance(value, (bytes, bytearray)):
            return _text(bytes(value))
        if not isinstance(value, (dict, list, tuple, set, frozenset)):
            return str(value)
        if not value:
            return {} if isinstance(value, dict) else []
        before = self.written.get(id(value))
        if before is False:
            return f"<{type(value).__qualname__}: contains itself>"
        self.repeats -= before is True
        if depth == 0 or self.left <= 0 or self.repeats <= 0:
            return f"<{type(value).__qualname__}: left out>"
        self.written[id(value)] = False
        inside = self._container(value, depth)
        self.written[id(value)] = True
        return inside

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {
                key if type(key) is str else str(self.json(key, depth - 1)): self.json(item, depth - 1)
                for key, item in value.items()
            }
        items = [self.json(item, depth - 1) for item in value]
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items


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
        except BaseException as error:  # noqa: BLE001 - the value's own code may raise anything
            pass_on(error)
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
        for plain, exact in _EXACT:
            if isinstance(value, plain):
                return exact(value)
        if hasattr(kind, "model_dump"):  # pydantic, and the SDKs' own models
            return self.plain(value.model_dump(warnings=False), depth - 1)
        if is_dataclass(value) and not isinstance(value, type):
            return {item.name: self.plain(getattr(value, item.name, None), depth - 1) for item in fields(value)}
        if kind.__module__ == "array":
            return f"<array {value.typecode} {len(value)}>"
        if hasattr(kind, "shape") and (hasattr(kind, "dtype") or hasattr(kind, "dtypes")):
            return self._array(value, depth)
        if hasattr(kind, "isoformat"):  # a date or a time
            return value.isoformat()
        if "__repr__" not in {name for base in kind.__mro__[:-1] for name in vars(base)}:
            return f"<{kind.__qualname__}>"
        text = repr(value)
        return text if len(text) <= _REPR else text[:_REPR] + "…"

    def _array(self, value: Any, depth: int) -> Any:
        """Return the values of a small array, series, tensor or table; of a large one the type and shape."""
        shape = tuple(value.shape)
        table = hasattr(value, "dtypes") and hasattr(value, "columns")
        if math.prod(shape) <= _ARRAY and "cpu" in str(getattr(value, "device", "cpu")).lower():
            if table:
                return {str(name): self.plain(list(value[name]), depth - 1) for name in value.columns}
            return self.plain(value.tolist() if shape else value.item(), depth - 1)
        holds = ", ".join(map(str, value.columns)) if table else value.dtype
        return f"<{type(value).__qualname__} {holds} {shape}>"
