"""Prompt caching over many calls: hit rates, dollars, and causes by what they cost."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from autolog._reading.caching.calls import CachedCall, cached_call
from autolog._reading.caching.causes import Miss, explain, nearest
from autolog._record.record import Record

#: How many of the latest calls of a session, of a function and of a beginning are compared with, and of how many of
#: those they are kept.
_EACH, _KEPT = 4, 2_000
#: What calls can be summed up by.
GROUPS = ("model", "function", "session", "day")


@dataclass(slots=True)
class Sums:
    """Sums over calls: tokens, of which `read` came from the cache; dollars saved, and lost to avoidable misses."""

    calls: int = 0
    tokens: int = 0
    read: int = 0
    written: int = 0
    saved: float = 0.0
    lost: float = 0.0

    @property
    def rate(self) -> float:
        """Return which share of the input came from the cache."""
        return self.read / self.tokens if self.tokens else 0.0


@dataclass(slots=True)
class Cause:
    """Misses with one cause in one place: how many, their tokens and dollars, and the dearest of them."""

    cause: str
    where: str
    example: Miss
    misses: int = 0
    tokens: int = 0
    dollars: float = 0.0

    @property
    def avoidable(self) -> bool:
        """Return whether they need not have been."""
        return self.example.avoidable


@dataclass(slots=True)
class Report:
    """What the cache did for calls. `groups` are sums by model, function, session or day; `misses` come in order."""

    total: Sums = field(default_factory=Sums)
    groups: dict[str, Sums] = field(default_factory=dict)
    misses: list[Miss] = field(default_factory=list)

    def causes(self) -> list[Cause]:
        """Return the causes of misses: those that need not have been first, the dearest first."""
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
    """The latest calls of each session, function and beginning: what a new one is compared with."""

    def __init__(self) -> None:
        self._calls: OrderedDict[tuple[str, str], deque[CachedCall]] = OrderedDict()

    def judge(self, record: Record) -> tuple[CachedCall, Miss | None] | None:
        """Return a record, with its bodies, as a call, and why that missed the cache, if it did; None if nobody knows.

        Records are judged in the order of time.
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
        records: with their bodies, in the order of time.
    """
    earlier = Earlier()
    for record in records:
        if (judged := earlier.judge(record)) is not None:
            yield judged


def report(records: Iterable[Record], by: str = "model") -> Report:
    """Return what the cache did for calls: with their bodies, in the order of time; summed up by one of GROUPS."""
    made = Report()
    for call, miss in judge(records):
        for sums in (made.total, made.groups.setdefault(_group(call, by), Sums())):
            sums.calls += 1
            sums.tokens += call.tokens
            sums.read += call.read
            sums.written += call.written
            sums.saved += call.saved
            if miss is not None and miss.avoidable:
                sums.lost += miss.dollars or 0.0
        if miss is not None:
            made.misses.append(miss)
    return made


def _group(call: CachedCall, by: str) -> str:
    found = {"model": call.model, "function": call.function, "session": call.session, "day": f"{call.start:%Y-%m-%d}"}
    return found[by] or "–"


def line(record: Record, earlier: Sequence[Record]) -> str | None:
    """Return in a line what the cache did for one call; None if that cannot be judged, or there is nothing to say.

    Args:
        record, earlier: with their bodies; `earlier` are those that it may have a prompt in common with.
    """
    call = cached_call(record)
    if call is None:
        return None
    others = [other for one in earlier if (other := cached_call(one)) is not None]
    miss = explain(call, nearest(call, sorted(others, key=lambda other: other.end)))
    if miss is None and not call.read and not call.written:
        return None
    parts = [f"{call.read:,} of {call.tokens:,} tokens from the cache"]
    if miss is not None:
        missed = f" ({miss.tokens:,} tokens missed)" if miss.tokens else ""
        parts.append(miss.says + missed)
    elif call.written:
        parts.append(f"{call.written:,} written")
    return "; ".join(parts)
