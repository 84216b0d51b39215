"""Change a function in place, so that every reference to it is changed, whoever holds it.

Others instrument the same SDKs. They put wrappers of their own on the class or on a subclass, and later put back what
they found there. A wrapper of ours that were an attribute of the class would be passed by when theirs came first, and
come back from the dead when theirs goes last. So the SDK's function stays where it is and gets other code: a stub that
calls our wrapper, which calls a copy of the original. Whatever leads to the function leads to us, exactly once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any


def _stub(*args: Any, __autolog__: Callable[..., Any], **kwargs: Any) -> Any:
    return __autolog__(*args, **kwargs)


async def _async_stub(*args: Any, __autolog__: Callable[..., Any], **kwargs: Any) -> Any:
    return await __autolog__(*args, **kwargs)


class Graft:
    """A function that calls `wrapper` instead, until `remove()`.

    Its identity, name, annotations, signature and source stay what they were. The wrapper calls what `copy_function`
    made before.
    """

    def __init__(self, function: FunctionType, wrapper: Callable[..., Any]) -> None:
        self._function = function
        self._wrapper = wrapper
        self._code, self._defaults = function.__code__, function.__kwdefaults__
        self._signed = "__signature__" in vars(function)
        stub = _async_stub if inspect.iscoroutinefunction(function) else _stub
        if not self._signed:
            vars(function)["__signature__"] = inspect.signature(function)
        # In this order, for another thread may be calling it: the old code does not see the new default.
        function.__kwdefaults__ = {**(self._defaults or {}), "__autolog__": wrapper}
        code = self._code
        function.__code__ = stub.__code__.replace(
            co_freevars=code.co_freevars,
            co_filename=code.co_filename,  # by this and what follows its source is found, and profiles name it
            co_firstlineno=code.co_firstlineno,
            co_name=code.co_name,
            co_qualname=code.co_qualname,
        )

    def remove(self) -> None:
        """Give the function its own code back; one that has been grafted again since stays as it is."""
        function = self._function
        if (function.__kwdefaults__ or {}).get("__autolog__") is not self._wrapper:
            return
        function.__code__ = self._code
        function.__kwdefaults__ = self._defaults
        if not self._signed:
            vars(function).pop("__signature__", None)


def copy_function(function: FunctionType) -> FunctionType:
    """Return a function of its own that does what this one does now."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__, copy.__doc__, copy.__module__ = function.__qualname__, function.__doc__, function.__module__
    copy.__annotations__ = function.__annotations__
    return copy


def innermost(method: Any, file: str | None) -> FunctionType | None:
    """Return the function out of `file` that a method calls in the end, through the wrappers of others.

    Without one it is the first function on the way, if there is any. A wrapper tells what it wraps by `__wrapped__`, or
    holds it in its closure.
    """
    first: FunctionType | None = None
    seen: list[Any] = []
    waiting = [method]
    while waiting:
        found = waiting.pop()
        if type(found) is FunctionType:  # a proxy of wrapt's says that it is an instance, too
            if found.__code__.co_filename == file:
                return found
            first = first or found
        if callable(found) and not any(found is one for one in seen) and len(seen) < _MOST_WRAPPERS:
            seen.append(found)
            cells = getattr(found, "__closure__", None) or ()
            waiting += [cell.cell_contents for cell in cells if cell != _EMPTY]
            waiting.append(getattr(found, "__wrapped__", None))
    return first


_EMPTY = CellType()
#: How many wrappers, and what else is callable in their closures, are looked into.
_MOST_WRAPPERS = 100
