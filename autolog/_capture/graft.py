"""Change a function in place, so that every reference to it is changed, whoever holds it.

Others instrument the same SDKs. They put wrappers of their own on the class or on a subclass, and later put back what
they found there. A wrapper of ours that were an attribute of the class would be passed by when theirs came first, and
come back from the dead when theirs goes last. So the SDK's function stays where it is and gets other code: a stub that
calls our wrapper, which calls a copy of the original. Whatever leads to the function leads to us, exactly once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import CellType, CodeType, FunctionType
from typing import Any

_STUB = """
def make():
    {variables}
    {kind}def stub(*args, __autolog__, **kwargs):
        if False:
            {variables_used}
        return {wait}__autolog__(*args, **kwargs)
    return stub
"""


@functools.cache
def _stub_code(free: tuple[str, ...], is_async: bool) -> CodeType:
    """Return the code of a stub with these free variables, as those of the function whose place it takes.

    A function's code has to have as many as its closure, and to begin with the instruction that brings them in:
    without it, whoever looks at the local variables of its frame (debuggers, error reporters) would crash the
    interpreter. So the compiler makes it.
    """
    source = _STUB.format(
        variables="; ".join(f"{name} = None" for name in free) or "pass",
        variables_used=", ".join(free) or "pass",
        kind="async " if is_async else "",
        wait="await " if is_async else "",
    )
    namespace: dict[str, Any] = {}
    exec(compile(source, __file__, "exec"), namespace)  # noqa: S102 - of the names of variables alone
    stub: FunctionType = namespace["make"]()
    return stub.__code__


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
        if not self._signed:
            vars(function)["__signature__"] = inspect.signature(function)
        # In this order, for another thread may be calling it: the old code does not see the new default.
        function.__kwdefaults__ = {**(self._defaults or {}), "__autolog__": wrapper}
        code = self._code
        stub = _stub_code(code.co_freevars, inspect.iscoroutinefunction(function))
        function.__code__ = stub.replace(
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
