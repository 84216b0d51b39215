"""Scores: numeric evaluations that a person or a program gives a call afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autolog._record.record import Record

#: The name of a score given without a name, which is also kept in `Record.score`.
DEFAULT = "default"
#: Larger values are kept, but not summed: their sums would exceed what a float holds.
MAX_SUMMED = 1e100


def values_of(record: Record) -> dict[str, float]:
    """Return a record's numeric scores by name, those that can be summed."""
    return {
        name: float(value)
        for name, value, _ in entries_of(record)
        if isinstance(value, (int, float)) and abs(value) <= MAX_SUMMED
    }


def entries_of(record: Record) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, value and comment of each of a record's scores; the comment is None if there is none."""
    scores = record.scores if record.score is None else {DEFAULT: record.score, **record.scores}
    for name, given in scores.items():
        if isinstance(given, dict):
            yield name, given.get("value"), given.get("comment")
        else:
            yield name, given, None


def set_score(record: Record, name: str, value: float, comment: str | None = None) -> None:
    """Set a score of a record, on any scale, and replace an earlier one of the same name."""
    record.scores = {**record.scores, name: value if comment is None else {"value": value, "comment": comment}}
    if name == DEFAULT:
        record.score = value
