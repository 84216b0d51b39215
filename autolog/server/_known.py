"""Looks up the records that may report the same calls as those of a batch: once for the batch, and among its own."""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from autolog._record.record import Record
from autolog.server._reports import (
    NEAR,
    begun,
    id_kind,
    is_broken_off,
    is_call,
    is_comparable,
    is_counted,
    is_silent,
    is_untold,
    outcome,
    reports,
    sender,
    used,
)
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query, Tokens

#: The most stored calls that are compared for each response id, and for the same tokens at the same time.
EACH, EACH_USAGE = 20, 50
#: The most calls that are compared among those with the same tokens, before and after the start of a call each.
NEAREST = 25
#: The most records of a trace that are read, and the most levels of it that are followed.
EACH_TRACE, MOST_DEEP = 500, 50
#: The most time ranges in which the calls of a batch are searched: a batch from a journal may span days.
STRETCHES = 20

#: A project, a trace, and a span in it.
_Place = tuple[str, str, str | None]


@dataclass(slots=True, eq=False)
class Candidate:
    """A record that may turn out to be the same call as another one."""

    record: Record
    stored: bool = False
    """Whether the record is in the store, and not only in the batch being written."""
    folded: bool = False
    """Whether it was folded into a later record of the batch; it is then written after that record."""
    start: Any = field(init=False)
    """The time at which the call began, kept here because folding clears it in the record."""
    freed: float = 0.0
    """The dollars taken from stored reports of the same call."""

    def __post_init__(self) -> None:
        self.start = begun(self.record)


class Known:
    """Finds candidates by response id, by the same usage at the same time, and by their place in a trace."""

    def __init__(self, store: Store, records: Sequence[Record]) -> None:
        self.deleted: set[str] = set()
        self._by_id: dict[tuple[str, str], Candidate] = {}
        self._parts: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
        """By project and id: a span and the log events about it have one id."""
        self._by_report: dict[tuple[str, str], Candidate] = {}
        self._by_response: dict[tuple[str, str], _Group] = defaultdict(_Group)
        self._by_usage: dict[tuple[str, Any], dict[str | None, _Group]] = defaultdict(lambda: defaultdict(_Group))
        """By project and usage, and then by the kind of the response id."""
        self._broken_off: dict[str, _Group] = defaultdict(_Group)
        """By project, the calls of which layers may know different counts."""
        self._during: dict[str, list[Candidate]] = defaultdict(list)
        """By project, the stored calls that were made at the time of those that say nothing of themselves."""
        self._by_span: dict[_Place, dict[Candidate, None]] = defaultdict(dict)
        self._by_parent: dict[_Place, dict[Candidate, None]] = defaultdict(dict)
        self._native_by_parent: dict[_Place, dict[Candidate, None]] = defaultdict(dict)
        self._order: dict[Candidate, int] = {}
        """The number of candidates that were placed before each."""
        for project in {record.project for record in records}:
            of_project = [record for record in records if record.project == project]
            others = [call for call in of_project if call.dialect != "native"]
            natives = [call for call in of_project if call.dialect == "native"]
            for asking, native in ((others, None), (natives, False)):  # two native records are never the same call
                self._fetch_responses(store, project, asking, native)
                self._fetch_used(store, project, asking, native)
            self._fetch_during(store, project, [call for call in others if is_silent(call) or is_untold(call)])
            self._fetch_traces(store, project, of_project)

    @property
    def is_empty(self) -> bool:
        """Whether the store has nothing that may be the same call as one of the batch, or be in its trace."""
        return not self._by_id

    def _fetch_responses(self, store: Store, project: str, asking: Sequence[Record], native: bool | None) -> None:
        ids = sorted({record.response_id for record in asking if record.response_id})
        if ids:
            self._note(store.by_response(project, ids, native, EACH))

    def _fetch_used(self, store: Store, project: str, asking: Sequence[Record], native: bool | None) -> None:
        for stretch, since, until in _stretches(filter(is_comparable, asking)):
            tokens = sorted({pair for call in stretch for pair in _token_counts(call)}, key=str)
            each = EACH_USAGE + 2 * len(stretch)
            self._note(store.by_usage(project, tokens, native, since, until, each))

    def _fetch_during(self, store: Store, project: str, silent: Sequence[Record]) -> None:
        """Fetch the calls that were open during those that say nothing of themselves, or not what they used."""
        for stretch, since, until in _stretches(silent):
            query = Query({"project": project, "kind": "llm"}, since=since, until=until, conditions=_of_others(stretch))
            for call in filter(is_call, store.find(query, EACH_USAGE + 2 * len(stretch))):
                self._during[project].append(self._candidate(call))
                self.put(self._candidate(call))

    def _fetch_traces(self, store: Store, project: str, calls: Sequence[Record]) -> None:
        """Fetch the traces of spans, and those of calls that have a parent but no response id."""
        asking = (call for call in calls if call.dialect == "otlp" or (call.parent_span_id and not call.response_id))
        traces = tuple({call.trace_id for call in asking if call.trace_id})
        if traces:
            query = Query({"project": project}, conditions=(Condition("trace_id", "eq", traces),))
            for stored in store.find(query, limit=EACH_TRACE * len(traces)):
                self._place_stored(stored)

    def fetch(self, store: Store, project: str, ids: Collection[str]) -> None:
        """Fetch the records with these ids that are still stored, and place them in their traces."""
        for stored in store.by_ids(project, ids):
            self._place_stored(stored)

    def _place_stored(self, stored: Record) -> None:
        candidate = self._candidate(stored)
        self.place(candidate)
        if is_call(stored):
            self._note_reports(candidate)

    def _candidate(self, stored: Record) -> Candidate:
        key = stored.project, stored.id
        if key not in self._by_id:
            self._by_id[key] = Candidate(stored, stored=True)
            self._parts[key].append(self._by_id[key])
        return self._by_id[key]

    def _note(self, found: Iterable[Record]) -> None:
        for stored in found:
            if (stored.project, stored.id) not in self._by_id and is_call(stored):
                self.put(self._candidate(stored))

    def put(self, candidate: Candidate) -> None:
        """Add a call to the indexes, or update its entries after its reports have changed."""
        record = candidate.record
        self._note_reports(candidate)
        if record.response_id:
            self._by_response[record.project, record.response_id].put(candidate)
        self._by_usage[record.project, used(record)][id_kind(record.response_id)].put(candidate)
        if is_broken_off(record):
            self._broken_off[record.project].put(candidate)

    def _note_reports(self, candidate: Candidate) -> None:
        for report in reports(candidate.record).values():
            self._by_report[candidate.record.project, report] = candidate

    def place(self, candidate: Candidate) -> None:
        """Note a record's place in its trace."""
        record = candidate.record
        if record.trace_id:
            self._by_span[record.project, record.trace_id, record.span_id][candidate] = None
            below = record.project, record.trace_id, record.parent_span_id
            self._by_parent[below][candidate] = None
            if record.dialect == "native":
                self._native_by_parent[below][candidate] = None
            self._order.setdefault(candidate, len(self._order))

    def add(self, new: Candidate) -> None:
        """Add a call of the batch, which later ones may turn out to be the same as."""
        self.place(new)
        self.put(new)
        parts = self._parts[new.record.project, new.record.id]
        if new not in parts:
            parts.append(new)

    def parts(self, record: Record) -> list[Candidate]:
        """Return the known records with the same id that are not part of another record yet."""
        known = self._parts.get((record.project, record.id), ())
        return [part for part in known if not part.folded and not (part.stored and record.id in self.deleted)]

    def reported(self, record: Record) -> Candidate | None:
        """Return the call that a record is already known to report, or None."""
        candidate = self._by_report.get((record.project, record.id))
        return candidate if candidate is not None and is_call(candidate.record) else None

    def is_step(self, record: Record) -> bool:
        """Return whether a record is stored that has the same id and is no call: another report has the bill."""
        known = self._by_id.get((record.project, record.id))
        return known is not None and not is_call(known.record)

    def around(self, record: Record) -> Iterator[tuple[Candidate, bool]]:
        """Yield the ancestors and descendants of a record in order of arrival, each with whether it is an ancestor."""
        above = dict.fromkeys(self._above(record), True)
        found = {**dict.fromkeys(self._below(record), False), **above}
        for candidate in sorted(found, key=self._order.__getitem__):
            if candidate.record.id != record.id and candidate.record.id not in self.deleted:
                yield candidate, found[candidate]

    def _above(self, record: Record) -> Iterator[Candidate]:
        above, steps = record.parent_span_id, 0
        while above is not None and steps < MOST_DEEP:
            found = self._at_span(record, above)
            yield from found
            above, steps = (found[-1].record.parent_span_id if found else None), steps + 1

    def _below(self, record: Record) -> Iterator[Candidate]:
        level, seen = [record.span_id], {record.span_id}
        for _ in range(MOST_DEEP):
            found = [candidate for span in level if span is not None for candidate in self._at_parent(record, span)]
            if not found:
                return
            yield from found
            level = [candidate.record.span_id for candidate in found if candidate.record.span_id not in seen]
            seen.update(level)

    def _at_span(self, record: Record, span: str | None) -> list[Candidate]:
        found = self._by_span.get((record.project, record.trace_id or "", span), ())
        return [candidate for candidate in found if candidate.record.span_id == span]  # folding may have moved a record

    def _at_parent(self, record: Record, span: str | None) -> list[Candidate]:
        found = self._by_parent.get((record.project, record.trace_id or "", span), ())
        return [candidate for candidate in found if candidate.record.parent_span_id == span]

    def _in_place(self, record: Record) -> list[Candidate]:
        """Return the spans that an SDK call may be the same as by its place in the trace, or vice versa."""
        above = record.parent_span_id
        if record.dialect == "native":
            return [*self._at_span(record, above), *self._at_parent(record, above)]
        places = [(record.project, record.trace_id or "", span) for span in (above, record.span_id)]
        found = ((candidate, place[-1]) for place in places for candidate in self._native_by_parent.get(place, ()))
        return [candidate for candidate, span in found if candidate.record.parent_span_id == span]

    def matching(self, record: Record) -> Iterator[Candidate]:
        """Yield the calls that may be the same as a record; of similar ones those nearest in time first."""
        groups = [self._by_response[record.project, record.response_id]] if record.response_id else []
        kind = id_kind(record.response_id)
        by_kind = self._by_usage[record.project, used(record)]
        groups += [group for other, group in by_kind.items() if kind is None or other != kind]  # ids of one kind decide
        if (record.dialect == "otlp" and is_counted(record)) or (is_broken_off(record) and not is_untold(record)):
            groups += self._by_usage[record.project, (None, None, outcome(record))].values()
        if is_untold(record):
            groups.append(self._broken_off[record.project])
        during = self._during[record.project] if is_silent(record) else []
        for others in (*(group.nearest(record) for group in groups), during, self._in_place(record)):
            found = [
                candidate
                for candidate in others
                if not candidate.folded and is_call(candidate.record) and candidate.record.id != record.id
            ]
            for candidate in sorted(found, key=lambda candidate: _distance(candidate.record, record)):
                if candidate.record.id not in self.deleted:
                    yield candidate


class _Group:
    """Similar calls, grouped by their senders; there may be thousands, if the same prompt is sent again and again."""

    def __init__(self) -> None:
        self._by_senders: dict[frozenset[str], list[Candidate]] = defaultdict(list)
        self._senders: dict[Candidate, frozenset[str]] = {}

    def put(self, candidate: Candidate) -> None:
        """Add a call, or move it to the group of its current senders."""
        senders = frozenset(reports(candidate.record))
        before = self._senders.get(candidate)
        if before == senders:
            return
        if before is not None:
            self._by_senders[before].remove(candidate)
        self._senders[candidate] = senders
        insort(self._by_senders[senders], candidate, key=attrgetter("start"))

    def nearest(self, record: Record) -> Iterator[Candidate]:
        """Yield those calls without a report by the record's sender that began nearest to the record."""
        name, at = sender(record), begun(record)
        for senders, candidates in self._by_senders.items():
            if name not in senders:
                place = bisect_left(candidates, at, key=attrgetter("start"))
                yield from candidates[max(0, place - NEAREST) : place + NEAREST]


def _token_counts(record: Record) -> Iterator[Tokens]:
    """Yield the input and output tokens that reports of a record's call may have."""
    tokens, output, _ = used(record)
    yield from itertools.product([tokens] if tokens else [None, 0], [output] if output else [None, 0])
    if record.dialect == "otlp" or is_broken_off(record):  # of a span that says nothing
        yield None, None


def _distance(one: Record, other: Record) -> timedelta:
    """Return the sum of the differences between the starts and between the ends of two calls."""
    between: timedelta = abs(begun(one) - begun(other))  # type: ignore[operator]
    return between + (abs(one.end_time - other.end_time) if one.end_time and other.end_time else timedelta(0))


def _of_others(calls: Sequence[Record]) -> tuple[Condition, ...]:
    """Return a condition for reports of other senders, if all these calls are of one that has a dialect of its own.

    Many senders never say what their calls used, and most projects have records of one sender alone.
    """
    dialects = {call.dialect for call in calls}
    return () if len(dialects) > 1 or "otlp" in dialects else (Condition("dialect", "neq", (*dialects,)),)


def _stretches(records: Iterable[Record]) -> Iterator[tuple[list[Record], datetime, datetime]]:
    """Yield groups of calls made at about the same time, with the range in which a duplicate may have begun."""
    ordered = sorted(records, key=begun)  # type: ignore[arg-type]
    if not ordered:
        return
    times: list[datetime] = [begun(record) for record in ordered]  # type: ignore[misc]
    gap = max(2 * NEAR, (times[-1] - times[0]) / STRETCHES)
    first = 0
    for end in range(1, len(times) + 1):
        if end == len(times) or times[end] - times[end - 1] > gap:
            yield ordered[first:end], _shifted(times[first], -NEAR), _shifted(times[end - 1], NEAR)
            first = end


def _shifted(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:  # the result is before the first or after the last date that Python has
        return at.astimezone(UTC)
