"""Time zones for sums by day: the UTC offsets of a zone over a range of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from autolog._record.times import from_micros, to_micros
from autolog.stores._contract import Store
from autolog.stores.query import Query

_DAY = timedelta(days=1)
#: The longest range that is examined for changes of the offset; before it, the earliest offset found applies.
_MOST = 60 * 366 * _DAY


def shifts(store: Store, query: Query, zone: tzinfo | None) -> list[tuple[int, int]]:
    """Return the zone's UTC offsets over the time of a store's records within a query's range.

    They are pairs of the time in microseconds since 1970 from which an offset applies, and its seconds. An empty list
    stands for UTC.
    """
    first, last = store.extremes(Query(), ["created_at"])["created_at"]
    if first is None or zone is UTC:
        return []
    begin, end = from_micros(first), from_micros(last)
    begin, end = max(begin, query.since or begin), min(end, query.until or end)
    return [(to_micros(at), seconds) for at, seconds in offsets(zone, begin, max(begin, end))]


def offsets(zone: tzinfo | None, first: datetime, last: datetime) -> list[tuple[datetime, int]]:
    """Return a zone's UTC offsets between two times, as pairs of the time from which each applies and its seconds.

    None stands for the zone of this machine.
    """
    at = max(first, last - _MOST)
    found = [(first, _offset(zone, at))]
    while at < last:
        after = at + _DAY
        if _offset(zone, after) != found[-1][1]:
            after = _change(zone, at, after)
            found.append((after, _offset(zone, after)))
        at = after
    return found


def _change(zone: tzinfo | None, before: datetime, after: datetime) -> datetime:
    """Return the minute from which the offset at `after` applies."""
    while after - before > timedelta(minutes=1):
        middle = before + (after - before) // 2
        if _offset(zone, middle) == _offset(zone, before):
            before = middle
        else:
            after = middle
    return after.replace(second=0, microsecond=0)


def _offset(zone: tzinfo | None, at: datetime) -> int:
    return 0 if zone is UTC else int((at.astimezone(zone).utcoffset() or timedelta()).total_seconds())
