"""The one place where errors of ours end.

`with guard("reading a response"):` swallows any `Exception` raised inside, logs the first of each kind with its
traceback to the `autolog` logger, and counts all. Under `guard.strict` (our own tests) it re-raises instead.
"""

from __future__ import annotations

import logging
from collections import Counter
from types import TracebackType

logger = logging.getLogger("autolog")
logger.addHandler(logging.NullHandler())

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


def report(doing: str, error: Exception) -> None:
    """Count a failure of ours, and log it the first time that it happens; what `guard` does, without a block.

    The capture path calls it from its own `except`, for a block costs a third of a microsecond.
    """
    failures[doing] += 1
    if strict:
        raise error
    if failures[doing] == 1:
        logger.warning("autolog failed while %s; the program is not affected", doing, exc_info=error)
