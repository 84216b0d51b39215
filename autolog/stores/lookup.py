"""Records by a part of their id, as people write it."""

from __future__ import annotations

from dataclasses import replace

from autolog._record.record import Record
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: Ids that have a text somewhere in them are looked through up to this number.
_LOOKED_THROUGH = 200


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
