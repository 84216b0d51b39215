"""OpenTelemetry's spans in progress and ended, with their places among ours."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any

from autolog._capture.context import Context, current_context

#: Attributes that mark a span as a single call to a model, and their values.
_CALLS: Mapping[str, frozenset[str]] = {
    "openinference.span.kind": frozenset({"LLM", "EMBEDDING"}),
    "gen_ai.operation.name": frozenset({"chat", "text_completion", "embeddings", "generate_content"}),
    "llm.request.type": frozenset({"chat", "completion", "embedding"}),
    "langfuse.observation.type": frozenset({"generation", "embedding"}),
}


class EndedOTelSpan:
    """An OpenTelemetry span that has ended, and its place among our spans.

    Attributes:
        ended: OpenTelemetry's own span object, which is immutable once it has ended.
        fills: the id of the record of the call that the span describes, if any.
        step: whether the span is only a step around calls, which are billed instead of it.
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
        self.error = ("error", "") if _failed(ended) else None
        self.end_ns = perf_counter_ns()
        self.start_ns = self.end_ns - max(0, (ended.end_time or 0) - (ended.start_time or 0))
        self.size = 2_000 + sum(len(value) for value in (ended.attributes or {}).values() if isinstance(value, str))


def _failed(span: Any) -> bool:
    return getattr(getattr(span.status, "status_code", None), "name", "") == "ERROR"


class LiveSpan:
    """An OpenTelemetry span that has not ended, and the calls made in it.

    Attributes:
        span: OpenTelemetry's own object.
        parent: the number of the parent span; None if there is none.
        call: the last call that the span describes.
        calls: the number of calls that the span describes.
        inside: the call in progress when the span began, if any.
        kept: whether the span is kept because it is around a call.
        outer: whether the span is around a call that it does not describe. If it claims to be a call itself, which
            some instrumentations add at its end, it is a step.
    """

    __slots__ = ("call", "calls", "inside", "kept", "outer", "parent", "span")

    def __init__(self, span: Any, parent: int | None) -> None:
        self.span = span
        self.parent = parent
        self.call: Any = None
        self.calls = 0
        self.inside: Any = None
        self.kept = False
        self.outer = False

    @property
    def is_call(self) -> bool:
        """Whether the span's attributes mark it as a single call to a model."""
        attributes = self.span.attributes or {}
        return any(attributes.get(key) in values for key, values in _CALLS.items())
