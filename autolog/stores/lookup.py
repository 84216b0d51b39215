"""Find records and traces by part of their id, and earlier calls to compare a call with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from autolog._record.record import Record
from autolog.stores._contract import Store
from autolog.stores.query import Condition, FilterError, Query

#: The most ids containing a text that are checked for ending with it.
_LOOKED_THROUGH = 200
#: The most records or traces that are listed if part of an id is ambiguous.
CANDIDATES = 10
#: The most earlier calls with which a prompt is compared to explain prompt caching.
_EARLIER = 10


class Finds(Protocol):
    """A store or a server in which records can be found."""

    def find(self, query: Query, limit: int = 50) -> list[Record]: ...

    def with_bodies(self, records: Iterable[Record]) -> Iterator[Record]: ...


def find_by_part(store: Store, part: str, query: Query | None = None, limit: int = CANDIDATES) -> list[Record]:
    """Return the records, without bodies, with the id `part`; failing that, whose ids begin, or else end, with it."""
    query = query or Query()
    found = store.find(query.where(Condition("id", "eq", (part,))), limit)
    found = found or (store.find(query.where(*_begins("id", part)), limit) if part else [])
    if found or not part:
        return found
    inside = store.find(replace(query, ids=(part,)), _LOOKED_THROUGH)
    return [record for record in inside if record.id.endswith(part)][:limit]


def _begins(field: str, part: str) -> tuple[Condition, Condition]:
    return Condition(field, "ge", (part,)), Condition(field, "lt", (part + "\U0010ffff",))


def with_whole_trace(store: Store, query: Query) -> Query:
    """Complete the trace id in a query: a part of it may be given, or of the id of a record in the trace.

    A query without a trace id, or with an unknown one, is returned unchanged.

    Raises:
        FilterError: if the id is ambiguous; the message lists the traces.
    """
    part = query.equal.get("trace_id")
    if not part:
        return query
    project = query.equal.get("project")
    every = Query({} if project is None else {"project": project})
    if store.find(every.where(trace_id=part), 1):
        return query
    found = _traces_by_part(store, every, part) or _traces_of_records(store, every, part)
    if len(found) > 1:
        listed = [_first_of(store, every.where(trace_id=trace_id)) for trace_id in found[:CANDIDATES]]
        more = ["  …"] if len(found) > CANDIDATES else []
        words = f"{part[:50]!r} begins or ends the ids of several traces, or of records in them:"
        raise FilterError("trace", "\n".join([words, *listed, *more]))
    return query.where(trace_id=found[0]) if found else query


def _traces_by_part(store: Store, query: Query, part: str) -> list[str]:
    """Return the trace ids that begin with a text or, if there are none, those that end with it."""
    found = store.summarise(query.where(*_begins("trace_id", part)), "trace_id", CANDIDATES + 1)
    if not found:
        inside = store.summarise(query.where(Condition("trace_id", "contains", (part,))), "trace_id", _LOOKED_THROUGH)
        found = [summary for summary in inside if str(summary.value).endswith(part)]
    return [str(summary.value) for summary in found]


def _traces_of_records(store: Store, query: Query, part: str) -> list[str]:
    """Return the ids of the traces of the records that `find_by_part` finds."""
    return [*dict.fromkeys(record.trace_id for record in find_by_part(store, part, query) if record.trace_id)]


def _first_of(store: Store, query: Query) -> str:
    """Return a line describing a trace: its id, its start, and the name of its first span."""
    first = store.find(query, 1, newest_first=False)[0]
    began = "" if first.created_at is None else f"{first.created_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"  {first.trace_id}  {began}  {first.name or '?'}"


def calls_before(store: Finds, record: Record) -> list[Record]:
    """Return the calls before a record that may share its prompt, with their bodies."""
    at = record.start_time or record.created_at
    if record.kind != "llm" or at is None:
        return []
    fields = {"session": record.session, "caller": record.caller}
    if not any(fields.values()):
        fields = {"model": record.request_model}
    found: dict[str, Record] = {}
    for name, value in fields.items():
        if value:
            query = Query({"project": record.project, "kind": "llm", name: value}, until=at)
            found |= {earlier.id: earlier for earlier in store.find(query, _EARLIER)}
    return list(store.with_bodies(found.values()))
