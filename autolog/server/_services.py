"""The services that handlers use: one set for each application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import anyio
from anyio import CapacityLimiter

from autolog.server._bodies import Doorway
from autolog.server._budgets import Spending
from autolog.server._duplicates import Deduplicator
from autolog.server._ingest import Ingest
from autolog.server._keys import Keyring
from autolog.server._limits import Limits, Load, Part, RateLimiter
from autolog.server._logs import RequestLog
from autolog.server._metrics import Metrics
from autolog.server._notify import Notifier
from autolog.server._readers import Readers
from autolog.server._readiness import Readiness
from autolog.server._second_look import SecondLook
from autolog.server._sessions import Sessions
from autolog.server._watch import Watch
from autolog.server._writer import Writer
from autolog.stores._contract import Store
from autolog.stores.retention import Retain

T = TypeVar("T")
#: The number of threads for requests that write outside the writer's thread. Those that read have their own (see
#: `_readers`), so that a slow disk does not hold up the dashboard.
THREADS = 40
#: The number of threads that look up who makes a request, which must not wait for those that read.
LOOKUPS = 1


class Services:
    """The services that handlers use: one set for each application."""

    def __init__(
        self,
        store: Store,
        api_key: str | None,
        limits: Limits,
        budgets: Sequence[Any] = (),
        retain: Retain | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self.store = store
        self.retain = retain or Retain()
        self.limits = limits
        self.writer = Writer(store, limits.pending_writes)
        self.keyring = Keyring(store, api_key)
        self.sessions = Sessions(store, self.writer, self.keyring)
        self.readiness = Readiness(self.writer)
        self.doorway = Doorway(limits)
        self.rates = RateLimiter(limits.requests_per_second)
        self.load = Load(limits)
        self.readers = Readers(limits, self.load, store)
        self._writing: WeakValueDictionary[str, Part] = WeakValueDictionary()
        self.log = RequestLog()
        self.metrics = Metrics(store, self.writer, self.load)
        self.spending = Spending(budgets, store, self.keyring, self.writer)
        duplicates = Deduplicator()
        self.second_look = SecondLook(store, self.writer, duplicates)
        self.ingest = Ingest(duplicates, self.spending, self.metrics, self.second_look)
        self.notifier = notifier or Notifier()
        self.watch = Watch(store, self.writer, self.notifier)
        self._refreshing = asyncio.Lock()
        self._lookups = CapacityLimiter(LOOKUPS)
        self._threads = CapacityLimiter(THREADS)

    def load_of_writer(self, key_id: str) -> Load:
        """Return the part of one key in the load by requests that write. To be called on the event loop's thread."""
        found = self._writing.get(key_id)
        if found is None:
            found = self._writing[key_id] = Part(self.limits.of_one_writer(), self.load)
        return found

    async def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function on a thread of the pool for requests that write."""
        return await anyio.to_thread.run_sync(function, *args, limiter=self._threads)

    async def look_up(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function that finds out who makes a request on a thread of its own."""
        return await anyio.to_thread.run_sync(function, *args, limiter=self._lookups)

    def refresh_keys(self, at_once: bool = False) -> None:
        """Read the keys and the settings of projects again if they are out of date. Blocks: call it on a thread."""
        self.keyring.refresh(at_once)
        self.spending.follow(self.keyring.settings)

    async def refresh(self, sessions: bool = False, unknown: bool = False) -> None:
        """Read the keys, and with `sessions` the sessions, again if they are out of date, once for all tasks that wait.

        With `unknown`, a session was not found, and another server may have just opened it.
        """
        known = self.sessions.recent if unknown else self.sessions.fresh
        if self.keyring.fresh and (known or not sessions):
            return
        async with self._refreshing:
            await self.look_up(self.refresh_keys)
            if sessions:
                await self.look_up(self.sessions.refresh, unknown and not self.sessions.recent)
