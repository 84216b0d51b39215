"""Time zones for sums by day: the UTC offsets of a zone over a range of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

_DAY = timedelta(days=1)
#: The longest range that is examined for changes of the offset; before it, the earliest offset found applies.
_MOST = 60 * 366 * _DAY


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
