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
    def stub({parameters}):
        if False:
            {variables_used}
        {calls}
    return stub
"""
#: What a stub uses stands in it as constants, in the places of these texts: to find it costs nothing, and the function
#: gets no parameter that whoever copies its defaults would copy, too.
_CALL = """__autolog__ = "autolog wrapper"
        return __autolog__({arguments})"""
_ASK_AND_CALL = """__passes__ = "autolog passes"
        if {question}:
            __autolog__ = "autolog original"
        else:
            __autolog__ = "autolog wrapper"
        return __autolog__({arguments})"""


class Watched(dict[Any, Any]):
    """What is under way, by its key. As a constant of code it is hashed: by what it is, not by what is in it."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]


#: What tells that a call of a function goes straight on, as if nothing had been grafted.
Passes = Callable[..., bool] | Watched
#: With how many parameters that are given by keyword only a stub still names each.
_MOST_KEYWORDS = 8
#: The flags by which `inspect` and others tell what a function returns. A plain function may have them, too: since
#: Python 3.11 it is an instruction that makes a coroutine. So there is none more to be awaited.
_RETURNS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


@functools.cache
def _stub_code(free: tuple[str, ...], parameters: str, calls: str) -> CodeType:
    """Return the code of a stub with these free variables, as those of the function whose place it takes.

    A function's code has to have as many as its closure, and to begin with the instruction that brings them in:
    without it, whoever looks at the local variables of its frame (debuggers, error reporters) would crash the
    interpreter. So the compiler makes it.
    """
    source = _STUB.format(
        variables="; ".join(f"{name} = None" for name in free) or "pass",
        variables_used=", ".join(free) or "pass",
        parameters=parameters,
        calls=calls,
    )
    namespace: dict[str, Any] = {}
    exec(compile(source, __file__, "exec"), namespace)  # noqa: S102 - of the names of variables alone
    stub: FunctionType = namespace["make"]()
    return stub.__code__


def _parameters(function: FunctionType) -> tuple[str, str, str]:
    """Return the parameters of a stub, those that have no default, and how all are handed on, as source.

    Under their own names nothing has to be packed. But to name dozens takes longer than to pack the few that are given.
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
    """A function that calls `wrapper` instead, until `remove()`.

    Its identity, name, annotations, signature and source stay what they were. The wrapper calls what `copy_function`
    made before. What `passes` says yes to, given the arguments that have no default, does not get there; if it is
    `Watched`, nothing does while that is empty.
    """

    def __init__(self, function: FunctionType, wrapper: Callable[..., Any], passes: Passes | None = None) -> None:
        self._function = function
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
            co_filename=code.co_filename,  # by this and what follows its source is found, and profiles name it
            co_firstlineno=code.co_firstlineno,
            co_name=code.co_name,
            co_qualname=code.co_qualname,
        )

    def remove(self) -> None:
        """Give the function its own code back; one that has been grafted again since stays as it is."""
        if self._function.__code__ is not self._stub:
            return
        self._function.__code__ = self._code
        if not self._signed:
            vars(self._function).pop("__signature__", None)


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
