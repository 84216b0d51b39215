"""MLflow's traces: `Trace.to_json()`, and the rows of `search_traces()` as JSON lines or CSV.

A trace is `{"info": {...}, "data": {"spans": [...]}}` (mlflow 3.18, `mlflow.entities.Trace`). Its spans have ids in
Base64 and attributes as JSON in texts. They are decoded like the spans that MLflow's tracing sends.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from autolog._record.record import Record
from autolog.dialects._chat import parsed
from autolog.dialects._convert import nanoseconds
from autolog.dialects._fault import Fault, Json
from autolog.dialects.exports._rows import dollars, instant, keep_cost, name_of, object_of
from autolog.dialects.otlp import decode_span
from autolog.dialects.otlp._wire import Event, Scope, Span
from autolog.providers._fields import mapping, objects, text

#: The prefix of tags and metadata that MLflow itself sets on a trace.
_PLUMBING = "mlflow."


def matches(row: Json) -> bool:
    trace = object_of(row.get("trace")) or row  # in CSV only this column is JSON
    whole = isinstance(trace.get("info"), dict) and isinstance(mapping(trace.get("data")).get("spans"), list)
    return whole or ("trace_id" in row and isinstance(parsed(row.get("spans")), list))


def decode(row: Json) -> list[Record]:
    row = object_of(row.get("trace")) or row
    info = object_of(row.get("info")) or row
    given = parsed(mapping(row.get("data")).get("spans", row.get("spans")))
    if not isinstance(given, list):
        raise Fault(400, "data.spans: is not a list")
    trace_id = name_of(info.get("trace_id", info.get("request_id")))
    records = [_record(span, trace_id) for span in objects(given)]
    metadata = {**object_of(info.get("trace_metadata") or info.get("request_metadata")), **object_of(info.get("tags"))}
    for record in records:
        record.user = record.user or text(metadata.get("mlflow.trace.user"))
        record.session = record.session or text(metadata.get("mlflow.trace.session"))
        if record.parent_span_id is None:
            own = {key: value for key, value in metadata.items() if not key.startswith(_PLUMBING)}
            record.metadata = {**own, **record.metadata}
    _add_assessments(records, objects(parsed(info.get("assessments"))))
    return records


def _record(given: Json, trace_id: str | None) -> Record:
    """Return a span as a record, priced by its tokens; the reported figure is the one that MLflow computed."""
    span = _span(given, trace_id)
    reported = object_of(span.attributes.pop("mlflow.llm.cost", None)).get("total_cost")
    record = decode_span(span)
    record.extra["export"] = "mlflow"
    keep_cost(record, dollars(reported))
    return record


def _span(span: Json, trace_id: str | None) -> Span:
    status = mapping(span.get("status"))
    code = str(span.get("status_code") or status.get("code") or "")
    found = _hex(span.get("trace_id"), 16) or (trace_id or "").removeprefix("tr-")
    span_id = _hex(span.get("span_id"), 8)
    if not found or span_id is None:
        raise Fault(400, "spans: one has no trace_id or no span_id")
    failed = code.upper().endswith("ERROR")
    return Span(
        Scope({}, "mlflow"),
        text(span.get("name")) or "",
        found,
        span_id,
        _hex(span.get("parent_span_id", span.get("parent_id")), 8),
        nanoseconds(span.get("start_time_unix_nano")) or instant(span.get("start_time"), "start_time"),
        nanoseconds(span.get("end_time_unix_nano")) or instant(span.get("end_time"), "end_time"),
        dict(object_of(span.get("attributes"))),
        [
            Event(text(event.get("name")) or "", object_of(event.get("attributes")))
            for event in objects(span.get("events"))
        ],
        failed,
        text(status.get("message", span.get("status_message"))) if failed else None,
    )


def _hex(value: Any, size: int) -> str | None:
    """Return an id of `size` bytes in hexadecimal; MLflow writes ids in Base64, or in hexadecimal after `0x`."""
    given = name_of(value)
    if given is None:
        return None
    given = given.removeprefix("0x")
    if len(given) != 2 * size:
        try:
            content = base64.b64decode(given, validate=True)
        except (binascii.Error, ValueError):
            return given
        return content.hex() if len(content) == size else given
    return given


def _add_assessments(records: list[Record], assessments: list[Json]) -> None:
    """Add the assessments of a trace to its root, or to the spans that they name."""
    for assessment in assessments:
        name, span_id = text(assessment.get("assessment_name") or assessment.get("name")), assessment.get("span_id")
        about = next(_about(records, _hex(span_id, 8)), None)
        for value in _values(assessment):
            if name and about is not None:
                comment = text(assessment.get("rationale"))
                about.scores = {
                    **about.scores,
                    name: value if comment is None else {"value": value, "comment": comment},
                }


def _about(records: list[Record], span_id: str | None) -> Iterator[Record]:
    yield from (record for record in records if span_id is not None and record.span_id == span_id)
    yield from (record for record in records if record.parent_span_id is None)


def _values(assessment: Json) -> Iterator[Any]:
    for kind in ("feedback", "expectation"):
        value = mapping(assessment.get(kind)).get("value")
        if value is not None:
            yield value
