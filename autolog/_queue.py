"""The way off the caller's thread: a bounded queue, one worker thread, flush, shutdown, fork, and the count of losses.

Handing over is one append. The worker sleeps until the first item arrives, waits a moment for company, turns what is
there into records and writes them to the sink in batches. A sink that fails is tried again with growing pauses while
the queue, bounded by count and by bytes, holds what comes; what no longer fits is dropped and counted by reason.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from autolog._guard import guard, logger, report
from autolog._ids import random_share
from autolog.errors import StoreError

if TYPE_CHECKING:
    from autolog._record import Record
    from autolog._span import Span

#: How long the worker waits for more after the first item, in seconds: small, for `tail` and for sudden exits.
LINGER = 0.05
#: How many records go to the sink at once.
BATCH = 500
#: How long the program's exit may wait for the last records, in seconds.
EXIT_TIMEOUT = 1.7
#: How long a fork may wait for the worker to finish a batch, in seconds.
FORK_TIMEOUT = 0.5
#: The longest pause between two tries of a sink that fails, in seconds.
MAX_PAUSE = 30.0


class Sink(Protocol):
    """Where records go.

    `write` returns when they are kept, with how many were refused for good (None for none), or raises: `Undelivered`
    if some are kept already, anything if none is. It may get the same record twice.
    """

    def write(self, records: Sequence[Record]) -> int | None: ...

    def close(self) -> None: ...


@runtime_checkable
class Losses(Protocol):
    """A sink that remembers what was dropped on the way to it."""

    def note_losses(self, dropped: dict[str, int]) -> None: ...


class Made:
    """A record that needs no reading, in the place of a span."""

    __slots__ = ("record", "size")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.size = 2_000 + len(record.request_body or b"") + len(record.response_body or b"")


class Queue:
    """Takes ended spans from any thread and brings their records to a sink from its own.

    Args:
        enrich: turns one ended span into records: one as a rule, none if it says nothing, many for a batch's results.
        open_sink: opens the sink; called on the worker thread, again after a fork and after a failure to open.
        max_records: how many spans may wait. max_bytes: how large they may be together.
    """

    def __init__(
        self,
        enrich: Callable[[Any], list[Record]],
        open_sink: Callable[[], Sink],
        max_records: int,
        max_bytes: int,
    ) -> None:
        self._enrich = enrich
        self._open_sink = open_sink
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._sink: Sink | None = None
        self.accepting = True
        self.start_over()
        _queues.append(self)

    def start_over(self) -> None:
        """An empty queue without a thread: at birth, and in a forked child, whose parent keeps what was queued."""
        self._items: deque[Span | Made] = deque()
        self._ready: list[Record] = []
        self._bytes = self._ready_bytes = 0
        self._wake = threading.Event()
        self._idle = True
        self._lock = threading.Lock()
        self._work = threading.RLock()
        self._thread: threading.Thread | None = None
        self._drained = threading.Condition()
        self._hurry = False
        self._held = False
        self._pause = 0.0
        self._retry_at = 0.0
        self.written = 0
        self.dropped: Counter[str] = Counter()
        self.last_error: str | None = None
        # A connection must not be used, nor closed, on the other side of a fork: let it go unclosed.
        self._inherited, self._sink = self._sink, None

    # On the caller's thread

    def put(self, span: Span | Made) -> None:
        """Hand over an ended span. Never blocks, never raises."""
        if not self.accepting:
            self.dropped["shut down"] += 1
            return
        if len(self._items) >= self._max_records or self._bytes + self._ready_bytes + span.size > self._max_bytes:
            self._drop("queue full", 1)
            return
        self._bytes += span.size
        self._items.append(span)
        if self._idle:
            self._idle = False
            if self._thread is None:
                self._start()
            self._wake.set()

    def put_records(self, records: Sequence[Record]) -> None:
        """Hand over records that are made already; what does not fit is dropped and counted."""
        for record in records:
            self.put(Made(record))

    @property
    def queued(self) -> int:
        """How many spans and records wait to be written."""
        return len(self._items) + len(self._ready)

    def flush(self, timeout: float) -> bool:
        """Wait until all that was handed over before is written; False if the time, in seconds, did not suffice."""
        deadline = monotonic() + timeout
        self.hasten()
        try:
            if self._thread is None or not self._thread.is_alive():
                self._deliver_here(deadline)
            else:
                with self._drained:
                    while self.queued and (left := deadline - monotonic()) > 0:
                        self._drained.wait(min(left, 0.05))
        finally:
            self._hurry = False
        return not self.queued

    def hasten(self) -> None:
        """Let the worker deliver at once, without waiting for company."""
        self._hurry = True
        self._retry_at = 0.0
        self._wake.set()

    def close(self, timeout: float) -> bool:
        """Flush, take nothing more, and close the sink; False if something was left, which is counted as dropped."""
        self.accepting = False
        done = self.flush(timeout)
        if left := self.queued:
            self._drop("not written before exit", left)
        thread, self._thread = self._thread, None
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(min(0.2, timeout))
        if self._sink is not None and done:
            with guard("closing the sink"):
                if self.dropped and isinstance(self._sink, Losses):
                    self._sink.note_losses(dict(self.dropped))
                self._sink.close()
            self._sink = None
        if self in _queues:
            _queues.remove(self)
        return done

    def hold(self, timeout: float) -> None:
        """End the worker after the batch that it is at, until `release`: a process about to fork wants no threads."""
        deadline = monotonic() + timeout
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._thread = None
            self._wake.set()
            thread.join(timeout)
        self._held = self._work.acquire(timeout=max(0.0, deadline - monotonic()))

    def release(self) -> None:
        """Let the worker go on with the next span, or at `flush` and exit.

        Not at once: Python counts threads after a fork, and warns of any.
        """
        if self._held:
            self._held = False
            self._work.release()
        self._idle = True

    def _drop(self, reason: str, count: int) -> None:
        if not self.dropped[reason]:
            logger.warning("autolog is losing records: %s", reason)
        self.dropped[reason] += count

    # On the worker's thread

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="autolog", daemon=True)
            self._thread = thread
            try:
                thread.start()
            except RuntimeError as error:  # no more threads, or the interpreter is going: flush will deliver
                self._thread = None
                self._idle = True
                report("starting the worker thread", error)
                return
            _flush_before_child_exits()

    def _run(self) -> None:
        me = threading.current_thread()
        while self._thread is me:
            if not self.queued:
                self._wake.clear()
                self._idle = True
                if not self._items:
                    if not self.accepting:
                        return
                    self._wake.wait()
                self._idle = False
            pause = self._retry_at - monotonic()
            if pause > 0 or (not self._hurry and len(self._items) < BATCH):
                self._wake.clear()
                self._wake.wait(LINGER if self._hurry else max(LINGER, pause))
            if self._thread is not me:
                return
            with guard("delivering records"):
                self._deliver()

    def _deliver_here(self, deadline: float) -> None:
        """Deliver from the calling thread: there is no worker (never needed, or it died with the process)."""
        while self.queued and monotonic() < deadline:
            before = self.queued
            with guard("delivering records"):
                self._deliver()
            if self.queued >= before and self._retry_at:
                break

    def _deliver(self) -> None:
        with self._work:
            while len(self._ready) < BATCH and self._items:
                span = self._items[0]  # stays queued, for `flush` to see, until it is among the records
                try:
                    with guard("reading a call"):
                        self._ready += self._enrich(span)
                        self._ready_bytes += span.size
                finally:
                    self._items.popleft()
                    # Producers add without a lock and may lose an addition: an empty queue sets it right.
                    self._bytes = self._bytes - span.size if self._items else 0
            if self._ready and monotonic() >= self._retry_at:
                self._write()
        if not self.queued:
            with self._drained:
                self._drained.notify_all()

    def _write(self) -> None:
        try:
            if self._sink is None:
                self._sink = self._open_sink()
            batch = self._ready[:BATCH]
            refused = self._sink.write(batch) or 0
        except Exception as error:  # noqa: BLE001 - whatever a sink raises: count, say it once, try again
            if len(self._ready) > 1 and not isinstance(error, (StoreError, OSError)):
                self._write_singly()
                return
            done = getattr(error, "done", 0)
            self.written += done
            del self._ready[:done]
            self._failed(error)
            return
        if refused:
            self._drop("refused by the backend", refused)
        if self.last_error is not None:
            logger.warning("autolog can write records again")
            self.last_error = None
        self.written += len(batch) - refused
        del self._ready[: len(batch)]
        if not self._ready:
            self._ready_bytes = 0
        self._pause = self._retry_at = 0.0

    def _write_singly(self) -> None:
        """A record that the sink cannot take must not hold up the others: find it, and drop it."""
        records, self._ready = self._ready, []
        for number, record in enumerate(records):
            try:
                if self._sink is not None:
                    self._sink.write([record])
                self.written += 1
            except (StoreError, OSError) as error:
                self._ready = records[number:]
                self._failed(error)
                return
            except Exception as error:  # noqa: BLE001 - this is the one
                self._drop("cannot be written", 1)
                report("writing a record", error)
        self._ready_bytes = 0

    def _failed(self, error: Exception) -> None:
        if self.last_error is None:
            known = isinstance(error, StoreError)
            logger.warning("autolog cannot write records, will retry: %s", error, exc_info=None if known else error)
        self.last_error = f"{type(error).__name__}: {error}"
        self._pause = min(MAX_PAUSE, self._pause * 2 or 0.5)
        asked = getattr(error, "retry_after", None)
        jitter = 0.75 + 0.5 * random_share()
        self._retry_at = monotonic() + (self._pause * jitter if asked is None else min(asked, MAX_PAUSE))


# Forks and exits

#: In the order in which they were made: one that feeds others is made before them, and closed before them.
_queues: list[Queue] = []

#: Called before the last flush, to hand over what is still in flight.
before_exit: list[Callable[[], None]] = []


def _before_fork() -> None:
    """Let the workers finish what they are at, so that the child inherits no half-done import or half-held lock."""
    deadline = monotonic() + FORK_TIMEOUT
    for queue in _queues:
        queue.hold(max(0.0, deadline - monotonic()))


def _after_fork_in_parent() -> None:
    for queue in _queues:
        queue.release()


def _after_fork_in_child() -> None:
    for queue in _queues:
        queue.start_over()


def _flush_all() -> None:
    for hand_over in before_exit:
        with guard("ending what is in flight"):
            hand_over()
    deadline = monotonic() + EXIT_TIMEOUT
    closing = _queues.copy()  # closing takes a queue off the list
    for queue in closing:
        queue.hasten()
    for queue in closing:
        with guard("flushing at exit"):
            queue.close(max(0.05, deadline - monotonic()))


def _flush_before_child_exits() -> None:
    """A multiprocessing child leaves by `os._exit`, past `atexit`, but runs its own finalizers first."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, _flush_all, exitpriority=100)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_flush_all)
