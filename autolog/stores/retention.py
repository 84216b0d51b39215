"""Retention: by age, by any filter, by the size of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: Records deleted in one transaction: readers and writers get their turns in between.
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Retain:
    """What a server keeps: records up to an age, and so many bytes; None for no bound."""

    age: timedelta | None = None
    size: int | None = None

    def apply(self, store: Store, ages: Mapping[str, timedelta] | None = None) -> int:
        """Delete what is beyond, and return how many records. Projects in `ages` have ages of their own."""
        deleted, now, own = 0, datetime.now(UTC), ages or {}
        for project, age in own.items():
            deleted += prune_store(store, Query({"project": project}).before(now - age), compact=False)["deleted"]
        if self.age is not None:
            others = Query(conditions=(Condition("project", "neq", tuple(own)),) if own else ())
            deleted += prune_store(store, others.before(now - self.age), compact=False)["deleted"]
        if self.size is not None:
            deleted += prune_store(store, Query(), self.size, compact=False)["deleted"]
        return deleted


def prune_store(
    store: Store, query: Query, max_size: int | None = None, dry_run: bool = False, compact: bool = True
) -> dict[str, Any]:
    """Delete what matches, oldest first; with `max_size` only until the store has so many bytes.

    `compact` gives the space back to the system, for which writers wait; else later records use it.

    Returns `deleted`, and `size` afterwards.
    """
    if dry_run:
        return {"deleted": _surplus(store, query, max_size), "size": store.size()}
    deleted, step = 0, CHUNK
    while True:
        if max_size is not None:
            # Records differ in size: it is measured again after a few
            left = _surplus(store, query, max_size)
            if not left:
                break
            step = min(CHUNK, max(1, left // 50))
        gone = store.delete(query, step, descending=False)
        deleted += gone
        if not gone:
            break
    if deleted and compact:
        store.compact()
    return {"deleted": deleted, "size": store.size()}


def _surplus(store: Store, query: Query, max_size: int | None) -> int:
    """Return about how many of the matching records have to go."""
    matching = store.count(query)
    if max_size is None:
        return matching
    size, all_records = store.size(), store.count(Query())
    if size <= max_size or not all_records:
        return 0
    share = 1 - max_size / size
    return min(matching, round(all_records * share) + 1)
