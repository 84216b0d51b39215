"""Sums over groups of provider calls, with percentiles."""

from __future__ import annotations

from autolog.stores.clickhouse._client import Database
from autolog.stores.clickhouse._reader import FROM
from autolog.stores.clickhouse._where import Values
from autolog.stores.query import Aggregate

_GROUP_SQL = {
    "model": "coalesce(response_model, request_model)",
    "provider": "provider_name",
    "tag": "arrayJoin(tags)",
    "function": "caller",
    "day": "toString(toDate32(created_at))",
    "hour": "concat(toString(toDate32(created_at)), 'T', leftPad(toString(toHour(created_at)), 2, '0'), ':00')",
}


def read_sums(db: Database, group: str | None, condition: str, values: Values) -> list[Aggregate]:
    """Return the sums of the calls that a condition gives by a group of GROUPS, those with the most calls first."""
    key = _GROUP_SQL.get(group, group) if group else "NULL"
    # Of so many the least that is not below the share: just below it, for the engine takes the one after
    rows = db.query(
        f"""SELECT {key} AS grouped, count() AS calls, countIf(status = 'error'),
            {_known_sum("usage_input_tokens")}, {_known_sum("usage_output_tokens")}, {_known_sum("cost")},
            countIf(cost IS NULL),
            quantilesExact(0.4999999999, 0.9499999999, 0.9899999999)(duration), count(duration)
        {FROM} WHERE {condition} AND kind = 'llm' GROUP BY grouped ORDER BY calls DESC, grouped""",
        values,
    )
    return [
        Aggregate(None if name is None else str(name), *row, *(percentiles if known else (None, None, None)))
        for name, *row, percentiles, known in rows
    ]


def _known_sum(column: str) -> str:
    """Return a sum that is NULL, and not 0, where nothing is known."""
    return f"if(count({column}) = 0, NULL, sum({column}))"
