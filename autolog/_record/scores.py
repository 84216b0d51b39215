"""Scores: numeric evaluations that a person or a program gives a call afterwards."""

from __future__ import annotations

import math

from autolog._record.record import Record

#: The name of a score given without a name, which is also kept in `Record.score`.
DEFAULT = "default"


def values_of(record: Record) -> dict[str, float]:
    """Return a record's numeric scores by name."""
    given = {DEFAULT: record.score, **record.scores}
    plain = {name: value.get("value") if isinstance(value, dict) else value for name, value in given.items()}
    return {
        name: float(value) for name, value in plain.items() if isinstance(value, (int, float)) and math.isfinite(value)
    }


def set_score(record: Record, name: str, value: float, comment: str | None = None) -> None:
    """Set a score of a record, on any scale, and replace an earlier one of the same name."""
    record.scores = {**record.scores, name: value if comment is None else {"value": value, "comment": comment}}
    if name == DEFAULT:
        record.score = value
