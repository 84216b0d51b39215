"""The one place where autolog's own errors are caught.

`with guard("reading a response"):` swallows any `Exception` raised inside the block, counts it, and logs the first one
for each description, with its traceback, to the `autolog` logger. With `strict` set (our own tests) it re-raises.

Exceptions that the program raises into our code (Ctrl-C, a signal handler's time limit) are not our errors and pass
through: see `is_for_program`.
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
    """Write warnings to standard error, one line each without a traceback, if the program has not configured logging.

    Otherwise a program without logging would never learn that its calls are not being kept. A handler on the root
    logger or on `autolog` gets the warnings instead; a `NullHandler` on `autolog` silences them.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        if sys.stderr is not None and not logging.root.handlers and logger.handlers == [self]:
            error = record.exc_info[1] if record.exc_info else None
            cause = f" ({type(error).__name__}: {error})" if error is not None else ""
            with contextlib.suppress(OSError, ValueError):  # standard error is closed, or a broken pipe
                sys.stderr.write(f"{record.getMessage()}{cause}\n")
        return True


logger.addHandler(Unconfigured(logging.WARNING))

#: The number of failures so far, by what was being done; reported by `autolog.status()`.
failures: Counter[str] = Counter()

#: Set by our own test suite, to raise autolog's errors where they happen.
strict = False


class guard:  # noqa: N801 - reads as a statement
    """A context manager that swallows and reports autolog's own exceptions; `doing` says what was attempted."""

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
    """Count a failure of autolog, and log it the first time it happens: what `guard` does, without a `with` block.

    The capture path calls this from its own `except` clauses, because a block costs a third of a microsecond. An
    exception that is meant for the program is raised again and not counted.
    """
    pass_on(error)
    failures[doing] += 1
    if strict:
        raise error
    if failures[doing] == 1:
        logger.warning("autolog failed while %s; the program is not affected", doing, exc_info=error)


def pass_on(error: BaseException) -> None:
    """Raise `error` again if it is meant for the program; called by `except` clauses that might swallow it."""
    if is_for_program(error):
        raise error


def is_for_program(error: BaseException) -> bool:
    """Return whether an exception raised inside our code, or in a function we called, is meant for the program.

    True for Ctrl-C and for exceptions raised by a signal handler or by another thread. False when a user's callback
    merely calls `sys.exit` while we run it.
    """
    if threading.current_thread() is threading.main_thread():  # the only one on which signal handlers run
        return isinstance(error, KeyboardInterrupt) or _raised_by_signal_handler(error) or _raised_by_thread(error)
    return _raised_by_thread(error)


def _raised_by_signal_handler(error: BaseException) -> bool:
    """Return whether a Python signal handler raised this error, such as a SIGALRM time limit.

    A handler's frame is recognised by its arguments: one of them is the interrupted frame, which is also its caller.
    """
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_back is not None and any(value is frame.f_back for value in _arguments(frame)):
            return True
        trace = trace.tb_next
    return False


def _raised_by_thread(error: BaseException) -> bool:
    """Return whether another thread raised this error here, with `PyThreadState_SetAsyncExc`.

    That function takes an exception class, so the error has no arguments; it surfaces directly in our own code, and its
    class is one that neither Python nor autolog raises there.
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
