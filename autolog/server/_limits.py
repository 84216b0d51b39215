"""What the server takes at most. All of it can be set: `create_app(limits=Limits(...))`, `autolog serve --help`."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on requests.

    Attributes:
        body_bytes: the largest request body, as sent. decompressed_bytes: the largest after decompression.
        batch_items: the most records in one native batch, Portkey array or span batch.
        requests_per_second: for each key, with a burst of twice as many; 0 for no limit.
        body_seconds: how long a client may take to send a body.
        pending_writes: how many writes may wait for the store before further ones are answered 503.
        delete_all: whether Cloudflare's delete call without filters deletes everything, as with the vendor.
        connections: how many connections at once (`autolog serve`).
    """

    body_bytes: int = 32 * 1024 * 1024
    decompressed_bytes: int = 128 * 1024 * 1024
    batch_items: int = 10_000
    requests_per_second: float = 0
    body_seconds: float = 60
    pending_writes: int = 2_000
    delete_all: bool = True
    connections: int = 1_000


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
