"""What requests that read may use: places, memory and threads. One key gets at most half of it.

Otherwise somebody with a key could keep all others from reading: by requests that take long, or by taking the replies
slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar
from weakref import WeakValueDictionary

import anyio
from anyio import CapacityLimiter

from autolog.server._limits import Limits, Load

T = TypeVar("T")
#: The number of threads for requests that only read. Each that is busy delays every other thread, and the event loop,
#: by some milliseconds at a time: beside 40 that added up large queries, writing a log took 7 s, beside 8 it takes 0.3.
THREADS = 8
#: The number of threads that read streamed replies; each may hold a whole record.
SENDERS = 4


class Readers(Load):
    """The load of all requests that read, and the threads that serve them."""

    def __init__(self, limits: Limits, load: Load) -> None:
        super().__init__(limits.of_reading(), load)
        self.limits_of_one = limits.of_reading().of_one_key()
        self.threads, self.senders = CapacityLimiter(THREADS), CapacityLimiter(SENDERS)
        self._by_key: WeakValueDictionary[str, Reader] = WeakValueDictionary()

    def of(self, key_id: str) -> Reader:
        """Return the part of one key. To be called on the event loop's thread."""
        found = self._by_key.get(key_id)
        if found is None:
            found = self._by_key[key_id] = Reader(self)
        return found


class Reader(Load):
    """The part of one key in all requests that read. Its only reply may be larger than its part of the memory."""

    def __init__(self, readers: Readers) -> None:
        super().__init__(readers.limits_of_one, readers)
        self._readers = readers
        self._threads, self._senders = CapacityLimiter(THREADS // 2), CapacityLimiter(SENDERS // 2)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Call a function on one of the threads for reading. The key's further requests wait beside those of others."""
        async with self._threads:
            return await anyio.to_thread.run_sync(function, *args, limiter=self._readers.threads)

    async def next_piece(self, pieces: Iterator[bytes]) -> bytes | None:
        """Return the next piece of a reply, or None at its end."""
        async with self._senders:
            return await anyio.to_thread.run_sync(next, pieces, None, limiter=self._readers.senders)

    def check_alone(self, size: int) -> None:
        self._readers.check_alone(size)

    def _exceeds(self, size: int) -> bool:
        return self.bytes > 0 and super()._exceeds(size)
