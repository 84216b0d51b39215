"""Deduplicates calls that several layers report: autolog's patch, an instrumentation, the SDK's own spans.

The anthropic SDK makes OpenTelemetry spans by itself, and so do LiteLLM, LangChain's instrumentations and others above
the SDKs; a program that patches with autolog and exports such spans reports each call several times, in one trace or in
several. Reports are matched by the response's id or, where one has none, by their place in the trace, or by the same
model and tokens at the same time (`_reports`).

What autolog saw on the wire stays; the first span of the call fills its gaps, gives it its place in the tree, and is
named in `extra["otel"]`. Any other report stays where it is in its own tree, as a step without a bill: the one that
says most bears that (`rank`), of spans in each other that say as much the innermost. `extra["reports"]` of the
call's record has the ids of all its reports, by sender. All this is in the store, so the order of arrival does not
matter, nor which server they come to.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from autolog._pricing.cost import unknown
from autolog._record.record import BILL, DEFAULTS, FIELDS, Record, merge, pack
from autolog.server._known import Candidate, Known
from autolog.server._reports import is_call, is_one_call, join, may_be_layers, rank, reports, takes, used
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: Of how many traces it is remembered which spans nobody else has reported, and of how many of a trace's latest spans.
RECENT, EACH_RECENT = 1_000, 100


@dataclass(frozen=True, slots=True)
class Folded:
    """Records whose duplicates are folded, yet to be written."""

    records: Sequence[Record]
    order: Sequence[int]
    """In which order they are to be written."""
    freed: Sequence[float]
    """For each, the dollars that were on stored reports of the same call before."""

    def write(self, store: Store) -> list[int]:
        """Write them and return their sequence numbers, in the order of `records`."""
        written = dict(zip(self.order, store.write([self.records[position] for position in self.order]), strict=True))
        return [written[position] for position in range(len(self.records))]


class Deduplicator:
    """Folds each record that reports a known call into that call. For the writers' threads.

    Nearly no call of autolog's stands in the place of a span that tells another response and other tokens, and looking
    for one in the store takes longer than all else. So this remembers the ids of a bounded number of such spans, and
    looks for these alone.
    """

    def __init__(self) -> None:
        self._lone_spans: OrderedDict[tuple[str, str], deque[str]] = OrderedDict()
        """By project and trace, the ids of the latest spans of the latest traces."""
        self._lock = threading.Lock()

    def fold(self, store: Store, records: Sequence[Record]) -> Folded:
        """Fold the reports of one call among records and in the store; the records themselves are still to be written.

        A record that is folded into another one gets that one's id.
        """
        candidates = [Candidate(record) for record in records]
        calls = [one for one in candidates if is_call(one.record)]
        if not calls:
            return Folded(records, range(len(records)), [0.0] * len(records))
        known = Known(store, [one.record for one in calls])
        for project, ids in self._remembered([one.record for one in calls]).items():
            known.fetch(store, project, ids)
        if known.is_empty and self._are_apart([one.record for one in calls]):
            return Folded(records, range(len(records)), [0.0] * len(records))
        for one in candidates:
            if not is_call(one.record) and one.record.trace_id:
                known.place(one)
        for one in calls:
            _Folding(store, known, self).fold(one)
        order = sorted(range(len(records)), key=lambda position: candidates[position].folded)
        return Folded(records, order, [one.freed for one in candidates])

    def look_again(self, store: Store, project: str, ids: Sequence[str]) -> None:
        """Fold calls that are in the store with reports of them that could not be read when they were written."""
        query = Query({"project": project}, conditions=(Condition("id", "eq", tuple(ids)),))
        for record in store.find(query, limit=len(ids)):
            name, before = record.id, pack([record])
            if not is_call(record):
                continue
            self.fold(store, [record])
            if record.id != name:
                store.delete(Query({"project": project, "id": name}))
            if pack([record]) != before:
                store.write([record])

    def _are_apart(self, calls: Sequence[Record]) -> bool:
        """Return whether calls that nobody else has reported are surely different: one sender reports each once.

        So it is with nearly all that comes, and looking at each of them takes a sixth of the time of a small write.
        """
        if calls[0].dialect == "otlp" or any(one.dialect != calls[0].dialect for one in calls):
            return False  # spans may be layers of one call
        reported = {(one.project, report) for one in calls for report in reports(one).values()}
        return len(reported) == len(calls)

    def remember(self, span: Record) -> None:
        """Remember a span that nobody else has reported."""
        if span.trace_id is None:
            return
        with self._lock:
            self._lone_spans.setdefault((span.project, span.trace_id), deque(maxlen=EACH_RECENT)).append(span.id)
            if len(self._lone_spans) > RECENT:
                self._lone_spans.popitem(last=False)

    def _remembered(self, calls: Sequence[Record]) -> dict[str, set[str]]:
        """Return by project the ids of recent spans in whose place calls of autolog's may be, whatever they tell."""
        found: dict[str, set[str]] = {}
        with self._lock:
            for project, trace_id in {(one.project, one.trace_id) for one in calls if one.dialect == "native"}:
                if trace_id is not None and (ids := self._lone_spans.get((project, trace_id))):
                    found.setdefault(project, set()).update(ids)
        return found


@dataclass(frozen=True, slots=True)
class _Folding:
    """Folds the calls of one batch."""

    store: Store
    known: Known
    memory: Deduplicator

    def fold(self, new: Candidate) -> None:
        """Fold a call with every report of it that is known."""
        record = new.record
        again = self.known.reported(record)
        if again is not None and again.record.id != record.id:  # a report that was folded before is sent again
            self._fold_again(again, new)
            return
        if again is None or len(reports(again.record)) == 1:
            for other in list(self.known.matching(record)):
                if record.seq is not None and other.record.dialect != "native" and (other.record.seq or 0) > record.seq:
                    continue  # the later of two that are looked at again finds the other, and one alone decides
                joined = other.record.id in {*self.known.deleted, *reports(record).values()}
                if joined or not is_call(other.record):
                    continue
                if takes(other.record, record) and is_one_call(other.record, record) and not self._join(other, new):
                    if again is not None:  # it was a call of its own until it told more
                        self._change(again, partial(_unbill, bearer=other.record))
                    return
        self.known.add(new)
        self._unbill_layers(new)
        if record.dialect == "otlp" and record.kind == "llm":
            self.memory.remember(record)

    def _fold_again(self, known: Candidate, new: Candidate) -> None:
        place = known.record.extra.get("otel") or {}
        if (new.record.trace_id, new.record.span_id) == (place.get("trace_id"), place.get("span_id")):
            _fill_gaps(known.record, new.record)
        else:
            _unbill(new.record, known.record)

    def _join(self, other: Candidate, new: Candidate) -> bool:
        """Make one bill of two reports; return whether the new one bears it."""
        both = {other.record.dialect: other, new.record.dialect: new}
        if both.keys() == {"native", "otlp"} and "otel" not in both["native"].record.extra:
            return self._merge(other, new)
        winner, loser = (new, other) if rank(new.record) > rank(other.record) else (other, new)
        self._bill(winner, loser, new)
        return winner is new

    def _merge(self, other: Candidate, new: Candidate) -> bool:
        """Make one record of autolog's and a span of the same call; return whether it is the new one."""
        if new.record.dialect == "otlp":
            _fill_gaps(other.record, new.record)
            self.known.add(other)
            return False
        span = other.record
        if not other.stored:
            _fill_gaps(new.record, span)
            other.folded = True
        else:
            self.store.delete(Query({"project": span.project, "id": span.id}))
            new.freed += span.cost or 0.0
            gaps = msgspec.structs.replace(span)
            _fill_gaps(new.record, gaps)
            merge(new.record, gaps)
            self.known.deleted.add(span.id)
        return True

    def _bill(self, winner: Candidate, loser: Candidate, new: Candidate) -> None:
        """Leave the bill of a call to one of its reports."""
        if loser.stored:
            new.freed += loser.record.cost or 0.0
        all_of_them = join(winner.record, loser.record)

        def note(record: Record) -> None:
            record.extra.setdefault("reports", {}).update(all_of_them)  # a span that was folded into it has them, too

        self._change(loser, partial(_unbill, bearer=winner.record))
        self._change(winner, note)
        self.known.put(winner)

    def _change(self, one: Candidate, change: Callable[[Record], None]) -> None:
        change(one.record)
        if one.stored:
            self.store.update(one.record.id, one.record.project, change)

    def _unbill_layers(self, new: Candidate) -> None:
        """Leave one bill to the spans of one call that lie in each other, each in that of the layer above."""
        for other, is_above in self.known.around(new.record):
            if other.folded or not is_call(other.record) or not may_be_layers(other.record, new.record):
                continue
            inner, outer = (new, other) if is_above else (other, new)
            alike = used(inner.record) == used(outer.record)
            if not alike and len(reports(outer.record)) > 1 and outer.record.dialect != "native":
                continue  # it bears the bill of another call
            if outer.record.dialect == "native" or (alike and rank(outer.record) > rank(inner.record)):
                inner, outer = outer, inner  # the wire's word: what is in it is a step of the call
            self._bill(inner, outer, new)
            if outer is new:
                return


def _unbill(record: Record, bearer: Record) -> None:
    """Make a report a step beside the call, which bears the bill; one that names no model gets the call's."""
    if record.request_model is None and record.response_model is None:
        record.request_model, record.response_model = bearer.request_model, bearer.response_model
        record.provider_name = record.provider_name or bearer.provider_name
    record.kind, record.cost, record.custom_cost = "chain", None, False
    record.cost_details = unknown("billed with another report of the call").details


_PLACE = ("trace_id", "span_id", "parent_span_id")
_USAGE = (*(name for name in FIELDS if name.startswith("usage")), *BILL)


def _place(span: Record) -> dict[str, str | None]:
    return {name: getattr(span, name) for name in (*_PLACE, "name")}


def _taken(known: Record, span: Record) -> dict[str, Any]:
    """Return what the span knows better: its place in a tree, a fuller usage, and a cost where the record has none."""
    taken: dict[str, Any] = {}
    if known.trace_id == span.trace_id or known.parent_span_id is None:
        taken |= {name: getattr(span, name) for name in _PLACE}
    if _fullness(span) > _fullness(known):
        taken |= {name: getattr(span, name) for name in _USAGE}
    elif known.cost is None and span.cost is not None:
        taken |= {name: getattr(span, name) for name in BILL}
    return taken


def _fullness(record: Record) -> int:
    """Return how many of the two counts that make a bill are told; estimates are not."""
    if record.extra.get("usage_estimated"):
        return 0
    return sum(count is not None for count in (record.usage_input_tokens, record.usage_output_tokens))


def _fill_gaps(known: Record, span: Record) -> None:
    """Make of a span what the known record lacks, or is better told by it, under that one's id."""
    place, taken, both = _place(span), _taken(known, span), join(known, span)
    for name in FIELDS:
        if name not in {"metadata", "extra"} and getattr(known, name) != DEFAULTS[name]:
            setattr(span, name, DEFAULTS[name])
    for name, value in taken.items():
        setattr(span, name, value)
        setattr(known, name, value)
    span.id, span.project, span.kind, span.dialect = known.id, known.project, "llm", "native"
    span.request_body = span.response_body = None
    span.metadata = {key: value for key, value in span.metadata.items() if key not in known.metadata}
    span.extra = {"otel": place, "reports": both}
    known.extra = {**known.extra, "otel": place, "reports": both}
