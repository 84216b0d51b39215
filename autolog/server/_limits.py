"""What the server accepts at most. All of `Limits` can be set: `Limits(...)`, `autolog serve --help`.

Whoever has shown no valid key yet gets a small fixed share, whatever the settings: the `ANONYMOUS_` constants, and
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

#: The largest head of a request (request line and headers), in bytes, and how many headers it may have; more is 431.
HEADER_BYTES = 32 * 1024
HEADERS = 200
#: The largest body of a request whose key is not known before the body is read, as sent and decompressed, in bytes:
#: a login form, or a PromptLayer call with the key inside.
ANONYMOUS_BODY_BYTES = 1024 * 1024
#: How many such bodies are read at once; when one more arrives, the one that has taken longest is given up.
ANONYMOUS_BODIES = 16
#: How long such a body may take to arrive, in seconds.
ANONYMOUS_BODY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on requests.

    Attributes:
        body_bytes: the largest request body, as sent. decompressed_bytes: the largest after decompression.
        batch_items: the most records in one native batch, Portkey array or span batch, rejected ones included.
        requests_per_second: for each key, with a burst of twice as many; 0 for no limit.
        body_seconds: how long a client may take to send a body.
        memory_bytes: how large all bodies that the server holds may be together, of requests and of replies that are
            sent piece by piece; more are answered 503.
        requests: how many requests may be served or wait at once before further ones are answered 503.
        streams: how many replies may be sent piece by piece at once (`/api/v1/tail`, the live list of logs, lists and
            exports with bodies) before further ones are answered 503.
        pending_writes: how many writes may wait for the store before further ones are answered 503.
        delete_all: whether Cloudflare's delete call without filters deletes everything, as with the vendor.
        connections: how many connections at once (`autolog serve`); beyond, the one that is idle longest is closed,
            or else the one that has waited longest without a valid key.
        idle_seconds: how long a connection may stay open without a request on it (`autolog serve`).
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

    def anonymous(self) -> Limits:
        """Return the bounds on a request whose key is not known before its body is read."""
        return replace(
            self,
            body_bytes=min(self.body_bytes, ANONYMOUS_BODY_BYTES),
            decompressed_bytes=min(self.decompressed_bytes, ANONYMOUS_BODY_BYTES),
            body_seconds=min(self.body_seconds, ANONYMOUS_BODY_SECONDS),
            memory_bytes=3 * ANONYMOUS_BODIES * ANONYMOUS_BODY_BYTES,  # each as sent, and with both codings removed
        )


class RateLimiter:
    """A token bucket for each key."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """Return 0 if a request may pass now, else after how many seconds it may."""
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
    """The current load: requests, replies sent piece by piece, and the bytes of bodies in memory."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self.requests = 0
        self.streams = 0
        self.bytes = 0

    def request(self) -> Share:
        """Return the share of a request, which is counted while a `with` block serves it. For the event loop's thread.

        Raises:
            Fault: 503, there are too many.
        """
        if self.requests >= self._limits.requests:
            raise Fault(503, "the server has too many requests at once; try again later", retry_after=1)
        return Share(self)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Count a reply while the block sends it piece by piece. For the event loop's thread."""
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    def check_streams(self) -> None:
        """Refuse one more reply piece by piece if there are too many.

        Raises:
            Fault: 503.
        """
        if self.streams >= self._limits.streams:
            raise Fault(503, "the server is sending too many long replies; try again later", retry_after=5)

    def add(self, size: int) -> None:
        """Count bytes of a body, or no longer count them (negative). From any thread.

        Raises:
            Fault: 503, there are too many.
        """
        with self._lock:
            if size > 0 and self.bytes + size > self._limits.memory_bytes:
                raise Fault(503, "the server is holding too many bodies; try again later", retry_after=1)
            self.bytes += size


class Share:
    """One request's part of the load."""

    __slots__ = ("_load", "bytes")

    def __init__(self, load: Load) -> None:
        self._load = load
        self.bytes = 0

    def __enter__(self) -> Self:
        self._load.requests += 1
        return self

    def __exit__(self, *error: object) -> None:
        self._load.requests -= 1
        self.release()

    def hold(self, size: int) -> None:
        """Say that this request's body has so many bytes in memory, before it has.

        Raises:
            Fault: 503, with those of others that is too much.
        """
        if size > self.bytes:
            self._load.add(size - self.bytes)
            self.bytes = size

    def release(self) -> None:
        """Say that this request's body is gone."""
        if self.bytes:
            self._load.add(-self.bytes)
            self.bytes = 0
