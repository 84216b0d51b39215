"""Deduplicates calls that two layers report: autolog's patch and an OpenTelemetry instrumentation.

The anthropic SDK makes OpenTelemetry spans by itself, and so do LiteLLM, LangChain's instrumentations and others above
the SDKs; a program that patches with autolog and exports such spans reports each call twice. They are matched by the
response's id or, where the span has none, by the same model and tokens at the same time. What autolog saw on the wire
stays; the span fills its gaps and is named in `extra["otel"]`.
"""

from __future__ import annotations

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
from autolog.stores.query import Query

#: How far apart the two may say that the call began: some servers give every response the same id.
APART = timedelta(seconds=60)
#: The same without an id: a layer above the SDK begins a little earlier.
NEAR = timedelta(seconds=5)
#: How many stored calls with one response id are compared.
EACH = 20
#: How many spans without a response id are remembered.
RECENT = 1_000


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
        self._without_response_id: deque[_Candidate] = deque(maxlen=RECENT)
        self._lock = threading.Lock()

    def write(self, store: Store, records: Sequence[Record]) -> list[int]:
        """Write records and return their sequence numbers, in the same order."""
        candidates = [_Candidate(record) for record in records]
        calls = [one for one in candidates if _is_call(one.record)]
        if not calls:
            return store.write(records)
        known = _Known(store, [one.record for one in calls])
        for one in calls:
            self._fold(store, one, known)
        order = sorted(range(len(records)), key=lambda position: candidates[position].folded)
        written = dict(zip(order, store.write([records[position] for position in order]), strict=True))
        for one in calls:
            one.in_batch = False
        return [written[position] for position in range(len(records))]

    def _fold(self, store: Store, new: _Candidate, known: _Known) -> None:
        record = new.record
        for other in (*known.matching(record), *self._remembered(record)):
            twin = other.record
            if twin.id == record.id or not _same(twin, record):
                continue
            if twin.dialect == record.dialect:
                if record.dialect == "otlp" and twin.trace_id == record.trace_id:
                    _unbill_outer(store, other, record)
                continue
            if record.dialect == "otlp":
                _fill_gaps(twin, record)
            elif other.in_batch:
                _fill_gaps(record, twin)
                other.in_batch, other.folded = False, True
            else:
                self._replace(store, twin, record)
                known.deleted.add(twin.id)
            return
        known.add(new)
        if record.dialect == "otlp" and record.response_id is None:
            with self._lock:
                self._without_response_id.append(new)

    def _remembered(self, record: Record) -> list[_Candidate]:
        """Return the recent spans without a response id that a call of the SDK's may be the same as."""
        if record.dialect == "otlp":
            return []
        with self._lock:
            return [one for one in self._without_response_id if one.record.project == record.project]

    def _replace(self, store: Store, span: Record, record: Record) -> None:
        """Let a record take the place of a span that is in the store."""
        store.delete(Query({"project": span.project, "id": span.id}))
        gaps = msgspec.structs.replace(span)
        _fill_gaps(record, gaps)
        merge(record, gaps)
        with self._lock:
            others = [one for one in self._without_response_id if one.record.id != span.id]
            self._without_response_id = deque(others, RECENT)


class _Known:
    """The candidates for a batch: stored records, fetched once for the whole batch, and the batch's own."""

    def __init__(self, store: Store, records: Sequence[Record]) -> None:
        self.deleted: set[str] = set()
        self._by_response: dict[tuple[str, str], list[_Candidate]] = defaultdict(list)
        self._by_usage: dict[tuple[str, Any], list[_Candidate]] = defaultdict(list)
        for project in {record.project for record in records}:
            mine = [record for record in records if record.project == project]
            for dialect, others in (("native", ("otlp",)), ("otlp", ("otlp", "native"))):
                ids = {record.response_id for record in mine if record.dialect == dialect and record.response_id}
                for other in others if ids else ():
                    for stored in store.by_response(project, sorted(ids), other, EACH):
                        self._by_response[dialect, str(stored.response_id)].append(_Candidate(stored))
            self._fetch_nearby(store, project, [one for one in mine if one.dialect == "otlp" and not one.response_id])

    def _fetch_nearby(self, store: Store, project: str, spans: Sequence[Record]) -> None:
        times = [at for span in spans for at in (span.start_time, span.end_time) if at is not None]
        if times:
            calls = Query({"project": project, "kind": "llm", "dialect": "native"})
            near = replace(calls, since=min(times) - NEAR, until=max(times) + NEAR)
            for stored in store.find(near, limit=200 + 10 * len(spans)):
                self._by_usage[project, _used(stored)].append(_Candidate(stored))

    def add(self, new: _Candidate) -> None:
        """Add a record of the batch that is a call of its own: later ones may be the same."""
        new.in_batch, record = True, new.record
        if record.response_id:
            for asking in ("otlp",) if record.dialect == "native" else ("otlp", "native"):
                self._by_response[asking, record.response_id].append(new)
        if record.dialect == "native":
            self._by_usage[record.project, _used(record)].append(new)

    def matching(self, record: Record) -> list[_Candidate]:
        """Return what may be the same call as a record."""
        if record.response_id:
            found = self._by_response.get((record.dialect, record.response_id), [])
        else:
            found = self._by_usage.get((record.project, _used(record)), []) if record.dialect == "otlp" else []
        return [
            one
            for one in found
            if not one.folded and one.record.id not in self.deleted and one.record.project == record.project
        ]


def _is_call(record: Record) -> bool:
    """Whether another layer may have reported the same call."""
    return record.kind == "llm" and record.dialect in {"native", "otlp"} and record.start_time is not None


def _unbill_outer(store: Store, other: _Candidate, record: Record) -> None:
    """Of two spans of one call, one layer above the other, unbill the upper one."""
    if record.parent_span_id != other.record.span_id:
        _unbill(record)
    elif other.in_batch:
        _unbill(other.record)
    else:
        store.update(other.record.id, other.record.project, _unbill)


def _used(record: Record) -> tuple[int | None, int | None, str]:
    return record.usage_input_tokens, record.usage_output_tokens, record.status


def _same(one: Record, other: Record) -> bool:
    """Whether two records report the same call."""
    if one.start_time is None or other.start_time is None or "otel" in one.extra or "otel" in other.extra:
        return False
    apart = abs(one.start_time - other.start_time)
    if one.response_id is not None and other.response_id is not None:
        return one.response_id == other.response_id and apart <= APART
    models = [{record.request_model, record.response_model} - {None} for record in (one, other)]
    used = [_used(record) for record in (one, other)]
    return apart <= NEAR and bool(models[0] & models[1]) and used[0] == used[1] and used[0][1] is not None


def _unbill(record: Record) -> None:
    """Make a span a step around a call, which bears the bill."""
    record.kind, record.cost = "chain", None
    record.cost_details = unknown("billed with the call below it").details


def _place(span: Record) -> dict[str, str | None]:
    return {name: getattr(span, name) for name in ("trace_id", "span_id", "parent_span_id", "name")}


def _fill_gaps(known: Record, span: Record) -> None:
    """Make of a span what the known record lacks, under that one's id."""
    place = _place(span)
    for name in FIELDS:
        if name not in {"metadata", "extra"} and getattr(known, name) != DEFAULTS[name]:
            setattr(span, name, DEFAULTS[name])
    span.id, span.project, span.kind, span.dialect = known.id, known.project, "llm", "native"
    span.request_body = span.response_body = None
    span.metadata = {key: value for key, value in span.metadata.items() if key not in known.metadata}
    span.extra = {"otel": place}
