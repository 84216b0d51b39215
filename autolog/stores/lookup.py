"""Records and traces by a part of their id, as people write it, and the calls that one is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from autolog._record.record import Record
from autolog.stores._contract import Store
from autolog.stores.filters import FilterError
from autolog.stores.query import Condition, Query

#: Ids that have a text somewhere in them are looked through up to this number.
_LOOKED_THROUGH = 200
#: How many records or traces are listed if a part of an id does not tell which one is meant.
CANDIDATES = 10
#: With how many earlier calls a prompt is compared, to say what the provider's cache did.
_EARLIER = 10


class Finds(Protocol):
    """A store, or a server that is asked for records."""

    def find(self, query: Query, limit: int = 50) -> list[Record]: ...

    def with_bodies(self, records: Iterable[Record]) -> Iterator[Record]: ...


def find_by_part(store: Store, part: str, query: Query | None = None, limit: int = CANDIDATES) -> list[Record]:
    """Return records, without bodies, by their id: the one with it, else those whose id begins, else ends with it."""
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
    """Return a query with the whole id of its trace, where the beginning or the end of it is given.

    A query that names no trace, or none that is there, comes back as it is.

    Raises:
        FilterError: several traces have such an id. It lists them.
    """
    part = query.equal.get("trace_id")
    if not part:
        return query
    project = query.equal.get("project")
    every = Query({} if project is None else {"project": project})
    if store.find(every.where(trace_id=part), 1):
        return query
    found = _traces_by_part(store, every, part)
    if len(found) > 1:
        listed = [_first_of(store, every.where(trace_id=trace_id)) for trace_id in found[:CANDIDATES]]
        more = ["  …"] if len(found) > CANDIDATES else []
        words = f"{part[:50]!r} begins or ends the ids of several traces:"
        raise FilterError("trace", "\n".join([words, *listed, *more]))
    return query.where(trace_id=found[0]) if found else query


def _traces_by_part(store: Store, query: Query, part: str) -> list[str]:
    """Return ids of traces: those that begin with a text, else those that end with it."""
    found = store.summarise(query.where(*_begins("trace_id", part)), "trace_id", CANDIDATES + 1)
    if not found:
        inside = store.summarise(query.where(Condition("trace_id", "contains", (part,))), "trace_id", _LOOKED_THROUGH)
        found = [one for one in inside if str(one.value).endswith(part)]
    return [str(one.value) for one in found]


def _first_of(store: Store, query: Query) -> str:
    """Return a line about a trace: its id, when it began, and the name of its first span."""
    first = store.find(query, 1, newest_first=False)[0]
    began = "" if first.created_at is None else f"{first.created_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"  {first.trace_id}  {began}  {first.name or '?'}"


def calls_before(store: Finds, record: Record) -> list[Record]:
    """Return, with their bodies, the calls before a record that it may have a prompt in common with."""
    at = record.start_time or record.created_at
    if record.kind != "llm" or at is None:
        return []
    asked = {"session": record.session, "caller": record.caller}
    if not any(asked.values()):
        asked = {"model": record.request_model}
    found: dict[str, Record] = {}
    for name, value in asked.items():
        if value:
            query = Query({"project": record.project, "kind": "llm", name: value}, until=at)
            found |= {one.id: one for one in store.find(query, _EARLIER)}
    return list(store.with_bodies(found.values()))
