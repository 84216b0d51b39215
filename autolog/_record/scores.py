"""Scores: what a person or a program says of a call afterwards."""

from __future__ import annotations

import math

from autolog._record.record import Record

#: The name of the score that has none; it stands in `Record.score`, too.
DEFAULT = "default"


def values_of(record: Record) -> dict[str, float]:
    """Return a record's scores by name, as numbers: those that were given as such."""
    given = {DEFAULT: record.score, **record.scores}
    plain = {name: value.get("value") if isinstance(value, dict) else value for name, value in given.items()}
    return {
        name: float(value) for name, value in plain.items() if isinstance(value, (int, float)) and math.isfinite(value)
    }


def set_score(record: Record, name: str, value: float, comment: str | None = None) -> None:
    """Give a record a score, by the scorer's own scale; one of the same name is replaced."""
    record.scores = {**record.scores, name: value if comment is None else {"value": value, "comment": comment}}
    if name == DEFAULT:
        record.score = value
