"""Background worker threads: idle when there is no work, fork-safe, and drained at exit.

There are two kinds: `Queue` turns ended spans into records, and `Delivery` writes the records to a sink. `_lifecycle`
drains all workers at exit, at SIGTERM, and when a multiprocessing child ends, within time limits that hold whatever a
sink does.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter, deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Protocol, TypeVar

from autolog import _lifecycle
from autolog._delivery.children import flush_before_child_exits
from autolog._guard import guard, logger, report
from autolog._lifecycle import workers
from autolog._native import Empty, RLock, SimpleQueue, Thread, sleep

if TYPE_CHECKING:
    import threading

T = TypeVar("T")

#: Seconds that a worker keeps polling after its last work.
AWAKE = 2.0
#: The shortest and the longest interval, in seconds, at which `wait_until` checks its condition.
POLL, SLOWEST_POLL = 0.002, 0.05
#: Seconds that a worker waits after an error of its own.
AFTER_ERROR = 0.1
#: The interval, in seconds, at which the exit checks for progress.
LOOK = 0.4
#: The interval, in seconds, at which losses are noted while the program runs.
NOTE_EVERY = 10.0


class LossLog(Protocol):
    """Stores losses beyond the end of the process."""

    def note_losses(self, dropped: Mapping[str, int]) -> None: ...


class WakeUp:
    """An event for one waiting thread, which signal handlers and finalizers may set even during another `set`."""

    __slots__ = ("_tokens", "set")

    def __init__(self) -> None:
        self._tokens: SimpleQueue[None] = SimpleQueue()
        self.set = functools.partial(self._tokens.put, None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set, or has been since the last `clear`; return False after `timeout` seconds."""
        try:
            self._tokens.get(timeout=timeout)
        except Empty:
            return False
        return True

    def clear(self) -> None:
        """Unset the event."""
        with contextlib.suppress(Empty):
            while True:
                self._tokens.get_nowait()


def wait_until(done: Callable[[], bool], deadline: float) -> bool:
    """Wait until `done()` is true or the deadline (of `time.monotonic`) has passed; return the last value of `done()`.

    The checks become less frequent over time: on a loaded machine, each check takes the interpreter from the thread
    that does the work until the system schedules that thread again. Checks every 2 ms made the work take 30 times as
    long.
    """
    started = monotonic()
    while not done() and (now := monotonic()) < deadline:
        sleep(min(deadline - now, SLOWEST_POLL, max(POLL, (now - started) / 8)))
    return done()


def take_all(items: deque[T]) -> list[T]:
    """Remove and return all items of a deque, which other threads may be adding to."""
    taken: list[T] = []
    with contextlib.suppress(IndexError):
        while True:
            taken.append(items.popleft())
    return taken


class Worker:
    """A thread and its pending work. Subclasses say when there is work (`_due`) and do it (`_step`).

    Attributes:
        accepting: False once the worker is closed, or the program is exiting.
        dropped: the number of lost records, by reason.
    """

    #: Workers of a lower stage feed those of a higher one, and are closed before them.
    stage = 0
    #: The polling interval, in seconds, while the worker has recently had work; 0 to sleep until woken. Waking a thread
    #: is the most expensive thing the calling thread does: it causes a thread switch, and further ones whenever it
    #: releases the interpreter. In a busy program, polling avoids that.
    poll_interval = 0.0

    def __init__(self) -> None:
        self.accepting = not _lifecycle.exiting
        self.loss_log: LossLog | None = None
        self.reset()
        workers.append(self)

    def reset(self) -> None:
        """Start without work or thread: initially, and in a forked child, whose parent keeps the pending work."""
        self._wakeup = WakeUp()
        self._idle = True
        self._starting = RLock()
        self._work = RLock()
        self._thread: Thread | None = None
        self._expedited = False
        self._prepared = False
        self._wakeup_delay = 0.0
        self._held: list[threading.RLock] = []
        self.dropped: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()
        self._note_at = 0.0

    # For subclasses to define

    @property
    def queued(self) -> int:
        """The number of pending items."""
        raise NotImplementedError

    @property
    def _unstarted(self) -> int:
        """The number of pending items that have not been started, which falls as long as there is progress."""
        return self.queued

    @property
    def _occupied(self) -> bool:
        """Whether the thread is busy with finite work of our own (not a sink's) that `_unstarted` does not count."""
        return not self._prepared and self._runs

    @property
    def _runs(self) -> bool:
        """Whether the thread is running; it may still end at once, if it was about to when it was woken."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _due(self) -> float | None:
        """Return in how many seconds work is due; None if there is none."""
        raise NotImplementedError

    def _step(self) -> None:
        """Do part of the work; called with `_work` held."""
        raise NotImplementedError

    def _prepare(self) -> None:
        """Do start-up work when the thread starts, so that the first item does not have to wait for it."""

    def abandon(self) -> None:
        """Save pending items elsewhere, or drop and count them, because time has run out."""
        raise NotImplementedError

    # From any thread

    def wake(self) -> None:
        """Start or wake the thread, because there is work."""
        try:
            self._idle = False
            if not self._runs:
                self._start()
            self._wakeup.set()
        except BaseException:  # raised by a signal handler, for the program: the next record will wake the thread
            self._idle = True
            raise

    def flush(self, timeout: float) -> bool:
        """Wait until nothing is pending; return False if that takes more than `timeout` seconds."""
        deadline = monotonic() + timeout
        self.expedite()
        try:
            while self.queued and monotonic() < deadline:
                if not self._runs:
                    self._start()
                if not self._runs:
                    self._work_here(deadline)
                    break
                wait_until(lambda: not self.queued or not self._runs, deadline)
        finally:
            self._expedited = False
        return not self.queued

    def flush_while_progressing(self, patience: float, at_most: float) -> bool:
        """Flush for up to `at_most` seconds, and give up early after `patience` seconds without progress.

        Each check counts as `LOOK` seconds, however long it took: if the machine was overloaded or suspended, the
        working thread got no more time than the checking one.
        """
        deadline = monotonic() + at_most
        idle, before = 0.0, self._unstarted
        while not (done := self.flush(LOOK)) and idle < patience and monotonic() < deadline:
            idle = idle + LOOK if self._unstarted >= before and not self._occupied else 0.0
            before = self._unstarted
        return done

    def expedite(self) -> None:
        """Make the thread work at once, without waiting for a batch to fill."""
        self._expedited = True
        self._wakeup.set()

    def close(self, timeout: float) -> bool:
        """Take no more work, drain, and stop; return False if pending items had to be abandoned."""
        self.accepting = False
        done = self.drain(timeout)
        timeout = min(0.2, timeout) if self._prepared else 0.0  # do not wait for a thread that is still preparing
        if self._starting.acquire(timeout=timeout):
            try:
                self._end_thread(timeout)
            finally:
                self._starting.release()
        self.note_losses()
        with contextlib.suppress(ValueError):
            workers.remove(self)
        return done

    def note_losses(self) -> None:
        """Write the losses since the last call to the loss log."""
        lost, self._noted = self.dropped - self._noted, self.dropped.copy()
        if self.loss_log is not None and lost:
            with guard("noting losses"):
                self.loss_log.note_losses(lost)

    def _note_losses_now_and_then(self) -> None:
        """Note losses, at most every `NOTE_EVERY` seconds, because a killed process cannot note them at its end."""
        if self.dropped != self._noted and monotonic() >= self._note_at:
            self._note_at = monotonic() + NOTE_EVERY
            self.note_losses()

    def drain(self, timeout: float) -> bool:
        """Finish the pending work; after `timeout` seconds, abandon the rest and return False."""
        done = Worker.flush(self, timeout)
        if not done:
            self.abandon()
        return done

    def finish(self, timeout: float) -> bool:
        """Drain, and note what is lost; return False if pending items had to be abandoned."""
        done = self.drain(timeout)
        self.note_losses()
        return done

    def keep_at_once(self) -> None:
        """Put work on disk, from now on, before returning to those who hand it over: for the queue, which has many."""

    def keep_later(self) -> None:
        """Undo `keep_at_once`."""

    def pause_for_fork(self, timeout: float) -> None:
        """End the thread after its current step, and take the locks: a process should have no threads when it forks."""
        if self._runs and not self._prepared:
            timeout = _lifecycle.IMPORT_TIMEOUT
        deadline = monotonic() + timeout
        self._held = [self._starting] if self._starting.acquire(timeout=timeout) else []
        if self._held and (thread := self._end_thread(max(0.0, deadline - monotonic()))) is not None:
            thread.wait_until_gone(max(0.0, deadline - monotonic()))
        self._held += [lock for lock in self._locks() if lock.acquire(timeout=max(0.0, deadline - monotonic()))]

    def _end_thread(self, timeout: float) -> Thread | None:
        """Tell the thread to end after its current step, wait for it, and return it; called with `_starting` held.

        That lock is also held while the thread is being started, when it could not be joined yet.
        """
        thread, self._thread = self._thread, None
        self._wakeup.set()
        if thread is None or thread.is_current():
            return None
        if thread.is_alive():
            thread.join(timeout)
        return thread

    def _locks(self) -> list[threading.RLock]:
        """Return the locks that must be free in a forked child."""
        return [self._work]

    def resume_after_fork(self) -> None:
        """Release the locks. The thread starts again with the next work, or at a flush or exit.

        It does not start at once, because Python warns if it finds other threads after a fork.
        """
        for lock in self._held:
            lock.release()
        self._held = []
        self._idle = True

    def _drop(self, reason: str, count: int) -> None:
        if not self.dropped[reason]:
            logger.warning("autolog is losing records: %s", reason)
        self.dropped[reason] += count

    # The thread

    def _start(self) -> None:
        with self._starting:
            if self._runs:
                return
            flush_before_child_exits()
            thread = Thread(self._run)
            self._prepared = False
            self._thread = thread
            try:
                thread.start()
            except RuntimeError as error:  # `flush` will do the work on the calling thread
                self._thread = None
                self._idle = True
                if "interpreter shutdown" not in str(error):  # expected at every exit, since Python 3.12
                    report("starting the worker thread", error)

    def _run(self, thread: Thread) -> None:
        try:
            with guard("preparing"), self._work:
                self._prepare()
            self._prepared = True
            self._loop(thread)
        finally:
            self._idle = True  # whatever ended the thread, the next record starts a new one

    def _loop(self, thread: Thread) -> None:
        awake_until = 0.0
        while self._thread is thread:
            self._wakeup.clear()
            due = self._due()
            if due is None and (monotonic() >= awake_until or not self.accepting):
                if not self._sleep() and self._gave_up(thread):
                    return
                continue
            pause = self._poll_pause if due is None else due
            if pause > 0 and self._wait(pause):
                continue
            if self._thread is thread and self._ready():
                self._work_once()
                self._note_losses_now_and_then()
                awake_until = monotonic() + AWAKE if self.poll_interval else 0.0

    def _sleep(self) -> bool:
        """Sleep until woken; return False if there will be no more work."""
        self._idle = True
        if self._due() is None:
            if not self.accepting:
                return False
            self._wakeup.wait()
        self._idle = False
        return True

    def _gave_up(self, thread: Thread) -> bool:
        """Stop being the worker's thread; return False if work arrived meanwhile, which woke this thread."""
        if not self._starting.acquire(timeout=0):
            return False  # another thread is being started, or this one ended: the loop will notice
        try:
            self._thread = None
            if self._due() is None:
                return True
            self._thread = thread
            return False
        finally:
            self._starting.release()

    def _wait(self, seconds: float) -> bool:
        """Wait; return True if woken before `seconds` have passed, else note by how much the wait overran."""
        started = monotonic()
        woken = self._wakeup.wait(seconds)
        self._wakeup_delay = 0.0 if woken else monotonic() - started - seconds
        return woken

    @property
    def _poll_pause(self) -> float:
        """The seconds to wait so that, overrunning as the last one did, the wait takes about `poll_interval`."""
        return max(self.poll_interval / 2, self.poll_interval - self._wakeup_delay)

    def _ready(self) -> bool:
        """Return whether the work that was due before the wait should still be done now."""
        return self._due() is not None

    def _work_here(self, deadline: float) -> None:
        """Work on the calling thread, because the worker thread cannot be started."""
        while self.queued and monotonic() < deadline:
            before = self.queued
            self._work_once()
            if self.queued >= before:
                break

    def _work_once(self) -> None:
        with guard("delivering records"), self._work:
            self._step()
            return
        self._wakeup.wait(AFTER_ERROR)  # the same error may follow at once, and would keep a processor busy
