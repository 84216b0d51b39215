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
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import Token
from time import perf_counter_ns
from types import AsyncGeneratorType, FunctionType, GeneratorType, TracebackType
from typing import Any, cast

import msgspec

from autolog._capture.context import Context, Parent, current_context, current_span, restore
from autolog._capture.snapshot import PLAIN, freeze, thaw, weigh
from autolog._capture.span import ContextSpan, Emit, Span
from autolog._capture.threads import follow_threads
from autolog._guard import guard, pass_on, report

#: The most values yielded by a generator that are kept.
MAX_YIELDED = 1_000
#: The attributes in which responses of web frameworks keep their generator: Starlette and FastAPI; Flask; Django.
_STREAMS = ("body_iterator", "response", "_iterator")


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

    def returned(self, result: Any) -> Any:
        """Keep the result and return it; a response that is streamed later remains part of this trace."""
        if self.options.capture_output:
            self.output = freeze(result)
        if type(result) not in PLAIN:
            self._follow(result)
        return result

    def _follow(self, result: Any) -> None:
        with guard("following a streamed response"):
            fields = _fields_of(result)
            for name in _STREAMS:
                stream = fields.get(name)
                if isinstance(stream, AsyncGeneratorType):
                    setattr(result, name, _drive_async(stream, _Run(self)))
                elif isinstance(stream, GeneratorType):
                    setattr(result, name, _drive(stream, _Run(self)))

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


def _fields_of(result: Any) -> dict[str, Any]:
    """Return the attributes of an object; empty if reading them fails, as for an unbound proxy."""
    try:
        fields = getattr(result, "__dict__", None)
    except Exception as error:  # noqa: BLE001 - raised by the user's class
        pass_on(error)
        return {}
    return fields if isinstance(fields, dict) else {}


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
    options = _options(function, name, kind, capture_input, capture_output)
    if make_budget is not None:
        options = msgspec.structs.replace(options, make_budget=make_budget)
    if inspect.isasyncgenfunction(function):
        return _wrap_generator(function, emit, options, _drive_async, inspect.CO_ASYNC_GENERATOR)
    if inspect.isgeneratorfunction(function):
        return _wrap_generator(function, emit, options, _drive, inspect.CO_GENERATOR)
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
        name=name or qualified.replace("<locals>.", ""),
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
            return call.returned(function(*args, **kwargs))

    return wrapper


def _wrap_async(function: Callable[..., Any], emit: Emit, options: Options) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _begin(emit, options, args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        with call:
            return call.returned(await function(*args, **kwargs))

    return wrapper


# Generators


class _Run:
    """One run of a generator: `with run:` surrounds all of it, and `with run.current:` one step.

    The current span and context inside the generator are its own: they are kept from one step to the next, and are
    never visible to the consumer.
    """

    def __init__(self, span: Span, call: FunctionCall | None = None) -> None:
        self._call = call
        self._values: list[Any] | None = [] if call is not None and call.options.capture_output else None
        self.current = _Current(span, span.context)

    def add(self, value: Any) -> None:
        """Keep a value yielded by the generator, up to `MAX_YIELDED`."""
        if self._values is not None and len(self._values) < MAX_YIELDED:
            self._values.append(freeze(value))

    def __enter__(self) -> None:
        follow_threads()
        if self._call is not None:
            self._call.start_ns = perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._call is None:
            return
        with guard("ending a generator's span"):
            if self._values is not None:
                self._call.output = [thaw(value) for value in self._values]
        self._call.end(None if isinstance(error, GeneratorExit) else error)  # closing a generator early is no failure


class _Current:
    """A block with its own current span and context, which it keeps until it is entered again."""

    __slots__ = ("_context", "_context_token", "_span", "_span_token")
    _span_token: Token[Parent | None]
    _context_token: Token[Context]

    def __init__(self, span: Parent | None, context: Context) -> None:
        self._span = span
        self._context = context

    def __enter__(self) -> None:
        self._span_token = current_span.set(self._span)
        self._context_token = current_context.set(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._span, self._context = current_span.get(), current_context.get()
        restore(current_span, self._span_token)
        restore(current_context, self._context_token)


def _wrap_generator(
    function: Callable[..., Any], emit: Emit, options: Options, drive: Callable[..., Any], flag: int
) -> Any:
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
        awaited = (wrapped.__code__.co_flags | _flags_of(inner)) & inspect.CO_ITERABLE_COROUTINE
        driven: Any = (_drive_awaited if awaited else drive)(inner, _Run(call, call))
        driven.__name__, driven.__qualname__ = inner.__name__, inner.__qualname__
        return driven

    wrapped: Any = functools.wraps(function)(_flagged(cast("FunctionType", wrapper), flag))
    return wrapped


def _flags_of(generator: Any) -> int:
    """Return the flags of a generator's code, among which `types.coroutine` sets one for awaitable generators."""
    return generator.gi_code.co_flags if type(generator) is GeneratorType else 0


def _flagged(wrapper: FunctionType, flag: int) -> FunctionType:
    """Return `wrapper` marked for `inspect` as a function that returns a generator or an asynchronous generator.

    The wrapper cannot be a generator function itself, because the body of one does not run until the generator is first
    consumed. Since CPython 3.11 an instruction creates the generator, and the flag is merely informative.
    """
    code = wrapper.__code__
    flagged = code.replace(co_flags=code.co_flags | flag)
    return FunctionType(flagged, wrapper.__globals__, closure=wrapper.__closure__)


def _drive(inner: Generator[Any, Any, Any], run: _Run) -> Generator[Any, Any, Any]:
    """Run a generator step by step in its own span and context, passing on what is sent or thrown in."""
    step: Callable[[], Any] = functools.partial(next, inner)
    with run:
        while True:
            try:
                with run.current:
                    value = step()
            except StopIteration as stop:
                return stop.value
            run.add(value)
            try:
                sent = yield value
            except GeneratorExit:
                with run.current:
                    inner.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - what the caller throws in goes to the inner generator
                step = functools.partial(inner.throw, thrown)
            else:
                step = functools.partial(inner.send, sent)


#: `_drive` for awaitable generators. The flag is part of the code, so a copy is needed.
_drive_awaited: Callable[..., Any] = types.coroutine(FunctionType(_drive.__code__, globals()))


async def _drive_async(inner: AsyncGenerator[Any, Any], run: _Run) -> AsyncGenerator[Any, Any]:
    """Run an asynchronous generator step by step, as `_drive` does."""
    step: Callable[[], Any] = inner.__anext__
    with run:
        while True:
            try:
                with run.current:
                    value = await step()
            except StopAsyncIteration:
                return
            run.add(value)
            try:
                sent = yield value
            except GeneratorExit:
                with run.current:
                    await inner.aclose()
                raise
            except BaseException as thrown:  # noqa: BLE001 - what the caller throws in goes to the inner generator
                step = functools.partial(inner.athrow, thrown)
            else:
                step = functools.partial(inner.asend, sent)
