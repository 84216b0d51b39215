"""Threads, locks and waiting as they were when autolog was imported.

gevent and eventlet put cooperative ones in the place of the standard library's. When they do so after autolog was
imported (`gunicorn -k gevent --preload`), a worker made of both kinds would be a greenlet that waits in a lock of the
operating system's, and stop the program. So all are of one kind: native ones if autolog came first, else cooperative.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import threading
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic, sleep

__all__ = [
    "Empty",
    "RLock",
    "SimpleQueue",
    "Thread",
    "allocate_lock",
    "get_ident",
    "sleep",
    "start_new_thread",
    "wait_for_leaving",
]

#: The class; the function of that name in `threading` makes what is in force when it is called.
RLock = type(threading.RLock())

#: The threads of this module that have ended for Python, by the operating system's ids.
_leaving: set[int] = set()


def wait_for_leaving(timeout: float) -> None:
    """Wait, for so many seconds at most, until the threads that have ended are gone for the operating system, too.

    Python takes a thread for ended (until 3.12 its `join` does) when the thread has yet to clean up after C libraries.
    OpenSSL takes locks for that: a child forked meanwhile would inherit them, and wait for them for ever, at its next
    TLS context or at its exit. Python also counts the threads when a process forks, and warns if there are any.

    The operating system is asked where it lists threads as files (Linux).
    """
    deadline = monotonic() + timeout
    while _forget_gone() and monotonic() < deadline:
        sleep(0.0002)


def _forget_gone() -> set[int]:
    """Return which threads are still leaving."""
    for native_id in list(_leaving):
        if not os.access(f"/proc/self/task/{native_id}", os.F_OK):
            _leaving.discard(native_id)
    return _leaving


class Thread:
    """A daemon thread that calls `target` with itself.

    It is one of `threading`'s, for whoever lists threads, as long as those are of the same kind as these locks.
    """

    def __init__(self, target: Callable[[Thread], None]) -> None:
        self._target = target
        self._ended = allocate_lock()
        self._ident: int | None = None
        self._threading: threading.Thread | None = None
        self._started_by = 0

    def start(self) -> None:
        """Start it.

        Raises:
            RuntimeError: there can be no more threads, or the interpreter is shutting down.
        """
        self._started_by = threading.get_native_id()
        self._ended.acquire()
        try:
            if _thread.start_new_thread is start_new_thread:
                self._threading = threading.Thread(target=self._run, name="autolog", daemon=True)
                self._threading.start()
            else:
                start_new_thread(self._run, ())
        except BaseException:
            self._release()
            raise

    def _run(self) -> None:
        self._ident = get_ident()
        try:
            self._target(self)
        finally:
            self._leave()
            self._release()

    def _leave(self) -> None:
        """Remember that this thread is leaving: not if it is a greenlet, which is no thread of its own."""
        native_id = threading.get_native_id()
        if native_id != self._started_by:
            _forget_gone()  # the system may give their ids to others
            _leaving.add(native_id)

    def _release(self) -> None:
        with contextlib.suppress(RuntimeError):  # twice, if a signal broke off the start of a thread that runs
            self._ended.release()

    def is_alive(self) -> bool:
        """Return whether it has been started, and not ended."""
        return self._ended.locked()

    def is_current(self) -> bool:
        """Return whether the caller runs on it."""
        return self._ident == get_ident()

    def join(self, timeout: float) -> None:
        """Wait until it has ended, for so many seconds at most."""
        if self._ended.acquire(timeout=max(0.0, timeout)):
            self._ended.release()

    def wait_until_gone(self, timeout: float) -> None:
        """Wait, for so many seconds at most, until it has ended and is gone for Python's list of threads, too."""
        deadline = monotonic() + timeout
        self.join(timeout)
        if self._threading is not None and _thread.start_new_thread is start_new_thread:
            self._threading.join(max(0.0, deadline - monotonic()))
