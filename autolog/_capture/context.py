"""What a call inherits from where it is made: the current span, and the user, session, tags and metadata.

Both live in context variables, so they follow asyncio tasks by themselves. Threads start with an empty context;
`follow_threads()` makes `threading.Thread` and `ThreadPoolExecutor` carry these two variables, and nothing else of
the user's context, from the place where work is handed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any, Protocol

import msgspec

from autolog._ids import format_span, format_trace


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
