"""Past calls, which an OpenTelemetry span that becomes known later may describe or enclose."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Any
from weakref import ref

import msgspec

from autolog._capture.otel_spans import on_our_clock

#: The most calls that are remembered for spans of other contexts.
_MOST_CALLS = 1_000
#: The nanoseconds before a call within which its span begins.
_MOST_BEFORE_NS = 10**9

#: What precedes a model's name: a path, or the region and the maker in Bedrock's ids.
_MAKER = re.compile(r".*/|(?:[a-z]{2,6}(?:-[a-z]+)?\.)?[a-z]+\.(?=[a-z])")
#: What follows it: the date of the version, and Bedrock's version.
_VERSION = re.compile(r"(?:[-@:](?:latest|\d{4}-\d\d-\d\d|\d{8}|\d{4}))?(?:-v\d+:\d+)?$")


@dataclass(frozen=True, slots=True)
class Telling:
    """What a record or a span tells of a call: its models, operation and tokens, each None if it is not told.

    The provider is left out: instrumentations call the provider of any endpoint "openai" if OpenAI's SDK is used.
    """

    models: frozenset[str]
    operation: str | None = None
    input: int | None = None
    output: int | None = None
    failed: bool = False

    @classmethod
    def of(cls, record: Any) -> Telling:
        """Return what a record tells."""
        names = (record.request_model, record.response_model)
        tokens = (record.usage_input_tokens or None, record.usage_output_tokens or None)
        return cls(frozenset(map(bare, filter(None, names))), record.operation_name, *tokens, record.status == "error")

    def agreement(self, other: Telling) -> int | None:
        """Return how many of the tokens are the same as another's; None if the two contradict each other.

        The output of a call that was broken off is counted when it ends, which is not at the same time for both.
        """
        if self.models and other.models and not self.models & other.models:
            return None
        if self.operation and other.operation and (self.operation == "embeddings") != (other.operation == "embeddings"):
            return None
        broken_off = self.failed or other.failed
        counts = [(self.input, other.input), *([] if broken_off else [(self.output, other.output)])]
        told = [mine == yours for mine, yours in counts if mine is not None and yours is not None]
        return len(told) if all(told) else None


def bare(model: str) -> str:
    """Return a model's name in lower case without its maker, and without its version's date."""
    name = model.lower()
    return _VERSION.sub("", name[match.end() :] if (match := _MAKER.match(name)) else name)


class PastCall:
    """What is remembered of a call, so that a span that is made later can describe it.

    Attributes:
        record_id: the id of the call's record.
        start_ns: the time at which it began (`perf_counter_ns`).
        wanted: whether `told` is wanted, because there are spans that begin in other contexts than their calls.
        told: what the record tells, once the call has ended and has been read.
        reporters: the instrumentations with a span that reports the call; each reports a call once.
    """

    __slots__ = ("_exchange", "record_id", "reporters", "start_ns", "told", "wanted")

    def __init__(self, exchange: Any, wanted: bool) -> None:
        self._exchange = ref(exchange)
        self.record_id: str = exchange.record_id
        self.start_ns: int = exchange.start_ns
        self.wanted = wanted
        self.told: Telling | None = None
        self.reporters: set[str | None] = set()

    def may_be_of(self, span: Any) -> bool:
        """Return whether a span that begins after the call claims to have begun just before it."""
        return 0 <= self.start_ns - on_our_clock(span.start_time) < _MOST_BEFORE_NS

    def agreement(self, span: Telling, ended_ns: int) -> int | None:
        """Return how much of what a span that ended at a time tells is true of the call; None if it is of another."""
        if self.told is not None:
            succeeded_later = self.told.failed and not span.failed and span.output
            return None if succeeded_later else self.told.agreement(span)
        exchange = self._exchange()
        if exchange is None or 0 < exchange.end_ns <= ended_ns:
            return 0  # it was read, and was not to be recorded
        if span.output and not span.failed:
            return None  # the tokens of a call that was still in progress are not known
        return Telling(_requested(exchange)).agreement(span)


class PastCalls:
    """The latest calls, which may be reported by spans that begin in another context."""

    def __init__(self) -> None:
        self._calls: deque[PastCall] = deque(maxlen=_MOST_CALLS)

    def add(self, call: PastCall) -> None:
        """Remember a call."""
        self._calls.append(call)

    def take(self, span: Any, ended_ns: int, scope: str | None, told: Telling) -> bool:
        """Return whether a span that has ended reports one of the calls, which it then does not do again.

        Args:
            span: OpenTelemetry's own object.
            ended_ns: the time at which we saw it end (`perf_counter_ns`).
            scope: the instrumentation that made it.
            told: what it tells of the call.
        """
        start, end = on_our_clock(span.start_time), on_our_clock(span.end_time)
        during = [call for call in tuple(self._calls) if start <= call.start_ns <= end and scope not in call.reporters]
        agreeing = [(found, call) for call in during if (found := call.agreement(told, ended_ns)) is not None]
        if not agreeing:
            return False
        max(agreeing, key=lambda pair: pair[0])[1].reporters.add(scope)  # of equals, the first
        return True


class _Body(msgspec.Struct):
    model: str | None = None


def _requested(exchange: Any) -> frozenset[str]:
    """Return the model that the request of a call names, if its body has been kept and does."""
    request = exchange.request
    content = getattr(request, "_content", None) or (request.content if exchange.end_ns else None)
    try:
        model = msgspec.json.decode(content or b"{}", type=_Body).model
    except (msgspec.DecodeError, TypeError):
        return frozenset()
    return frozenset([bare(model)] if model else ())
