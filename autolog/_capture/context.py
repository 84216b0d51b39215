"""The context that a call inherits: the current span, and the user, session, tags and metadata.

Two context variables hold these, and therefore propagate to asyncio tasks automatically. Threads start with an empty
context; `follow_threads()` makes `threading.Thread` and `ThreadPoolExecutor` carry these two variables, and nothing
else of the user's context, from the place where work is submitted.
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
    """A span, as seen by the spans inside it: the numbers of its trace and of the span itself."""

    @property
    def trace(self) -> int: ...

    @property
    def span(self) -> int: ...


class RemoteParent(msgspec.Struct, frozen=True):
    """A span of another process, known from its `traceparent` header."""

    trace: int
    span: int


class Context(msgspec.Struct, frozen=True):
    """The attributes that calls inherit from the blocks around them.

    Attributes:
        user: the user's id.
        session: the session's id.
        tags: the tags, without duplicates.
        metadata: the metadata, frozen (see `snapshot`).
        capture_bodies: whether bodies are recorded.
        budgets: the budgets of the enclosing `autolog.budget()` blocks.
    """

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
        """Return this context merged with further values.

        Tags are added, metadata is merged by key, and bodies are recorded only if neither context excludes them.
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

#: The exchange of the provider call that is in progress in this context.
current_exchange: ContextVar[Any] = ContextVar("autolog_exchange", default=None)


def restore(variable: ContextVar[Any], token: Token[Any] | None) -> None:
    """Undo a `set`, tolerating a block that ends in another context than it began in (a finalised generator)."""
    if token is None:
        return
    try:
        variable.reset(token)
    except ValueError as error:  # the variable was set in another context, and needs no reset in this one
        pass_on(error)


def parse_traceparent(header: str | bytes | None) -> RemoteParent | None:
    """Return the parent in a W3C `traceparent` header (https://www.w3.org/TR/trace-context/); None if it is invalid."""
    text = header.decode(errors="replace") if isinstance(header, bytes) else header  # ASGI's headers are bytes
    parts = text.strip().lower().split("-") if isinstance(text, str) else []
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2] or parts[0] == "ff":
        return None
    if any(char not in hexdigits for part in parts[:4] for char in part):
        return None
    trace, span = int(parts[1], 16), int(parts[2], 16)
    return RemoteParent(trace, span) if trace and span else None


def format_traceparent(parent: Parent) -> str:
    """Return the W3C `traceparent` header for `parent`."""
    return f"00-{format_trace(parent.trace)}-{format_span(parent.span)}-01"
