"""What a call inherits from where it is made: the current span, and the user, session, tags and metadata.

Both live in context variables, so they follow asyncio tasks by themselves. Threads start with an empty context;
`follow_threads()` makes `threading.Thread` and `ThreadPoolExecutor` carry these two variables, and nothing else of
the user's context, from the place where work is handed over.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from autolog._capture.snapshot import freeze
from autolog._ids import format_span, format_trace

if TYPE_CHECKING:
    from typing import Self


class Parent(Protocol):
    """What a child needs to know of the span that it is made in: the numbers behind its ids."""

    @property
    def trace(self) -> int: ...

    @property
    def span(self) -> int: ...


class RemoteParent(msgspec.Struct, frozen=True):
    """A span of another process, known from its `traceparent` header."""

    trace: int
    span: int


class Context(msgspec.Struct, frozen=True):
    """Who and what the calls made inside are for."""

    user: str | None = None
    session: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    capture_bodies: bool = True

    def merged(
        self,
        user: str | None,
        session: str | None,
        tags: Iterable[str],
        metadata: Mapping[str, Any],
        capture_bodies: bool = True,
    ) -> Context:
        """This context with another laid over it: tags add up, metadata merges by key, no bodies stays no bodies."""
        return Context(
            user=self.user if user is None else user,
            session=self.session if session is None else session,
            tags=tuple(dict.fromkeys((*self.tags, *tags))),
            metadata={**self.metadata, **metadata},
            capture_bodies=self.capture_bodies and capture_bodies,
        )


EMPTY = Context()

current_span: ContextVar[Parent | None] = ContextVar("autolog_span", default=None)
current_context: ContextVar[Context] = ContextVar("autolog_context", default=EMPTY)


class ContextScope:
    """`with` / `async with` block inside which calls carry a user, session, tags and metadata."""

    __slots__ = ("_given", "_parent", "_tokens")

    def __init__(
        self,
        user: str | None,
        session: str | None,
        tags: Iterable[str],
        metadata: Mapping[str, Any],
        traceparent: str | None,
        capture_bodies: bool = True,
    ) -> None:
        given = (tags,) if isinstance(tags, str) else tags or ()
        self._given = (
            None if user is None else str(user),
            None if session is None else str(session),
            tuple(str(tag) for tag in given),
            {str(key): freeze(value) for key, value in metadata.items()},
            bool(capture_bodies),
        )
        self._parent = parse_traceparent(traceparent)
        self._tokens: list[tuple[Token[Context], Token[Parent | None] | None]] = []

    def __enter__(self) -> Self:
        follow_threads()
        token = current_context.set(current_context.get().merged(*self._given))
        self._tokens.append((token, current_span.set(self._parent) if self._parent is not None else None))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, span_token = self._tokens.pop()
        restore(current_span, span_token)
        restore(current_context, token)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def restore(variable: ContextVar[Any], token: Token[Any] | None) -> None:
    """Undo a `set`, also when the block ends in another context than it began in (a finalised generator)."""
    if token is None:
        return
    with suppress(ValueError):  # set in another context: that one is gone, and there is nothing to undo
        variable.reset(token)


def parse_traceparent(header: str | None) -> RemoteParent | None:
    """The parent in a W3C `traceparent` header (https://www.w3.org/TR/trace-context/), or None if it is not one."""
    parts = header.strip().lower().split("-") if header else []
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2] or parts[0] == "ff":
        return None
    try:
        numbers = [int(part, 16) for part in parts[:4]]
    except ValueError:
        return None
    return RemoteParent(numbers[1], numbers[2]) if numbers[1] and numbers[2] else None


def format_traceparent(parent: Parent) -> str:
    """The `traceparent` header that names `parent` to another process."""
    return f"00-{format_trace(parent.trace)}-{format_span(parent.span)}-01"


_following = threading.Lock()
_followed = False


def follow_threads() -> None:
    """Carry the current span and context into threads and thread pools, from now on. Cheap when already done."""
    global _followed
    if _followed:
        return
    with _following:
        if _followed:
            return
        _wrap_thread_start()
        _wrap_pool_submit()
        _followed = True


def _wrap_thread_start() -> None:
    original = threading.Thread.start

    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        span, context = current_span.get(), current_context.get()
        if span is not None or context is not EMPTY:
            self.run = _carrying_run(self, span, context)  # type: ignore[method-assign]
        original(self)

    threading.Thread.start = start  # type: ignore[method-assign]


def _carrying_run(thread: threading.Thread, span: Parent | None, context: Context) -> Callable[[], None]:
    had_own = "run" in thread.__dict__
    run = thread.run

    def carrying() -> None:
        if had_own:
            thread.run = run  # type: ignore[method-assign]
        else:
            thread.__dict__.pop("run", None)
        current_span.set(span)
        current_context.set(context)
        run()

    return carrying


def _wrap_pool_submit() -> None:
    original: Callable[..., Any] = ThreadPoolExecutor.submit

    @functools.wraps(original)
    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        span, context = current_span.get(), current_context.get()
        if span is None and context is EMPTY:
            plain: Future[Any] = original(self, fn, *args, **kwargs)
            return plain
        # The pool may start a worker now: that thread is not a child of this span, only the job is.
        span_token, context_token = current_span.set(None), current_context.set(EMPTY)
        try:
            future: Future[Any] = original(self, _carried_call, span, context, fn, args, kwargs)
            return future
        finally:
            current_span.reset(span_token)
            current_context.reset(context_token)

    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign, assignment]


def _carried_call(
    span: Parent | None,
    context: Context,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    span_token, context_token = current_span.set(span), current_context.set(context)
    try:
        return fn(*args, **kwargs)
    finally:
        current_span.reset(span_token)
        current_context.reset(context_token)
