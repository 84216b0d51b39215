"""The database's clock, which all servers agree on, and what is counted by it: sequence numbers and versions.

A sequence number is a time: milliseconds since 2026, and 12 bits that tell apart what came together. It is unique in
one server; two may give the same one, so a record's identity is its id. A version is a time in microseconds, or more.
"""

from __future__ import annotations

import os
import random
import threading
import time
from datetime import UTC, datetime

from autolog.stores.clickhouse._client import Database

#: Since when sequence numbers count, in milliseconds.
_BEGINNING = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


class Clock:
    """Tells the time, sequence numbers and versions. For any thread, and across forks."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._counting = threading.Lock()
        self._pid = os.getpid()
        self._seq = self._version = 0
        self._open: dict[int, int] = {}
        self._ahead = 0.0
        self._looked = float("-inf")

    def start_over(self) -> None:
        """Start over in a forked child: whoever counted is not in this process."""
        if self._pid != os.getpid():
            self._counting, self._pid, self._open = threading.Lock(), os.getpid(), {}

    def now(self) -> float:
        """Return the database's clock, in seconds: all servers agree on it."""
        if time.monotonic() - self._looked > 60:
            before = time.time()
            ((told,),) = self._db.query("SELECT toUnixTimestamp64Micro(now64(6))")
            self._ahead = told / 1e6 - (before + time.time()) / 2
            self._looked = time.monotonic()
        return time.time() + self._ahead

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)

    def next_seq(self) -> int:
        earliest = seq_at(self.now()) + random.getrandbits(8)
        with self._counting:
            self._seq = max(self._seq + 1, earliest)
            self._open.setdefault(threading.get_ident(), self._seq)
            return self._seq

    def written(self) -> None:
        """End this thread's transaction: the numbers that it was given are taken, or free for good."""
        self._open.pop(threading.get_ident(), None)

    @property
    def oldest_open(self) -> int | None:
        """The first sequence number that was given and is not in the database yet."""
        return min(list(self._open.values()), default=None)

    def next_version(self, after: int) -> int:
        now = int(self.now() * 1e6)
        with self._counting:
            self._version = max(self._version + 1, after + 1, now)
            return self._version


def seq_at(seconds: float) -> int:
    return (int(seconds * 1000) - _BEGINNING) << 12


def time_of(seq: int) -> float:
    return ((seq >> 12) + 1 + _BEGINNING) / 1000
