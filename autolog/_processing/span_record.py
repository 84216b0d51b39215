"""Create the record of a span, with its place in the trace, its times and its context, but without bodies."""

from __future__ import annotations

from time import perf_counter_ns, time_ns

from autolog._capture.snapshot import thaw
from autolog._capture.span import Span
from autolog._record.ids import format_span, format_trace, new_record_id
from autolog._record.record import Record
from autolog._record.times import from_nanos


def record_of(span: Span, start_ns: int | None = None, end_ns: int | None = None) -> Record:
    """Return the record of a span without bodies; `start_ns` and `end_ns` (`perf_counter_ns`) override the span's."""
    start_ns = span.start_ns if start_ns is None else start_ns
    end_ns = span.end_ns if end_ns is None else end_ns
    start_epoch = time_ns() - perf_counter_ns() + start_ns
    context = span.context
    start = from_nanos(start_epoch)
    record = Record(
        id=span.record_id or new_record_id(start_epoch // 1_000_000),
        kind=span.kind,
        name=span.name,
        trace_id=format_trace(span.trace),
        span_id=format_span(span.span),
        caller=span.caller,
        parent_span_id=None if span.parent_span is None else format_span(span.parent_span),
        created_at=start,
        start_time=start,
        end_time=from_nanos(start_epoch + end_ns - start_ns),
        duration=(end_ns - start_ns) / 1e9,
        user=context.user,
        session=context.session,
        tags=list(context.tags),
        metadata={key: thaw(value) for key, value in {**context.metadata, **(span.metadata or {})}.items()},
    )
    if span.error is not None:
        record.status = "error"
        record.error_type, record.error_message = span.error
    return record
