"""`@autolog` on functions: every call becomes a span with its arguments and its result.

The decorated function is a plain function of the same kind (sync, async, generator, async generator) with the same
name, signature and module, so it inspects, documents and pickles like the one it wraps.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import msgspec

from autolog._capture.context import current_span, restore
from autolog._capture.snapshot import freeze, freeze_call, thaw
from autolog._capture.span import Emit, Span
from autolog._capture.threads import follow_threads
from autolog._guard import guard

#: How many yielded values of a generator are kept.
MAX_YIELDED = 1_000


class Options(msgspec.Struct, frozen=True):
    """How a function is recorded. `parameters` are those that its caller fills: without `self` or `cls`."""

    name: str
    kind: str
    capture_input: bool
    capture_output: bool
    signature: inspect.Signature | None
    skip_first: bool
    defaults: dict[str, Any]
    defaults_change: bool


class Call(Span):
    """One call of a decorated function; its input is the arguments as they were passed."""

    defaults: Any = None

    def __init__(self, emit: Emit, options: Options, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(emit, options.name, options.kind)
        self.options = options
        if options.capture_input:
            self.input = freeze_call(args[1:] if options.skip_first else args, kwargs)
            if options.defaults_change:
                self.defaults = freeze(options.defaults)

    def arguments(self) -> dict[str, Any] | None:
        """The arguments by parameter name, with defaults applied, as they were at the time of the call."""
        if self.input is None:
            return None
        args, kwargs = thaw(self.input)
        signature = self.options.signature
        try:
            bound = signature.bind(*args, **kwargs) if signature else None
        except TypeError:  # the call itself was wrong; the function has raised the same
            bound = None
        if bound is None or signature is None:
            return {"args": args, "kwargs": kwargs}
        defaults = thaw(freeze(self.options.defaults) if self.defaults is None else self.defaults)
        given = dict(bound.arguments)
        bound.apply_defaults()  # for the order, and for *args and **kwargs that were not given
        return {
            name: given.get(name, defaults.get(name, list(value) if isinstance(value, tuple) else value))
            for name, value in bound.arguments.items()
        }


def decorate(function: Any, emit: Emit, name: str | None, kind: str, capture_input: bool, capture_output: bool) -> Any:
    """`function` with every call recorded; a classmethod or staticmethod stays one."""
    if isinstance(function, (classmethod, staticmethod)):
        inner = decorate(function.__func__, emit, name, kind, capture_input, capture_output)
        return type(function)(inner)
    if inspect.isclass(function) or not callable(function):
        raise TypeError(f"@autolog goes on functions and methods, not on {function!r}")
    options = _options(function, name, kind, capture_input, capture_output)
    if inspect.isasyncgenfunction(function):
        return _wrap_async_generator(function, emit, options)
    if inspect.isgeneratorfunction(function):
        return _wrap_generator(function, emit, options)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        return _wrap_async(function, emit, options)
    return _wrap_sync(function, emit, options)


def _options(
    function: Callable[..., Any], name: str | None, kind: str, capture_input: bool, capture_output: bool
) -> Options:
    qualified = getattr(function, "__qualname__", type(function).__qualname__)
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # a builtin that does not tell
        signature = None
    parameters = list(signature.parameters.values()) if signature else []
    owner = qualified.rpartition(".")[0]
    skip_first = bool(owner and not owner.endswith("<locals>") and parameters and parameters[0].name in {"self", "cls"})
    if signature and skip_first:
        signature = signature.replace(parameters=parameters[1:])
    defaults = {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}
    return Options(
        name=name or qualified.replace("<locals>.", ""),
        kind=kind,
        capture_input=capture_input,
        capture_output=capture_output,
        signature=signature,
        skip_first=skip_first,
        defaults=defaults,
        defaults_change=any(isinstance(value, (list, dict, set, bytearray)) for value in defaults.values()),
    )


def _begin(emit: Emit, options: Options, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    follow_threads()
    with guard("starting a function's span"):
        return Call(emit, options, args, kwargs)
    return None


def _wrap_sync(function: Callable[..., Any], emit: Emit, options: Options) -> Callable[..., Any]:
    capture_output = options.capture_output

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _begin(emit, options, args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        token = current_span.set(call)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            restore(current_span, token)
            call.end(error)
            raise
        restore(current_span, token)
        if capture_output:
            call.output = freeze(result)
        call.end()
        return result

    return wrapper


def _wrap_async(function: Callable[..., Any], emit: Emit, options: Options) -> Callable[..., Any]:
    capture_output = options.capture_output

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _begin(emit, options, args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        token = current_span.set(call)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            restore(current_span, token)
            call.end(error)
            raise
        restore(current_span, token)
        if capture_output:
            call.output = freeze(result)
        call.end()
        return result

    return wrapper


class _Yielded:
    """The values that a generator gave, as far as they are kept."""

    __slots__ = ("call", "values")

    def __init__(self, call: Call | None, capture: bool) -> None:
        self.call = call
        self.values: list[Any] | None = [] if capture and call is not None else None

    def add(self, value: Any) -> None:
        if self.values is not None and len(self.values) < MAX_YIELDED:
            self.values.append(freeze(value))

    def end(self, error: BaseException | None) -> None:
        """A generator that its caller closes early has not failed."""
        if self.call is None:
            return
        with guard("ending a generator's span"):
            if self.values is not None:
                self.call.output = [thaw(value) for value in self.values]
        self.call.end(None if isinstance(error, GeneratorExit) else error)


def _wrap_generator(function: Callable[..., Any], emit: Emit, options: Options) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = _begin(emit, options, args, kwargs)
        yielded = _Yielded(call, options.capture_output)
        inner = function(*args, **kwargs)
        error: BaseException | None = None
        try:
            return (yield from _driven(inner, call, yielded))
        except BaseException as raised:
            error = raised
            raise
        finally:
            yielded.end(error)

    return wrapper


def _driven(inner: Generator[Any, Any, Any], call: Call | None, yielded: _Yielded) -> Generator[Any, Any, Any]:
    """Run `inner` with the span current only while it runs, never while its caller does."""
    step: Callable[[], Any] = functools.partial(next, inner)
    while True:
        token = current_span.set(call) if call is not None else None
        try:
            value = step()
        except StopIteration as stop:
            return stop.value
        finally:
            restore(current_span, token)
        yielded.add(value)
        try:
            sent = yield value
        except GeneratorExit:
            token = current_span.set(call) if call is not None else None
            try:
                inner.close()
            finally:
                restore(current_span, token)
            raise
        except BaseException as thrown:  # noqa: BLE001 - what the caller throws in goes to the inner generator
            step = functools.partial(inner.throw, thrown)
        else:
            step = functools.partial(inner.send, sent)


def _wrap_async_generator(function: Callable[..., Any], emit: Emit, options: Options) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        call = _begin(emit, options, args, kwargs)
        yielded = _Yielded(call, options.capture_output)
        inner: AsyncGenerator[Any, Any] = function(*args, **kwargs)
        error: BaseException | None = None
        step: Callable[[], Any] = inner.__anext__
        try:
            while True:
                token = current_span.set(call) if call is not None else None
                try:
                    value = await step()
                except StopAsyncIteration:
                    return
                finally:
                    restore(current_span, token)
                yielded.add(value)
                try:
                    sent = yield value
                except GeneratorExit:
                    token = current_span.set(call) if call is not None else None
                    try:
                        await inner.aclose()
                    finally:
                        restore(current_span, token)
                    raise
                except BaseException as thrown:  # noqa: BLE001 - what is thrown in goes to the inner generator
                    step = functools.partial(inner.athrow, thrown)
                else:
                    step = functools.partial(inner.asend, sent)
        except BaseException as raised:
            error = raised
            raise
        finally:
            yielded.end(error)

    return wrapper
