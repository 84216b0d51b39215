"""Delete old records: by age, by any filter, or until the store is small enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

#: The number of records deleted in one transaction, so that readers and writers get a turn in between.
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Retain:
    """A server's retention policy: the maximum age of records, and the store's maximum bytes; None for no limit."""

    age: timedelta | None = None
    size: int | None = None

    def apply(self, store: Store, ages: Mapping[str, timedelta] | None = None) -> int:
        """Delete records beyond the limits, and return how many. Projects in `ages` have their own maximum age."""
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
    """Delete matching records, the oldest first; with `max_size`, only until the store is at most that many bytes.

    With `compact`, the freed space is returned to the file system, which blocks writers; else later records use it.
    With `dry_run`, nothing is deleted, and the numbers are an estimate.

    Returns:
        The number of records `deleted`, and the store's `size` in bytes afterwards.
    """
    if dry_run:
        return {"deleted": _surplus(store, query, max_size), "size": store.size()}
    deleted, step = 0, CHUNK
    while True:
        if max_size is not None:
            # Records differ in size, so measure again after a few
            left = _surplus(store, query, max_size)
            if not left:
                break
            step = min(CHUNK, max(1, left // 50))
        batch = store.delete(query, step, descending=False)
        deleted += batch
        if not batch:
            break
    if deleted and compact:
        store.compact()
    return {"deleted": deleted, "size": store.size()}


def _surplus(store: Store, query: Query, max_size: int | None) -> int:
    """Return an estimate of the number of matching records to delete."""
    matching = store.count(query)
    if max_size is None:
        return matching
    size, all_records = store.size(), store.count(Query())
    if size <= max_size or not all_records:
        return 0
    share = 1 - max_size / size
    return min(matching, round(all_records * share) + 1)
