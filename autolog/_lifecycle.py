"""The process lifecycle: what autolog does at a fork, at exit and at SIGTERM.

All fork hooks of the package are here, so that their order does not depend on the order of imports. Modules with state
that a forked child must not share register with `after_fork_in_child`; modules with calls, streams or connections in
flight register with `before_exit`.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - see the end of this module
import contextlib
import functools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol, TypeVar

from autolog import _native
from autolog._guard import guard
from autolog._native import RLock, allocate_lock, get_ident, process_mark, sleep, start_new_thread, wait_for_leaving

Lock = TypeVar("Lock")
Hook = TypeVar("Hook", bound=Callable[[], Any])

#: Seconds that the program's exit may wait for sinks to accept the last records.
EXIT_TIMEOUT = 1.6
#: Seconds that the exit may wait, on an overloaded machine, while spans are still being turned into records. This waits
#: for our own CPU work only, and a span that is not yet a record cannot be saved anywhere.
READ_TIMEOUT = 20.0
#: The least time for delivery once all spans are records, in seconds; records left after it go to the journal.
SEND_TIMEOUT = 0.3
#: Seconds that those records may wait for other processes that are writing to the journal; after that they are lost.
KEEP_TIMEOUT = 10.0
#: Seconds of `EXIT_TIMEOUT` that each stage leaves to each later one: to sending, and to journalling unsent records.
_LAST_PART = 0.15
#: Seconds that a fork may wait for workers to finish their current step: a sink may hang.
FORK_TIMEOUT = 0.5
#: Seconds that a fork may wait for our imports: a child that inherits a half-finished import deadlocks on its lock.
IMPORT_TIMEOUT = 20.0
#: Seconds that a fork may wait until none of our threads is inside a block that calls a C library with process-wide
#: locks. The locks are held for microseconds; the block may last longer, as SQLite may wait for a file inside it.
LOCKS_TIMEOUT = 3.0


class Worker(Protocol):
    """A background thread, as seen by the fork and exit hooks; `_delivery.worker` implements it."""

    stage: int
    """The worker's position in the pipeline: workers of a lower stage hand their work to those of a higher one."""

    def keep_at_once(self) -> None:
        """Put work on disk, from now on, before returning to those who hand it over."""

    def keep_later(self) -> None:
        """Undo `keep_at_once`."""

    def pause_for_fork(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the worker is between two steps, and hold it there."""

    def resume_after_fork(self) -> None:
        """Resume the worker, in the parent."""

    def reset(self) -> None:
        """Start over, in the child."""

    def flush_while_progressing(self, patience: float, at_most: float) -> Any:
        """Flush for up to `at_most` seconds, and give up early after `patience` seconds without progress."""

    def finish(self, timeout: float) -> Any:
        """Finish all pending work, within `timeout` seconds, and note what is lost."""

    def close(self, timeout: float) -> Any:
        """Drain, and end the thread, within `timeout` seconds."""


workers: list[Worker] = []
_before_exit: list[Callable[[], Any]] = []
_in_child: list[Callable[[], Any]] = []


def before_exit(hook: Hook) -> Hook:
    """Register a hook that ends open calls, streams or connections; it runs before the last flush."""
    _before_exit.append(hook)
    return hook


def after_fork_in_child(hook: Hook) -> Hook:
    """Register a hook that resets a module's state in a forked child, before any worker is reset there."""
    _in_child.append(hook)
    return hook


#: Objects with a `_lock` that another thread may hold during a fork, and the function that creates the lock.
_lock_owners: weakref.WeakKeyDictionary[Any, Callable[[], Any]] = weakref.WeakKeyDictionary()


def lock_for(owner: object, make: Callable[[], Lock]) -> Lock:
    """Return a new lock for an object's `_lock`, which is replaced in a forked child.

    A thread that held the lock during the fork does not exist in the child, and so could never release it there.
    """
    _lock_owners[owner] = make
    return make()


@after_fork_in_child
def _renew_locks() -> None:
    for owner, make in list(_lock_owners.items()):
        owner._lock = make()


def end_in_flight() -> None:
    """End all calls, streams and connections in flight; each is recorded with what has arrived so far."""
    for hook in _before_exit:
        with guard("ending what is in flight"):
            hook()


# Forks


class Opening:
    """A lock held while workers are created and their modules imported, so that no fork happens meanwhile."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._paused = False

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def pause_for_fork(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the thread that holds the lock, and keep all others out."""
        self._paused = self._lock.acquire(timeout=timeout)

    def resume_after_fork(self) -> None:
        """Let other threads in again, in the parent."""
        if self._paused:
            self._lock.release()

    def reset(self) -> None:
        """Free the lock in a forked child, where a thread of the parent that held it does not exist."""
        try:
            if self._paused:
                self._lock.release()
                return
        except RuntimeError:  # Python 3.13 releases it in the child by itself
            pass
        self._lock = RLock()


opening = Opening()
signals_deferred = _native.signals_deferred


class ForkGate:
    """A block that any thread may enter, and during which no other thread forks.

    It protects calls into SQLite and OpenSSL, which have process-wide locks: a child forked while one is held deadlocks
    as soon as it needs that lock, at its exit at the latest. A fork waits, for `LOCKS_TIMEOUT` at most, until all such
    blocks have ended, and lets none begin meanwhile.

    Attributes:
        was_empty: whether no other thread was inside when the process was forked; only of use in the child.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Open the gate with no thread inside: initially, and in a forked child, which has no other thread."""
        self.was_empty = not getattr(self, "_inside", {}).keys() - {get_ident()}
        self._inside: dict[int, int] = {}
        self._forking: int | None = None
        self._gate = RLock()

    def __enter__(self) -> None:
        thread_id = get_ident()
        depth = self._inside[thread_id] = self._inside.get(thread_id, 0) + 1
        while depth == 1 and self._forking not in {None, thread_id}:
            del self._inside[thread_id]
            with self._gate:
                self._inside[thread_id] = 1

    def __exit__(self, *_: object) -> None:
        thread_id = get_ident()
        depth = self._inside.get(thread_id, 0) - 1
        if depth > 0:
            self._inside[thread_id] = depth
        else:
            self._inside.pop(thread_id, None)

    def pause_for_fork(self, timeout: float) -> None:
        """Keep new threads out, and wait up to `timeout` seconds until all other threads have left."""
        deadline = monotonic() + timeout
        if self._gate.acquire(timeout=timeout):
            self._forking = thread_id = get_ident()
            while any(thread != thread_id for thread in list(self._inside)) and monotonic() < deadline:
                sleep(0.0002)

    def resume_after_fork(self) -> None:
        """Let other threads enter again, in the parent."""
        if self._forking == get_ident():
            self._forking = None
            self._gate.release()


in_c_library = ForkGate()


def _in_order() -> list[Worker]:
    return sorted(workers, key=lambda worker: worker.stage)


def come_to_rest() -> Callable[[], None]:
    """Bring all workers to rest, so that a child inherits no half-finished import and no held lock; return `resume`."""
    opening.pause_for_fork(IMPORT_TIMEOUT)
    deadline = monotonic() + FORK_TIMEOUT
    for worker in _in_order():
        worker.pause_for_fork(max(0.0, deadline - monotonic()))
    in_c_library.pause_for_fork(LOCKS_TIMEOUT)
    wait_for_leaving(LOCKS_TIMEOUT)
    _native.hold_signals(_on_sigterm)
    return resume


def resume() -> None:
    """Let workers and other threads go on, in the parent."""
    _native.release_signals()
    in_c_library.resume_after_fork()
    for worker in workers:
        worker.resume_after_fork()
    opening.resume_after_fork()


#: Registers a hook that is called, while our threads are at rest, before the program closes a range of descriptors.
before_closing_range = functools.partial(_native.before_closing_range, rest=come_to_rest)


def _after_fork_in_child() -> None:
    opening.reset()
    in_c_library.reset()
    for hook in _in_child:
        with guard("starting over in a forked child"):
            hook()
    for worker in workers:
        worker.reset()
    mark[0] = 1
    _native.release_signals()


#: A byte that is 0 in a process that has been forked and has not started over yet.
mark = process_mark()
_starting_over = allocate_lock()


def start_over_if_forked() -> None:
    """Start over in a process forked by C code, as uWSGI's workers are, in which no hook of ours has run."""
    if not mark[0]:
        with _starting_over:
            if not mark[0]:
                _after_fork_in_child()


# The last flush


def flush_all(end: bool = True) -> None:
    """Flush every worker within `EXIT_TIMEOUT`, uninterrupted by signals; with `end`, stop the workers, too."""
    with signals_deferred():
        _flush_all(end)


def _flush_all(end: bool) -> None:
    start_over_if_forked()
    deadline = monotonic() + EXIT_TIMEOUT
    end_in_flight()
    closing = _in_order()
    last = max((worker.stage for worker in closing), default=0)
    for worker in closing:
        with guard("flushing at exit"):
            reserved, stuck = _LAST_PART * (1 + last - worker.stage), False
            if worker.stage == 0:
                stuck = not worker.flush_while_progressing(deadline - monotonic() - reserved, READ_TIMEOUT)
                deadline = max(deadline, monotonic() + reserved + SEND_TIMEOUT)
            left = 0.05 if stuck else max(0.05, deadline - monotonic() - reserved)
            worker.close(left) if end else worker.finish(left)


#: Whether the program's exit has begun; records made from then on are delivered on the calling thread.
exiting = False


def flush_at_exit() -> None:
    """Deliver everything, because the process is ending."""
    global exiting
    exiting = True
    try:
        flush_all()
    except BaseException as error:  # raised by a signal handler, before or after the flush
        flush_all()
        if not isinstance(error, KeyboardInterrupt):  # the program is ending anyway
            raise
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        # Ctrl-C ended the program. CPython derives the exit status from that, but forgets it whenever `exec` runs, as
        # modules imported during the flush may do (dataclasses does): raise it again, so that CPython remembers.
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102


#: Whether SIGTERM flushes, as an option says once it is read, and whether the main thread could prepare for that.
_flushes_at_sigterm, _expecting = True, False


def flush_at_sigterm(wanted: bool = True) -> None:
    """Flush before SIGTERM, or SIGHUP as a terminal is closed, ends the process; or no longer.

    It needs a handler, which is installed on the main thread only, and not in place of one of the program's own.
    A program with a handler of its own ends by an exit, which flushes, or by sending itself the signal again.
    """
    global _flushes_at_sigterm
    _flushes_at_sigterm = wanted
    with guard("handling SIGTERM"):
        if wanted:
            _native.before_own_end(flush_before_end)
        (_native.handle_ending if wanted else _native.stop_handling)(_on_sigterm)


def expect_records() -> bool:
    """Install the handlers on the main thread once it shows that it will record: the first record may be another's.

    If nothing is recorded, the signal ends the process at once. Returns whether no further call is needed.
    """
    global _expecting
    if not _expecting and threading.current_thread() is threading.main_thread():
        _expecting = True
        if _flushes_at_sigterm:
            _native.handle_ending(_on_sigterm)
    return _expecting


def _on_sigterm(number: int, frame: Any) -> None:  # noqa: ARG001 - signal's signature
    try:
        if workers and _flushes_at_sigterm:
            flush_before_end()
    finally:
        _native.end_by(number, _on_sigterm)
        go_on()


def flush_before_end() -> Callable[[], None]:
    """Flush before the process ends while other threads still run; return what to call if it does not end.

    What they record until then goes to the journal at once: nothing waits for it any more.
    """
    for worker in _in_order():
        worker.keep_at_once()
    try:
        _flush_elsewhere()
    except BaseException:
        go_on()
        raise
    return go_on


def go_on() -> None:
    """Let records wait in memory again, because the process has not ended."""
    for worker in _in_order():
        worker.keep_later()


def _flush_elsewhere() -> None:
    """Flush on another thread and wait for it: the thread that a signal interrupts may hold a lock that this needs."""
    done = allocate_lock()
    done.acquire()

    def flush() -> None:
        try:
            flush_all(end=False)
        finally:
            done.release()

    with signals_deferred(), contextlib.suppress(RuntimeError):  # no thread can be started
        start_new_thread(flush, ())
        done.acquire(timeout=EXIT_TIMEOUT + READ_TIMEOUT + KEEP_TIMEOUT)


# The before-fork hook registered last runs first. Those of `logging` and `concurrent.futures`, imported before this
# point (`logging` by `_guard`), take a lock which an import that ours waits for may need, and so run after ours.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=come_to_rest, after_in_parent=resume, after_in_child=_after_fork_in_child)
atexit.register(flush_at_exit)
