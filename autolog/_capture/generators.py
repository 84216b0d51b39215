"""Generators that belong to the trace and the context in which they were created, wherever they are consumed."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from contextvars import Token
from time import perf_counter_ns
from types import AsyncGeneratorType, FunctionType, GeneratorType, TracebackType
from typing import Any

from autolog._capture.context import Context, Parent, current_context, current_span, restore
from autolog._capture.snapshot import freeze, is_plain_type, thaw
from autolog._capture.span import Span
from autolog._capture.threads import follow_threads
from autolog._guard import guard, pass_on

#: The most values yielded by a generator that are kept.
MAX_YIELDED = 1_000
#: The attributes in which responses of web frameworks keep their generator: Starlette and FastAPI; Flask; Django.
_STREAMS = ("body_iterator", "response", "_iterator")
#: The attribute in which the bodies of Quart's responses do.
_STREAMS_OF_BODIES = ("iter",)


class Run:
    """One run of a generator: `with run:` surrounds all of it, and `with run.current:` one step.

    `call` is the span that ends with the generator, if there is one, and gets its values as output if they are kept.
    The current span and context inside the generator are its own: they are kept from one step to the next, and are
    never visible to the consumer.
    """

    def __init__(self, span: Span, call: Span | None = None, keep_values: bool = False) -> None:
        self._call = call
        self._values: list[Any] | None = [] if keep_values else None
        self.current = Current(span, span.context)

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


class Current:
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


def followed(span: Span, result: Any, given: Iterable[Any]) -> Any:
    """Return what a function has returned, with the generator that it is or has running in the function's span.

    Args:
        given: the function's arguments. A generator that is one of them belongs to the caller, who gets it back itself.
    """
    if type(result) is tuple:  # a body with a status and headers
        body = None if not result or is_plain_type(result[0]) else followed(span, result[0], given)
        return result if body is None or body is result[0] else (body, *result[1:])
    if _is_generator(result):
        return result if any(result is argument for argument in given) else driven(result, Run(span))
    _follow_fields(span, result)
    return result


def _is_generator(value: Any) -> bool:
    """Return whether a value is a generator, without running code of its own, as `isinstance` and `==` may."""
    return type(value) is GeneratorType or type(value) is AsyncGeneratorType


def _follow_fields(span: Span, response: Any, names: tuple[str, ...] = _STREAMS) -> None:
    fields = _fields_of(response)
    for name in names:
        stream: Any = fields.get(name)
        if type(stream) is map or type(stream) is filter:
            stream = _each(stream)
        if _is_generator(stream):
            setattr(response, name, driven(stream, Run(span)))
        elif stream is not None and names is _STREAMS:
            _follow_fields(span, stream, _STREAMS_OF_BODIES)


def _each(values: Iterator[Any]) -> Iterator[Any]:
    yield from values


def _fields_of(result: Any) -> dict[str, Any]:
    """Return the attributes of an object; empty if reading them fails, as for an unbound proxy."""
    try:
        fields = getattr(result, "__dict__", None)
    except Exception as error:  # noqa: BLE001 - raised by the user's class
        pass_on(error)
        return {}
    return fields if isinstance(fields, dict) else {}


def driven(inner: Any, run: Run, awaitable: bool = False) -> Any:
    """Return a generator that runs another one step by step; `awaitable` if a function marked as such has made it."""
    if isinstance(inner, AsyncGeneratorType):
        driving: Any = _drive_async(inner, run)
    else:
        flags = inner.gi_code.co_flags if type(inner) is GeneratorType else 0
        awaitable = awaitable or bool(flags & inspect.CO_ITERABLE_COROUTINE)
        driving = (_drive_awaited if awaitable else _drive)(inner, run)
    driving.__name__, driving.__qualname__ = inner.__name__, inner.__qualname__
    return driving


def _drive(inner: Generator[Any, Any, Any], run: Run) -> Generator[Any, Any, Any]:
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


async def _drive_async(inner: AsyncGenerator[Any, Any], run: Run) -> AsyncGenerator[Any, Any]:
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
