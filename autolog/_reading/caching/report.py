"""Report on prompt caching over many calls: hit rates, dollars saved and lost, and causes of misses by cost."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from autolog._reading.caching.calls import CachedCall, cached_call
from autolog._reading.caching.causes import Miss, explain, nearest
from autolog._record.record import Record

#: How many recent calls are kept for each session, function and prompt beginning, and for how many of these at most.
_EACH, _KEPT = 4, 2_000
#: The dimensions by which calls can be grouped.
GROUPS = ("model", "function", "session", "day")


@dataclass(slots=True)
class Sums:
    """Sums over calls: input tokens, those read from and written to the cache; dollars saved by it, and dollars lost.

    Dollars are lost to avoidable misses.
    """

    calls: int = 0
    tokens: int = 0
    read: int = 0
    written: int = 0
    saved: float = 0.0
    lost: float = 0.0

    @property
    def rate(self) -> float:
        """The share of the input tokens that came from the cache, from 0 to 1."""
        return self.read / self.tokens if self.tokens else 0.0


@dataclass(slots=True)
class Cause:
    """The misses with the same cause and place: their number, tokens and dollars, and the largest as an example."""

    cause: str
    where: str
    example: Miss
    misses: int = 0
    tokens: int = 0
    dollars: float = 0.0

    @property
    def avoidable(self) -> bool:
        """Whether the program could have avoided the misses."""
        return self.example.avoidable


@dataclass(slots=True)
class Report:
    """The effect of the cache on calls: sums in total and by model, function, session or day, and misses in order."""

    total: Sums = field(default_factory=Sums)
    groups: dict[str, Sums] = field(default_factory=dict)
    misses: list[Miss] = field(default_factory=list)

    def causes(self) -> list[Cause]:
        """Return the causes of misses: avoidable ones first, and the most expensive of these first."""
        found: dict[tuple[str, str], Cause] = {}
        for miss in self.misses:
            where = re.sub(r"^(messages|input|contents)\[\d+\]", r"\1[…]", miss.where)
            cause = found.setdefault((miss.cause, where), Cause(miss.cause, where, miss))
            cause.misses += 1
            cause.tokens += miss.tokens
            cause.dollars += miss.dollars or 0.0
            if miss.tokens > cause.example.tokens:
                cause.example = miss
        return sorted(found.values(), key=lambda cause: (not cause.avoidable, -cause.dollars, -cause.tokens))


class Earlier:
    """The most recent calls of each session, function and prompt beginning, with which a new call is compared."""

    def __init__(self) -> None:
        self._calls: OrderedDict[tuple[str, str], deque[CachedCall]] = OrderedDict()

    def judge(self, record: Record) -> tuple[CachedCall, Miss | None] | None:
        """Return a record as a call, and why it missed the cache, if it did; None if its caching cannot be judged.

        Records must be given with their bodies, in chronological order.
        """
        call = cached_call(record)
        if call is None:
            return None
        found = {other.id: other for key in _keys(call) for other in self._calls.get(key, ())}
        miss = explain(call, nearest(call, sorted(found.values(), key=lambda other: other.end)))
        self._add(call)
        return call, miss

    def _add(self, call: CachedCall) -> None:
        for key in _keys(call):
            self._calls.setdefault(key, deque(maxlen=_EACH)).append(call)
            self._calls.move_to_end(key)
        while len(self._calls) > _KEPT:
            self._calls.popitem(last=False)


def _keys(call: CachedCall) -> Iterator[tuple[str, str]]:
    if call.session:
        yield "session", call.session
    if call.function:
        yield "function", call.function
    yield "beginning", f"{call.model} {call.prefix.texts[:4]}"[:500]


def judge(records: Iterable[Record]) -> Iterator[tuple[CachedCall, Miss | None]]:
    """Yield the calls whose caching can be judged, and why each missed the cache, if it did.

    Args:
        records: records with their bodies, in chronological order.
    """
    earlier = Earlier()
    for record in records:
        if (judged := earlier.judge(record)) is not None:
            yield judged


def report(records: Iterable[Record], by: str = "model") -> Report:
    """Return the effect of the cache on calls, grouped by one of GROUPS.

    Records must be given with their bodies, in chronological order.
    """
    result = Report()
    for call, miss in judge(records):
        for sums in (result.total, result.groups.setdefault(_group(call, by), Sums())):
            sums.calls += 1
            sums.tokens += call.tokens
            sums.read += call.read
            sums.written += call.written
            sums.saved += call.saved
            if miss is not None and miss.avoidable:
                sums.lost += miss.dollars or 0.0
        if miss is not None:
            result.misses.append(miss)
    return result


def _group(call: CachedCall, by: str) -> str:
    found = {"model": call.model, "function": call.function, "session": call.session, "day": f"{call.start:%Y-%m-%d}"}
    return found[by] or "–"


def line(record: Record, earlier: Sequence[Record]) -> str | None:
    """Return a one-line summary of caching for one call; None if it cannot be judged or there is nothing to report.

    Args:
        record: the call's record, with its bodies.
        earlier: records of earlier calls that may share the prompt, with their bodies.
    """
    call = cached_call(record)
    if call is None:
        return None
    others = [other for candidate in earlier if (other := cached_call(candidate)) is not None]
    miss = explain(call, nearest(call, sorted(others, key=lambda other: other.end)))
    if miss is None and not call.read and not call.written:
        return None
    parts = [f"{call.read:,} of {call.tokens:,} tokens from the cache"]
    if miss is not None:
        missed = f" ({miss.tokens:,} tokens missed)" if miss.tokens else ""
        parts.append(miss.explanation + missed)
    elif call.written:
        parts.append(f"{call.written:,} written")
    return "; ".join(parts)
