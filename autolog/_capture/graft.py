"""Change a function in place, so that every existing reference to it is affected.

Other tools instrument the same SDKs. They put their wrappers on the class or on a subclass, and later restore what they
found there. If our wrapper were an attribute of the class, it would be bypassed when theirs was installed first, and
resurrected when theirs is removed last. The SDK's function therefore stays where it is and gets other code: a stub that
calls our wrapper, which calls a copy of the original. Every path to the function leads to our wrapper, exactly once.
"""

from __future__ import annotations

import ast
import functools
import inspect
import weakref
from collections.abc import Callable
from types import CellType, CodeType, FunctionType
from typing import Any

_STUB = """
def make():
    {variables}
    def stub({parameters}):
        if False:
            {variables_used}
        {calls}
    return stub
"""
#: The objects that a stub uses replace these texts among its constants: loading them costs nothing, and the function
#: gets no additional parameters, whose defaults other tools might copy.
_CALL = """__autolog__ = "autolog wrapper"
        return __autolog__({arguments})"""
_ASK_AND_CALL = """__passes__ = "autolog passes"
        if {question}:
            __autolog__ = "autolog original"
        else:
            __autolog__ = "autolog wrapper"
        return __autolog__({arguments})"""


class Watched(dict[Any, Any]):
    """Calls in progress, by key. It is hashable by identity, because it becomes a constant of a code object."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]


#: Decides whether a call goes straight to the original function, as if nothing had been grafted.
Passes = Callable[..., bool] | Watched
#: The most keyword-only parameters that a stub names individually.
_MOST_KEYWORDS = 8
#: The flags by which `inspect` and others determine what a function returns. A plain function may have them, too: since
#: Python 3.11 it is an instruction that creates a coroutine. The stub thus needs no extra coroutine.
_RETURNS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


@functools.cache
def _stub_code(free: tuple[str, ...], parameters: str, calls: str) -> CodeType:
    """Return the code of a stub with the free variables of the function that it replaces.

    A function's code must have as many free variables as its closure has cells, and must begin with the instruction
    that copies them: without it, inspecting the local variables of its frame, as debuggers and error reporters do,
    would crash the interpreter. The code is therefore produced by the compiler.

    All of it is at line 1, without columns: lines of its own would be taken for lines of the function's file, and a
    traceback would show whatever is written there.
    """
    source = _STUB.format(
        variables="; ".join(f"{name} = None" for name in free) or "pass",
        variables_used=", ".join(free) or "pass",
        parameters=parameters,
        calls=calls,
    )
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            vars(node).update(lineno=1, end_lineno=1, col_offset=-1, end_col_offset=-1)
    namespace: dict[str, Any] = {}
    exec(compile(tree, __file__, "exec"), namespace)  # noqa: S102 - made of names of variables only
    stub: FunctionType = namespace["make"]()
    return stub.__code__


def _parameters(function: FunctionType) -> tuple[str, str, str]:
    """Return, as source, a stub's parameters, those without a default, and the arguments that it passes on.

    Named parameters need no packing, but naming dozens of them takes longer than packing the few that are given.
    """
    code = function.__code__
    positional, optional = code.co_varnames[: code.co_argcount], len(function.__defaults__ or ())
    keywords = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
    packed = len(keywords) > _MOST_KEYWORDS
    several = ["*__args__"] if code.co_flags & inspect.CO_VARARGS else []
    others = ["**__kwargs__"] if packed or code.co_flags & inspect.CO_VARKEYWORDS else []
    if packed:
        keywords = ()
    slash = ["/"] if code.co_posonlyargcount else []
    before = [*positional[: code.co_posonlyargcount], *slash, *positional[code.co_posonlyargcount :]]
    parameters = [*before, *(several or "*" * bool(keywords)), *keywords, *others]
    arguments = [*positional, *several, *(f"{name}={name}" for name in keywords), *others]
    return ", ".join(parameters), ", ".join(positional[: len(positional) - optional]), ", ".join(arguments)


class Graft:
    """Makes a function call `wrapper` instead of its own code, until `remove()`.

    The function's identity, name, annotations, signature and source are unchanged. The wrapper calls a copy made with
    `copy_function` beforehand. Calls for which `passes` returns true, given the arguments without defaults, bypass the
    wrapper; if `passes` is `Watched`, all calls do while that is empty.
    """

    def __init__(self, function: FunctionType, wrapper: Callable[..., Any], passes: Passes | None = None) -> None:
        self._function = weakref.ref(function)  # a mock's function lives no longer for having been grafted
        self._code = code = function.__code__
        self._signed = "__signature__" in vars(function)
        if not self._signed:
            vars(function)["__signature__"] = inspect.signature(function)
        parameters, required, arguments = _parameters(function)
        question = f"__passes__({required})" if callable(passes) else "not __passes__"
        calls = (_CALL if passes is None else _ASK_AND_CALL).format(question=question, arguments=arguments)
        stub = _stub_code(code.co_freevars, parameters, calls)
        given = {"autolog wrapper": wrapper, "autolog passes": passes}
        if passes is not None:
            given["autolog original"] = copy_function(function)
        function.__code__ = self._stub = stub.replace(
            co_consts=tuple(given.get(value, value) if type(value) is str else value for value in stub.co_consts),
            co_flags=stub.co_flags | code.co_flags & _RETURNS,
            co_filename=code.co_filename,  # this and the following locate its source, and name it in profiles
            co_firstlineno=code.co_firstlineno,
            co_name=code.co_name,
            co_qualname=code.co_qualname,
        )

    def remove(self) -> None:
        """Restore the function's own code, unless it has been grafted again since."""
        function = self._function()
        if function is None or function.__code__ is not self._stub:
            return
        function.__code__ = self._code
        if not self._signed:
            vars(function).pop("__signature__", None)


def copy_function(function: FunctionType) -> FunctionType:
    """Return an independent copy of a function in its current state."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__, copy.__doc__, copy.__module__ = function.__qualname__, function.__doc__, function.__module__
    copy.__annotations__ = function.__annotations__
    return copy


def innermost(method: Any, file: str | None) -> FunctionType | None:
    """Return the function from `file` that a method ultimately calls, through the wrappers of other tools.

    If there is none, return the first function on the way, if any. A wrapper has the function it wraps in `__wrapped__`
    or in its closure.
    """
    first: FunctionType | None = None
    seen: list[Any] = []
    waiting = [method]
    while waiting:
        found = waiting.pop()
        if type(found) is FunctionType:  # `isinstance` is also true for wrapt's proxies
            if found.__code__.co_filename == file:
                return found
            first = first or found
        if callable(found) and not any(found is wrapper for wrapper in seen) and len(seen) < _MOST_WRAPPERS:
            seen.append(found)
            cells = getattr(found, "__closure__", None) or ()
            waiting += [cell.cell_contents for cell in cells if cell != _EMPTY]
            waiting.append(getattr(found, "__wrapped__", None))
    return first


_EMPTY = CellType()
#: The most wrappers, and other callables in their closures, that are examined.
_MOST_WRAPPERS = 100
