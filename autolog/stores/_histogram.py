"""Histograms of durations in hourly sums. Buckets grow by a tenth, so that percentiles are within five per cent."""

from __future__ import annotations

import math
from datetime import timedelta

#: Sums over ranges longer than this are by day.
BY_DAY = timedelta(days=10)
_BASE = math.log(1.1)


def bucket(seconds: float) -> int:
    """Return the bucket of a duration; all durations below a tenth of a millisecond share one bucket."""
    return math.floor(math.log(max(seconds, 1e-4)) / _BASE)


def middle(number: int) -> float:
    """Return the duration in the middle of a bucket, in seconds."""
    return math.exp((number + 0.5) * _BASE)
