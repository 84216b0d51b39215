"""OpenTelemetry's files: on each line an export request in OTLP JSON, as the Collector's `file` exporter writes them.

The format is OTLP/JSON (https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/). Lines with logs and metrics
have other keys, and are not read. A cost that the sender reports is treated as when it arrives over HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator

from autolog._record.record import Record
from autolog.dialects._fault import Fault, Json
from autolog.dialects.otlp import decode_traces


def matches(row: Json) -> bool:
    return isinstance(row.get("resourceSpans"), list)


def decode(row: Json) -> Iterator[Record]:
    spans = decode_traces(row)
    for record in spans.items:
        record.extra["export"] = "otlp"
        yield record
    if spans.rejected:
        raise Fault(400, f"{spans.rejected} of its spans: {spans.problem}")
