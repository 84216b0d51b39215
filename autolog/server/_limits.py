"""What the server takes at most, and how it says no. All of it can be set: `Limits(...)`, `autolog serve --help`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from autolog.dialects._fault import Fault


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on requests.

    Attributes:
        body_bytes: the largest request body, as sent. decompressed_bytes: the largest after decompression.
        batch_items: the most records in one native batch, Portkey array or span batch.
        requests_per_second: for each key, with a burst of twice as many; 0 for no limit.
        body_seconds: how long a client may take to send a body.
        memory_bytes: how large all request bodies that the server holds may be together; more are answered 503.
        requests: how many requests may be served or wait at once before further ones are answered 503.
        pending_writes: how many writes may wait for the store before further ones are answered 503.
        delete_all: whether Cloudflare's delete call without filters deletes everything, as with the vendor.
        connections: how many connections at once (`autolog serve`); beyond, the one that is idle longest is closed.
        idle_seconds: how long a connection may stay open without a request on it (`autolog serve`).
    """

    body_bytes: int = 32 * 1024 * 1024
    decompressed_bytes: int = 128 * 1024 * 1024
    batch_items: int = 10_000
    requests_per_second: float = 0
    body_seconds: float = 60
    memory_bytes: int = 512 * 1024 * 1024
    requests: int = 400
    pending_writes: int = 2_000
    delete_all: bool = True
    connections: int = 1_000
    idle_seconds: float = 15


class RateLimiter:
    """A token bucket for each key."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """0 if a request may pass now, else after how many seconds it may."""
        if self._rate <= 0:
            return 0.0
        now, burst = monotonic(), self._rate * 2
        with self._lock:
            if len(self._buckets) > 10_000:
                self._buckets.clear()
            tokens, at = self._buckets.get(key, (burst, now))
            tokens = min(burst, tokens + (now - at) * self._rate)
            if tokens < 1:
                self._buckets[key] = (tokens, now)
                return (1 - tokens) / self._rate
            self._buckets[key] = (tokens - 1, now)
        return 0.0


class Load:
    """What the server has on its hands: requests, and the bytes of their bodies. For the event loop's thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.requests = 0
        self.bytes = 0

    @contextmanager
    def request(self) -> Iterator[Share]:
        """A block that serves one request.

        Raises:
            Fault: 503, there are too many.
        """
        if self.requests >= self._limits.requests:
            raise Fault(503, "the server has too many requests at once", [{"retry_after": 1}])
        self.requests += 1
        share = Share(self)
        try:
            yield share
        finally:
            self.requests -= 1
            self.bytes -= share.bytes

    def take(self, size: int) -> None:
        """Make room for bytes of a body.

        Raises:
            Fault: 503, there is none.
        """
        if self.bytes + size > self._limits.memory_bytes:
            raise Fault(503, "the server has too much on its hands", [{"retry_after": 1}])
        self.bytes += size


class Share:
    """One request's part of the load."""

    __slots__ = ("_load", "bytes")

    def __init__(self, load: Load) -> None:
        self._load = load
        self.bytes = 0

    def hold(self, size: int) -> None:
        """This request's body has so many bytes in memory.

        Raises:
            Fault: 503, with those of others that is too much.
        """
        if size > self.bytes:
            self._load.take(size - self.bytes)
            self.bytes = size
