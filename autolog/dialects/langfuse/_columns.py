"""Columns that filters compare but rows do not have: rates, and sums over the observations of a trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from autolog._record.record import Record
from autolog.dialects._fault import Json
from autolog.dialects.langfuse._encode import encode_observation, encode_record_scores, is_observation

#: The levels, from the least to the most severe.
_LEVELS = ("DEBUG", "DEFAULT", "WARNING", "ERROR")
_SUMMED = ("inputTokens", "outputTokens", "totalTokens", "inputCost", "outputCost")


def observation_columns(row: Json) -> Json:
    """Return an observation from `encode_observation`, with the columns that are computed from it."""
    usage, took = row["usage"], row["latency"]
    return {
        **row,
        "inputTokens": usage["input"] or None,
        "outputTokens": usage["output"] or None,
        "totalTokens": usage["total"] or None,
        "tokensPerSecond": usage["output"] / took if took and usage["output"] else None,
    }


def trace_columns(row: Json, records: Sequence[Record]) -> Json:
    """Return a trace from `encode_trace_row`, with the columns that are computed from its records."""
    within = [observation_columns(encode_observation(record)) for record in records if is_observation(record)]
    levels = Counter(item["level"] for item in within)
    scores: dict[str, Any] = {
        item["name"]: item["value"] for record in records for item in encode_record_scores(record)
    }
    words = {item["name"]: item["stringValue"] for record in records for item in encode_record_scores(record)
             if "stringValue" in item}  # fmt: skip
    return {
        **row,
        **{column: sum(item[column] or 0 for item in within) for column in _SUMMED},
        "level": next((level for level in reversed(_LEVELS) if levels[level]), "DEFAULT"),
        **{f"{level.lower()}Count": levels[level] for level in _LEVELS},
        "scores_avg": {name: value for name, value in scores.items() if value is not None},
        "score_categories": words,
        "score_booleans": {name: word == "True" for name, word in words.items() if word in {"True", "False"}},
    }
