"""What requests that read may use: places, memory and threads. One key gets at most half of it.

Otherwise somebody with a key could keep all others from reading: by requests that take long, or by taking the replies
slowly. What is read for a client that has left is ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar
from weakref import WeakValueDictionary

import anyio
from anyio import CancelScope, CapacityLimiter
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from autolog.server._limits import Limits, Load, Part
from autolog.stores._contract import Store

T = TypeVar("T")
#: The number of threads for requests that only read. Each that is busy delays every other thread, and the event loop,
#: by some milliseconds at a time: beside 40 that added up large queries, writing a log took 7 s, beside 8 it takes 0.3.
THREADS = 8
#: The number of threads that read streamed replies; each may hold a whole record.
SENDERS = 4
#: How often the queries of a client that has left are ended, in seconds, until its function returns.
ENDING = 0.05


class Readers(Load):
    """The load of all requests that read, and the threads that serve them."""

    def __init__(self, limits: Limits, load: Load, store: Store) -> None:
        super().__init__(limits.of_reading(), load)
        self.store = store
        self.limits_of_one = limits.of_reading().of_one_key()
        self.threads, self.senders = CapacityLimiter(THREADS), CapacityLimiter(SENDERS)
        self._by_key: WeakValueDictionary[str, Reader] = WeakValueDictionary()

    def of(self, key_id: str) -> Reader:
        """Return the part of one key. To be called on the event loop's thread."""
        found = self._by_key.get(key_id)
        if found is None:
            found = self._by_key[key_id] = Reader(self)
        return found


class Reader(Part):
    """The part of one key in all requests that read."""

    def __init__(self, readers: Readers) -> None:
        super().__init__(readers.limits_of_one, readers)
        self._readers = readers
        self._threads, self._senders = CapacityLimiter(THREADS // 2), CapacityLimiter(SENDERS // 2)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Call a function on one of the threads for reading. The key's further requests wait beside those of others."""
        async with self._threads:
            return await self._on_thread(self._readers.threads, function, *args)

    async def run_for(self, receive: Receive, function: Callable[..., T], *args: object) -> T:
        """Do the same for a client that is still there, whose request has arrived whole.

        Raises:
            ClientDisconnect: if it leaves before the function returns.
        """
        result: list[T] = []
        failure: Exception = ClientDisconnect()
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_when_left, receive, group.cancel_scope)
            try:
                result.append(await self.run(function, *args))
            except Exception as error:  # noqa: BLE001 - raised below, and not as one of a group
                failure = error
            group.cancel_scope.cancel()
        if not result:
            raise failure
        return result[0]

    async def next_piece(self, pieces: Iterator[bytes]) -> bytes | None:
        """Return the next piece of a reply, or None at its end."""
        async with self._senders:
            return await self._on_thread(self._readers.senders, next, pieces, None)

    async def _on_thread(self, limiter: CapacityLimiter, function: Callable[..., T], *args: object) -> T:
        """Call a function on a thread. If the task is cancelled, nobody needs the result, and its queries are ended."""
        ends: list[Callable[[], None]] = []
        left = threading.Event()

        def act() -> T:
            with self._readers.store.reading() as end:
                ends.append(end)
                if left.is_set():
                    raise ClientDisconnect
                return function(*args)

        task = asyncio.ensure_future(anyio.to_thread.run_sync(act, limiter=limiter))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            left.set()
            with anyio.CancelScope(shield=True):
                while not task.done():
                    for end in ends:
                        end()  # as often as there are queries
                    await asyncio.wait({task}, timeout=ENDING)
            task.exception()
            raise


async def _cancel_when_left(receive: Receive, scope: CancelScope) -> None:
    """Cancel a scope when the client leaves."""
    while (message := await receive())["type"] != "http.disconnect":
        if message.get("more_body"):  # of a request that should have none
            return
    scope.cancel()
