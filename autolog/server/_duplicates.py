"""Deduplicates calls that several layers report: autolog's patch, an instrumentation, the SDK's own spans.

The anthropic SDK emits OpenTelemetry spans by itself, and so do LiteLLM, LangChain's instrumentations and other layers
above the SDKs. A program that is patched by autolog and also exports such spans reports each call several times, in one
trace or in several. Reports are matched by the response id or, where one has none, by their place in the trace, or by
having the same model and tokens at the same time (see `_reports`).

The record that autolog captured on the wire is kept. The first span of the call fills its gaps, gives it its place in
the tree, and is named in `extra["otel"]`. Every other report stays in its own tree as a step without a cost. Without a
record of autolog's, the cost stays with the report that says most (`rank`) or, of equal reports nested in each other,
with the innermost. `extra["reports"]` of the call's record holds the ids of all its reports, by sender. All this is in
the store, so it matters neither in which order reports arrive nor at which server.
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
from autolog._record.record import BILL, DEFAULTS, FIELDS, MERGED, Record, merge, pack
from autolog.server._known import Candidate, Known
from autolog.server._reports import (
    is_call,
    is_one_call,
    is_silent,
    join,
    may_be_layers,
    rank,
    reports,
    sender,
    takes,
    used,
)
from autolog.stores._contract import Store
from autolog.stores.query import Query

#: The number of recent traces whose lone spans (those without another report) are remembered, and of spans per trace.
RECENT, EACH_RECENT = 1_000, 100


@dataclass(frozen=True, slots=True)
class Folded:
    """Records whose duplicates have been folded, ready to be written."""

    records: Sequence[Record]
    order: Sequence[int]
    """The positions of the records in the order in which to write them."""
    freed: Sequence[float]
    """For each record, the dollars that stored reports of the same call have given up."""

    def write(self, store: Store) -> list[int]:
        """Write the records and return their sequence numbers, in the order of `records`."""
        written = dict(zip(self.order, store.write([self.records[position] for position in self.order]), strict=True))
        return [written[position] for position in range(len(self.records))]


class Deduplicator:
    """Folds each record that reports a known call into that call. Runs on the writer's threads.

    A call that autolog captured very rarely has the same place as a span with another response id and other tokens,
    and searching the store for such a span takes longer than everything else. Instead the ids of a bounded number
    of recent spans are remembered, and only these are looked up.
    """

    def __init__(self) -> None:
        self._lone_spans: OrderedDict[tuple[str, str], deque[str]] = OrderedDict()
        """The ids of the latest spans of the latest traces, by project and trace id."""
        self._folded: OrderedDict[tuple[str, str], str] = OrderedDict()
        """The ids of the latest calls into which a span of another trace was folded, by the span's project and id."""
        self._lock = threading.Lock()

    def fold(self, store: Store, records: Sequence[Record]) -> Folded:
        """Fold reports of the same call, among `records` and in the store; return the records, still to be written.

        A record that is folded into another one gets the other record's id.
        """
        candidates = [Candidate(record) for record in records]
        calls = [candidate for candidate in candidates if is_call(candidate.record)]
        if not calls:
            return Folded(records, range(len(records)), [0.0] * len(records))
        known = Known(store, [candidate.record for candidate in calls])
        for project, ids in self._remembered([candidate.record for candidate in calls]).items():
            known.fetch(store, project, ids)
        if known.is_empty and _are_apart(records, [candidate.record for candidate in calls]):
            for candidate in calls:
                self.remember(candidate.record)
            return Folded(records, range(len(records)), [0.0] * len(records))
        for candidate in candidates:
            if not is_call(candidate.record) and candidate.record.trace_id:
                known.place(candidate)
        for candidate in sorted(calls, key=lambda call: not is_silent(call.record)):  # the others look for the silent
            _Folding(store, known, self).fold(candidate)
        order = sorted(range(len(records)), key=lambda position: candidates[position].folded)
        return Folded(records, order, [candidate.freed for candidate in candidates])

    def look_again(self, store: Store, project: str, ids: Sequence[str]) -> None:
        """Fold stored calls with reports of them that were not visible when the calls were written."""
        for record in store.by_ids(project, ids):
            name, before = record.id, pack([record])
            if not is_call(record):
                continue
            self.fold(store, [record])
            if record.id != name:
                store.delete(Query({"project": project, "id": name}))
            if pack([record]) != before:
                store.write([record])

    def remember(self, call: Record) -> None:
        """Remember a call that has no other report, if it is a span."""
        if call.dialect != "otlp" or call.trace_id is None:
            return
        with self._lock:
            self._lone_spans.setdefault((call.project, call.trace_id), deque(maxlen=EACH_RECENT)).append(call.id)
            if len(self._lone_spans) > RECENT:
                self._lone_spans.popitem(last=False)

    def note_folded(self, span: Record, call: Record) -> None:
        """Note that a span was folded into a call in another trace, where its later log events do not find it."""
        if span.trace_id != call.trace_id:
            with self._lock:
                self._folded[span.project, span.id] = call.id
                if len(self._folded) > RECENT:
                    self._folded.popitem(last=False)

    def _remembered(self, calls: Sequence[Record]) -> dict[str, set[str]]:
        """Return the ids, by project, of recent spans in the traces of autolog's calls, and of log events' calls."""
        found: dict[str, set[str]] = {}
        with self._lock:
            for event in calls:
                if event.start_time is None and (call_id := self._folded.get((event.project, event.id))):
                    found.setdefault(event.project, set()).add(call_id)
            for project, trace_id in {(call.project, call.trace_id) for call in calls if call.dialect == "native"}:
                if trace_id is not None and (ids := self._lone_spans.get((project, trace_id))):
                    found.setdefault(project, set()).update(ids)
        return found


def _are_apart(records: Sequence[Record], calls: Sequence[Record]) -> bool:
    """Return whether the calls of a batch are certainly different, if the store has no reports of them.

    This is so if one sender reports each of them once, and no span of the batch is inside one of the calls. It holds
    for nearly all requests, and comparing the calls would take a sixth of the time of a small write.
    """
    if len({sender(call) for call in calls}) > 1:
        return False
    reported = {(call.project, report) for call in calls for report in reports(call).values()}
    if len(reported) < len(calls) or calls[0].dialect != "otlp":
        return len(reported) == len(calls)
    places = {(call.project, call.trace_id, call.span_id) for call in calls}
    return places.isdisjoint((record.project, record.trace_id, record.parent_span_id) for record in records)


@dataclass(frozen=True, slots=True)
class _Folding:
    """Folds the calls of one batch."""

    store: Store
    known: Known
    memory: Deduplicator

    def fold(self, new: Candidate) -> None:
        """Fold a call with all known reports of it."""
        record = new.record
        earlier = self.known.reported(record)
        if earlier is not None and earlier.record.id != record.id:  # it was folded earlier, and has been sent again
            self._fold_again(earlier, new)
            return
        if earlier is None or len(reports(earlier.record)) == 1:
            for other in list(self.known.matching(record)):
                if record.seq is not None and other.record.dialect != "native" and (other.record.seq or 0) > record.seq:
                    continue  # of two stored records the later looks for the other, so that only one decides
                joined = other.record.id in {*self.known.deleted, *reports(record).values()}
                if joined or not is_call(other.record):
                    continue
                is_same = takes(other.record, record) and is_one_call(other.record, record)
                if is_same and not self._join(other, new, earlier):
                    if not is_call(record):  # a step now, at whose place others of the batch find the call
                        self.known.place(new)
                    return
        if record.start_time is None and self.known.is_step(record):
            _forget_bill(record)
        self.known.add(new)
        self._unbill_layers(new)
        if record.kind == "llm":
            self.memory.remember(record)

    def _fold_again(self, known: Candidate, new: Candidate) -> None:
        place = known.record.extra.get("otel") or {}
        if (new.record.trace_id, new.record.span_id) == (place.get("trace_id"), place.get("span_id")):
            _fill_gaps(known.record, new.record)
        else:
            _unbill(new.record, known.record)

    def _join(self, other: Candidate, new: Candidate, earlier: Candidate | None) -> bool:
        """Leave the cost of a call with one of two reports; return whether that is the new one.

        `earlier` is what was known of the new report before: an earlier part of it, or the same one.
        """
        both = {other.record.dialect: other, new.record.dialect: new}
        if both.keys() == {"native", "otlp"} and "otel" not in both["native"].record.extra:
            return self._merge(other, new)
        winner, loser = (new, other) if rank(new.record) > rank(other.record) else (other, new)
        self._bill(winner, loser, new)
        if winner is other and earlier is not None:  # the record was a call of its own until now
            self._change(earlier, partial(_unbill, bearer=other.record))
        return winner is new

    def _merge(self, other: Candidate, new: Candidate) -> bool:
        """Merge a span into autolog's record of the same call; return whether that record is the new one."""
        span, call = (new, other) if new.record.dialect == "otlp" else (other, new)
        self.memory.note_folded(span.record, call.record)
        for part in self.known.parts(span.record):
            self._take(part, new, call)
        if span is not new:
            return True
        _fill_gaps(call.record, span.record)
        self.known.add(call)
        return False

    def _take(self, part: Candidate, new: Candidate, call: Candidate) -> None:
        """Fold a part of a span that came before `new` into the call's record, or into `new` if that is the span."""
        if not part.stored:
            _fill_gaps(call.record, part.record)
            part.folded = True
            return
        self.store.delete(Query({"project": part.record.project, "id": part.record.id}))
        new.freed += part.record.cost or 0.0
        self.known.deleted.add(part.record.id)
        gaps = msgspec.structs.replace(part.record)
        if call is new:
            _fill_gaps(call.record, gaps)
            merge(new.record, gaps)
        else:
            merge(gaps, new.record)
            for name in FIELDS:
                if name != "seq":
                    setattr(new.record, name, getattr(gaps, name))

    def _bill(self, winner: Candidate, loser: Candidate, new: Candidate) -> None:
        """Leave the cost of a call with the winner, and link its reports."""
        if loser.stored:
            new.freed += loser.record.cost or 0.0
        all_of_them = join(winner.record, loser.record)

        def note(record: Record) -> None:
            _share(loser.record, record)
            record.extra.setdefault("reports", {}).update(all_of_them)  # includes the reports folded into the loser

        self._change(loser, partial(_unbill, bearer=winner.record))
        self._change(winner, note)
        self.known.put(winner)

    def _change(self, candidate: Candidate, change: Callable[[Record], None]) -> None:
        change(candidate.record)
        if candidate.stored:
            self.store.update(candidate.record.id, candidate.record.project, change)

    def _unbill_layers(self, new: Candidate) -> None:
        """Leave a single cost with spans of the same call that are nested in each other, one layer at a time.

        In the place of a span that has given its cost to another report stands that report, in whichever trace it is.
        """
        for place, is_above in self.known.around(new.record):
            other = place if is_call(place.record) else self.known.reported(place.record)
            is_itself = other is not None and other.record.id == new.record.id  # as stored, if it was sent again
            if other is None or is_itself or other.folded or not may_be_layers(other.record, new.record):
                continue
            inner, outer = (new, other) if is_above else (other, new)
            same_usage = used(inner.record) == used(outer.record)
            if not same_usage and len(reports(outer.record)) > 1 and outer.record.dialect != "native":
                continue  # the outer span already bears the cost of another call
            if outer.record.dialect == "native" or (same_usage and rank(outer.record) > rank(inner.record)):
                inner, outer = outer, inner  # the call is what was captured on the wire; spans inside it are its steps
            self._bill(inner, outer, new)
            if outer is new:
                return


#: What the report that bears the cost takes from others: who made the call, and how it is listed.
_SHARED = (
    "user", "session", "tags", "prompt_name", "prompt_id", "prompt_version", "input_preview", "output_preview",
    "tool_calls", "request_stream",
)  # fmt: skip


def _share(other: Record, bearer: Record) -> None:
    """Fill in what the bearer of a call's cost lacks and another report of the call has; bodies stay where they are."""
    for name in _SHARED:
        if not getattr(bearer, name):
            setattr(bearer, name, getattr(other, name))
    bearer.metadata = {**other.metadata, **bearer.metadata}


def _unbill(record: Record, bearer: Record) -> None:
    """Turn a report into a step without a cost; `bearer` bears it, and names the model if the report does not."""
    if record.request_model is None and record.response_model is None:
        record.request_model, record.response_model = bearer.request_model, bearer.response_model
        record.provider_name = record.provider_name or bearer.provider_name
    record.kind = "chain"
    _forget_bill(record)


def _forget_bill(record: Record) -> None:
    record.cost, record.custom_cost = None, False
    record.cost_details = unknown("billed with another report of the call").details


_PLACE = ("trace_id", "span_id", "parent_span_id")
_USAGE = (*(name for name in FIELDS if name.startswith("usage")), *BILL)


def _place(span: Record) -> dict[str, str | None]:
    return {name: getattr(span, name) for name in (*_PLACE, "name")}


def _taken(known: Record, span: Record) -> dict[str, Any]:
    """Return the fields that the span knows better: its place in a tree, fuller usage, and a cost if it is missing."""
    taken: dict[str, Any] = {}
    if span.start_time is not None and (known.trace_id == span.trace_id or known.parent_span_id is None):
        taken |= {name: getattr(span, name) for name in _PLACE}
    if _fullness(span) > _fullness(known):
        taken |= {name: getattr(span, name) for name in _USAGE}
    elif known.cost is None and span.cost is not None:
        taken |= {name: getattr(span, name) for name in BILL}
    return taken


def _fullness(record: Record) -> int:
    """Return how many of the input and output token counts are known and not 0, 0 to 2; estimates do not count."""
    if record.extra.get("usage_estimated"):
        return 0
    return sum(map(bool, (record.usage_input_tokens, record.usage_output_tokens)))


def _fill_gaps(known: Record, span: Record) -> None:
    """Reduce a span to the fields that it adds to the known record, and give it that record's id, to be merged."""
    place, taken, both = _place(span), _taken(known, span), join(known, span)
    if span.start_time is None:  # a log event names no parent
        place |= known.extra.get("otel") or {}
    for name in FIELDS:
        if name not in MERGED and getattr(known, name) != DEFAULTS[name]:
            setattr(span, name, DEFAULTS[name])
    for name, value in taken.items():
        setattr(span, name, value)
        setattr(known, name, value)
    if known.status == "ok":  # a reader that stops is an error only to the span
        for name in ("status", "error_type", "error_message"):
            setattr(span, name, DEFAULTS[name])
    span.id, span.project, span.kind, span.dialect = known.id, known.project, "llm", "native"
    span.request_body = span.response_body = None
    for name in MERGED:
        theirs = getattr(known, name)
        setattr(span, name, {key: value for key, value in getattr(span, name).items() if key not in theirs})
    span.extra = {"otel": place, "reports": both}
    known.extra = {**known.extra, "otel": place, "reports": both}
