"""One call seen by two layers is one record.

The anthropic SDK makes OpenTelemetry spans by itself, and so do LiteLLM, LangChain's instrumentations and others above
the SDKs; a program that patches with autolog and exports such spans tells of each call twice. The response's id gives
it away, or, where the span does not tell it, the same model and tokens at the same time. What autolog saw on the wire
stays; the span fills its gaps and is named in `extra["otel"]`.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
#: How many calls with one response id are looked at.
EACH = 20
#: How many spans without a response id are remembered.
RECENT = 1_000


class Doubles:
    """Writes records, those that tell of a call that is known already into that one's. For the writers' threads."""

    def __init__(self) -> None:
        self._nameless: deque[Record] = deque(maxlen=RECENT)
        self._remembering = threading.Lock()

    def write(self, store: Store, records: Sequence[Record]) -> list[int]:
        told = [
            record
            for record in records
            if record.kind == "llm" and record.dialect in {"native", "otlp"} and record.start_time is not None
        ]
        if not told:
            return store.write(records)
        twins = _Twins(store, told)
        for record in told:
            self._fold(store, record, twins)
        # What was folded into a later one of the same batch is written after that
        order = sorted(range(len(records)), key=lambda place: id(records[place]) in twins.late)
        written = dict(zip(order, store.write([records[place] for place in order]), strict=True))
        return [written[place] for place in range(len(records))]

    def _fold(self, store: Store, record: Record, twins: _Twins) -> None:
        with self._remembering:
            spans = list(self._nameless) if record.dialect != "otlp" else []
        nameless = [span for span in spans if span.project == record.project]
        for twin in (*twins.of(record), *nameless):
            if twin.id == record.id or not _same(twin, record):
                continue
            if twin.dialect == record.dialect:
                if record.dialect == "otlp" and twin.trace_id == record.trace_id:
                    self._unbill_outer(store, twin, record, twins)
                continue
            if record.dialect == "otlp":
                _fill_gaps(twin, record)
            elif twins.is_mate(twin):
                twins.fold(twin, record)
            else:
                store.delete(Query({"project": twin.project, "id": twin.id}))
                twins.gone.add(twin.id)
                gaps = msgspec.structs.replace(twin)
                _fill_gaps(record, gaps)
                merge(record, gaps)
                with self._remembering:
                    self._nameless = deque((span for span in self._nameless if span.id != twin.id), RECENT)
            return
        twins.note(record)
        if record.dialect == "otlp" and record.response_id is None:
            with self._remembering:
                self._nameless.append(record)

    def _unbill_outer(self, store: Store, twin: Record, record: Record, twins: _Twins) -> None:
        """Two spans of one call, one layer above the other: the upper one is no call."""
        if record.parent_span_id == twin.span_id and twins.is_mate(twin):
            _unbill(twin)
        elif record.parent_span_id == twin.span_id:
            store.update(twin.id, twin.project, _unbill)
        else:
            _unbill(record)


class _Twins:
    """What may tell of the same calls as some records: what the store has, asked for once for all, and each other."""

    def __init__(self, store: Store, records: Sequence[Record]) -> None:
        self.gone: set[str] = set()
        self.late: set[int] = set()
        self._mates: set[int] = set()
        self._by_response: dict[tuple[str, str], list[Record]] = defaultdict(list)
        self._nearby: dict[tuple[str, Any], list[Record]] = defaultdict(list)
        for project in {record.project for record in records}:
            mine = [record for record in records if record.project == project]
            for dialect, others in (("native", ("otlp",)), ("otlp", ("otlp", "native"))):
                names = {record.response_id for record in mine if record.dialect == dialect and record.response_id}
                for other in others if names else ():
                    for twin in store.by_response(project, sorted(names), other, EACH):
                        self._by_response[dialect, str(twin.response_id)].append(twin)
            self._look_nearby(store, project, [one for one in mine if one.dialect == "otlp" and not one.response_id])

    def _look_nearby(self, store: Store, project: str, spans: Sequence[Record]) -> None:
        times = [at for span in spans for at in (span.start_time, span.end_time) if at is not None]
        if times:
            calls = Query({"project": project, "kind": "llm", "dialect": "native"})
            near = replace(calls, since=min(times) - NEAR, until=max(times) + NEAR)
            for twin in store.find(near, limit=200 + 10 * len(spans)):
                self._nearby[project, _used(twin)].append(twin)

    def note(self, record: Record) -> None:
        """One that stands for itself: later ones may be its twins."""
        self._mates.add(id(record))
        if record.response_id:
            for asking in ("otlp",) if record.dialect == "native" else ("otlp", "native"):
                self._by_response[asking, record.response_id].append(record)
        if record.dialect == "native":
            self._nearby[record.project, _used(record)].append(record)

    def is_mate(self, record: Record) -> bool:
        """Whether a record is one of these, and not in the store yet."""
        return id(record) in self._mates

    def fold(self, span: Record, record: Record) -> None:
        """Make of a span what a later record of the same batch lacks."""
        _fill_gaps(record, span)
        self._mates.discard(id(span))
        self.late.add(id(span))

    def of(self, record: Record) -> Iterator[Record]:
        """Those that may tell of the same call as a record."""
        if record.response_id:
            found = self._by_response.get((record.dialect, record.response_id), ())
        else:
            found = self._nearby.get((record.project, _used(record)), ()) if record.dialect == "otlp" else ()
        yield from [
            twin
            for twin in found
            if twin.id not in self.gone and id(twin) not in self.late and twin.project == record.project
        ]


def _used(record: Record) -> tuple[int | None, int | None, str]:
    return record.usage_input_tokens, record.usage_output_tokens, record.status


def _same(one: Record, other: Record) -> bool:
    """Whether two records tell of the same call."""
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
