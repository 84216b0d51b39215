"""Records by a part of their id, as people write it, and the calls that one is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from autolog._record.record import Record
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: Ids that have a text somewhere in them are looked through up to this number.
_LOOKED_THROUGH = 200
#: With how many earlier calls a prompt is compared, to say what the provider's cache did.
_EARLIER = 10


class Finds(Protocol):
    """A store, or a server that is asked for records."""

    def find(self, query: Query, limit: int = 50) -> list[Record]: ...

    def with_bodies(self, records: Iterable[Record]) -> Iterator[Record]: ...


def find_by_part(store: Store, part: str, query: Query | None = None, limit: int = 10) -> list[Record]:
    """Return records, without bodies, by their id: the one with it, else those whose id begins, else ends with it."""
    query = query or Query()
    begins = Condition("id", "ge", (part,)), Condition("id", "lt", (part + "\U0010ffff",))
    found = store.find(query.where(Condition("id", "eq", (part,))), limit)
    found = found or (store.find(query.where(*begins), limit) if part else [])
    if found or not part:
        return found
    inside = store.find(replace(query, ids=(part,)), _LOOKED_THROUGH)
    return [record for record in inside if record.id.endswith(part)][:limit]


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
