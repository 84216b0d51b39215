"""The database's clock, which is the same for all servers, and the sequence numbers and versions derived from it.

A sequence number is a time: milliseconds since 2026, and 12 bits to distinguish records of the same millisecond. It is
unique within one server, but two servers may assign the same number; a record is identified by its id. A version is at
least the time in microseconds.
"""

from __future__ import annotations

import os
import random
import threading
import time
from datetime import UTC, datetime

from autolog.stores.clickhouse._client import Database

#: The origin of sequence numbers, in milliseconds since 1970.
_BEGINNING = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


class Clock:
    """Provides the time, sequence numbers and versions, for any thread and across forks."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._counting = threading.Lock()
        self._pid = os.getpid()
        self._seq = self._version = 0
        self._open: dict[int, int] = {}
        self._ahead = 0.0
        self._looked = float("-inf")

    def start_over(self) -> None:
        """Reset the state in a forked child, where the parent's threads do not exist."""
        if self._pid != os.getpid():
            self._counting, self._pid, self._open = threading.Lock(), os.getpid(), {}

    def now(self) -> float:
        """Return the time by the database's clock, in seconds since 1970."""
        if time.monotonic() - self._looked > 60:
            before = time.time()
            ((micros,),) = self._db.query("SELECT toUnixTimestamp64Micro(now64(6))")
            self._ahead = micros / 1e6 - (before + time.time()) / 2
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
        """End this thread's transaction, whose sequence numbers are now in the database or will never be used."""
        self._open.pop(threading.get_ident(), None)

    def first_pending(self) -> int:
        """Return the first sequence number of this server's that is not in the database yet, or is yet to be assigned.

        A record written meanwhile may become visible before one with a smaller number, whose write takes longer.
        """
        now = seq_at(self.now())
        with self._counting:
            self._seq = max(self._seq, now)  # all numbers from here on are larger
            return min(list(self._open.values()), default=self._seq + 1)

    def next_version(self, after: int) -> int:
        now = int(self.now() * 1e6)
        with self._counting:
            self._version = max(self._version + 1, after + 1, now)
            return self._version


def seq_at(seconds: float) -> int:
    return (int(seconds * 1000) - _BEGINNING) << 12


def time_of(seq: int) -> float:
    return ((seq >> 12) + 1 + _BEGINNING) / 1000
