"""The queue between the calling threads and the worker: spans in, records out.

Putting a span is one append. The worker waits briefly so that spans can be batched, turns them into records and hands
those to every `Delivery`. Spans beyond the bounds are read on the calling thread and spilled to the journal, if there
is one; else they are dropped and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any

from autolog._delivery.delivery import BATCH, Delivery
from autolog._delivery.worker import Worker, take_all
from autolog._guard import guard, is_for_program, report
from autolog._lifecycle import EXIT_TIMEOUT
from autolog._native import RLock, sleep

if TYPE_CHECKING:
    import threading

    from autolog._capture.opentelemetry import EndedOTelSpan
    from autolog._capture.span import FinishedRecord, Span
    from autolog._record.record import Record

#: How long the worker waits for more after the first span, in seconds: short, for `tail` and for sudden exits.
LINGER = 0.05
#: The same after a rest, when there was nothing to do: the first span is written soon.
FIRST_LINGER = 0.01

#: A worker whose wait overran by more than `BUSY` seconds had to wait for the interpreter: spans younger than
#: `POSTPONED` nanoseconds are then read later, for reading a long stream would take a millisecond from the program.
#: But only if there are no more than `FEW`: of short calls more are made in that time, and reading them takes little.
BUSY, POSTPONED, FEW = 0.002, 90_000_000, 16

#: How long whoever abandons the queue waits for the span that is being read, in seconds.
HANDING_OVER = 0.5

#: How long the worker reads before it lets other threads go first, in nanoseconds. Less would cost more than it gives:
#: handing the interpreter over and back after every span took as long as reading it (340 us a chat instead of 190).
SLICE = 1_000_000

#: How long it reads before it hands over what it has read, in nanoseconds: in a program that never rests nothing else
#: would bound how late a record is written.
HAND_OVER = 20_000_000

#: When one of many spans has waited for longer, in nanoseconds, the worker no longer lets other threads go first: where
#: eight of them kept a core busy, it got a millisecond of every eight, and was a second behind.
LATE = 40_000_000

#: A program that computes without a pause, and releases the interpreter for microseconds only, starves the worker. So
#: when the worker has not run for `STARVED` nanoseconds (less as more spans than `PATIENT` are pending), the calling
#: thread pauses for `PAUSE` seconds. A program that waits for a network never gets here.
STARVED, PATIENT, PAUSE = 150_000_000, 2_000, 0.005


class Queue(Worker):
    """Takes ended spans from any thread, and turns them into records on its own thread.

    Args:
        read: turns one ended span into records: usually one, none if it holds nothing, many for a batch's results.
        deliveries: receive the records; each has a sink and a thread of its own, so that none waits for another.
        max_records: the maximum number of pending spans. max_bytes: their maximum total size.
        prepare: start-up work for `read`, called on the worker's thread when that starts.
    """

    poll_interval = LINGER

    def __init__(
        self,
        read: Callable[[Any], list[Record]],
        deliveries: Sequence[Delivery],
        max_records: int,
        max_bytes: int,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._read = read
        self._prepare_reading = prepare
        self.deliveries = deliveries
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._crowd = min(BATCH, max(1, max_records // 2))
        super().__init__()
        self.loss_log = next((delivery.loss_log for delivery in deliveries if delivery.loss_log is not None), None)

    def reset(self) -> None:
        super().reset()
        self._items: deque[Span | FinishedRecord | EndedOTelSpan] = deque()
        self._made: list[Record] = []
        self._reading_one = False
        self._bytes = 0
        self._seen_ns = 0
        self._late_until = 0.0
        self._rested = True
        self._goes_on = False
        self._reading = RLock()

    def _locks(self) -> list[threading.RLock]:
        return [*super()._locks(), self._reading]

    def put(self, span: Span | FinishedRecord | EndedOTelSpan) -> None:
        """Hand over an ended span. Never raises.

        Blocks only to spill to the journal when the queue is full, or briefly when the worker is starved.
        """
        if not self.accepting:
            self._put_late(span)
            return
        waiting = len(self._items)
        if waiting >= self._max_records or self._bytes + span.size > self._max_bytes:
            self._overflow(span)
            return
        self._bytes += span.size
        self._items.append(span)
        if self._idle:
            self._seen_ns = span.end_ns
            self.wake()
        elif waiting == self._crowd:
            self._wakeup.set()
        elif not waiting & 15 and span.end_ns - self._seen_ns > STARVED // (1 + waiting // PATIENT):
            self._seen_ns = span.end_ns
            sleep(PAUSE)

    @property
    def queued(self) -> int:
        return len(self._items) + self._reading_one + len(self._made)

    @property
    def _left(self) -> int:
        return len(self._items)

    @property
    def _occupied(self) -> bool:
        return super()._occupied or (bool(self._made) and not self._reading_one)  # it hands them over

    def _overflow(self, span: Span | FinishedRecord | EndedOTelSpan) -> None:
        if not all(delivery.has_journal for delivery in self.deliveries) or span.in_order:
            self._drop("queue full", 1)
            return
        with guard("spilling records"):
            records = self._records(span)
            for delivery in self.deliveries:
                delivery.spill(records)

    def _put_late(self, span: Span | FinishedRecord | EndedOTelSpan) -> None:
        """Deliver a span that ended after `close`, such as one of an exit handler, before returning.

        All of them together wait no longer than `EXIT_TIMEOUT` for a slow sink.
        """
        with guard("delivering a late record"):
            self._late_until = self._late_until or monotonic() + EXIT_TIMEOUT
            self._items.append(span)
            for worker in (self, *self.deliveries):
                worker.drain(max(0.05, self._late_until - monotonic()))
                worker.note_losses()

    def _records(self, span: Span | FinishedRecord | EndedOTelSpan) -> list[Record]:
        """Read a span; returns nothing, and counts it as lost, if that fails."""
        try:
            with self._reading:
                return self._read(span)
        except BaseException as error:
            if is_for_program(error):
                raise
            self._drop("could not be read", 1)
            report("reading a call", error)
            return []

    def abandon(self) -> None:
        """Drop the spans that have not been read; what has been read is still handed over."""
        if unread := take_all(self._items):
            self._drop("not written before exit", len(unread))
        self._bytes = 0
        if self._work.acquire(timeout=HANDING_OVER):
            try:
                self._step()  # by now without spans: what a step that was broken off has left
            finally:
                self._work.release()
        elif left := self.queued:  # the user's function that a record is given to, or his prices, hang
            self._drop("not written before exit", left)

    def _due(self) -> float | None:
        self._seen_ns = perf_counter_ns()
        waiting = len(self._items)
        if not waiting and not self._made:
            return None
        if self._made or self._goes_on or self._expedited or waiting > self._crowd:
            return 0
        if self._gives_way:
            return max(0, POSTPONED - self._age()) / 1e9
        return FIRST_LINGER if self._rested else LINGER

    def _ready(self) -> bool:
        due = self._due()
        return due is not None and (due <= 0 or not self._gives_way)

    @property
    def _gives_way(self) -> bool:
        """Whether reading is postponed a little, as another thread wants the interpreter."""
        return self._wakeup_delay >= BUSY and len(self._items) <= FEW

    def _age(self) -> int:
        """Return how long the oldest span has waited, in nanoseconds."""
        with suppress(IndexError):  # abandoned meanwhile
            return self._seen_ns - self._items[0].end_ns
        return 0

    def _start(self) -> None:
        super()._start()
        for delivery in self.deliveries:
            delivery.wake()  # already: at the exit no thread starts any more, from Python 3.12 on

    def _prepare(self) -> None:
        if self._prepare_reading is not None:
            with self._reading:
                try:
                    self._prepare_reading()
                except ImportError:  # the program's thread imported the same module, and a signal broke that off
                    self._prepare_reading()

    def _sleep(self) -> bool:
        self._rested = True
        return super()._sleep()

    def _step(self) -> None:
        self._rested = False
        begun = slice_begun = perf_counter_ns()
        while len(self._made) < BATCH and self._items:
            self._seen_ns = perf_counter_ns()
            if self._seen_ns - begun > HAND_OVER:
                break
            late = len(self._items) > FEW and self._age() > LATE
            if self._seen_ns - slice_begun > SLICE and not late and not self._expedited:
                sleep(0)  # gives the interpreter to a waiting thread at once, and not after 5 ms
                slice_begun = self._seen_ns = perf_counter_ns()
            self._read_next()
        self._goes_on = bool(self._items)
        for delivery in self.deliveries:
            with guard("handing over records"):
                delivery.put(self._made)
        self._made = []  # not before: whoever flushes takes an empty queue for done

    def _read_next(self) -> None:
        self._reading_one = True  # for whoever flushes, and goes on to what comes after the queue when that is empty
        try:
            span = self._items.popleft()
        except IndexError:  # abandoned meanwhile
            self._reading_one = False
            return
        try:
            self._made += self._records(span)
        except BaseException:  # raised by a signal handler, for the program: it is read again
            self._items.appendleft(span)
            raise
        finally:
            self._reading_one = False
            # Producers add without a lock and may lose an addition: an empty queue sets it right.
            self._bytes = self._bytes - span.size if self._items else 0


class DurableQueue(Queue):
    """Reads on the calling thread, and has every record on disk before the call returns."""

    def put(self, span: Span | FinishedRecord | EndedOTelSpan) -> None:
        """Read, write to the journal, hand over. Never raises; costs the calling thread about a millisecond."""
        if not self.accepting:
            self._put_late(span)
            return
        try:
            with guard("writing to the journal"):
                records = self._records(span)
                for delivery in self.deliveries:
                    delivery.put_durably(records)
        except BaseException:  # raised by a signal handler, for the program: the worker does it again
            super().put(span)
            raise
