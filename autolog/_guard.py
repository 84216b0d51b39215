"""The one place where errors of ours end.

`with guard("reading a response"):` swallows any `Exception` raised inside, logs the first of each kind with its
traceback to the `autolog` logger, and counts all. Under `guard.strict` (our own tests) it re-raises instead.

What the program raised into our code, which merely happened to run, is not ours and passes: see `is_for_program`.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from types import FrameType, TracebackType

logger = logging.getLogger("autolog")


class Unconfigured(logging.NullHandler):
    """Say warnings on standard error, a line each without a traceback, where the program has not configured logging.

    Who writes no logs would else not hear that none of his calls is kept. A handler of his own, on the root or on
    `autolog`, gets them instead; `NullHandler` on `autolog` silences them.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        if sys.stderr is not None and not logging.root.handlers and logger.handlers == [self]:
            error = record.exc_info[1] if record.exc_info else None
            cause = f" ({type(error).__name__}: {error})" if error is not None else ""
            with contextlib.suppress(OSError, ValueError):  # it is closed, or nobody reads it
                sys.stderr.write(f"{record.getMessage()}{cause}\n")
        return True


logger.addHandler(Unconfigured(logging.WARNING))

#: Failures so far, by what was being done; shown by `autolog.status()`.
failures: Counter[str] = Counter()

#: Set by our own test suite: errors of ours are then raised where they happen.
strict = False


class guard:  # noqa: N801 - reads as a statement
    """A context manager that lets no `Exception` of ours out; `doing` says what was attempted."""

    __slots__ = ("doing",)

    def __init__(self, doing: str) -> None:
        self.doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        report(self.doing, error)
        return True


def report(doing: str, error: BaseException) -> None:
    """Count a failure of ours, and log it the first time that it happens; what `guard` does, without a block.

    The capture path calls it from its own `except`, for a block costs a third of a microsecond. An error that is
    the program's is raised again, and is no failure of ours.
    """
    pass_on(error)
    failures[doing] += 1
    if strict:
        raise error
    if failures[doing] == 1:
        logger.warning("autolog failed while %s; the program is not affected", doing, exc_info=error)


def pass_on(error: BaseException) -> None:
    """Raise `error` again if it is the program's: to be called by an `except` that might swallow such a one."""
    if is_for_program(error):
        raise error


def is_for_program(error: BaseException) -> bool:
    """Return whether the program is to see an error that was raised in code of ours, or in a function that we called.

    True for Ctrl-C, and for what a signal handler or another thread raised. False for a user's function that exits
    while we call it.
    """
    if threading.current_thread() is threading.main_thread():  # the only one on which signal handlers run
        return isinstance(error, KeyboardInterrupt) or _raised_by_signal_handler(error) or _raised_by_thread(error)
    return _raised_by_thread(error)


def _raised_by_signal_handler(error: BaseException) -> bool:
    """Return whether a signal handler written in Python raised this error, such as a time limit by SIGALRM.

    A handler's frame is recognised by its arguments: one is the frame that it interrupted, which is also the one below.
    """
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_back is not None and any(value is frame.f_back for value in _arguments(frame)):
            return True
        trace = trace.tb_next
    return False


def _raised_by_thread(error: BaseException) -> bool:
    """Return whether another thread raised this error here, by `PyThreadState_SetAsyncExc`: a class, out of no call.

    So it has no arguments, comes out of our own code, and is of a kind that neither Python nor we raise there.
    """
    trace = error.__traceback__
    if trace is None or error.args or type(error).__module__.partition(".")[0] in {"builtins", "autolog"}:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__")).startswith("autolog.")


def _arguments(frame: FrameType) -> Iterator[object]:
    code = frame.f_code
    positional = code.co_argcount
    for name in code.co_varnames[:positional]:
        yield frame.f_locals.get(name)
    if code.co_flags & inspect.CO_VARARGS:
        yield from frame.f_locals.get(code.co_varnames[positional + code.co_kwonlyargcount], ())
