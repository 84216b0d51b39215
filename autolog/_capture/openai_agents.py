"""The OpenAI Agents SDK: record the workflows, agents, tools, handoffs and guardrails in its tracing as spans.

The SDK notifies its processors of every trace and span in one place, the methods of `SynchronousMultiTracingProcessor`
(`agents.tracing.provider`). Listening there leaves the program's list of processors unchanged. The SDK's current span
becomes a parent like one of ours. The record of a call to a model replaces the SDK's span around that call.
"""

from __future__ import annotations

import functools
import json
import sys
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from autolog._capture import opentelemetry
from autolog._capture.context import Parent
from autolog._capture.graft import Graft, copy_function, innermost
from autolog._capture.imports import follow_import
from autolog._capture.span import Emit, Span
from autolog._guard import report

MODULE = "agents.tracing.provider"
_SCOPE = "agents.tracing.scope"
#: The most traces and spans that are remembered; the oldest are forgotten.
_MOST = 10_000
#: Record kinds by the SDK's span types; others are `span`.
_KINDS = {"agent": "agent", "function": "tool", "mcp_tools": "tool", "guardrail": "guardrail", "handoff": "handoff"}
#: Types of spans around a single call to a model.
_CALLS = frozenset({"generation", "response", "transcription", "speech"})
#: Types of spans without information beyond that of the spans above and below them.
_FRAMES = frozenset({"task", "turn"})
#: Instrumentations that turn the same spans into OpenTelemetry spans.
_OTHERS = ("openinference.", "opentelemetry.", "traceloop.")


class AgentsTracing:
    """Listens to the SDK's tracing, and records its spans."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._spans: OrderedDict[str, Span] = OrderedDict()
        self._sessions: dict[int, str] = {}
        self._around: dict[int, _AroundCall] = {}
        self._grafts: dict[FunctionType, Graft] = {}

    def follow(self) -> None:
        """Listen to the SDK's tracing, now or when it is imported."""
        if self not in opentelemetry.companions:
            opentelemetry.companions.append(self)
        follow_import(MODULE, self._listen)
        if MODULE in sys.modules:
            self._listen(sys.modules[MODULE])

    def _listen(self, module: ModuleType) -> None:
        if self not in opentelemetry.companions:
            return
        processor_class = getattr(module, "SynchronousMultiTracingProcessor", object)
        for name, hear in (("on_trace_start", self._begin_trace), ("on_span_start", self._begin),
                           ("on_span_end", self._end), ("on_trace_end", self._end_trace)):  # fmt: skip
            function = innermost(vars(processor_class).get(name), module.__file__)
            if function is not None and function not in self._grafts:
                self._grafts[function] = Graft(function, _with_listener(copy_function(function), hear))

    def leave(self) -> None:
        """Stop listening, and restore the SDK's methods."""
        if self in opentelemetry.companions:
            opentelemetry.companions.remove(self)
        for graft in self._grafts.values():
            graft.remove()
        self._grafts.clear()
        self._spans.clear()

    def enclosing(self, ours: Parent | None) -> Parent | None:
        """Return the SDK's current span if it began later than `ours`, else `ours`."""
        span = self._spans.get(_current_id()) if self._spans else None
        return ours if span is None or getattr(ours, "start_ns", 0) > span.start_ns else span

    def claim(self, exchange: Any) -> None:
        """Let a call replace the SDK's span around it, which is then not recorded."""
        around = self._around.get(exchange.parent_span)
        if around is not None:
            around.claimed = True
            exchange.parent_span, exchange.caller = around.span.parent_span, around.span.caller
        self._add_session(exchange)

    # Notifications of the SDK

    def _begin_trace(self, processor: Any, trace: Any) -> None:
        if _is_instrumented(processor):
            return
        span = Span(self._emit, str(trace.name), "chain")
        session = getattr(trace, "group_id", None)
        if isinstance(session, str):
            self._sessions[span.trace] = session
        self._add_session(span)
        span.set(**(getattr(trace, "metadata", None) or {}))
        self._remember(trace.trace_id, span)

    def _begin(self, _: Any, sdk_span: Any) -> None:
        around = sdk_span.parent_id or sdk_span.trace_id
        parent = self._spans.get(around)
        if parent is None:
            return
        kind = sdk_span.span_data.type
        if kind in _FRAMES:
            self._remember(sdk_span.span_id, parent)
            return
        span = Span(self._emit, _name(sdk_span.span_data), _KINDS.get(kind, "span"))
        if around != _current_id():  # the program has specified the parent
            span.trace, span.parent_span, span.caller = parent.trace, parent.span, parent.name
        self._add_session(span)
        self._remember(sdk_span.span_id, span)
        if kind in _CALLS:
            self._around[span.span] = _AroundCall(span)

    def _end(self, _: Any, sdk_span: Any) -> None:
        span = self._spans.pop(sdk_span.span_id, None)
        if span is None or sdk_span.span_data.type in _FRAMES:
            return
        around = self._around.pop(span.span, None)
        if around is not None and around.claimed:
            return  # the call's own record replaces it
        span.name = _name(sdk_span.span_data)
        _add_data(span, sdk_span.span_data)
        if sdk_span.error:
            span.error = "agents.SpanError", str(sdk_span.error.get("message"))
            span.set(error_data=sdk_span.error.get("data"))
        span.end()

    def _end_trace(self, _: Any, trace: Any) -> None:
        span = self._spans.pop(trace.trace_id, None)
        if span is not None:
            self._sessions.pop(span.trace, None)
            span.end()

    def _remember(self, key: str, span: Span) -> None:
        self._spans[key] = span
        while len(self._spans) > _MOST:
            _, oldest = self._spans.popitem(last=False)
            self._around.pop(oldest.span, None)

    def _add_session(self, span: Span) -> None:
        session = self._sessions.get(span.trace)
        if session is not None and span.context.session is None:
            span.context = span.context.merged(None, session, (), {})


class _AroundCall:
    """An SDK span around a call to a model, and whether that call has been captured."""

    __slots__ = ("claimed", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.claimed = False


def _with_listener(original: Callable[..., Any], listener: Callable[[Any, Any], None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def on_event(self: Any, item: Any) -> Any:
        try:
            listener(self, item)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("recording a span of the Agents SDK", error)
        return original(self, item)

    return on_event


def _current_id() -> str:
    scope = getattr(sys.modules.get(_SCOPE), "Scope", None)
    current = scope and (scope.get_current_span() or scope.get_current_trace())
    return str(getattr(current, "span_id", None) or getattr(current, "trace_id", None))


def _is_instrumented(processor: Any) -> bool:
    """Return whether another tool turns the SDK's spans into OpenTelemetry spans, which then form the tree."""
    return any(type(inner).__module__.startswith(_OTHERS) for inner in getattr(processor, "_processors", ()))


def _name(data: Any) -> str:
    if data.type == "handoff":
        return f"handoff to {data.to_agent}" if data.to_agent else "handoff"
    if data.type == "mcp_tools":
        return f"tools of {data.server}" if data.server else "tools"
    return str(getattr(data, "name", None) or data.type)


def _add_data(span: Span, data: Any) -> None:
    """Add the span's data: input and output, and everything else as metadata."""
    facts = {key: value for key, value in data.export().items() if value is not None and key not in {"type", "name"}}
    given, result = facts.pop("input", None), getattr(data, "output", facts.pop("output", None))  # of tools as it is
    if data.type == "guardrail":
        result = facts
    elif data.type == "mcp_tools":
        result = facts.pop("result", None)
    elif data.type == "custom":
        facts = {str(key): value for key, value in data.data.items()}
    span.set(input=_value(given), output=_value(result))
    span.set(**{key: value for key, value in facts.items() if key not in {"input", "output", "triggered"}})


def _value(text: Any) -> Any:
    """Return the value of a JSON text, as used for tools; anything else unchanged."""
    if isinstance(text, str) and text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
