"""Take a snapshot of a Python value, at the least cost to the calling thread.

`freeze` runs on the caller's thread: immutable scalars are kept as they are, plain containers are copied by `marshal`
in C, and only values that marshal does not support are walked in Python. `thaw` runs on the worker thread and returns
plain JSON data. Objects without a plain form are represented by their type and a short `repr`, taken by `freeze`.
"""

from __future__ import annotations

import base64
import gc
import marshal
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import islice
from typing import Any

import msgspec

from autolog._guard import pass_on

#: Immutable types, which need no copy.
_ATOMS = frozenset({str, int, float, bool, type(None), bytes, complex})
_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
#: The types that marshal preserves, or nearly so: a bytearray becomes bytes.
PLAIN = _ATOMS | _CONTAINERS | {bytearray}
#: Converts values of subclasses to the plain type.
_EXACT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__), (int, int.__int__), (float, float.__float__),
)  # fmt: skip
#: Up to this many values are checked one by one; more are checked level by level.
_FEW = 16

_DEPTH = 32
_VALUES = 10_000
_REPR = 1_000
#: Arrays and tables with more values than this are represented by their type and shape only.
_ARRAY = 100

#: Modules whose values have a text that says everything: numbers, paths and identifiers.
_WRITTEN_AS_TEXT = frozenset({"decimal", "fractions", "pathlib", "uuid", "ipaddress"})

#: Marshal format 4 writes a value with several references only once, so that shared and cyclic values stay small.
_MARSHAL = 4
#: The most values, repeated containers, and levels that `thaw` writes.
_JSON_VALUES = 500_000
_JSON_REPEATS = 50_000
_JSON_DEPTH = 100
#: Integers of more bits are written in hexadecimal: decimal takes quadratic time, and Python limits its digits.
_LONG = 10_000


class Frozen(msgspec.Struct, frozen=True, gc=False):
    """A marshalled value."""

    data: bytes


def freeze(value: Any) -> Any:
    """Return a snapshot of `value`, unaffected by later changes to it. Never raises an `Exception` of its own."""
    kind = type(value)
    try:
        if kind in _ATOMS:
            return value
        if kind is tuple and _ATOMS.issuperset(map(type, value)):
            return value
        if kind in _CONTAINERS and _is_plain(value):
            return Frozen(marshal.dumps(value, _MARSHAL))
    except Exception as error:  # noqa: BLE001 - nested too deeply for marshal, or of a type that cannot be hashed
        pass_on(error)
    return _Walk().plain(value, _DEPTH)


def is_plain_type(value: Any) -> bool:
    """Return whether a value itself, but not what it contains, is of a type that marshal preserves."""
    try:
        return type(value) in PLAIN
    except Exception as error:  # noqa: BLE001 - the type's own code: a metaclass may make it impossible to hash
        pass_on(error)
        return False


def thaw(value: Any) -> Any:
    """Return the plain JSON data of a frozen value: dict, list, str, int, float, bool or None."""
    if type(value) is Frozen:
        value = marshal.loads(value.data)  # noqa: S302 - written by `freeze` in this process
    return _Writer().json(value, _JSON_DEPTH)


def _is_plain(value: Any) -> bool:
    """Return whether a container and all values in it are of types that marshal preserves.

    Marshal itself raises no error: it writes the bytes of any object with a buffer, such as numpy's arrays and numbers.
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
    """Return the same as `_is_plain`, for containers of many values, which may be shared or contain themselves.

    `gc.get_referents` returns all values of the next level at once, and takes about as long as marshalling.
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
    """Return the approximate size of a frozen value, in bytes."""
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
    """Converts plain data to JSON data, with limits on the depth and the number of values.

    A container is not written inside itself, and repeated containers are written a limited number of times.
    """

    __slots__ = ("left", "repeats", "written")

    def __init__(self) -> None:
        self.left = _JSON_VALUES
        self.repeats = _JSON_REPEATS
        self.written: dict[int, bool] = {}
        """The containers written so far, by id; False while one is being written."""

    def json(self, value: Any, depth: int) -> Any:
        """Return the JSON data of a plain value, down to `depth` more levels."""
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
    """Return bytes as text: decoded if they are UTF-8, else in base64."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def as_text(value: Any) -> str:
    """Return `str(value)`, or the name of the value's type if its own code raises an error."""
    try:
        return str(value)
    except BaseException as error:  # noqa: BLE001 - the value's own code may raise anything
        pass_on(error)
        return f"<{_name_of(value)}: {_name_of(error)} while reading it>"


def _name_of(value: Any) -> str:
    """Return the name of a value's type, without running code of the type's own metaclass."""
    name: str = _QUALNAME.__get__(type(value))
    return name


_QUALNAME = vars(type)["__qualname__"]


def _field_names(value: Any) -> list[str] | None:
    """Return the names of the fields of a dataclass, an attrs class or a Struct; None for other values.

    Fields that attrs classes leave out of their `repr` are left out here, too.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return [item.name for item in fields(value)]
    if hasattr(type(value), "__attrs_attrs__"):
        return [item.name for item in type(value).__attrs_attrs__ if item.repr]
    return list(value.__struct_fields__) if isinstance(value, msgspec.Struct) else None


class _Walk:
    """One walk over a value that marshal does not support, with limits on the depth and the number of values."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _VALUES

    def plain(self, value: Any, depth: int) -> Any:
        """Return a plain copy of a value, down to `depth` more levels; never raises the value's own errors."""
        try:
            if type(value) in _ATOMS:
                return value
            self.left -= 1
            if depth == 0 or self.left <= 0:
                return f"<{_name_of(value)}: left out>"
            return self._object(value, depth)
        except BaseException as error:  # noqa: BLE001 - the code of the value or of its type may raise anything
            pass_on(error)
            return f"<{_name_of(value)}: {_name_of(error)} while reading it>"

    def _object(self, value: Any, depth: int) -> Any:
        """Return a plain copy of a value that is no atom, or a short text in place of it."""
        kind = type(value)
        if isinstance(value, Mapping):
            return {
                key if type(key) is str else as_text(key): self.plain(item, depth - 1)
                for key, item in islice(value.items(), self.left)
            }
        if isinstance(value, (list, tuple, set, frozenset, deque)):
            return [self.plain(item, depth - 1) for item in islice(value, self.left)]
        if isinstance(value, Enum):
            return self.plain(value.value, depth - 1)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        for plain, exact in _EXACT:
            if isinstance(value, plain):
                return exact(value)
        if hasattr(kind, "model_dump"):  # pydantic, and the SDKs' own models
            return self.plain(value.model_dump(warnings=False), depth - 1)
        if (names := _field_names(value)) is not None:
            return {name: self.plain(getattr(value, name, None), depth - 1) for name in names}
        if kind.__module__ == "array":
            return f"<array {value.typecode} {len(value)}>"
        if hasattr(kind, "shape") and (hasattr(kind, "dtype") or hasattr(kind, "dtypes")):
            return self._array(value, depth)
        if hasattr(kind, "isoformat"):  # a date or a time
            return value.isoformat()
        if kind.__module__.partition(".")[0] in _WRITTEN_AS_TEXT:
            return str(value)
        if "__repr__" not in {name for base in kind.__mro__[:-1] for name in vars(base)}:
            return f"<{_name_of(value)}>"
        text = repr(value)
        return text if len(text) <= _REPR else text[:_REPR] + "…"

    def _array(self, value: Any, depth: int) -> Any:
        """Return the values of a small array, series, tensor or table, or the type and shape of a large one."""
        shape = tuple(value.shape)
        table = hasattr(value, "dtypes") and hasattr(value, "columns")
        if math.prod(shape) <= _ARRAY and "cpu" in str(getattr(value, "device", "cpu")).lower():
            if table and len({*value.columns}) == len(value.columns):
                return {str(name): self.plain(list(value[name]), depth - 1) for name in value.columns}
            if not table:
                values = getattr(value, "tolist", None) or value.to_list  # as polars calls it
                return self.plain(values() if shape else value.item(), depth - 1)
        holds = ", ".join(map(str, value.columns)) if table else value.dtype
        return f"<{type(value).__qualname__} {holds} {shape}>"
