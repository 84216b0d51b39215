"""OTLP on the wire: export requests of the three signals, in protobuf or JSON, as items with plain attributes.

OTLP/HTTP 1.x (https://opentelemetry.io/docs/specs/otlp/): ids are hexadecimal in OTLP JSON, and in Base64 in the
protobuf JSON mapping, which some senders use instead. An item that cannot be decoded does not affect the others.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Generic, TypeVar

from autolog.dialects._convert import nanoseconds
from autolog.dialects._fault import MISREAD, NO_LIMIT, Fault, Json, check_count, why_misread
from autolog.dialects._steps import Steps, in_steps

Attributes = dict[str, Any]


class Plain(Attributes):
    """Attributes, or an object in them, that are plain data already instead of OTLP's key-value pairs."""


S = TypeVar("S")
T = TypeVar("T")

#: The field of `partialSuccess` with the number of rejected items, for each signal.
SIGNALS = {"trace": "rejectedSpans", "logs": "rejectedLogRecords", "metrics": "rejectedDataPoints"}


@dataclass(slots=True)
class Batch(Generic[T]):
    """The decoded items of an export request, the number of rejected ones, and the problem of the last of these."""

    items: list[T] = field(default_factory=list)
    rejected: int = 0
    problem: str = ""

    def add(self, read: Callable[[], Iterable[T]]) -> None:
        """Add the items that `read` returns; an item that cannot be decoded is only counted as rejected."""
        try:
            self.items += read()
        except MISREAD as error:
            self.reject(error)

    def add_each(self, items: Iterable[S], read: Callable[[S], T]) -> None:
        """Add the result of `read` for each of the items, with those that cannot be decoded treated as in `add`."""
        for item in items:
            try:
                self.items.append(read(item))
            except MISREAD as error:
                self.reject(error)

    def then(self) -> Batch[Any]:
        """Return an empty batch for what is derived from these items, with the same rejected ones."""
        return Batch([], self.rejected, self.problem)

    def in_steps(self, decode: Callable[[T], Steps[S]]) -> Batch[S]:
        """Return a batch of what is decoded from these items (see `dialects._steps`), with the same rejected ones."""
        batch: Batch[S] = self.then()
        for result in in_steps(self.items, decode):
            if isinstance(result, Exception):
                batch.reject(result)
            else:
                batch.items.append(result)
        return batch

    def reject(self, error: Exception) -> None:
        """Count an item that cannot be decoded."""
        self.rejected, self.problem = self.rejected + 1, why_misread(error)


class Unread(str):
    """The problem of an item that could not be parsed, in the place of the item."""

    __slots__ = ()


@dataclass(slots=True)
class Scope:
    """The sender of an item: the resource's attributes, and the name of the instrumentation."""

    resource: Attributes
    name: str | None = None


@dataclass(slots=True)
class Event:
    """An event of a span, or a log record."""

    name: str
    attributes: Attributes
    body: Any = None
    at: datetime | None = None
    trace_id: str | None = None
    span_id: str | None = None
    severity: int = 0


@dataclass(slots=True)
class Span:
    """A span. Ids that are all zero are None."""

    scope: Scope
    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start: datetime | None
    end: datetime | None
    attributes: Attributes
    events: list[Event]
    failed: bool
    message: str | None


@dataclass(slots=True)
class Point:
    """A data point of a metric."""

    metric: str
    attributes: Attributes
    value: float
    at: datetime | None


def encode_reply(signal: str, batch: Batch[Any]) -> Json:
    """Encode the reply to an export request: empty, or with `partialSuccess` if items were rejected."""
    partial = {SIGNALS[signal]: str(batch.rejected), "errorMessage": batch.problem} if batch.rejected else None
    return {"partialSuccess": partial}


# Items


def read_spans(request: Json, base64_ids: bool = False, most: int = NO_LIMIT) -> Batch[Span]:
    """Return the spans of an export request.

    Raises:
        Fault: 400, if the body is not an export request; 413, if it has more than `most` spans.
    """
    return _gather(request, ("Spans", "spans"), lambda item, scope: _span(item, scope, base64_ids), most)


def read_logs(request: Json, most: int = NO_LIMIT) -> Batch[tuple[Event, Scope]]:
    """Return the log records of an export request.

    Raises:
        Fault: 400, if the body is not an export request; 413, if it has more than `most` of them.
    """
    return _gather(request, ("Logs", "logRecords"), lambda item, scope: (_event(item), scope), most)


def read_points(request: Json, most: int = NO_LIMIT) -> Batch[Point]:
    """Return the data points of an export request's sums, gauges and histograms, for the last with their sum.

    Raises:
        Fault: 400, if the body is not an export request; 413, if it has more than `most` metrics.
    """
    listed = _gather(request, ("Metrics", "metrics"), lambda item, _: [*_data_points(item)], most)
    points: Batch[Point] = listed.then()
    points.add_each(chain.from_iterable(listed.items), lambda point: _point(*point))
    return points


def _gather(request: Json, words: tuple[str, str], read: Callable[[Json, Scope], T], most: int = NO_LIMIT) -> Batch[T]:
    """Return the items of an export request, as decoded by `read`; malformed resources and scopes are only counted."""
    signal, _ = words
    parts: Batch[tuple[Attributes, Any]] = Batch()
    for part in _listed(request, *_names("resource", signal)) or _other(request, signal):
        parts.add(partial(_scopes, part, signal))
    scopes: Batch[tuple[Scope, list[Any]]] = parts.then()
    for resource, part in parts.items:
        scopes.add(partial(_items, resource, part, words))
    if scopes.rejected and not scopes.items:
        raise Fault(400, scopes.problem)
    check_count(scopes.rejected + sum(len(items) for _, items in scopes.items), most)
    batch: Batch[T] = scopes.then()
    for scope, items in scopes.items:
        batch.add_each(items, partial(_read, read, scope))
    return batch


def _names(part: str, signal: str) -> tuple[str, str]:
    return f"{part}{signal}", f"{part}_{signal.lower()}"


def _other(request: Json, signal: str) -> list[Any]:
    """Return an empty list for a request without resources.

    Raises:
        Fault: 400, if it is a request of another signal.
    """
    for other, path in (("Spans", "/v1/traces"), ("Logs", "/v1/logs"), ("Metrics", "/v1/metrics")):
        if other != signal and any(request.get(name) for name in _names("resource", other)):
            raise Fault(
                400, f"this is not an export of {signal.lower()}: send {_names('resource', other)[0]} to {path}"
            )
    return []


def _scopes(part: Any, signal: str) -> list[tuple[Attributes, Any]]:
    """Return the scopes of a resource, called libraries until 2022, each with the resource's attributes."""
    resource = attributes_of(_object(part).get("resource"))
    return [(resource, scope) for scope in _listed(part, *_names("scope", signal), f"instrumentationLibrary{signal}")]


def _items(resource: Attributes, part: Any, words: tuple[str, str]) -> list[tuple[Scope, list[Any]]]:
    """Return scopes with their items."""
    scope = _object(part).get("scope", part.get("instrumentationLibrary"))
    name = scope.get("name") if isinstance(scope, dict) else None
    items = _listed(part, words[1], "log_records" if words[1] == "logRecords" else words[1])
    return [(Scope(resource, name if isinstance(name, str) else None), items)]


def _read(read: Callable[[Json, Scope], T], scope: Scope, item: Any) -> T:
    if isinstance(item, Unread):
        raise Fault(400, str(item))
    return read(_object(item), scope)


def _object(item: Any) -> Json:
    if not isinstance(item, dict):
        raise Fault(400, f"{str(item)[:20]!r} found where an object was expected")
    return item


def _listed(value: Json, *names: str) -> list[Any]:
    items: Any = next((value[key] for key in names if value.get(key) is not None), [])
    if not isinstance(items, list):
        raise Fault(400, f"{names[0]}: is not a list of objects")
    return items


def _either(item: Json, camel: str, snake: str) -> Any:
    return item.get(camel, item.get(snake))


def _span(item: Json, scope: Scope, base64_ids: bool) -> Span:
    trace_id = _identifier(_either(item, "traceId", "trace_id"), 16, base64_ids)
    span_id = _identifier(_either(item, "spanId", "span_id"), 8, base64_ids)
    if trace_id is None or span_id is None:
        raise Fault(400, "a span has no valid traceId and spanId")
    status = item.get("status")
    status = status if isinstance(status, dict) else {}
    events = item["events"] if isinstance(item.get("events"), list) else []
    return Span(
        scope=scope,
        name=str(item.get("name") or ""),
        trace_id=trace_id,
        span_id=span_id,
        parent_id=_identifier(_either(item, "parentSpanId", "parent_span_id"), 8, base64_ids),
        start=nanoseconds(_either(item, "startTimeUnixNano", "start_time_unix_nano")),
        end=nanoseconds(_either(item, "endTimeUnixNano", "end_time_unix_nano")),
        attributes=attributes_of(item),
        events=[_event(event) for event in events if isinstance(event, dict)],
        failed=status.get("code") in (2, "STATUS_CODE_ERROR"),
        message=str(status["message"]) if status.get("message") else None,
    )


def _event(item: Json) -> Event:
    attributes = attributes_of(item)
    body = _value(item.get("body"))
    name, event_name = item.get("name") or _either(item, "eventName", "event_name"), attributes.get("event.name")
    if event_name and not str(name or "").endswith(str(event_name)):
        name = event_name  # Rust's libraries name an event by its position in the source code
    at = _either(item, "timeUnixNano", "time_unix_nano")
    seen = _either(item, "observedTimeUnixNano", "observed_time_unix_nano")
    severity = _either(item, "severityNumber", "severity_number")
    return Event(
        name=str(name or (body if isinstance(body, str) else "")),
        attributes=attributes,
        body=body,
        at=nanoseconds(at) or nanoseconds(seen),
        trace_id=_identifier(_either(item, "traceId", "trace_id"), 16),
        span_id=_identifier(_either(item, "spanId", "span_id"), 8),
        severity=severity if isinstance(severity, int) else 0,
    )


def _data_points(metric: Json) -> Iterator[tuple[str, Any]]:
    name = str(metric.get("name") or "")
    for kind in ("sum", "gauge", "histogram", "exponentialHistogram", "summary"):
        data = metric.get(kind)
        for item in _listed(data, "dataPoints", "data_points") if isinstance(data, dict) else ():
            yield name, item


def _point(name: str, item: Any) -> Point:
    value = next((_object(item)[key] for key in ("asDouble", "asInt", "as_double", "as_int", "sum") if key in item), 0)
    at = nanoseconds(_either(item, "timeUnixNano", "time_unix_nano"))
    if not math.isfinite(number := float(value)):
        raise Fault(400, f"the value of a data point of {name[:100]!r} is not a finite number")
    return Point(name, attributes_of(item), number, at)


# Values


def attributes_of(holder: Any) -> Attributes:
    """Return an object's attributes as plain data; those without a key are left out, those without a value are None."""
    items = holder.get("attributes") if isinstance(holder, dict) else None
    if isinstance(items, Plain):
        return items
    return {
        str(item["key"]): _value(item.get("value"))
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and item.get("key") is not None
    }


def _value(value: Any) -> Any:
    """Convert an AnyValue to plain data."""
    if not isinstance(value, dict) or isinstance(value, Plain):
        return value
    for kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        if kind in value:
            return value[kind]
    if "intValue" in value:
        try:
            return int(value["intValue"])
        except (TypeError, ValueError):
            return None
    for kind, read in (("arrayValue", _array), ("kvlistValue", _pairs)):
        if isinstance(value.get(kind), dict):
            return read(value[kind])
    return None


def _array(value: Json) -> list[Any]:
    items = value.get("values")
    return [_value(item) for item in items] if isinstance(items, list) else []


def _pairs(value: Json) -> Json:
    return attributes_of({"attributes": value.get("values")})


def _identifier(value: Any, size: int, base64_ids: bool = False) -> str | None:
    """Return an id in hexadecimal; None if it is missing or all zero.

    Raises:
        Fault: 400, if it is malformed.
    """
    if value in (None, ""):
        return None
    text = str(value)
    try:
        raw = base64.b64decode(text, validate=True) if base64_ids else bytes.fromhex(text)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != size:
        raise Fault(400, f"{text[:50]!r} is not an id of {size} bytes")
    return raw.hex() if any(raw) else None
