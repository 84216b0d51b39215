"""The limits of the server. Those of `Limits` can be set: by `Limits(...)` or options of `autolog serve`.

Clients that have not shown a valid key get a small fixed share, whatever the settings: the `ANONYMOUS_` constants, and
`HEADER_BYTES` and `HEADERS` for the head of any request.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Self

from autolog.dialects._fault import Fault

#: The largest head of a request (request line and headers), in bytes, and the most headers; more is answered with 431.
HEADER_BYTES = 32 * 1024
HEADERS = 200
#: The largest body of a request that is read before its key is known, both as sent and decompressed, in bytes: a login
#: form, or a PromptLayer call with the key inside.
ANONYMOUS_BODY_BYTES = 1024 * 1024
#: The most such bodies that are read at once; when another one arrives, the read that started first is aborted.
ANONYMOUS_BODIES = 16
#: The longest that such a body may take to arrive, in seconds.
ANONYMOUS_BODY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on requests.

    Attributes:
        body_bytes: the largest request body as sent, in bytes.
        decompressed_bytes: the largest request body after decompression, in bytes.
        batch_items: the most records in one native batch, Portkey array or span batch, rejected ones included.
        requests_per_second: the rate for each key, with bursts of twice as many; 0 for no limit.
        body_seconds: the longest that a client may take to send a body, in seconds.
        memory_bytes: the total size of all bodies that the server holds, of requests and of long replies, in bytes;
            requests beyond that are answered with 503. Requests that read may hold half of it, and those of one key
            half of that, or a single reply.
        requests: the most requests that are served or wait at the same time; further ones are answered with 503.
            Requests that read may be half of them, and half as many as there may be connections; those of one key half
            of that. Requests of one key that write may be three quarters of all, and have three quarters of the memory.
        streams: the most replies that are streamed at the same time (`/api/v1/tail`, the live list of logs, lists and
            exports with bodies), and at most a quarter of the connections, those of one key half of that; further ones
            are answered with 503.
        pending_writes: the most writes that wait for the store; further ones are answered with 503.
        delete_all: whether Cloudflare's delete call without filters deletes everything, as it does at the vendor.
        connections: the most open connections (`autolog serve`); beyond that, the one is closed that has waited
            longest: idle, without a valid key, or for its client to take a reply.
        idle_seconds: how long a connection may stay open without a request, or its client take nothing of a reply
            (`autolog serve`), in seconds.
    """

    body_bytes: int = 32 * 1024 * 1024
    decompressed_bytes: int = 128 * 1024 * 1024
    batch_items: int = 10_000
    requests_per_second: float = 0
    body_seconds: float = 60
    memory_bytes: int = 512 * 1024 * 1024
    requests: int = 400
    streams: int = 100
    pending_writes: int = 2_000
    delete_all: bool = True
    connections: int = 1_000
    idle_seconds: float = 15

    def of_reading(self) -> Limits:
        """Return the limits for all requests that only read, which leave room for those that write."""
        return replace(
            self,
            requests=max(1, min(self.requests, self.connections) // 2),
            streams=max(1, min(self.streams, self.connections // 4)),
            memory_bytes=self.memory_bytes // 2,
        )

    def of_one_key(self) -> Limits:
        """Return the limits for the requests of one key, which leave room for those of others."""
        return replace(
            self,
            requests=max(1, self.requests // 2),
            streams=max(1, self.streams // 2),
            memory_bytes=self.memory_bytes // 2,
        )

    def of_one_writer(self) -> Limits:
        """Return the limits for the requests of one key that write, which leave room for those of others."""
        return replace(self, requests=max(1, self.requests * 3 // 4), memory_bytes=self.memory_bytes * 3 // 4)

    def anonymous(self) -> Limits:
        """Return the limits for a request that is read before its key is known."""
        return replace(
            self,
            body_bytes=min(self.body_bytes, ANONYMOUS_BODY_BYTES),
            decompressed_bytes=min(self.decompressed_bytes, ANONYMOUS_BODY_BYTES),
            body_seconds=min(self.body_seconds, ANONYMOUS_BODY_SECONDS),
            memory_bytes=3 * ANONYMOUS_BODIES * ANONYMOUS_BODY_BYTES,  # each as sent, and with both codings removed
        )


class RateLimiter:
    """Limits the rate of requests, with a token bucket for each key."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """Return 0 if a request may pass now, else the seconds until it may."""
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
    """The current load: requests, streamed replies, and the bytes of bodies in memory.

    A load may be a part of a whole one, which then counts the same and has limits of its own.
    """

    def __init__(self, limits: Limits, whole: Load | None = None) -> None:
        self._limits = limits
        self._whole = whole
        self._lock = threading.Lock()
        self.requests = 0
        self.streams = 0
        self.bytes = 0

    def request(self) -> Share:
        """Return a context manager that counts a request. To be called on the event loop's thread.

        Raises:
            Fault: 503, if there are too many requests.
        """
        self._check_requests()
        return Share(self)

    def _check_requests(self) -> None:
        if self.requests >= self._limits.requests:
            raise Fault(503, "the server has too many requests at once; try again later", retry_after=1)
        if self._whole is not None:
            self._whole._check_requests()

    def count(self, requests: int) -> None:
        """Add to the number of requests. To be called on the event loop's thread."""
        self.requests += requests
        if self._whole is not None:
            self._whole.count(requests)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Count a streamed reply while the block sends it. To be called on the event loop's thread."""
        self._count_streams(1)
        try:
            yield
        finally:
            self._count_streams(-1)

    def _count_streams(self, streams: int) -> None:
        self.streams += streams
        if self._whole is not None:
            self._whole._count_streams(streams)

    def check_streams(self) -> None:
        """Check that another reply may be streamed.

        Raises:
            Fault: 503, if there are too many streams.
        """
        if self.streams >= self._limits.streams:
            raise Fault(503, "the server is sending too many long replies; try again later", retry_after=5)
        if self._whole is not None:
            self._whole.check_streams()

    def check_alone(self, size: int) -> None:
        """Check that one body fits into the memory for all of them: a client would repeat it for ever after a 503.

        Raises:
            Fault: 413, if it does not.
        """
        if size > self._limits.memory_bytes:
            raise Fault(413, f"the body takes more than {self._limits.memory_bytes} bytes")

    def add(self, size: int) -> None:
        """Add to the bytes of bodies in memory; a negative size subtracts. Thread-safe.

        Raises:
            Fault: 503, if there would be too many bytes.
        """
        with self._lock:
            if size > 0 and self._exceeds(size):
                raise Fault(503, "the server is holding too many bodies; try again later", retry_after=1)
            if self._whole is not None:
                self._whole.add(size)
            self.bytes += size

    def _exceeds(self, size: int) -> bool:
        return self.bytes + size > self._limits.memory_bytes


class Part(Load):
    """The part of one key in a whole load. Its only body may be larger than its part of the memory."""

    def __init__(self, limits: Limits, whole: Load) -> None:
        super().__init__(limits, whole)
        self._all = whole

    def check_alone(self, size: int) -> None:
        self._all.check_alone(size)

    def _exceeds(self, size: int) -> bool:
        return self.bytes > 0 and super()._exceeds(size)


class Share:
    """The part of the load that one request causes."""

    __slots__ = ("_load", "bytes")

    def __init__(self, load: Load) -> None:
        self._load = load
        self.bytes = 0

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def begin(self) -> None:
        """Count the request from now on."""
        self._load.count(1)

    def end(self) -> None:
        """Stop counting the request and its body."""
        self._load.count(-1)
        self.release()

    def hold(self, size: int) -> None:
        """Count `size` as the bytes of this request's body in memory, before they are allocated.

        Raises:
            Fault: 503, if all bodies together would be too large; 413, if this one is by itself.
        """
        if size > self.bytes:
            self._load.check_alone(size)
            self._load.add(size - self.bytes)
            self.bytes = size

    def release(self) -> None:
        """Stop counting this request's body."""
        if self.bytes:
            self._load.add(-self.bytes)
            self.bytes = 0
