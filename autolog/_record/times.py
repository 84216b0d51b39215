"""Convert times to and from counts since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (at - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the time that is this many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=micros)


def from_nanos(nanos: int) -> datetime:
    """Return the time that is this many nanoseconds after 1970, to the microsecond before it."""
    return from_micros(nanos // 1000)
