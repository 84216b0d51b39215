"""The queue between the calling threads and the worker: spans in, records out.

Putting a span is a single append. The worker waits briefly to collect a batch, turns the spans into records and hands
those to every `Delivery`. When the queue is full, spans are turned into records on the calling thread and spilled to
the journal; without a journal they are dropped and counted.

In this module, reading a span means turning it into records.
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
from autolog._lifecycle import EXIT_TIMEOUT, READ_TIMEOUT
from autolog._native import RLock, sleep

if TYPE_CHECKING:
    import threading

    from autolog._capture.otel_spans import EndedOTelSpan
    from autolog._capture.span import FinishedRecord, Span
    from autolog._record.record import Record

#: Seconds that the first span of a burst waits for others: short, for `tail` and because of sudden exits.
LINGER = 0.05
#: The same for a single span when the worker was idle before, so that it is written sooner. If more spans have arrived
#: by then, the worker waits for `LINGER`: a write takes a millisecond, as much as reading ten chats.
FIRST_LINGER = 0.01
#: Seconds after which a worker that has recently had work looks for more, which are written here or sent to a server.
#: A request takes a millisecond and the interpreter eleven times: every 0.05 seconds, a chat takes 5 us more.
WRITE_EVERY, SEND_EVERY = 0.05, 0.075

#: If the worker's wait overran by more than `BUSY` seconds, other threads are keeping the interpreter busy. Spans
#: younger than `POSTPONED` nanoseconds are then read later, because reading a long stream would take a millisecond from
#: the program. That holds for at most `FEW` spans: more than that are short calls, which are quick to read. Until it is
#: written, a record waits for the interpreter about `TURNS` times, so reading begins earlier by `TURNS` overruns.
BUSY, POSTPONED, FEW, TURNS = 0.002, 90_000_000, 16, 4

#: Seconds that `abandon` waits for the span that is being read.
HANDING_OVER = 0.5

#: Nanoseconds that the worker reads before it yields to other threads. A smaller value does not pay: handing the
#: interpreter over and back costs about as much as reading a chat. With 1 ms, a chat takes 5 us more.
SLICE = 2_000_000

#: Nanoseconds that the worker reads before it hands the records over. In a program that never pauses, nothing else
#: limits the delay of a record.
HAND_OVER = 20_000_000

#: Nanoseconds for which the worker lets other threads go first: by the overrun of its last wait, and by yielding since.
#: When eight threads kept a core busy, each yield took 13 ms.
GIVEN = 5_000_000

#: A program that computes without pausing, and releases the interpreter for microseconds only, starves the worker. If
#: the worker has not run for `STARVED` nanoseconds (less for each `PATIENT` pending spans), the calling thread
#: therefore pauses for `PAUSE` seconds. A program that waits for the network never reaches this point.
STARVED, PATIENT, PAUSE = 150_000_000, 2_000, 0.005


#: At most this many spans are passed to `look_ahead` at once, and none of more bytes: of long texts, a search together
#: saves nothing. A stream may have more, since most of it is repetition: together, streams of 50 kB take a sixth less.
AHEAD, LONGEST_AHEAD, LONGEST_STREAM_AHEAD = 16, 32_768, 131_072


class Queue(Worker):
    """Takes ended spans from any thread, and turns them into records on its own thread.

    Args:
        read: turns one ended span into records: usually one, none for an empty span, many for a batch's results.
        deliveries: receive the records; each has its own sink and thread, so that none waits for another.
        max_records: the maximum number of pending spans.
        max_bytes: their maximum total size, in bytes.
        prepare: start-up work for `read`, called on the worker's thread when it starts.
        look_ahead: called with spans that are read next, of which `read` may do a part of the work together.
        poll_interval: the seconds after which it looks for more spans (see `Worker.poll_interval`).
    """

    _at_once = False

    def __init__(
        self,
        read: Callable[[Any], list[Record]],
        deliveries: Sequence[Delivery],
        max_records: int,
        max_bytes: int,
        prepare: Callable[[], None] | None = None,
        look_ahead: Callable[[Sequence[Any]], None] | None = None,
        poll_interval: float = WRITE_EVERY,
    ) -> None:
        self.poll_interval = poll_interval
        self._read = read
        self._look_ahead = look_ahead
        self._prepare_reading = prepare
        self.deliveries = deliveries
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._crowd = min(BATCH, max(1, max_records // 2))
        super().__init__()
        self.loss_log = next((delivery.loss_log for delivery in deliveries if delivery.loss_log is not None), None)

    def reset(self) -> None:
        super().reset()
        self.keep_later()
        self._items: deque[Span | FinishedRecord | EndedOTelSpan] = deque()
        self._batch: list[Record] = []
        self._reading_one = False
        self._ahead = 0
        self._bytes = 0
        self._seen_ns = 0
        self._late_until = 0.0
        self._rested = True
        self._goes_on = False
        self._reading = RLock()

    def close(self, timeout: float) -> bool:
        self._at_once = False
        return super().close(timeout)

    def keep_at_once(self) -> None:
        if self.accepting:
            self._at_once, self.accepting = True, False

    def keep_later(self) -> None:
        if self._at_once:
            self._at_once, self.accepting = False, True

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
        return len(self._items) + self._reading_one + len(self._batch)

    @property
    def _unstarted(self) -> int:
        return len(self._items)

    @property
    def _occupied(self) -> bool:
        return super()._occupied or (bool(self._batch) and not self._reading_one)  # handing records over

    def _overflow(self, span: Span | FinishedRecord | EndedOTelSpan) -> None:
        if not all(delivery.has_journal for delivery in self.deliveries) or span.in_order:
            self._drop("queue full", 1)
            return
        with guard("spilling records"):
            records = self._records(span)
            for delivery in self.deliveries:
                if not delivery.spill(records):
                    delivery.put(records)  # which counts those for which there is no room

    def _put_late(self, span: Span | FinishedRecord | EndedOTelSpan) -> None:
        """Deliver a span that ended after `close`, for example in an exit handler, before returning.

        All such spans together wait at most `EXIT_TIMEOUT` seconds for a slow sink, and longer only as long as any is
        read; those that end after that go to the
        journal, as do those that end after `keep_at_once`, whose threads the end of the process will not wait for.
        """
        if self._at_once and not span.in_order and all(delivery.has_journal for delivery in self.deliveries):
            self._overflow(span)
            return
        with guard("delivering a late record"):
            self._late_until = self._late_until or monotonic() + EXIT_TIMEOUT
            if monotonic() < self._late_until:
                self._items.append(span)
                self.flush_while_progressing(self._late_until - monotonic(), READ_TIMEOUT)
                for worker in (self, *self.deliveries):
                    worker.drain(max(0.05, self._late_until - monotonic()))
            else:
                self._overflow(span)
            for worker in (self, *self.deliveries):
                worker.note_losses()

    def _records(self, span: Span | FinishedRecord | EndedOTelSpan) -> list[Record]:
        """Read a span and return its records; if that fails, count the span as lost and return none."""
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
        """Drop and count the spans that have not been read; records already made are still handed over."""
        if unread := take_all(self._items):
            self._drop("not written before exit", len(unread))
        self._bytes = 0
        if self._work.acquire(timeout=HANDING_OVER):
            try:
                self._step()  # no spans are left: this hands over the records of an interrupted step
            finally:
                self._work.release()
        elif left := self.queued:  # a callback of the user's (`redact` or `prices`) hangs
            self._drop("not written before exit", left)

    def _due(self) -> float | None:
        self._seen_ns = perf_counter_ns()
        waiting = len(self._items)
        if not waiting and not self._batch:
            return None
        if self._batch or self._goes_on or self._expedited or waiting > self._crowd:
            return 0
        if self._gives_way:
            return max(0, POSTPONED - self._age() - TURNS * self._wakeup_delay * 1e9) / 1e9
        return FIRST_LINGER if self._rested else max(0, LINGER - self._age() / 1e9)

    def _ready(self) -> bool:
        due = self._due()
        if due is None:
            return False
        if due > 0 and self._rested and len(self._items) > 1:  # the first of many
            self._rested = False
            return False
        return due <= 0 or not self._gives_way

    @property
    def _gives_way(self) -> bool:
        """Whether reading is postponed briefly because other threads are waiting for the interpreter."""
        return self._wakeup_delay >= BUSY and len(self._items) <= FEW

    def _age(self) -> int:
        """Return how long the oldest span has waited, in nanoseconds."""
        with suppress(IndexError):  # abandoned in the meantime
            return self._seen_ns - self._items[0].end_ns
        return 0

    def _start(self) -> None:
        super()._start()
        for delivery in self.deliveries:
            delivery.wake()  # start it now: from Python 3.12 on, no thread can be started at exit

    def _prepare(self) -> None:
        if self._prepare_reading is not None:
            with self._reading:
                try:
                    self._prepare_reading()
                except ImportError:  # a signal interrupted the main thread's import of the same module
                    self._prepare_reading()

    def _sleep(self) -> bool:
        self._rested = True
        return super()._sleep()

    def _step(self) -> None:
        self._rested = False
        started = slice_started = perf_counter_ns()
        given = self._wakeup_delay * 1e9
        while len(self._batch) < BATCH and self._items:
            self._seen_ns = perf_counter_ns()
            if self._seen_ns - started > HAND_OVER:
                break
            if self._seen_ns - slice_started > SLICE and given < GIVEN and not self._expedited:
                sleep(0)  # hands the interpreter to a waiting thread at once, instead of after 5 ms
                slice_started = perf_counter_ns()
                given += slice_started - self._seen_ns
                self._seen_ns = slice_started
            if not self._ahead:
                self._look_at_next()
            self._ahead -= 1
            self._read_next()
        self._goes_on = bool(self._items)
        for delivery in self.deliveries:
            with guard("handing over records"):
                delivery.put(self._batch)
        self._batch = []  # only now: `flush` considers an empty queue done

    def _look_at_next(self) -> None:
        """Let `look_ahead` see the next spans, if they are several."""
        spans: list[Any] = []
        with suppress(IndexError):  # abandoned in the meantime
            spans = [self._items[number] for number in range(min(AHEAD, len(self._items)))]
        self._ahead = max(1, len(spans))
        if self._look_ahead is not None and len(spans) > 1:
            with guard("looking ahead"), self._reading:
                self._look_ahead([span for span in spans if span.size <= _longest_ahead(span)])

    def _read_next(self) -> None:
        self._reading_one = True  # counts as queued, so that `flush` does not consider the queue empty yet
        try:
            span = self._items.popleft()
        except IndexError:  # abandoned in the meantime
            self._reading_one = False
            return
        try:
            self._batch += self._records(span)
        except BaseException:  # raised by a signal handler, for the program: read the span again later
            self._items.appendleft(span)
            raise
        finally:
            self._reading_one = False
            # Producers add to `_bytes` without a lock, so additions may get lost: an empty queue resets the total.
            self._bytes = self._bytes - span.size if self._items else 0


def _longest_ahead(span: Span | FinishedRecord | EndedOTelSpan) -> int:
    return LONGEST_STREAM_AHEAD if getattr(span, "streaming", False) else LONGEST_AHEAD


class DurableQueue(Queue):
    """A queue that reads on the calling thread, and writes every record to disk before the call returns."""

    def put(self, span: Span | FinishedRecord | EndedOTelSpan) -> None:
        """Read a span, write its records to the journal, and hand them over.

        Never raises; costs the calling thread about a millisecond.
        """
        if not self.accepting:
            self._put_late(span)
            return
        try:
            with guard("writing to the journal"):
                records = self._records(span)
                for delivery in self.deliveries:
                    delivery.put_durably(records)
        except BaseException:  # raised by a signal handler, for the program: let the worker read the span again
            super().put(span)
            raise
