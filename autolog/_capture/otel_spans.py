"""OpenTelemetry's spans in progress and ended, with their places among ours."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any

from autolog._capture.context import Context, current_context

if TYPE_CHECKING:
    from autolog._capture.otel_calls import PastCalls

#: Attributes that mark a span as a single call to a model, and their values.
_CALLS: Mapping[str, frozenset[str]] = {
    "openinference.span.kind": frozenset({"LLM", "EMBEDDING"}),
    "gen_ai.operation.name": frozenset({"chat", "text_completion", "embeddings", "generate_content"}),
    "llm.request.type": frozenset({"chat", "completion", "embedding"}),
    "langfuse.observation.type": frozenset({"generation", "embedding"}),
}

#: Prefixes of the attributes of spans about models, from all instrumentations.
_KNOWN = ("gen_ai.", "llm.", "openinference.", "traceloop.", "ai.", "langfuse.", "langsmith.", "mlflow.", "tool.",
          "retrieval.", "embedding.", "input.value", "output.value", "logfire.msg_template", "agent", "pydantic_ai.",
          "db.system.name", "session.id", "user.id")  # fmt: skip
#: Instrumentations with spans that are neither current nor marked as calls until they end.
_MARKED_LATE = ("openinference.instrumentation.langchain",)
#: Instrumentations whose spans may begin in another context than their call: LangChain's asynchronous callbacks run on
#: other threads, and LangSmith's exporter makes spans of runs that have ended.
_MADE_ELSEWHERE = (*_MARKED_LATE, "langfuse", "langsmith")


class OTelParent:
    """An OpenTelemetry span as the parent of one of our spans; without `span` if only its trace is known."""

    __slots__ = ("name", "span", "trace")

    def __init__(self, trace: int, span: int | None, name: str | None) -> None:
        self.trace = trace
        self.span = span
        self.name = name


class EndedOTelSpan:
    """An OpenTelemetry span that has ended, and its place among our spans.

    Attributes:
        ended: OpenTelemetry's own span object, which is immutable once it has ended.
        fills: the id of the record of the call that the span describes, if any.
        step: whether the span is only a step around calls, which are billed instead of it.
        among: the calls of other contexts, one of which the span may report; then it is a step, too.
    """

    in_order = False
    status_code = None

    def __init__(self, ended: Any, live: LiveSpan, trace: int) -> None:
        self.ended = ended
        self.trace = trace
        self.parent_span = live.parent
        self.context: Context = current_context.get()
        self.fills = live.call.record_id if live.call is not None and live.calls == 1 else None
        self.step = live.calls > 1 or live.outer
        self.among = live.among
        self.error = ("error", "") if _failed(ended) else None
        self.end_ns = perf_counter_ns()
        self.start_ns = self.end_ns - max(0, (ended.end_time or 0) - (ended.start_time or 0))
        self.size = 2_000 + sum(len(value) for value in (ended.attributes or {}).values() if isinstance(value, str))


def is_about_models(span: Any) -> bool:
    """Return whether a span has attributes of spans about models."""
    return any(str(key).startswith(_KNOWN) for key in span.attributes or ())


def scope_of(span: Any) -> str | None:
    """Return the name of the instrumentation that made a span, if it is given."""
    scope = span.instrumentation_scope
    return None if scope is None else str(scope.name)


def on_our_clock(epoch_ns: int) -> int:
    """Convert nanoseconds since 1970 to the clock of `perf_counter_ns`."""
    return epoch_ns - time_ns() + perf_counter_ns()


def _failed(span: Any) -> bool:
    return getattr(getattr(span.status, "status_code", None), "name", "") == "ERROR"


class LiveSpan:
    """An OpenTelemetry span that has not ended, and the calls made in it.

    Attributes:
        span: OpenTelemetry's own object.
        parent: the number of the parent span; None if there is none.
        call: the last call that the span describes.
        calls: the number of calls that the span describes.
        inside: the call in progress when the span began, or the one that it claims to have begun before, if any.
        kept: whether the span is kept because it is around a call.
        outer: whether the span is around a call that it does not describe. If it claims to be a call itself, which
            some instrumentations add at its end, it is a step.
        among: the calls of other contexts, one of which the span may report; None if there is no need to look there.
    """

    __slots__ = ("among", "call", "calls", "inside", "kept", "outer", "parent", "span")

    def __init__(self, span: Any, parent: int | None) -> None:
        self.span = span
        self.parent = parent
        self.call: Any = None
        self.calls = 0
        self.inside: Any = None
        self.kept = False
        self.outer = False
        self.among: PastCalls | None = None

    @property
    def is_call(self) -> bool:
        """Whether the span's attributes mark it as a single call to a model."""
        attributes = self.span.attributes or {}
        return any(attributes.get(key) in values for key, values in _CALLS.items())

    @property
    def scope(self) -> str | None:
        """The name of the instrumentation that made the span, if it is given."""
        return scope_of(self.span)

    @property
    def is_marked_late(self) -> bool:
        """Whether the span is of an instrumentation whose spans are neither current nor marked until they end."""
        return (self.scope or "").startswith(_MARKED_LATE)

    @property
    def is_made_elsewhere(self) -> bool:
        """Whether the span is of an instrumentation whose spans may begin in another context than their call."""
        return (self.scope or "").startswith(_MADE_ELSEWHERE)
