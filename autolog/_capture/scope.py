"""`with autolog.context(...)`: attributes for all calls inside a block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from autolog._capture.context import Context, Parent, current_context, current_span, parse_traceparent, restore
from autolog._capture.snapshot import freeze
from autolog._capture.threads import follow_threads

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
