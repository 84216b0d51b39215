"""Background worker threads: idle when there is no work, fork-safe, drained at exit.

`Queue` reads what was captured, `Delivery` brings the records to a sink; both are workers. All of them end together:
at exit, at SIGTERM, when a multiprocessing child ends, within `EXIT_TIMEOUT` seconds whatever a sink does.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import Counter
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Protocol

from autolog._guard import guard, logger, report
from autolog._lifecycle import flush_before_child_exits, workers

#: For how long a worker that naps looks again by itself after it had something to do, in seconds.
AWAKE = 2.0


class Notebook(Protocol):
    """Where what was lost is remembered beyond the process."""

    def note_losses(self, dropped: Mapping[str, int]) -> None: ...


class Bell:
    """Wakes the one thread that waits. May be rung by signal handlers and finalizers, in the midst of ringing, too."""

    __slots__ = ("_rings", "ring")

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()
        self.ring = functools.partial(self._rings.put, None)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it rang, or has rung since it was muted, within so many seconds."""
        try:
            self._rings.get(timeout=timeout)
        except Empty:
            return False
        return True

    def mute(self) -> None:
        """Forget what has rung."""
        with contextlib.suppress(Empty):
            while True:
                self._rings.get_nowait()


class Worker:
    """A thread and the work that waits for it. Subclasses say what there is to do (`_due`) and do it (`_step`).

    Attributes:
        accepting: whether it takes more work.
        dropped: how much was lost, by reason.
    """

    #: Workers of an earlier stage feed those of a later one, and end before them.
    stage = 0
    #: How long it naps when it has just worked, in seconds; 0 to sleep until it is roused.
    #: To be roused costs the calling thread more than all else: waking a thread, and then, each time that it lets go
    #: of the interpreter for a moment, telling that thread, which is always late. A busy program spares itself that.
    nap = 0.0

    def __init__(self) -> None:
        self.accepting = True
        self.notebook: Notebook | None = None
        self.start_over()
        workers.append(self)

    def start_over(self) -> None:
        """No work and no thread: at birth, and in a forked child, whose parent keeps what was waiting."""
        self._wake = Bell()
        self._idle = True
        self._starting = threading.RLock()
        self._work = threading.RLock()
        self._thread: threading.Thread | None = None
        self._drained = threading.Condition()
        self._hurry = False
        self._late = 0.0
        self._held: list[threading.RLock] = []
        self.dropped: Counter[str] = Counter()

    # What subclasses say

    @property
    def queued(self) -> int:
        """How many things wait."""
        raise NotImplementedError

    def _due(self) -> float | None:
        """In how many seconds there is something to do; None if there is nothing."""
        raise NotImplementedError

    def _step(self) -> None:
        """Do a part of it, holding `_work`."""
        raise NotImplementedError

    # From any thread

    def rouse(self) -> None:
        """There is something to do, and the thread sleeps."""
        self._idle = False
        if self._thread is None:
            self._start()
        self._wake.ring()

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits any more; False if the time, in seconds, did not suffice."""
        deadline = monotonic() + timeout
        self.hasten()
        try:
            if self._thread is None or not self._thread.is_alive():
                self._work_here(deadline)
            else:
                with self._drained:
                    while self.queued and (left := deadline - monotonic()) > 0:
                        self._drained.wait(min(left, 0.05))
        finally:
            self._hurry = False
        return not self.queued

    def hasten(self) -> None:
        """Let the thread go on at once, without waiting for company."""
        self._hurry = True
        self._wake.ring()

    def close(self, timeout: float) -> bool:
        """Take nothing more, finish, and stop; False if something was left, which is given up."""
        self.accepting = False
        done = self.finish(timeout)
        thread, self._thread = self._thread, None
        self._wake.ring()
        if thread is not None and thread is not threading.current_thread():
            thread.join(min(0.2, timeout))
        if self.notebook is not None and self.dropped:
            with guard("noting losses"):
                self.notebook.note_losses(self.dropped)
        if self in workers:
            workers.remove(self)
        return done

    def finish(self, timeout: float) -> bool:
        """Do what waits, or give it up if the time, in seconds, does not suffice: then False."""
        done = Worker.flush(self, timeout)
        if not done:
            self.give_up()
        return done

    def give_up(self) -> None:
        """There is no more time for what waits."""
        if left := self.queued:
            self._drop("not written before exit", left)

    def hold(self, timeout: float) -> None:
        """End the thread after the part that it is at, until `release`: a process about to fork wants no threads."""
        deadline = monotonic() + timeout
        # Whoever starts a thread holds the lock meanwhile: one that is about to run cannot be waited for.
        self._held = [self._starting] if self._starting.acquire(timeout=timeout) else []
        thread = self._thread
        if self._held and thread is not None and thread.is_alive() and thread is not threading.current_thread():
            self._thread = None
            self._wake.ring()
            thread.join(max(0.0, deadline - monotonic()))
        self._held += [lock for lock in self._locks() if lock.acquire(timeout=max(0.0, deadline - monotonic()))]

    def _locks(self) -> list[threading.RLock]:
        """What nobody may hold while the process forks."""
        return [self._work]

    def release(self) -> None:
        """Let the thread go on with the next work, or at `flush` and exit.

        Not at once: Python counts threads after a fork, and warns of any.
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
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="autolog", daemon=True)
            self._thread = thread
            try:
                thread.start()
            except RuntimeError as error:  # no more threads, or the interpreter is going: flush will do the work
                self._thread = None
                self._idle = True
                report("starting the worker thread", error)
                return
            flush_before_child_exits()

    def _run(self) -> None:
        me = threading.current_thread()
        awake_until = 0.0
        while self._thread is me:
            self._wake.mute()
            due = self._due()
            if due is None and (monotonic() >= awake_until or not self.accepting):
                if not self._sleep():
                    return
                continue
            pause = self.nap if due is None else due
            if pause > 0 and self._rest(pause):
                continue
            if self._thread is me and self._ready():
                self._part()
                awake_until = monotonic() + AWAKE if self.nap else 0.0

    def _sleep(self) -> bool:
        """Sleep until roused; False if nothing more is to be done, ever."""
        self._idle = True
        if self._due() is None:
            if not self.accepting:
                return False
            self._wake.wait()
        self._idle = False
        return True

    def _rest(self, seconds: float) -> bool:
        """Wait so many seconds, unless the bell rings: then True. Notes how late it came back."""
        begun = monotonic()
        rang = self._wake.wait(seconds)
        self._late = 0.0 if rang else monotonic() - begun - seconds
        return rang

    def _ready(self) -> bool:
        """Whether to do now what was due before the rest."""
        return self._due() is not None

    def _work_here(self, deadline: float) -> None:
        """Work on the calling thread: there is no other (never needed, or it died with the process)."""
        while self.queued and monotonic() < deadline:
            before = self.queued
            self._part()
            if self.queued >= before:
                break

    def _part(self) -> None:
        with guard("delivering records"), self._work:
            self._step()
        if not self.queued:
            with self._drained:
                self._drained.notify_all()
