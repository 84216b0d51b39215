"""OpenTelemetry in the same program: its current span is a parent like ours, and its spans become records.

If both we and OpenTelemetry have a current span, the one that began later is the inner one. A call that is also
described by an OpenTelemetry span, as created by instrumentations of SDKs, becomes a single record: the call takes the
span's place in the tree, and the span fills the gaps in the call's record.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from time import time_ns
from typing import Any, Protocol

from autolog._capture.context import Parent, current_exchange, current_span
from autolog._capture.graft import Graft, copy_function, innermost
from autolog._capture.imports import follow_import
from autolog._capture.otel_calls import PastCall, PastCalls
from autolog._capture.otel_spans import EndedOTelSpan, LiveSpan, OTelParent, is_about_models, on_our_clock, scope_of
from autolog._guard import report
from autolog._lifecycle import start_over_if_forked
from autolog._record.ids import new_record_id

#: The most spans and traces that are remembered; the oldest are forgotten.
_MOST = 10_000
#: The most spans that one context remembers to have begun.
_MOST_BEGUN = 8
#: The numbers of the spans that began in this context, the latest last. An instrumentation need not make the span of a
#: call the current one, as those of Langfuse and of LangChain do not.
_begun: ContextVar[tuple[int, ...]] = ContextVar("autolog_begun_spans", default=())
#: The last call of this context. Some instrumentations make the span of a call when it has ended.
_last_call: ContextVar[PastCall | None] = ContextVar("autolog_last_call", default=None)


class Companion(Protocol):
    """Another source of current spans: a framework with its own tracing."""

    def enclosing(self, ours: Parent | None) -> Parent | None:
        """Return the framework's current span if it is inside `ours`, else `ours`."""
        ...

    def claim(self, exchange: Any) -> None:
        """Let a call replace the framework's span that describes it, if there is one."""
        ...


#: The companions in use.
companions: list[Companion] = []


def enclosing_span() -> Parent | OTelParent | None:
    """Return the caller's innermost span, whether ours, a framework's or OpenTelemetry's; None if there is none."""
    ours = _ours() if companions else current_span.get()
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return ours
    try:
        # An empty context has no span. Asking for it anyway would cost half a microsecond per autolog span.
        if not sys.modules["opentelemetry.context"].get_current():
            return ours
        return _nearer(api.get_current_span(), ours)
    except Exception as error:  # noqa: BLE001 - ours, never the program's; the module may be half imported
        if hasattr(api, "get_current_span"):
            report("looking for OpenTelemetry's span", error)
        return ours


def _ours() -> Parent | None:
    """Return the innermost of our own and the companions' current spans."""
    ours = current_span.get()
    for companion in companions:
        try:
            ours = companion.enclosing(ours)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("looking for a framework's span", error)
    return ours


def claim(exchange: Any) -> None:
    """Let a call replace the span that describes it, whichever tool created that span."""
    try:
        if bridge is not None:
            bridge.claim(exchange)
        for companion in companions:
            companion.claim(exchange)
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("looking for the span of a call", error)


def _nearer(theirs: Any, ours: Parent | None) -> Parent | OTelParent | None:
    """Return the inner one of OpenTelemetry's current span and ours, which is the one that began later.

    A span of a provider that we do not follow will not be recorded, and is a parent only if there is no other. Neither
    will a span that the sampler dropped: a call inside it belongs to the span around that one, else to its trace.
    """
    context = theirs.get_span_context()
    if not context.is_valid:
        return ours
    if _dropped(context):
        around = None if bridge is None else bridge.around(context.trace_id)
        if around is None:
            return ours or OTelParent(_trace(context.trace_id), None, None)
        theirs = around.span
    followed = _followed(theirs)
    if followed is None and ours is not None:
        return ours
    inner = theirs if followed is None else followed
    if ours is not None:
        began, began_there = getattr(ours, "start_ns", None), getattr(inner, "start_time", None)
        if began_there is None or (began is not None and on_our_clock(began_there) < began):
            return ours
    context = inner.get_span_context()
    return OTelParent(_trace(context.trace_id), context.span_id, getattr(inner, "name", None))


def _trace(trace_id: int) -> int:
    return trace_id if bridge is None else bridge.trace(trace_id)


def _dropped(context: Any) -> bool:
    """Return whether a context is that of a span in this process which the sampler has dropped."""
    if context.is_remote or context.trace_flags & 1:
        return False
    return bridge is None or bridge.live(context.span_id) is None  # may be recorded without being sampled


def _followed(span: Any) -> Any:
    """Return the span or its parent, whichever passed the bridge; None if neither did."""
    if not span.is_recording():
        return span  # of another process, or ended already
    for context in (span.get_span_context(), getattr(span, "parent", None)):
        if bridge is not None and context is not None and (live := bridge.live(context.span_id)) is not None:
            return live.span
    return None


class Bridge:
    """An OpenTelemetry span processor that passes spans about models, and those around them, to the recorder."""

    def __init__(self, emit: Callable[[Any], None]) -> None:
        self._emit = emit
        self.keep_all = False
        self._live: OrderedDict[int, LiveSpan] = OrderedDict()
        self._traces: OrderedDict[int, int] = OrderedDict()
        #: The instrumentations with a span that described a recorded call.
        self._describing: set[str | None] = set()
        self._past = PastCalls()
        #: Whether there has been a span that may have begun in another context than its call.
        self._elsewhere = False
        self.enabled = True

    def trace(self, trace_id: int) -> int:
        """Return the trace to which an OpenTelemetry trace belongs: ours, if it began inside one of our spans."""
        return self._traces.get(trace_id, trace_id)

    def live(self, span: int) -> LiveSpan | None:
        """Return a span in progress by its number; None if it did not begin here, or has ended."""
        return self._live.get(span)

    def around(self, trace_id: int) -> LiveSpan | None:
        """Return the innermost span in progress of a trace that began in this context; None if there is none."""
        spans = (self._live.get(number) for number in reversed(_begun.get()))
        return next((live for live in spans if live and live.span.get_span_context().trace_id == trace_id), None)

    def claim(self, exchange: Any) -> None:
        """Let a call replace the span that describes it, if it was made inside one."""
        _number(exchange)
        call = exchange.past = PastCall(exchange, self._elsewhere)
        _last_call.set(call)
        self._past.add(call)
        parent = self._live.get(exchange.parent_span)
        without_call = self._without_call()
        waiting = [live for live in without_call if live.is_call]
        call.reporters.update(live.scope for live in waiting)
        described = None
        if parent is not None and parent.is_call:
            described = parent
        elif waiting and _began_inside(waiting[0], parent):
            described = waiting[0]
        for live in without_call:
            live.outer = live is not described
        if described is not None:
            described.calls += 1
            described.call = exchange
            self._describing.add(described.scope)
            exchange.parent_span = described.parent
            exchange.trace = self.trace(described.span.get_span_context().trace_id)
        late = next((live for live in without_call if live.is_marked_late), None)
        if late is not None and late is not described and _began_inside(late, self._live.get(exchange.parent_span)):
            context = late.span.get_span_context()
            exchange.parent_span, exchange.trace = context.span_id, self.trace(context.trace_id)
        self._keep_around(exchange.parent_span)

    def _without_call(self) -> list[LiveSpan]:
        """Return the spans of this context that describe no call so far, the innermost first."""
        spans = (self._live.get(number) for number in reversed(_begun.get()))
        return [live for live in spans if live is not None and not live.calls]

    def _keep_around(self, span: int | None, is_call: bool = True) -> None:
        """Keep a span and those around it, which have a call inside, or another span that is recorded."""
        while span is not None and (live := self._live.get(span)) is not None:
            if live.kept and (live.outer or not is_call):
                return
            live.kept, live.outer = True, is_call or live.outer
            span = live.parent

    # OpenTelemetry's interface

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 - OpenTelemetry's signature
        """Note a span that begins, and its parent."""
        try:
            self._begin(span)
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("noting a span of OpenTelemetry's", error)

    def _begin(self, span: Any) -> None:
        start_over_if_forked()
        context, parent = span.get_span_context(), span.parent
        ours = _ours()
        if parent is not None and _dropped(parent):
            outer = self.around(parent.trace_id)
            parent = None if outer is None else outer.span.get_span_context()
        inside = parent.span_id if parent is not None else None
        began = getattr(ours, "start_ns", None)
        around = self._live.get(inside) if inside is not None else None
        if ours is not None and (
            around is None or (began is not None and on_our_clock(around.span.start_time) < began)
        ):
            inside = ours.span
            if ours.trace != context.trace_id:
                _remember(self._traces, context.trace_id, ours.trace)
        live = LiveSpan(span, inside)
        self._elsewhere = self._elsewhere or live.is_made_elsewhere
        if (exchange := current_exchange.get()) is not None and not exchange.end_ns:
            live.inside = exchange  # a span that the SDK itself begins during the call
        elif (last := _last_call.get()) is not None and last.may_be_of(span):
            live.inside = last
        _remember(self._live, context.span_id, live)
        _begun.set((*(number for number in _begun.get()[1 - _MOST_BEGUN :] if number in self._live), context.span_id))

    def on_end(self, span: Any) -> None:
        """Emit a span that has ended, if it is about models or around a call."""
        try:
            context = span.get_span_context()
            live = self._live.pop(context.span_id, None)
            if live is None or not self.enabled:
                return
            if live.inside is not None and live.is_call and not live.calls:
                live.call, live.calls = live.inside, 1
            if live.is_made_elsewhere and live.is_call and not live.calls and not live.outer:
                live.among = self._past
            if live.calls == 0 and self._repeats(span):
                return
            if is_about_models(span) or live.kept or live.calls or self.keep_all:
                self._keep_around(live.parent, live.is_call or live.calls > 0)
                self._emit(EndedOTelSpan(span, live, self.trace(context.trace_id)))
        except Exception as error:  # noqa: BLE001 - ours, never the program's
            report("recording a span of OpenTelemetry's", error)

    def _repeats(self, span: Any) -> bool:
        """Return whether a span repeats recorded data, as Logfire's do at a span's beginning and at a stream's end."""
        attributes = span.attributes or {}
        if attributes.get("logfire.span_type") == "pending_span":
            return True
        is_log = attributes.get("logfire.span_type") == "log" and "request_data" in attributes
        return is_log and scope_of(span) in self._describing

    def _on_ending(self, span: Any) -> None: ...

    def shutdown(self) -> None:
        """Do nothing; the recorder has its own shutdown."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - OpenTelemetry's signature
        """Return True; `autolog.flush()` waits for recorded spans."""
        return True


def _began_inside(live: LiveSpan, parent: LiveSpan | None) -> bool:
    """Return whether a span began after the parent of a call: OpenTelemetry's if it is given, else our current span."""
    if parent is not None:
        return bool(live.span.start_time >= parent.span.start_time)
    began = getattr(_ours(), "start_ns", None)
    return began is None or on_our_clock(live.span.start_time) >= began


def _number(exchange: Any) -> None:
    """Assign the id of a call's record now, so that spans describing the call can refer to it."""
    exchange.record_id = exchange.record_id or new_record_id(time_ns() // 1_000_000)


def _remember(known: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    known[key] = value
    while len(known) > _MOST:
        known.popitem(last=False)


#: The bridge in use, once there is one.
bridge: Bridge | None = None


def install(emit: Callable[[Any], None], keep_all: bool, provider: Any = None) -> Bridge:
    """Add the bridge to a tracer provider: the given one, or the program's, which is created if there is none.

    Raises:
        ImportError: if OpenTelemetry's SDK is not installed.
    """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    bridge = _bridge(emit)
    bridge.keep_all = keep_all
    if provider is None:
        provider = trace.get_tracer_provider()
        if not hasattr(provider, "add_span_processor"):
            provider = TracerProvider()
            trace.set_tracer_provider(provider)
    _add_to(provider, bridge)
    return bridge


def follow(emit: Callable[[Any], None]) -> None:
    """Add the bridge to the program's tracer provider, now or when one is set."""
    global _follower
    _follower = emit
    follow_import(_API, _follow)
    if _API in sys.modules:
        _follow(sys.modules[_API])


def _follow(api: Any) -> None:
    """Add the bridge to the current tracer provider, and to any that is set later."""
    emit = _follower
    if emit is None:
        return
    try:
        _adopt(api._TRACER_PROVIDER, emit)
        function = innermost(api._set_tracer_provider, api.__file__)
        if function is None or function in _grafted:
            return
        original = copy_function(function)

        def set_tracer_provider(provider: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(provider, *args, **kwargs)
            if bridge is None or bridge.enabled:
                _adopt(api._TRACER_PROVIDER, emit)
            return result

        _grafted[function] = Graft(function, set_tracer_provider)
    except Exception as error:  # noqa: BLE001 - ours, never the program's
        report("following OpenTelemetry's tracer provider", error)


_API = "opentelemetry.trace"
_grafted: dict[Any, Graft] = {}
#: Receives the spans of the program's tracer provider; None unless it is followed.
_follower: Callable[[Any], None] | None = None


def leave() -> None:
    """Stop recording OpenTelemetry's spans."""
    global _follower
    _follower = None
    if bridge is not None:
        bridge.enabled = False
    for graft in _grafted.values():
        graft.remove()
    _grafted.clear()


def _adopt(provider: Any, emit: Callable[[Any], None]) -> None:
    """Add the bridge to a provider, unless it is the API's placeholder, which takes no span processors."""
    if hasattr(provider, "add_span_processor"):
        _add_to(provider, _bridge(emit))


def _bridge(emit: Callable[[Any], None]) -> Bridge:
    """Return the bridge, creating it if necessary, and enable it."""
    global bridge
    if bridge is None:
        from opentelemetry.sdk.trace import SpanProcessor

        bridge = type("AutologSpanProcessor", (Bridge, SpanProcessor), {})(emit)
    bridge.enabled = True
    return bridge


def _add_to(provider: Any, bridge: Bridge) -> None:
    """Add the bridge to a provider, unless that has been done."""
    if vars(provider).get("_autolog") is not bridge:
        provider._autolog = bridge
        provider.add_span_processor(bridge)
