"""Convert times to and from counts since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Datetime = datetime
else:
    # The class itself: while a test freezes the time with freezegun, `datetime` is another class in all modules, and
    # msgspec would keep that for ever if it looked up the types of fields then.
    Datetime = next(kind for kind in datetime.__mro__ if kind.__module__ == "datetime")

EPOCH = Datetime(1970, 1, 1, tzinfo=UTC)
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
