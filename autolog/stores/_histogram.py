"""The histograms in sums by the hour: each bucket is a tenth wider than the one below, so percentiles are near."""

from __future__ import annotations

import math
from datetime import timedelta

#: Sums over ranges longer than this are by the day.
BY_DAY = timedelta(days=10)
_BASE = math.log(1.1)


def bucket(seconds: float) -> int:
    """Return the bucket of a duration; below a tenth of a millisecond all are one."""
    return math.floor(math.log(max(seconds, 1e-4)) / _BASE)


def middle(number: int) -> float:
    """Return the duration that stands for a bucket, in seconds."""
    return math.exp((number + 0.5) * _BASE)
