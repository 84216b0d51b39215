"""`with autolog.context(...)`: attributes for all calls inside a block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from autolog._capture.context import Context, Parent, current_context, current_span, parse_traceparent, restore
from autolog._capture.snapshot import as_text, freeze
from autolog._capture.threads import follow_threads
from autolog._guard import guard

if TYPE_CHECKING:
    from typing import Self


class ContextScope:
    """A `with` / `async with` block whose calls are recorded with a user, session, tags and metadata."""

    __slots__ = ("_given", "_parent", "_tokens")

    def __init__(
        self,
        user: str | None,
        session: str | None,
        tags: Iterable[str],
        metadata: Mapping[str, Any] | None,
        traceparent: str | bytes | None,
        capture_bodies: bool = True,
    ) -> None:
        self._given: tuple[str | None, str | None, tuple[str, ...], dict[str, Any], bool]
        self._given = (None, None, (), {}, bool(capture_bodies))
        with guard("reading the attributes of a context"):
            given = (tags,) if isinstance(tags, str) else tags or ()
            self._given = (
                None if user is None else as_text(user),
                None if session is None else as_text(session),
                tuple(as_text(tag) for tag in given),
                {as_text(key): freeze(value) for key, value in (metadata or {}).items()},
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
