"""The way off the caller's thread: spans in, records out.

Handing over is one append. The worker waits a moment for company, reads what is there into records, and hands them to
every `Delivery`. What no longer fits is read on the calling thread and kept in the journal, if there is one; else it
is dropped and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter_ns, sleep
from typing import TYPE_CHECKING, Any

from autolog._delivery.delivery import BATCH, Delivery
from autolog._delivery.worker import Worker
from autolog._guard import guard

if TYPE_CHECKING:
    from autolog._capture.span import Span
    from autolog._record.record import Record

#: How long the worker waits for more after the first item, in seconds: small, for `tail` and for sudden exits.
LINGER = 0.05

#: A worker that comes back from its rest later than this, in seconds, had to wait for the interpreter: then what is not
#: older than that, in nanoseconds, is read later, for reading a long stream would take a millisecond from the program.
BUSY, POSTPONED = 0.002, 250_000_000

#: With more spans than this waiting, the worker no longer lets other threads go first.
PATIENT = 2_000

#: A program that computes without a pause, and lets go of the interpreter for microseconds only, keeps it from the
#: worker for good. So when nothing was seen of the worker for this time, in nanoseconds (less as more spans wait), the
#: calling thread pauses for that time, in seconds. A program that waits for a network never gets here.
STARVED, PAUSE = 150_000_000, 0.005


class Made:
    """A record that needs no reading, in the place of a span."""

    __slots__ = ("end_ns", "record", "size")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.end_ns = perf_counter_ns()
        self.size = 2_000


class Queue(Worker):
    """Takes ended spans from any thread, and makes records of them on its own.

    Args:
        read: turns one ended span into records: one as a rule, none if it says nothing, many for a batch's results.
        deliveries: who gets them; each has its own sink, so that none waits for another.
        max_records: how many spans may wait. max_bytes: how large they may be together.
    """

    nap = LINGER

    def __init__(
        self,
        read: Callable[[Any], list[Record]],
        deliveries: Sequence[Delivery],
        max_records: int,
        max_bytes: int,
    ) -> None:
        self._read = read
        self.deliveries = deliveries
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._crowd = min(BATCH, max(1, max_records // 2))
        super().__init__()

    def start_over(self) -> None:
        super().start_over()
        self._items: deque[Span | Made] = deque()
        self._made: list[Record] = []
        self._bytes = 0
        self._seen_ns = 0
        self._reading = threading.RLock()

    def _locks(self) -> list[threading.RLock]:
        return [*super()._locks(), self._reading]

    def put(self, span: Span | Made) -> None:
        """Hand over an ended span. Never raises; waits only where memory is full, and the journal not, or `STARVED`."""
        if not self.accepting:
            self.dropped["shut down"] += 1
            return
        waiting = len(self._items)
        if waiting >= self._max_records or self._bytes + span.size > self._max_bytes:
            self._overflow(span)
            return
        self._bytes += span.size
        self._items.append(span)
        if self._idle:
            self._seen_ns = span.end_ns
            self.rouse()
        elif waiting == self._crowd:
            self._wake.ring()
        elif not waiting & 15 and span.end_ns - self._seen_ns > STARVED // (1 + waiting // PATIENT):
            self._seen_ns = span.end_ns
            sleep(PAUSE)

    @property
    def queued(self) -> int:
        return len(self._items) + len(self._made)

    def _overflow(self, span: Span | Made) -> None:
        if not all(delivery.has_journal for delivery in self.deliveries) or getattr(span, "in_order", False):
            self._drop("queue full", 1)
            return
        with guard("reading a call"), self._reading:
            records = self._read(span)
            for delivery in self.deliveries:
                delivery.keep(records)

    def _due(self) -> float | None:
        self._seen_ns = perf_counter_ns()
        waiting = len(self._items)
        if not waiting and not self._made:
            return None
        return 0 if self._made or self._hurry or waiting > self._crowd else LINGER

    def _ready(self) -> bool:
        """Reading waits a little for a moment in which nobody else wants the interpreter."""
        due = self._due()
        if due is None or due <= 0 or self._late < BUSY:
            return due is not None
        return self._seen_ns - self._items[0].end_ns >= POSTPONED

    def _step(self) -> None:
        while len(self._made) < BATCH and self._items:
            if len(self._items) < PATIENT and not self._hurry:
                sleep(0)  # the interpreter lock goes to a thread that waits for it, at once and not after 5 ms
            self._seen_ns = perf_counter_ns()
            span = self._items[0]  # stays queued, for `flush` to see, until its records are made
            try:
                with guard("reading a call"), self._reading:
                    self._made += self._read(span)
            finally:
                self._items.popleft()
                # Producers add without a lock and may lose an addition: an empty queue sets it right.
                self._bytes = self._bytes - span.size if self._items else 0
        made, self._made = self._made, []
        for delivery in self.deliveries:
            with guard("handing over records"):
                delivery.put(made)


class DurableQueue(Queue):
    """Reads on the calling thread, and has every record on disk before the call goes on."""

    def put(self, span: Span | Made) -> None:
        """Read, keep in the journal, hand over. Never raises; takes about a millisecond of the calling thread."""
        if not self.accepting:
            self.dropped["shut down"] += 1
            return
        kept = False
        with guard("reading a call"), self._reading:
            records = self._read(span)
            for delivery in self.deliveries:
                delivery.put_safely(records)
            kept = True
        if not kept:
            self._drop("could not be read", 1)
