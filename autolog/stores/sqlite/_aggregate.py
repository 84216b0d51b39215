"""Sums over groups of provider calls, with percentiles."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from autolog.stores.query import Aggregate

_GROUP_SQL = {
    "model": "coalesce(response_model, request_model)",
    "provider": "provider_name",
    "tag": "facet.value",
    "function": "json_extract(rest, '$.caller')",
    "day": "strftime('%Y-%m-%d', created_at / 1000000, 'unixepoch')",
    "hour": "strftime('%Y-%m-%dT%H:00', created_at / 1000000, 'unixepoch')",
}


def read_sums(db: sqlite3.Connection, group: str | None, condition: str, values: Sequence[Any]) -> list[Aggregate]:
    """Return the sums of the calls that a condition gives by a group of GROUPS, those with the most calls first."""
    key = _GROUP_SQL.get(group, f'"{group}"') if group else "NULL"
    table = "facet JOIN log ON facet.kind = 'tag' AND log.n = facet.n" if group == "tag" else "log"
    # Unknown durations sort first: they are taken off the position
    percentiles = ", ".join(
        f"min(CASE WHEN duration IS NOT NULL AND position - (total - known) >= known * {share} THEN duration END)"
        for share in (0.50, 0.95, 0.99)
    )
    sql = f"""
        WITH calls AS (
            SELECT {key} AS "group", status, usage_input_tokens, usage_output_tokens, cost, duration,
                row_number() OVER (PARTITION BY {key} ORDER BY duration) AS position,
                count(duration) OVER (PARTITION BY {key}) AS known
            FROM {table} WHERE {condition} AND log.kind = 'llm')
        SELECT "group", count(*), sum(status = 'error'), sum(usage_input_tokens), sum(usage_output_tokens),
            sum(cost), sum(cost IS NULL), {percentiles}
        FROM (SELECT *, count(*) OVER (PARTITION BY "group") AS total FROM calls)
        GROUP BY "group" ORDER BY count(*) DESC, "group" """  # noqa: S608 - key and condition are our own words
    rows = db.execute(sql, values).fetchall()
    return [Aggregate(None if row[0] is None else str(row[0]), *row[1:]) for row in rows]
