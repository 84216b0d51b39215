"""Deduplicates calls that two layers report: autolog's patch and an OpenTelemetry instrumentation.

The anthropic SDK makes OpenTelemetry spans by itself, and so do LiteLLM, LangChain's instrumentations and others above
the SDKs; a program that patches with autolog and exports such spans reports each call twice. They are matched by the
response's id or, where one has none, by their place in the trace, or by the same model and tokens at the same time.
What autolog saw on the wire stays; the span fills its gaps, gives it its place in the tree, and is named in
`extra["otel"]`.
Of spans of one call that lie in each other the innermost bears the bill.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec

from autolog._pricing.cost import unknown
from autolog._record.record import DEFAULTS, FIELDS, Record, merge
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: How far apart the two may say that the call began: some servers give every response the same id.
APART = timedelta(seconds=60)
#: The same without an id: a layer above the SDK begins a little earlier.
NEAR = timedelta(seconds=5)
#: How many stored calls with one response id are compared.
EACH = 20
#: How many spans that nobody else has reported are remembered.
RECENT = 1_000
#: How many records of a trace are looked at, and how many levels of it.
EACH_TRACE = 500
MOST_DEEP = 50
#: How ids of one kind begin: `chatcmpl-`, `msg_`, `resp_`.
_ID_KIND = re.compile(r"(?:[A-Za-z]+[-_])?")


@dataclass(slots=True, eq=False)
class _Candidate:
    """A record that another one may turn out to be the same call as."""

    record: Record
    in_batch: bool = False
    """Whether it is part of the batch being written, and so not in the store yet."""
    folded: bool = False
    """Whether it was folded into a later record of the batch, which has to be written before it."""


class Deduplicator:
    """Writes records, folding each that reports a known call into that call's record. For the writers' threads."""

    def __init__(self) -> None:
        self._lone_spans: deque[_Candidate] = deque(maxlen=RECENT)
        self._lock = threading.Lock()

    def write(self, store: Store, records: Sequence[Record]) -> list[int]:
        """Write records and return their sequence numbers, in the same order."""
        candidates = [_Candidate(record) for record in records]
        calls = [one for one in candidates if _is_call(one.record)]
        if not calls:
            return store.write(records)
        known = _Known(store, [one.record for one in calls])
        for one in candidates:
            if not _is_call(one.record) and one.record.trace_id:
                one.in_batch = True
                known.place(one)
        for one in calls:
            self._fold(store, one, known)
        order = sorted(range(len(records)), key=lambda position: candidates[position].folded)
        written = dict(zip(order, store.write([records[position] for position in order]), strict=True))
        for one in candidates:
            one.in_batch = False
        return [written[position] for position in range(len(records))]

    def _fold(self, store: Store, new: _Candidate, known: _Known) -> None:
        record = new.record
        for other in (*known.matching(record), *self._remembered(record), *known.beside(record)):
            twin = other.record
            if twin.id == record.id or twin.dialect == record.dialect or not (_is_call(twin) and _same(twin, record)):
                continue
            native, span = (twin, record) if record.dialect == "otlp" else (record, twin)
            if not _takes(native, span):  # a span of the same call was folded into it: this is another layer's
                _unbill(span)
                break
            if span is record:
                _fill_gaps(native, span)
                known.place(other)
            elif other.in_batch:
                _fill_gaps(native, span)
                other.in_batch, other.folded = False, True
            else:
                self._replace(store, span, native)
                known.deleted.add(span.id)
            if span is not record:
                known.add(new)
            return
        known.add(new)
        _unbill_layers(store, new, known)
        if record.dialect == "otlp" and record.kind == "llm":
            with self._lock:
                self._lone_spans.append(new)

    def _remembered(self, record: Record) -> list[_Candidate]:
        """Return the recent spans that a call of the SDK's may be the same as, whatever id its response has there."""
        if record.dialect == "otlp":
            return []
        with self._lock:
            return [one for one in self._lone_spans if one.record.project == record.project]

    def _replace(self, store: Store, span: Record, record: Record) -> None:
        """Let a record take the place of a span that is in the store."""
        store.delete(Query({"project": span.project, "id": span.id}))
        gaps = msgspec.structs.replace(span)
        _fill_gaps(record, gaps)
        merge(record, gaps)
        with self._lock:
            others = [one for one in self._lone_spans if one.record.id != span.id]
            self._lone_spans = deque(others, RECENT)


class _Known:
    """The candidates for a batch: stored records, fetched once for the whole batch, and the batch's own."""

    def __init__(self, store: Store, records: Sequence[Record]) -> None:
        self.deleted: set[str] = set()
        self._by_response: dict[tuple[str, str], list[_Candidate]] = defaultdict(list)
        self._by_usage: dict[tuple[str, Any], list[_Candidate]] = defaultdict(list)
        self._by_trace: dict[tuple[str, str | None], dict[str, _Candidate]] = defaultdict(dict)
        for project in {record.project for record in records}:
            mine = [record for record in records if record.project == project]
            for dialect, others in (("native", ("otlp",)), ("otlp", ("otlp", "native"))):
                ids = {record.response_id for record in mine if record.dialect == dialect and record.response_id}
                for other in others if ids else ():
                    for stored in store.by_response(project, sorted(ids), other, EACH):
                        self._by_response[dialect, str(stored.response_id)].append(_Candidate(stored))
            self._fetch_nearby(store, project, [one for one in mine if one.dialect == "otlp"])
            self._fetch_traces(store, project, mine)

    def _fetch_nearby(self, store: Store, project: str, spans: Sequence[Record]) -> None:
        times = [at for span in spans for at in (span.start_time, span.end_time) if at is not None]
        if times:
            calls = Query({"project": project, "kind": "llm", "dialect": "native"})
            near = replace(calls, since=min(times) - NEAR, until=max(times) + NEAR)
            for stored in store.find(near, limit=200 + 10 * len(spans)):
                self._by_usage[project, _used(stored)].append(_Candidate(stored))

    def _fetch_traces(self, store: Store, project: str, calls: Sequence[Record]) -> None:
        """Fetch the trees of spans, and of calls that have no response id and may be in one."""
        asking = (one for one in calls if one.dialect == "otlp" or (one.parent_span_id and not one.response_id))
        traces = tuple({one.trace_id for one in asking if one.trace_id})
        if traces:
            query = Query({"project": project}, conditions=(Condition("trace_id", "eq", traces),))
            for stored in store.find(query, limit=EACH_TRACE * len(traces)):
                self.place(_Candidate(stored))

    def place(self, one: _Candidate) -> None:
        """Note where a record is in its trace."""
        self._by_trace[one.record.project, one.record.trace_id][one.record.id] = one

    def in_trace(self, record: Record) -> list[_Candidate]:
        """Return the other records that are known of a record's trace."""
        trace = self._by_trace.get((record.project, record.trace_id), {}) if record.trace_id else {}
        return [one for one in trace.values() if one.record.id not in {record.id, *self.deleted}]

    def beside(self, record: Record) -> list[_Candidate]:
        """Return the calls of a record's trace, the nearest in time first."""
        calls = [one for one in self.in_trace(record) if _is_call(one.record) and not one.folded]
        return sorted(calls, key=lambda one: abs(one.record.start_time - record.start_time))  # type: ignore[operator]

    def is_inside(self, inner: Record, outer: Record) -> bool:
        """Return whether a record is below another, as far as the tree is known."""
        parents = {one.record.span_id: one.record.parent_span_id for one in self.in_trace(inner)}
        above, steps = inner.parent_span_id, 0
        while above is not None and steps < MOST_DEEP:
            if above == outer.span_id:
                return True
            above, steps = parents.get(above), steps + 1
        return False

    def add(self, new: _Candidate) -> None:
        """Add a record of the batch that is a call of its own: later ones may be the same."""
        new.in_batch, record = True, new.record
        self.place(new)
        if record.response_id:
            for asking in ("otlp",) if record.dialect == "native" else ("otlp", "native"):
                self._by_response[asking, record.response_id].append(new)
        if record.dialect == "native":
            self._by_usage[record.project, _used(record)].append(new)

    def matching(self, record: Record) -> list[_Candidate]:
        """Return what may be the same call as a record."""
        found = self._by_response.get((record.dialect, record.response_id), []) if record.response_id else []
        if record.dialect == "otlp":
            found = found + self._by_usage.get((record.project, _used(record)), [])
        return [
            one
            for one in found
            if not one.folded and one.record.id not in self.deleted and one.record.project == record.project
        ]


def _is_call(record: Record) -> bool:
    """Return whether another layer may have reported the same call."""
    return record.kind == "llm" and record.dialect in {"native", "otlp"} and record.start_time is not None


def _unbill_layers(store: Store, new: _Candidate, known: _Known) -> None:
    """Leave the bill to the innermost of the spans of one call, each in that of the layer above."""
    for other in known.in_trace(new.record):
        if other.folded or not _is_call(other.record) or not _may_be_one(other.record, new.record):
            continue
        if known.is_inside(new.record, other.record):
            outer = other
        elif known.is_inside(other.record, new.record):
            outer = new
        else:
            continue
        if outer.record.dialect == "native":  # the wire's word: what is in it is a step of the call
            outer = new if outer is other else other
        if outer.in_batch:
            _unbill(outer.record)
        else:
            store.update(outer.record.id, outer.record.project, _unbill)
            _unbill(outer.record)
        if outer is new:
            return


def _may_be_one(one: Record, other: Record) -> bool:
    """Return whether nothing says that two records, one inside the other, are of different calls."""
    different = _are_comparable(one.response_id, other.response_id) and one.response_id != other.response_id
    return "otlp" in (one.dialect, other.dialect) and not different and (_share_model(one, other) is not False)


def _are_comparable(one: str | None, other: str | None) -> bool:
    """Return whether two ids of responses are of one kind: a layer that translates, as LiteLLM does, makes its own."""
    return bool(one and other) and _ID_KIND.match(one or "")[0] == _ID_KIND.match(other or "")[0]  # type: ignore[index]


def _takes(native: Record, span: Record) -> bool:
    """Return whether a span may be folded into a record: none was yet, or the same one, which was sent again."""
    folded = native.extra.get("otel")
    return folded is None or (folded["trace_id"], folded["span_id"]) == (span.trace_id, span.span_id)


def _share_model(one: Record, other: Record) -> bool | None:
    """Return whether two records name the same model; None if one of them names none."""
    models = [{record.request_model, record.response_model} - {None} for record in (one, other)]
    return bool(models[0] & models[1]) if models[0] and models[1] else None


def _used(record: Record) -> tuple[int | None, int | None, str]:
    return record.usage_input_tokens, record.usage_output_tokens, record.status


def _same(one: Record, other: Record) -> bool:
    """Return whether a record and a span report the same call."""
    if one.start_time is None or other.start_time is None:
        return False
    apart = abs(one.start_time - other.start_time)
    if _are_comparable(one.response_id, other.response_id):
        return one.response_id == other.response_id and apart <= APART
    if _in_one_place(one, other):
        return _share_model(one, other) is not False and one.status == other.status
    native, span = (one, other) if one.dialect == "native" else (other, one)
    if not (_takes(native, span) and _share_model(one, other) and _used(one) == _used(other)):
        return False
    return apart <= NEAR and (one.usage_output_tokens is not None or (one.status == "error" and _overlap(one, other)))


def _in_one_place(one: Record, other: Record) -> bool:
    """Return whether a record stands where a span stands, or in it, at the same time."""
    native, span = (one, other) if one.dialect == "native" else (other, one)
    if native.trace_id is None or native.trace_id != span.trace_id or native.parent_span_id is None:
        return False
    return native.parent_span_id in (span.parent_span_id, span.span_id) and _overlap(native, span)


def _overlap(one: Record, other: Record) -> bool:
    spans = [(record.start_time, record.end_time or record.start_time) for record in (one, other)]
    (start, end), (other_start, other_end) = spans
    if start is None or end is None or other_start is None or other_end is None:
        return False
    return start <= other_end and other_start <= end


def _unbill(record: Record) -> None:
    """Make a span a step around a call, which bears the bill."""
    record.kind, record.cost, record.custom_cost = "chain", None, False
    record.cost_details = unknown("billed with the call below it").details


_PLACE = ("trace_id", "span_id", "parent_span_id")
_USAGE = (*(name for name in FIELDS if name.startswith("usage")), "cost", "cost_details", "custom_cost")


def _place(span: Record) -> dict[str, str | None]:
    return {name: getattr(span, name) for name in (*_PLACE, "name")}


def _taken(known: Record, span: Record) -> dict[str, Any]:
    """Return what the span knows better: its place in a tree, and a usage that is fuller than the record's."""
    taken: dict[str, Any] = {}
    if known.trace_id == span.trace_id or known.parent_span_id is None:
        taken |= {name: getattr(span, name) for name in _PLACE}
    if _fullness(span) > _fullness(known):
        taken |= {name: getattr(span, name) for name in _USAGE}
    return taken


def _fullness(record: Record) -> int:
    """Return how many of the two counts that make a bill are told; estimates are not."""
    if record.extra.get("usage_estimated"):
        return 0
    return sum(count is not None for count in (record.usage_input_tokens, record.usage_output_tokens))


def _fill_gaps(known: Record, span: Record) -> None:
    """Make of a span what the known record lacks, or is better told by it, under that one's id."""
    place, taken = _place(span), _taken(known, span)
    for name in FIELDS:
        if name not in {"metadata", "extra"} and getattr(known, name) != DEFAULTS[name]:
            setattr(span, name, DEFAULTS[name])
    for name, value in taken.items():
        setattr(span, name, value)
        setattr(known, name, value)
    span.id, span.project, span.kind, span.dialect = known.id, known.project, "llm", "native"
    span.request_body = span.response_body = None
    span.metadata = {key: value for key, value in span.metadata.items() if key not in known.metadata}
    span.extra = {"otel": place}
    known.extra = {**known.extra, "otel": place}
