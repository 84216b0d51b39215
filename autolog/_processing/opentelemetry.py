"""Turn OpenTelemetry spans into records, in the same way as the server does with spans from the network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from autolog._capture.otel_calls import Telling
from autolog._capture.otel_spans import EndedOTelSpan
from autolog._capture.snapshot import thaw
from autolog._pricing.cost import unknown
from autolog._record.ids import format_span, format_trace
from autolog._record.record import Record
from autolog._record.times import from_nanos
from autolog.dialects.otlp._spans import decode_span
from autolog.dialects.otlp._wire import Event, Scope, Span

#: Fields that a span describing a call may have, and the captured request does not.
_GAPS = (
    "user",
    "session",
    "tags",
    "metadata",
    "prompt_name",
    "prompt_id",
    "prompt_version",
    "prompt_variables",
    "scores",
)


def read_otel_span(span: EndedOTelSpan) -> Record | None:
    """Return a span's record, or just its additions to the record of the call that it describes, if there are any."""
    context = span.context
    record = decode_span(_wire_span(span))
    record.user, record.session = record.user or context.user, record.session or context.session
    record.tags = list(dict.fromkeys((*context.tags, *record.tags)))
    record.metadata = {**{key: thaw(value) for key, value in context.metadata.items()}, **record.metadata}
    if span.fills is not None:
        gaps = {name: value for name in _GAPS if (value := getattr(record, name))}
        return Record(id=span.fills, **gaps) if gaps else None
    if record.kind == "llm" and (span.step or _reports_another(span, record)):
        record.kind, record.cost, record.custom_cost = "chain", None, False
        record.cost_details = unknown("billed with the call it wraps").details
    return record


def _reports_another(span: EndedOTelSpan, record: Record) -> bool:
    """Return whether a span reports a recorded call that was made in another context."""
    told = Telling.of(record)
    return span.among is not None and span.among.take(span.ended, span.end_ns, record.extra["scope"], told)


def _wire_span(span: EndedOTelSpan) -> Span:
    """Return an ended span in the form in which spans from the network are decoded."""
    ended = span.ended
    context, scope = ended.get_span_context(), ended.instrumentation_scope
    return Span(
        scope=Scope(_plain(ended.resource.attributes), scope.name if scope is not None else None),
        name=ended.name,
        trace_id=format_trace(span.trace),
        span_id=format_span(context.span_id),
        parent_id=None if span.parent_span is None else format_span(span.parent_span),
        start=_time(ended.start_time),
        end=_time(ended.end_time),
        attributes=_plain(ended.attributes),
        events=[Event(event.name, _plain(event.attributes), at=_time(event.timestamp)) for event in ended.events],
        failed=span.error is not None,
        message=ended.status.description,
    )


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in (attributes or {}).items()}


def _time(epoch_ns: int | None) -> datetime | None:
    return None if epoch_ns is None else from_nanos(epoch_ns)
