"""Times as counts since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from autolog._record.times import EPOCH, from_micros, from_nanos, to_micros


@pytest.mark.parametrize("micros", [0, 1, -1, 1_793_491_200_123_456, 253_402_300_799_999_999])
def test_a_time_is_the_same_after_both_conversions(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    there = datetime(1970, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert to_micros(there) == 0
    assert from_micros(0) == EPOCH == datetime(1970, 1, 1, tzinfo=UTC)


def test_nanoseconds_are_cut_to_microseconds() -> None:
    assert [from_nanos(nanos).microsecond for nanos in (999, 1_000, 1_999)] == [0, 1, 1]
