"""Background worker threads: idle when there is no work, fork-safe, drained at exit.

`Queue` turns ended spans into records, `Delivery` writes the records to a sink; both are workers. `_lifecycle` drains
them all at exit, at SIGTERM and when a multiprocessing child ends, within `EXIT_TIMEOUT` seconds whatever a sink does.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter, deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Protocol, TypeVar

from autolog import _lifecycle
from autolog._guard import guard, logger, report
from autolog._lifecycle import flush_before_child_exits, workers
from autolog._native import Empty, RLock, SimpleQueue, Thread, sleep

if TYPE_CHECKING:
    import threading

T = TypeVar("T")

#: How long a worker keeps polling after its last work, in seconds.
AWAKE = 2.0
#: How soon whoever flushes looks whether all is done, in seconds, and how rarely in the end.
POLL, SLOWEST_POLL = 0.002, 0.05
#: How often an exit looks whether there is progress, in seconds.
LOOK = 0.4
#: How often losses are noted while the program runs, in seconds.
NOTE_EVERY = 10.0


class LossLog(Protocol):
    """Remembers losses after the process has ended."""

    def note_losses(self, dropped: Mapping[str, int]) -> None: ...


class WakeUp:
    """An event for one waiting thread. Signal handlers and finalizers may set it, even while it is being set."""

    __slots__ = ("_tokens", "set")

    def __init__(self) -> None:
        self._tokens: SimpleQueue[None] = SimpleQueue()
        self.set = functools.partial(self._tokens.put, None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or has been since the last `clear`; False after `timeout` seconds."""
        try:
            self._tokens.get(timeout=timeout)
        except Empty:
            return False
        return True

    def clear(self) -> None:
        """Forget that it was set."""
        with contextlib.suppress(Empty):
            while True:
                self._tokens.get_nowait()


def wait_until(done: Callable[[], bool], deadline: float) -> bool:
    """Wait until `done()`, or the deadline (monotonic); returns the last answer.

    Looks ever more rarely: on a loaded machine each look takes the interpreter from whoever does the work, for as long
    as the system takes to run first one thread and then the other. 2 ms apart they made the work 30 times as long.
    """
    begun = monotonic()
    while not done() and (now := monotonic()) < deadline:
        sleep(min(deadline - now, SLOWEST_POLL, max(POLL, (now - begun) / 8)))
    return done()


def take_all(items: deque[T]) -> list[T]:
    """Empty a deque, also while other threads add to it; returns what was in it."""
    taken: list[T] = []
    with contextlib.suppress(IndexError):
        while True:
            taken.append(items.popleft())
    return taken


class Worker:
    """A thread and its pending work. Subclasses say when there is work (`_due`) and do it (`_step`).

    Attributes:
        accepting: False once it is closed, or the program is exiting.
        dropped: the number of records lost, by reason.
    """

    #: Workers of an earlier stage feed those of a later one, and are closed before them.
    stage = 0
    #: How often it looks for work after it has just worked, in seconds; 0 to sleep until it is woken.
    #: Waking costs the calling thread more than all else: it must start a thread switch, and then hand over the
    #: interpreter each time that it releases it. In a busy program polling saves that.
    poll_interval = 0.0

    def __init__(self) -> None:
        self.accepting = not _lifecycle.exiting
        self.loss_log: LossLog | None = None
        self.reset()
        workers.append(self)

    def reset(self) -> None:
        """Start without work or thread: when made, and in a forked child, whose parent keeps the pending work."""
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
    def _left(self) -> int:
        """The number of pending items that have not been begun: falls while there is progress."""
        return self.queued

    @property
    def _occupied(self) -> bool:
        """Whether the thread is at work of ours that ends, however slow the machine, and cannot be counted."""
        return not self._prepared and self._runs

    @property
    def _runs(self) -> bool:
        """Whether the thread runs; perhaps not for long, if it was about to end when it was woken."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _due(self) -> float | None:
        """Return in how many seconds there is work; None if there is none."""
        raise NotImplementedError

    def _step(self) -> None:
        """Do a part of the work, holding `_work`."""
        raise NotImplementedError

    def _prepare(self) -> None:
        """Do start-up work, so that the first item need not wait for it; called when the thread starts."""

    def abandon(self) -> None:
        """Keep elsewhere what is pending, or drop and count it: there is no more time."""
        raise NotImplementedError

    # From any thread

    def wake(self) -> None:
        """Start the thread, or wake it, because there is work."""
        try:
            self._idle = False
            if not self._runs:
                self._start()
            self._wakeup.set()
        except BaseException:  # raised by a signal handler, for the program: the next record will wake the thread
            self._idle = True
            raise

    def flush(self, timeout: float) -> bool:
        """Wait until nothing is pending; False if `timeout` seconds did not suffice."""
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
        """Flush for up to `at_most` seconds, of which no more than `patience` may pass without progress.

        A look counts as `LOOK` seconds, however long it took: on a machine that is overloaded, or was stopped, the
        thread that does the work had no more time than the one that looks.
        """
        deadline = monotonic() + at_most
        idle, before = 0.0, self._left
        while not (done := self.flush(LOOK)) and idle < patience and monotonic() < deadline:
            idle = idle + LOOK if self._left >= before and not self._occupied else 0.0
            before = self._left
        return done

    def expedite(self) -> None:
        """Let the thread start at once, without waiting for more to batch."""
        self._expedited = True
        self._wakeup.set()

    def close(self, timeout: float) -> bool:
        """Take no more work, drain, and stop; False if something was left, which is abandoned."""
        self.accepting = False
        done = self.drain(timeout)
        timeout = min(0.2, timeout) if self._prepared else 0.0  # whose preparations nobody needs any more
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
        """Write what was lost since the last time to the loss log."""
        lost, self._noted = self.dropped - self._noted, self.dropped.copy()
        if self.loss_log is not None and lost:
            with guard("noting losses"):
                self.loss_log.note_losses(lost)

    def _note_losses_now_and_then(self) -> None:
        """Note losses every `NOTE_EVERY` seconds: a program that is killed has no time for it."""
        if self.dropped != self._noted and monotonic() >= self._note_at:
            self._note_at = monotonic() + NOTE_EVERY
            self.note_losses()

    def drain(self, timeout: float) -> bool:
        """Do the pending work; after `timeout` seconds abandon the rest and return False."""
        done = Worker.flush(self, timeout)
        if not done:
            self.abandon()
        return done

    def pause_for_fork(self, timeout: float) -> None:
        """End the thread after its current step, and take the locks: a process that forks should have no threads."""
        if self._runs and not self._prepared:
            timeout = _lifecycle.IMPORT_TIMEOUT
        deadline = monotonic() + timeout
        self._held = [self._starting] if self._starting.acquire(timeout=timeout) else []
        if self._held and (thread := self._end_thread(max(0.0, deadline - monotonic()))) is not None:
            thread.wait_until_gone(max(0.0, deadline - monotonic()))
        self._held += [lock for lock in self._locks() if lock.acquire(timeout=max(0.0, deadline - monotonic()))]

    def _end_thread(self, timeout: float) -> Thread | None:
        """Let the thread end after its current step, and wait for that, holding `_starting`; return it.

        Whoever starts the thread holds that lock until it runs: before that it could not be joined.
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
        """Release the locks. The thread starts again with the next work, or at `flush` and exit.

        Not at once: Python counts the threads after a fork, and warns if there are any.
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
            thread = Thread(self._run)
            self._prepared = False
            self._thread = thread
            try:
                thread.start()
            except RuntimeError as error:  # flushing will do the work
                self._thread = None
                self._idle = True
                if "interpreter shutdown" not in str(error):  # as every exit is since Python 3.12
                    report("starting the worker thread", error)
                return
            flush_before_child_exits()

    def _run(self, me: Thread) -> None:
        try:
            with guard("preparing"), self._work:
                self._prepare()
            self._prepared = True
            self._loop(me)
        finally:
            self._idle = True  # whatever ended it, the next record starts a new one

    def _loop(self, me: Thread) -> None:
        awake_until = 0.0
        while self._thread is me:
            self._wakeup.clear()
            due = self._due()
            if due is None and (monotonic() >= awake_until or not self.accepting):
                if not self._sleep() and self._gave_up(me):
                    return
                continue
            pause = self.poll_interval if due is None else due
            if pause > 0 and self._wait(pause):
                continue
            if self._thread is me and self._ready():
                self._work_once()
                self._note_losses_now_and_then()
                awake_until = monotonic() + AWAKE if self.poll_interval else 0.0

    def _sleep(self) -> bool:
        """Sleep until woken; False if there will be no more work."""
        self._idle = True
        if self._due() is None:
            if not self.accepting:
                return False
            self._wakeup.wait()
        self._idle = False
        return True

    def _gave_up(self, me: Thread) -> bool:
        """Be no longer the thread that is woken; False if work came meanwhile, whose bringer thinks that it is."""
        if not self._starting.acquire(timeout=0):
            return False  # another is started, or this one is ended: the loop will see
        try:
            self._thread = None
            if self._due() is None:
                return True
            self._thread = me
            return False
        finally:
            self._starting.release()

    def _wait(self, seconds: float) -> bool:
        """Wait `seconds`; True if woken before. Notes by how much the wait overran."""
        begun = monotonic()
        woken = self._wakeup.wait(seconds)
        self._wakeup_delay = 0.0 if woken else monotonic() - begun - seconds
        return woken

    def _ready(self) -> bool:
        """Return whether to do now what was due before the wait."""
        return self._due() is not None

    def _work_here(self, deadline: float) -> None:
        """Work on the calling thread, because the worker's cannot be started."""
        while self.queued and monotonic() < deadline:
            before = self.queued
            self._work_once()
            if self.queued >= before:
                break

    def _work_once(self) -> None:
        with guard("delivering records"), self._work:
            self._step()
