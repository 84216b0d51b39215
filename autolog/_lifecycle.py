"""The life of the process: forks, its exit and SIGTERM, and who is told of them."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from autolog._guard import guard

if TYPE_CHECKING:
    from autolog._delivery.worker import Worker

#: How long the program's exit may wait for the last records, in seconds.
EXIT_TIMEOUT = 1.6
#: Of these, how long each stage leaves to what comes after it: to sending, and to keeping what could not be sent.
_LAST_PART = 0.15
#: How long a fork may wait for workers to finish what they are at, in seconds.
FORK_TIMEOUT = 0.5

workers: list[Worker] = []

#: Held while workers are made and their modules imported: by one thread at a time, and by none during a fork.
opening = threading.RLock()

#: Called before the last flush, to hand over what is still in flight.
before_exit: list[Callable[[], None]] = []


def end_in_flight() -> None:
    """End what is in flight, with what has arrived."""
    for end in before_exit:
        with guard("ending what is in flight"):
            end()


def _in_order() -> list[Worker]:
    return sorted(workers, key=lambda worker: worker.stage)


def _before_fork() -> None:
    """Let the workers finish what they are at, so that the child inherits no half-done import or half-held lock."""
    global _opening_held
    deadline = monotonic() + FORK_TIMEOUT
    _opening_held = opening.acquire(timeout=FORK_TIMEOUT)
    for worker in _in_order():
        worker.pause_for_fork(max(0.0, deadline - monotonic()))


def _after_fork_in_parent() -> None:
    for worker in workers:
        worker.resume_after_fork()
    if _opening_held:
        opening.release()


def _after_fork_in_child() -> None:
    global opening, _flushing
    _flushing = False
    opening = threading.RLock()
    for worker in workers:
        worker.reset()


_opening_held = False


def flush_all(end: bool = True) -> None:
    """Bring away all there is, in the time that an exit may take; with `end` the workers stop for good."""
    global _flushing
    _flushing = True
    try:
        _flush_all(end)
    finally:
        _flushing = False
    if _terminated:
        _end_by(_terminated)


#: Whether a flush goes on, and the signal that came meanwhile.
_flushing, _terminated = False, 0


def _flush_all(end: bool) -> None:
    deadline = monotonic() + EXIT_TIMEOUT
    end_in_flight()
    closing = _in_order()
    last = max((worker.stage for worker in closing), default=0)
    for worker in closing:
        with guard("flushing at exit"):
            left = max(0.05, deadline - monotonic() - _LAST_PART * (1 + last - worker.stage))
            worker.close(left) if end else worker.drain(left)


def _at_exit() -> None:
    flush_all()
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        # That Ctrl-C ended the program, which decides its exit status, is forgotten whenever a text is executed, and
        # modules that are imported during the flush may do so (dataclasses do): it is remembered anew.
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102


def flush_before_child_exits() -> None:
    """A multiprocessing child leaves by `os._exit`, past `atexit`, but runs its own finalizers first."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, flush_all, exitpriority=100)


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
    global _terminated
    if _flushing:
        _terminated = number
        return
    # On another thread: this one may hold, where it was interrupted, a lock that flushing needs.
    done = _thread.allocate_lock()
    done.acquire()

    def flush() -> None:
        try:
            flush_all(end=False)
        finally:
            done.release()

    with contextlib.suppress(RuntimeError):  # no thread to be had
        _thread.start_new_thread(flush, ())
        done.acquire(timeout=EXIT_TIMEOUT + 0.2)
    _end_by(number)


def _end_by(number: int) -> None:
    """What the signal does by default."""
    global _terminated
    _terminated = 0
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.signal(number, _on_sigterm)  # the first process of a container outlives it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
