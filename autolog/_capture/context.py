"""What a call inherits from where it is made: the current span, and the user, session, tags and metadata.

Both live in context variables, so they follow asyncio tasks by themselves. Threads start with an empty context;
`follow_threads()` makes `threading.Thread` and `ThreadPoolExecutor` carry these two variables, and nothing else of
the user's context, from the place where work is handed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from string import hexdigits
from typing import Any, Protocol

import msgspec

from autolog._guard import pass_on
from autolog._record.ids import format_span, format_trace


class Parent(Protocol):
    """A span that others are made in: of it they need the numbers behind its ids."""

    @property
    def trace(self) -> int: ...

    @property
    def span(self) -> int: ...


class RemoteParent(msgspec.Struct, frozen=True):
    """A span of another process, known from its `traceparent` header."""

    trace: int
    span: int


class Context(msgspec.Struct, frozen=True):
    """A user, session, tags and metadata that calls are made for, and the budgets that they are paid from."""

    user: str | None = None
    session: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    capture_bodies: bool = True
    budgets: tuple[Any, ...] = ()

    def merged(
        self,
        user: str | None,
        session: str | None,
        tags: Iterable[str],
        metadata: Mapping[str, Any],
        capture_bodies: bool = True,
    ) -> Context:
        """Return this context with another laid over it.

        Tags add up, metadata merges by key, and once bodies are off they stay off.
        """
        return Context(
            user=self.user if user is None else user,
            session=self.session if session is None else session,
            tags=tuple(dict.fromkeys((*self.tags, *tags))),
            metadata={**self.metadata, **metadata},
            capture_bodies=self.capture_bodies and capture_bodies,
            budgets=self.budgets,
        )


EMPTY = Context()

current_span: ContextVar[Parent | None] = ContextVar("autolog_span", default=None)
current_context: ContextVar[Context] = ContextVar("autolog_context", default=EMPTY)

#: The exchange of the call that is under way here.
current_exchange: ContextVar[Any] = ContextVar("autolog_exchange", default=None)


def restore(variable: ContextVar[Any], token: Token[Any] | None) -> None:
    """Undo a `set`, also when the block ends in another context than it began in (a finalised generator)."""
    if token is None:
        return
    try:
        variable.reset(token)
    except ValueError as error:  # set in another context: that one is gone, and there is nothing to undo
        pass_on(error)


def parse_traceparent(header: str | None) -> RemoteParent | None:
    """Return the parent in a W3C `traceparent` header (https://www.w3.org/TR/trace-context/); None if it is none."""
    parts = header.strip().lower().split("-") if header else []
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2] or parts[0] == "ff":
        return None
    if any(char not in hexdigits for part in parts[:4] for char in part):
        return None
    trace, span = int(parts[1], 16), int(parts[2], 16)
    return RemoteParent(trace, span) if trace and span else None


def format_traceparent(parent: Parent) -> str:
    """Return the `traceparent` header that names `parent` to another process."""
    return f"00-{format_trace(parent.trace)}-{format_span(parent.span)}-01"
