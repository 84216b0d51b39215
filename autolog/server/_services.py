"""What handlers work with: made once for an application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import anyio
import msgspec
from anyio import CapacityLimiter

from autolog._record.record import Record
from autolog.server._budgets import Spending
from autolog.server._duplicates import Doubles
from autolog.server._keys import Keyring
from autolog.server._limits import Limits, Load, RateLimiter
from autolog.server._metrics import Metrics
from autolog.server._writer import Writer
from autolog.stores._contract import Store
from autolog.stores.query import Condition, Query

T = TypeVar("T")
#: Threads for requests that write off the writer's thread, and as many for those that only read: a slow disk stops
#: no page.
THREADS = 40


class Services:
    """What handlers work with: made once for an application."""

    def __init__(self, store: Store, keyring: Keyring, limits: Limits, writer: Writer) -> None:
        self.store = store
        self.keyring = keyring
        self.limits = limits
        self.writer = writer
        self.rates = RateLimiter(limits.requests_per_second)
        self.load = Load(limits)
        self.metrics = Metrics(store, writer, self.load)
        self.doubles = Doubles()
        self.spending: Spending | None = None
        self._threads = (CapacityLimiter(THREADS), CapacityLimiter(THREADS))

    def write(self, store: Store, records: Sequence[Record]) -> list[tuple[int, float]]:
        """Write records, of several calls perhaps; returns the place of each, and what it adds to the costs."""
        costs = self._added_costs(store, records) if self.spending is not None else [0.0] * len(records)
        return list(zip(self.doubles.write(store, records), costs, strict=True))

    def _added_costs(self, store: Store, records: Sequence[Record]) -> list[float]:
        """What each record costs more than is known already: a log may be sent twice, or in parts."""
        known: dict[tuple[str, str], float] = {}
        for project in {record.project for record in records}:
            ids = tuple({record.id for record in records if record.project == project})
            query = Query({"project": project}, conditions=(Condition("id", "eq", ids),))
            known |= {(project, old.id): old.cost or 0.0 for old in store.find(query, len(ids))}
        added = []
        for record in records:
            key = (record.project, record.id)
            added.append((record.cost or 0.0) - known.get(key, 0.0))
            known[key] = record.cost or known.get(key, 0.0)
        return added

    def kept(self, records: Sequence[Record], costs: Iterable[float]) -> None:
        """Count a call's records, which are on disk now, and what they add to the costs."""
        if records:
            self.metrics.kept(records[0].dialect, len(records))
        if self.spending is not None:
            priced = zip(records, costs, strict=True)
            self.spending.spend([msgspec.structs.replace(record, cost=cost) for record, cost in priced if cost > 0])

    async def in_thread(self, writes: bool, function: Callable[..., T], *args: Any) -> T:
        """Call a function on a thread for its kind of request."""
        return await anyio.to_thread.run_sync(function, *args, limiter=self._threads[writes])
