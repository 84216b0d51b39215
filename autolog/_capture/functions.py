"""`@autolog` on functions: every call becomes a span with its arguments and its result.

The decorated function is a plain function of the same kind (sync, async, generator, async generator) with the same
name, signature and module, so that it inspects, documents and pickles like the original.

A generator belongs to the trace and the context in which it was created, no matter when and where it is consumed: a web
framework reads a streamed response long after the function that returned it has ended.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import msgspec

from autolog._capture.generators import Run, driven, followed
from autolog._capture.snapshot import as_text, freeze, is_plain_type, thaw, weigh
from autolog._capture.span import ContextSpan, Emit, Span
from autolog._guard import guard, report
from autolog._lifecycle import expect_records


class Options(msgspec.Struct, frozen=True):
    """How a decorated function is recorded.

    Attributes:
        name: the name of its spans.
        kind: the kind of its spans.
        capture_input: whether to keep the arguments.
        capture_output: whether to keep the result.
        signature: the signature without `self` or `cls`; None if it cannot be determined.
        skip_first: whether the first argument is `self` or `cls`.
        defaults: the default values of parameters, by name.
        defaults_change: whether any default is mutable, and has to be copied at each call.
        make_budget: creates the budget of one call; None for no such budget.
    """

    name: str
    kind: str
    capture_input: bool
    capture_output: bool
    signature: inspect.Signature | None
    skip_first: bool
    defaults: dict[str, Any]
    defaults_change: bool
    make_budget: Callable[[], Any] | None = None


class FunctionCall(Span):
    """One call of a decorated function, with its arguments as passed."""

    args: Any = None
    kwargs: Any = None
    defaults: Any = None

    def __init__(self, emit: Emit, options: Options, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(emit, options.name, options.kind)
        self.options = options
        if options.capture_input:
            self.args = freeze(args[1:] if options.skip_first else args)
            self.size += weigh(self.args)
            if kwargs:
                self.kwargs = freeze(kwargs)
                self.size += weigh(self.kwargs)
            if options.defaults_change:
                self.defaults = freeze(options.defaults)

    def returned(self, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Keep the result and return it; a generator, or a response streamed later, remains part of this trace."""
        if self.options.capture_output:
            self.output = freeze(result)
        if not is_plain_type(result) or type(result) is tuple:
            with guard("following a streamed response"):
                return followed(self, result, (*args, *kwargs.values()))
        return result

    def arguments(self) -> Any:
        """Return the arguments by parameter name, including defaults, as they were at the time of the call.

        If the function has set the input of its own span, that is returned instead.
        """
        if self.input is not None:
            return thaw(self.input)
        if self.args is None:
            return None
        args, kwargs = thaw(self.args), thaw(self.kwargs) or {}
        signature = self.options.signature
        try:
            bound = signature.bind(*args, **kwargs) if signature else None
        except TypeError:  # invalid arguments, for which the call itself has raised a TypeError, too
            bound = None
        if bound is None or signature is None:
            return {"args": args, "kwargs": kwargs}
        defaults = thaw(freeze(self.options.defaults) if self.defaults is None else self.defaults)
        given = dict(bound.arguments)
        bound.apply_defaults()  # puts parameters in order, and adds missing *args and **kwargs
        return {
            name: given.get(name, defaults.get(name, list(value) if isinstance(value, tuple) else value))
            for name, value in bound.arguments.items()
        }


class PaidCall(ContextSpan, FunctionCall):
    """A call of a function decorated with a budget for each call."""

    def __init__(self, emit: Emit, options: Options, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(emit, options, args, kwargs)
        if options.make_budget is not None:
            self.context = options.make_budget().within(self.context)


def decorate(
    function: Any,
    emit: Emit,
    name: str | None,
    kind: str,
    capture_input: bool,
    capture_output: bool,
    make_budget: Callable[[], Any] | None = None,
) -> Any:
    """Return `function` with every call recorded; what makes it a method or an attribute of a class is kept.

    Raises:
        TypeError: if `function` is not a function or method.
    """
    if isinstance(function, (classmethod, staticmethod)):
        inner = decorate(function.__func__, emit, name, kind, capture_input, capture_output, make_budget)
        return type(function)(inner)
    if isinstance(function, property) and function.fget is not None:
        return function.getter(decorate(function.fget, emit, name, kind, capture_input, capture_output, make_budget))
    if isinstance(function, functools.cached_property):
        function.func = decorate(function.func, emit, name, kind, capture_input, capture_output, make_budget)
        return function
    if inspect.isclass(function) or not callable(function):
        raise TypeError(f"@autolog decorates functions and methods, not {function!r}")
    expect_records()
    options = _options(function, name, kind, capture_input, capture_output)
    if make_budget is not None:
        options = msgspec.structs.replace(options, make_budget=make_budget)
    if inspect.isasyncgenfunction(function):
        return _wrap_generator(function, emit, options, inspect.CO_ASYNC_GENERATOR)
    if inspect.isgeneratorfunction(function):
        return _wrap_generator(function, emit, options, inspect.CO_GENERATOR)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        return _with_methods_of(function, _wrap_async(function, emit, options))
    return _with_methods_of(function, _wrap_sync(function, emit, options))


def _with_methods_of(function: Any, wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """Return `wrapper` with the methods of a callable object, such as `cache_clear` or a Celery task's `delay`."""
    if not isinstance(function, (FunctionType, types.MethodType, types.BuiltinFunctionType)):
        kind = function.__class__  # that of the task itself, if it is one of Celery's proxies
        for name in dir(kind):
            if name[0] != "_" and callable(getattr(kind, name, None)) and not hasattr(wrapper, name):
                setattr(wrapper, name, getattr(function, name))
    return wrapper


def _options(
    function: Callable[..., Any], name: str | None, kind: str, capture_input: bool, capture_output: bool
) -> Options:
    """Return how to record a function, from its signature and the arguments of the decorator."""
    qualified = getattr(function, "__qualname__", type(function).__qualname__)
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # a builtin without a signature
        signature = None
    parameters = list(signature.parameters.values()) if signature else []
    owner = qualified.rpartition(".")[0]
    skip_first = bool(owner and not owner.endswith("<locals>") and parameters and parameters[0].name in {"self", "cls"})
    if signature and skip_first:
        signature = signature.replace(parameters=parameters[1:])
    defaults = {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}
    return Options(
        name=as_text(name or qualified.replace("<locals>.", "")),
        kind=kind,
        capture_input=capture_input,
        capture_output=capture_output,
        signature=signature,
        skip_first=skip_first,
        defaults=defaults,
        defaults_change=any(isinstance(value, (list, dict, set, bytearray)) for value in defaults.values()),
    )


def _begin(emit: Emit, options: Options, args: tuple[Any, ...], kwargs: dict[str, Any]) -> FunctionCall | None:
    """Return the span of a call that is about to be made; None if it could not be created."""
    try:
        return (FunctionCall if options.make_budget is None else PaidCall)(emit, options, args, kwargs)
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("starting a function's span", error)
        return None


def _wrap_sync(function: Callable[..., Any], emit: Emit, options: Options) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _begin(emit, options, args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        with call:
            return call.returned(function(*args, **kwargs), args, kwargs)

    return wrapper


def _wrap_async(function: Callable[..., Any], emit: Emit, options: Options) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _begin(emit, options, args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        with call:
            return call.returned(await function(*args, **kwargs), args, kwargs)

    return wrapper


# Generators


def _wrap_generator(function: Callable[..., Any], emit: Emit, options: Options, flag: int) -> Any:
    """Return a function that creates a recorded generator; `flag` marks its kind for `inspect`."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _begin(emit, options, args, kwargs)
        try:
            inner = function(*args, **kwargs)
        except BaseException as error:  # invalid arguments; nothing has run yet
            if call is not None:
                call.end(error)
            raise
        if call is None:
            return inner
        awaitable = bool(wrapped.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE)
        return driven(inner, Run(call, call, options.capture_output), awaitable)

    wrapped: Any = functools.wraps(function)(_flagged(cast("FunctionType", wrapper), flag))
    return wrapped


def _flagged(wrapper: FunctionType, flag: int) -> FunctionType:
    """Return `wrapper` marked for `inspect` as a function that returns a generator or an asynchronous generator.

    The wrapper cannot be a generator function itself, because the body of one does not run until the generator is first
    consumed. Since CPython 3.11 an instruction creates the generator, and the flag is merely informative.
    """
    code = wrapper.__code__
    flagged = code.replace(co_flags=code.co_flags | flag)
    return FunctionType(flagged, wrapper.__globals__, closure=wrapper.__closure__)
