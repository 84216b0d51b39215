"""Threads, locks and sleeping, as they were when autolog was imported; handlers of signals; memory that a fork wipes.

gevent and eventlet replace those of the standard library by cooperative ones. If they do so after autolog was imported
(`gunicorn -k gevent --preload`), a worker that mixes both kinds would be a greenlet blocked in a lock of the operating
system, which stops the whole program. Taking all of them from here keeps them of one kind: native if autolog was
imported first, cooperative otherwise.
"""

from __future__ import annotations

import _thread
import contextlib
import functools
import mmap
import os
import signal
import sys
import threading
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable, Iterator
from os import kill  # before `before_own_end` replaces it
from queue import Empty
from time import monotonic, sleep
from types import BuiltinFunctionType, ModuleType
from typing import Any, TypeAlias

__all__ = [
    "ENDING",
    "Empty",
    "RLock",
    "SimpleQueue",
    "Thread",
    "allocate_lock",
    "before_closing_range",
    "before_own_end",
    "before_sudden_end",
    "end_by",
    "get_ident",
    "handle_ending",
    "hold_signals",
    "process_mark",
    "release_signals",
    "signals_deferred",
    "sleep",
    "start_new_thread",
    "stop_handling",
    "wait_for_leaving",
]

if isinstance(start_new_thread, BuiltinFunctionType):
    from _queue import SimpleQueue  # gevent may have replaced that of `queue`, even if it was told to leave threads
else:
    from queue import SimpleQueue

#: The lock's class. `threading.RLock` itself is a function, which returns whichever kind is in force when it is called.
RLock = type(threading.RLock())

#: `MADV_WIPEONFORK` of Linux 4.14 (madvise(2)), which Python's `mmap` does not name.
_WIPE_ON_FORK = 18


def process_mark() -> mmap.mmap | bytearray:
    """Return a byte that is 1, and that becomes 0 in a forked process; where the system cannot do that, it stays 1.

    Looking at it takes a tenth of the time of `os.getpid()`.
    """
    mark: mmap.mmap | bytearray = bytearray(1)
    if sys.platform == "linux":
        memory = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):
            memory.madvise(_WIPE_ON_FORK)
            mark = memory
    mark[0] = 1
    return mark


#: The operating system's ids of our threads that have ended as far as Python knows, but may still be cleaning up.
_leaving: set[int] = set()


def wait_for_leaving(timeout: float) -> None:
    """Wait, for `timeout` seconds at most, until threads that have ended are gone for the operating system, too.

    Python reports a thread as ended (until 3.12, `join` returns) before the thread has run the clean-up of C libraries.
    OpenSSL takes locks for that: a child forked meanwhile would inherit them and deadlock, at its next TLS context or
    at its exit. Python also counts threads when a process forks, and warns if there are others.

    This works where the operating system lists threads as files (Linux); elsewhere it does not wait.
    """
    deadline = monotonic() + timeout
    while _forget_gone() and monotonic() < deadline:
        sleep(0.0002)


def _forget_gone() -> set[int]:
    """Forget the threads that are gone by now, and return those that are still leaving."""
    for native_id in list(_leaving):
        if not os.access(f"/proc/self/task/{native_id}", os.F_OK):
            _leaving.discard(native_id)
    return _leaving


class Thread:
    """A daemon thread that calls `target` with itself as the argument.

    It appears in `threading.enumerate()` as long as `threading` makes threads of the same kind as this module's locks.
    """

    def __init__(self, target: Callable[[Thread], None]) -> None:
        self._target = target
        self._ended = allocate_lock()
        self._ident: int | None = None
        self._threading: threading.Thread | None = None
        self._started_by = 0

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: if no more threads can be started, or the interpreter is shutting down.
        """
        if sys.is_finalizing():  # until Python 3.11 it would wait for ever, for a thread that never runs
            raise RuntimeError("can't create new thread at interpreter shutdown")
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
            self._be_found()
            self._leave()
            self._release()

    def _be_found(self) -> None:
        """Let `threading` find this thread as it ends, or it prints an error.

        gevent and eventlet give threads other idents, and eventlet another list of them, in the midst of their lives.
        """
        ident, active = threading.get_ident(), getattr(threading, "_active", {})
        if self._threading is not None and ident != self._ident:
            active.pop(self._ident, None)
            active[ident] = self._threading

    def _leave(self) -> None:
        """Remember that this thread is leaving, unless it is a greenlet, which has no thread of its own."""
        native_id = threading.get_native_id()
        if native_id != self._started_by:
            _forget_gone()  # before the operating system reuses their ids
            _leaving.add(native_id)

    def _release(self) -> None:
        with contextlib.suppress(RuntimeError):  # already released, if a signal interrupted `start` once the thread ran
            self._ended.release()

    def is_alive(self) -> bool:
        """Return whether the thread has been started and has not ended."""
        return self._ended.locked()

    def is_current(self) -> bool:
        """Return whether the caller runs on this thread."""
        return self._ident == get_ident()

    def join(self, timeout: float) -> None:
        """Wait, for `timeout` seconds at most, until the thread has ended."""
        if self._ended.acquire(timeout=max(0.0, timeout)):
            self._ended.release()

    def wait_until_gone(self, timeout: float) -> None:
        """Wait, for `timeout` seconds at most, until the thread has ended and has left `threading.enumerate()`, too."""
        deadline = monotonic() + timeout
        self.join(timeout)
        if self._threading is not None and _thread.start_new_thread is start_new_thread:
            self._threading.join(max(0.0, deadline - monotonic()))


#: The signals that ask a process to end, and end it by default.
ENDING = {getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)}


class _Deferring:
    """A signal's handler during `signals_deferred`, which only notes that the signal has come.

    Attributes:
        then: the handler after the block.
    """

    def __init__(self, arrived: list[int], then: Any) -> None:
        self._arrived = arrived
        self.then = then

    def __call__(self, number: int, frame: Any) -> None:  # noqa: ARG002 - signal's signature
        self._arrived.append(number)


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer signals that the program handles (Ctrl-C above all), or that end it, to the end of the block.

    An exception raised by a handler would otherwise abort the flush and lose the waiting records, or be lost itself
    inside an import, where Python ignores it. Handlers run on the main thread only; on any other this does nothing.
    A handler that is installed inside the block stays.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    previous = {int(number): signal.getsignal(number) for number in signal.valid_signals()}
    deferring = {
        number: _Deferring(arrived, handler)
        for number, handler in previous.items()
        if callable(handler) or (handler is signal.SIG_DFL and number in ENDING)
    }
    try:
        with contextlib.suppress(ValueError):  # in a subinterpreter, where no handler ever runs
            for number, note in deferring.items():
                signal.signal(number, note)
        yield
    finally:
        with contextlib.suppress(ValueError):
            for number, note in deferring.items():
                still: Any = signal.getsignal(number)
                if still is note:
                    signal.signal(number, note.then)
    # The handlers are called directly; raising the signals again would notify readers of `set_wakeup_fd` twice.
    for number in dict.fromkeys(arrived):
        current = signal.getsignal(number)
        if callable(current):
            current(number, sys._getframe())
        elif current is signal.SIG_DFL:
            kill(os.getpid(), number)


def handle_ending(handler: Callable[[int, Any], Any]) -> None:
    """Install the handler for SIGTERM and SIGHUP where they have their default action, on the main thread only.

    Inside `signals_deferred`, the handlers take effect at the end of the block. SIGINT is left alone: who takes away
    Python's handler wants to end at once.
    """
    _exchange(signal.SIG_DFL, handler)


def stop_handling(handler: Callable[[int, Any], Any]) -> None:
    """Put back the default action where `handle_ending` has installed this handler, on the main thread only."""
    _exchange(handler, signal.SIG_DFL)


def _exchange(old: Any, new: Any) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in ENDING - {signal.SIGINT}:
        deferring: _Deferring | None = None
        current: Any = signal.getsignal(number)
        while isinstance(current, _Deferring):
            deferring, current = current, current.then
        if current is old and deferring is not None:
            deferring.then = new
        elif current is old:
            with contextlib.suppress(ValueError):  # in a subinterpreter, where no handler ever runs
                signal.signal(number, new)


def end_by(number: int, handler: Callable[[int, Any], Any]) -> None:
    """End the process by the signal's default action, on the main thread only; otherwise go on with the handler."""
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(number, signal.SIG_DFL)
    kill(os.getpid(), number)
    signal.signal(number, handler)  # still running: as process 1 of a container, default actions are ignored


#: The signals that a forking thread had blocked before `hold_signals`.
_blocked = threading.local()


def hold_signals(handler: Any) -> None:
    """Block the signals with this handler around a fork: Python forgets those a child gets before its hooks run."""
    held = {number for number in ENDING if signal.getsignal(number) is handler}
    if held:
        _blocked.before = signal.pthread_sigmask(signal.SIG_BLOCK, held)


def release_signals() -> None:
    """Undo `hold_signals`, in the parent and in the child; a signal that has come meanwhile is then handled."""
    before = _blocked.__dict__.pop("before", None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


#: What is called before the process ends. It may return what to call if the process has not ended after all.
Hook: TypeAlias = Callable[[], Callable[[], object] | None]


@functools.cache
def before_own_end(hook: Hook) -> None:
    """Call `hook` from now on whenever the process ends itself by sending itself a signal that has its default action.

    A program that handles a signal often ends so: it cleans up, restores the default action, and sends itself the
    signal again, as uvicorn's workers do. No exit handler runs then, nor for Ctrl-C if SIGTERM follows too soon, as it
    does from uvicorn's parent process.
    """

    def before_signal(number: object = None, *_: object) -> Callable[[], object] | None:
        if isinstance(number, int) and number in ENDING:
            handler = signal.getsignal(number)
            if handler is signal.SIG_DFL or handler is signal.default_int_handler:
                return hook()
        return None

    def before_kill(pid: object = None, number: object = None, *_: object) -> Callable[[], object] | None:
        return before_signal(number) if pid == os.getpid() else None

    _precede(os, "kill", before_kill)
    _precede(signal, "raise_signal", before_signal)


@functools.cache
def before_sudden_end(hook: Hook) -> None:
    """Call `hook` from now on whenever `os._exit` or an exec ends the program without its exit handlers.

    Not only programs in a hurry end so: children that were forked to run a job do (those of RQ and Airflow), and
    servers that restart themselves (Tornado's autoreload).
    """
    for name in ("_exit", "execv", "execve"):  # which the other functions of the family call
        _precede(os, name, lambda *_: hook())


_before_closing: list[Callable[[], object]] = []


@functools.cache
def before_closing_range(hook: Callable[[], object], rest: Hook) -> None:
    """Call `hook` from now on before `os.closerange` closes descriptors, among which ours may be.

    `rest` is called before all hooks, and what it returns once the descriptors are closed.
    """
    if not _before_closing:
        _precede(os, "closerange", lambda *_: _close_ours(rest))
    _before_closing.append(hook)


def _close_ours(rest: Hook) -> Callable[[], object] | None:
    resume = rest()
    for hook in _before_closing:
        with contextlib.suppress(Exception):  # the program must close its descriptors, and our threads go on
            hook()
    return resume


def _precede(module: ModuleType, name: str, hook: Callable[..., Callable[[], object] | None]) -> None:
    """Make a module's function call `hook` with its positional arguments first, and go on whatever that raises.

    What the hook returns is called after the function.
    """
    function = getattr(module, name)

    @functools.wraps(function)
    def preceded(*args: Any, **named: Any) -> Any:
        after: Callable[[], object] | None = None
        try:
            after = hook(*args)
        finally:
            try:
                result = function(*args, **named)
            finally:
                if after is not None:
                    after()
        return result

    preceded.__module__ = module.__name__  # where it is found again, by pickle for one
    setattr(module, name, preceded)
