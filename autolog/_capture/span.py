"""The span, a piece of work that ends once; created by `with autolog.span(...)`, `@autolog` and provider calls."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from time import perf_counter_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any

from autolog._capture.context import Context, Parent, current_context, current_span, restore
from autolog._capture.opentelemetry import enclosing_span
from autolog._capture.snapshot import freeze, weigh
from autolog._capture.threads import follow_threads
from autolog._guard import guard, pass_on, report
from autolog._lifecycle import after_fork_in_child, mark, start_over_if_forked
from autolog._record.ids import format_span, format_trace, new_bits

if TYPE_CHECKING:
    from typing import Self

    from autolog._record.record import Record

#: Receives an ended span, to put it into the queue.
Emit = Callable[["Span"], None]

#: A token that changes in a forked child, because spans begun before the fork are ended and recorded by the parent.
_process = object()


@after_fork_in_child
def _renew_process() -> None:
    global _process
    _process = object()


class Span:
    """A piece of the program's work, with a name, a start, an end, and a place in the trace.

    Attributes:
        name: the name shown in tables and trees.
        kind: `span`, `function`, `tool`, `chain`, `retrieval`, `agent` or any other text; `llm` for provider calls.
        metadata: the metadata that was set, frozen.
        input: the input that was set, frozen.
        output: the output or result, frozen.
        error: the type's name and the message of the exception that ended the span.
        status_code: the HTTP status of a provider call.
        record_id: the id of the span's record, if it is assigned before the record is made.
        in_order: whether the span must be processed after those emitted before it.
        size: the approximate number of bytes that the span takes in the queue.
        end_ns: the end (`perf_counter_ns`); 0 while the span is open.
        parent_span: the number of the parent span.
        caller: the name of the parent span.
    """

    # Most spans never have these; defaults in the class cost a call nothing.
    metadata: dict[str, Any] | None = None
    input: Any = None
    output: Any = None
    error: tuple[str, str] | None = None
    status_code: int | None = None
    record_id: str | None = None
    in_order = False
    size = 1_000
    end_ns = 0
    parent_span: int | None = None
    caller: str | None = None
    _token: Token[Parent | None] | None = None

    def __init__(self, emit: Emit, name: str, kind: str) -> None:
        if not mark[0]:
            start_over_if_forked()
        self._emit = emit
        self._process = _process
        self.name = name
        self.kind = kind
        parent = enclosing_span()
        if parent is None:
            self.trace = new_bits(128) or 1
        else:
            self.trace, self.parent_span = parent.trace, parent.span
            self.caller = getattr(parent, "name", None)
        self.span = new_bits(64) or 1
        self.context: Context = current_context.get()
        self.start_ns = perf_counter_ns()

    # The user's interface

    @property
    def trace_id(self) -> str:
        """The trace id: 32 hexadecimal digits (W3C Trace Context)."""
        return format_trace(self.trace)

    @property
    def span_id(self) -> str:
        """The span id: 16 hexadecimal digits (W3C Trace Context)."""
        return format_span(self.span)

    def set(self, *, input: Any = None, output: Any = None, **metadata: Any) -> Self:  # noqa: A002 - the field's word
        """Add metadata to the span's record; `input` and `output` become its request and response bodies.

        Values are copied, so that later changes to them have no effect. Returns the span.
        """
        with guard("adding to a span"):
            if input is not None:
                self.input = freeze(input)
            if output is not None:
                self.output = freeze(output)
            if metadata:
                self.metadata = {
                    **(self.metadata or {}),
                    **{key: freeze(value) for key, value in metadata.items()},
                }
        return self

    # Start and end

    def __enter__(self) -> Self:
        follow_threads()
        self._token = current_span.set(self)
        self.start_ns = perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        restore(current_span, self._token)
        self._token = None
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    @property
    def elsewhere(self) -> bool:
        """Whether the span was begun in a process from which this one was forked, which also ends it."""
        return self._process is not _process

    def end(self, error: BaseException | None = None) -> None:
        """End the span and emit it to be recorded. Further calls do nothing. Never raises."""
        if self.end_ns or self._process is not _process:
            return
        self.end_ns = perf_counter_ns()
        try:
            if error is not None:
                self.error = describe_error(error)
            if self.input is not None:
                self.size += weigh(self.input)
            if self.output is not None:
                self.size += weigh(self.output)
            self._emit(self)
        except Exception as failure:  # noqa: BLE001 - ours, never the program's
            report("ending a span", failure)


class ContextSpan(Span):
    """A span whose context applies to everything inside it."""

    _context_token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._context_token = current_context.set(self.context)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        restore(current_context, self._context_token)
        super().__exit__(kind, error, trace)


class PrivateSpan(ContextSpan):
    """A span that records metrics only, without prompts or outputs, as does everything inside it."""

    def __init__(self, emit: Emit, name: str, kind: str) -> None:
        super().__init__(emit, name, kind)
        self.context = self.context.merged(None, None, (), {}, capture_bodies=False)


class FinishedRecord:
    """A record that needs no processing, queued like a span."""

    __slots__ = ("end_ns", "record", "size")

    in_order = False

    def __init__(self, record: Record) -> None:
        self.record = record
        self.end_ns = perf_counter_ns()
        self.size = 2_000


def describe_error(error: BaseException) -> tuple[str, str]:
    """Return the type's name and the message of an exception, which are kept in place of it and its frames."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        return name, str(error)
    except BaseException as raised:  # noqa: BLE001 - its __str__ is the user's code
        pass_on(raised)
        return name, ""
