"""The life of the process: forks, its exit and SIGTERM, and what is to happen at each.

All fork hooks of the package are here, so that their order does not depend on the order of imports. Modules that keep
something which a forked child must not share register with `after_fork_in_child`; those that keep something in flight,
with `before_exit`.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - see the end
import contextlib
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, Protocol, TypeVar

from autolog._guard import guard
from autolog._native import RLock, allocate_lock, get_ident, sleep, start_new_thread, wait_for_leaving

Lock = TypeVar("Lock")
Hook = TypeVar("Hook", bound=Callable[[], Any])

#: How long the program's exit may wait for sinks to take the last records, in seconds.
EXIT_TIMEOUT = 1.6
#: How long it may take, on a machine that is overloaded, while spans are still being read into records, in seconds:
#: nobody but us is waited for, and what has not been read cannot be kept anywhere.
READ_TIMEOUT = 20.0
#: How long sinks have at least, once all is read, in seconds; then what is left goes to the journal.
SEND_TIMEOUT = 0.3
#: How long what is left may wait for the journal, which other processes of a machine that end at the same time are
#: writing too, in seconds: what is not in it is lost.
KEEP_TIMEOUT = 10.0
#: Of these, how long each stage leaves to what comes after it: to sending, and to keeping what could not be sent.
_LAST_PART = 0.15
#: How long a fork may wait for workers to finish what they are at, in seconds: a sink may hang.
FORK_TIMEOUT = 0.5
#: How long it may wait for imports of ours, in seconds: a child that inherits one half-done waits for it for ever.
IMPORT_TIMEOUT = 20.0
#: How long it may wait until no thread of ours is in a C library that has locks of the whole process, in seconds: they
#: are held for microseconds, if the machine gives their thread the time. But SQLite may wait there for a file.
LOCKS_TIMEOUT = 3.0


class Worker(Protocol):
    """A thread of ours, as forks and exits see it: `_delivery.worker` has the real one."""

    stage: int
    """Workers of a lower stage hand their work to those of a higher one."""

    def pause_for_fork(self, timeout: float) -> None:
        """Wait until the worker is between two steps, and hold it there."""
        ...

    def resume_after_fork(self) -> None:
        """Let the worker go on, in the parent."""
        ...

    def reset(self) -> None:
        """Start over, in the child."""
        ...

    def flush_while_progressing(self, patience: float, at_most: float) -> Any:
        """Flush for up to `at_most` seconds, of which no more than `patience` may pass without progress."""
        ...

    def drain(self, timeout: float) -> Any:
        """Finish what there is, within so many seconds."""
        ...

    def close(self, timeout: float) -> Any:
        """Drain and end the thread."""
        ...


workers: list[Worker] = []
_before_exit: list[Callable[[], Any]] = []
_in_child: list[Callable[[], Any]] = []


def before_exit(hook: Hook) -> Hook:
    """Register what ends calls, streams or connections that are still open: it runs before the last flush."""
    _before_exit.append(hook)
    return hook


def after_fork_in_child(hook: Hook) -> Hook:
    """Register what makes a module's state fit for a forked child, where it runs before any worker starts over."""
    _in_child.append(hook)
    return hook


#: What has a `_lock` that other threads may hold while one forks, and what makes that.
_lock_owners: weakref.WeakKeyDictionary[Any, Callable[[], Any]] = weakref.WeakKeyDictionary()


def lock_for(owner: object, make: Callable[[], Lock]) -> Lock:
    """Return the `_lock` of an object, which gets another in a forked child: whoever holds this is not in it."""
    _lock_owners[owner] = make
    return make()


@after_fork_in_child
def _renew_locks() -> None:
    for owner, make in list(_lock_owners.items()):
        owner._lock = make()


def end_in_flight() -> None:
    """End what is in flight, with what has arrived."""
    for hook in _before_exit:
        with guard("ending what is in flight"):
            hook()


# Forks


class Opening:
    """The lock under which workers are made and their modules imported: no process forks meanwhile."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._paused = False

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def pause_for_fork(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for whoever is opening something, and let nobody else begin."""
        self._paused = self._lock.acquire(timeout=timeout)

    def resume_after_fork(self) -> None:
        """Let others go on, in the parent."""
        if self._paused:
            self._lock.release()

    def reset(self) -> None:
        """Let this go on in a forked child, which has no other thread: whoever else holds the lock is not in it."""
        try:
            if self._paused:
                self._lock.release()
                return
        except RuntimeError:  # Python 3.13 lets go of it in the child by itself
            pass
        self._lock = RLock()


opening = Opening()


class ForkGate:
    """A block, of any thread, during which no other thread forks: SQLite and OpenSSL have locks of the whole process.

    A child that inherits one that is held waits for it for ever, even if that is only at its exit. A fork waits until
    all such blocks have ended, for `LOCKS_TIMEOUT` at most, and lets none begin meanwhile.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Let everybody enter: when made, and in a forked child, in which there is nobody else."""
        self._inside: dict[int, int] = {}
        self._forking: int | None = None
        self._gate = RLock()

    def __enter__(self) -> None:
        me = get_ident()
        depth = self._inside[me] = self._inside.get(me, 0) + 1
        while depth == 1 and self._forking not in {None, me}:
            del self._inside[me]
            with self._gate:
                self._inside[me] = 1

    def __exit__(self, *_: object) -> None:
        me = get_ident()
        depth = self._inside.get(me, 0) - 1
        if depth > 0:
            self._inside[me] = depth
        else:
            self._inside.pop(me, None)

    def pause_for_fork(self, timeout: float) -> None:
        """Let nobody enter any more, and wait up to `timeout` seconds until all others have left."""
        deadline = monotonic() + timeout
        if self._gate.acquire(timeout=timeout):
            self._forking = me = get_ident()
            while any(thread != me for thread in list(self._inside)) and monotonic() < deadline:
                sleep(0.0002)

    def resume_after_fork(self) -> None:
        """Let others enter again, in the parent."""
        if self._forking == get_ident():
            self._forking = None
            self._gate.release()


in_c_library = ForkGate()


def _in_order() -> list[Worker]:
    return sorted(workers, key=lambda worker: worker.stage)


def _before_fork() -> None:
    """Let the workers finish what they are at, so that the child inherits no half-done import or half-held lock."""
    opening.pause_for_fork(IMPORT_TIMEOUT)
    deadline = monotonic() + FORK_TIMEOUT
    for worker in _in_order():
        worker.pause_for_fork(max(0.0, deadline - monotonic()))
    in_c_library.pause_for_fork(LOCKS_TIMEOUT)
    wait_for_leaving(LOCKS_TIMEOUT)


def _after_fork_in_parent() -> None:
    in_c_library.resume_after_fork()
    for worker in workers:
        worker.resume_after_fork()
    opening.resume_after_fork()


def _after_fork_in_child() -> None:
    opening.reset()
    in_c_library.reset()
    for hook in _in_child:
        with guard("starting over in a forked child"):
            hook()
    for worker in workers:
        worker.reset()


# The last flush


def flush_all(end: bool = True) -> None:
    """Flush every worker within `EXIT_TIMEOUT`; with `end`, stop them too. No signal interrupts it."""
    with signals_deferred():
        _flush_all(end)


def _flush_all(end: bool) -> None:
    deadline = monotonic() + EXIT_TIMEOUT
    end_in_flight()
    closing = _in_order()
    last = max((worker.stage for worker in closing), default=0)
    for worker in closing:
        with guard("flushing at exit"):
            reserved = _LAST_PART * (1 + last - worker.stage)
            if worker.stage == 0:
                worker.flush_while_progressing(deadline - monotonic() - reserved, READ_TIMEOUT)
                deadline = max(deadline, monotonic() + reserved + SEND_TIMEOUT)
            left = max(0.05, deadline - monotonic() - reserved)
            worker.close(left) if end else worker.drain(left)


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Put off the program's signal handlers (Ctrl-C first of all) until the block has ended, and then run them.

    What a handler raises would else break off the flush, which is short, and lose what waits; or be lost itself in an
    import, where Python ignores it. Handlers run only on the main thread: on any other this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    held = {number: signal.getsignal(number) for number in signal.valid_signals()}
    handlers = {int(number): handler for number, handler in held.items() if callable(handler)}
    try:
        with contextlib.suppress(ValueError):  # a subinterpreter, where no handler ever runs
            for number in handlers:
                signal.signal(number, lambda number, _: arrived.append(number))
        yield
    finally:
        with contextlib.suppress(ValueError):
            for number, handler in handlers.items():
                signal.signal(number, handler)
    # Called and not raised again: who reads `signal.set_wakeup_fd` has heard of them.
    for arrival in dict.fromkeys(arrived):
        handlers[arrival](arrival, sys._getframe())


#: Whether the program's exit has begun: what is recorded from now on is delivered on the calling thread.
exiting = False


def _at_exit() -> None:
    global exiting
    exiting = True
    try:
        flush_all()
    except BaseException as error:  # a signal handler's, before or after the flush
        flush_all()
        if not isinstance(error, KeyboardInterrupt):  # which needs to end nothing any more
            raise
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        # That Ctrl-C ended the program, which decides its exit status, is forgotten whenever a text is executed, and
        # modules that are imported during the flush may do so (dataclasses do): it is remembered anew.
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102


def flush_before_child_exits() -> None:
    """Flush when a multiprocessing child ends: it leaves by `os._exit`, past `atexit`, after its own finalizers."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, _at_exit, exitpriority=100)


def flush_at_sigterm() -> None:
    """Let SIGTERM end the process as it does by default, but after a flush.

    Only where nobody else handles it, and only from the main thread; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    with guard("handling SIGTERM"):
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: Any) -> None:  # noqa: ARG001 - signal's signature
    # On another thread: this one may hold, where it was interrupted, a lock that flushing needs.
    done = allocate_lock()
    done.acquire()

    def flush() -> None:
        try:
            flush_all(end=False)
        finally:
            done.release()

    try:
        with signals_deferred(), contextlib.suppress(RuntimeError):  # no thread to be had
            start_new_thread(flush, ())
            done.acquire(timeout=EXIT_TIMEOUT + READ_TIMEOUT + KEEP_TIMEOUT)
    finally:
        _end_by(number)


def _end_by(number: int) -> None:
    """End the process as the signal does by default."""
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.signal(number, _on_sigterm)  # the first process of a container outlives it


# The hook registered last runs first. Those of `logging` and `concurrent.futures` hold a lock from then on, which an
# import that ours waits for may need: both are imported before (`logging` by `_guard`), so that they run after ours.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
