"""Past calls, which an OpenTelemetry span that becomes known later may describe or enclose."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Any

from autolog._capture.otel_spans import on_our_clock

#: The most calls that are remembered for spans of other contexts.
_MOST_CALLS = 64
#: The nanoseconds before a call within which its span begins.
_MOST_BEFORE_NS = 10**9


class PastCall:
    """What is remembered of a call, so that a span that is made later can describe it.

    Attributes:
        record_id: the id of the call's record.
        start_ns: the time at which it began (`perf_counter_ns`).
    """

    __slots__ = ("record_id", "start_ns")

    def __init__(self, record_id: str, start_ns: int) -> None:
        self.record_id = record_id
        self.start_ns = start_ns

    def may_be_of(self, span: Any) -> bool:
        """Return whether a span that begins after the call claims to have begun just before it."""
        return 0 <= self.start_ns - on_our_clock(span.start_time) < _MOST_BEFORE_NS


class UnenclosedCalls:
    """The latest calls that are in no span of an instrumentation whose spans may begin in another context."""

    def __init__(self) -> None:
        self._calls: deque[PastCall] = deque(maxlen=_MOST_CALLS)

    def add(self, call: PastCall) -> None:
        """Remember a call."""
        self._calls.append(call)

    def take(self, span: Any) -> bool:
        """Return whether one of the calls began during a span that has ended, and forget that call."""
        for call in tuple(self._calls):
            if on_our_clock(span.start_time) <= call.start_ns <= on_our_clock(span.end_time):
                with contextlib.suppress(ValueError):  # another thread has taken it
                    self._calls.remove(call)
                    return True
        return False
