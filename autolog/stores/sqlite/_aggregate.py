"""Sums over groups of provider calls, with percentiles."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from math import ceil
from operator import itemgetter
from typing import Any

from autolog._record.times import from_micros
from autolog.stores.query import TIME_GROUPS, UNPRICED, Aggregate, ScoreSum, Summary
from autolog.stores.sqlite._where import score_value

_GROUP_SQL = {
    "model": "coalesce(request_model, response_model)",
    "provider": "provider_name",
    "tag": "facet.value",
    "function": "json_extract(rest, '$.caller')",
    "hour": "strftime('%Y-%m-%dT%H:00', {at}, 'unixepoch')",
    "day": "strftime('%Y-%m-%d', {at}, 'unixepoch')",
    "week": "strftime('%Y-%m-%d', {at}, 'unixepoch', 'weekday 0', '-6 days')",
    "month": "strftime('%Y-%m', {at}, 'unixepoch')",
}


def read_sums(
    db: sqlite3.Connection,
    group: str | None,
    condition: str,
    values: Sequence[Any],
    shifts: Sequence[tuple[int, int]] = (),
    ranked: int | None = None,
) -> list[Aggregate]:
    """Return sums of the calls that meet a condition, by one of GROUPS.

    Times come in order; other groups by their number of calls, the most first. For `shifts`, see `_shifted`. Only the
    first `ranked` groups have percentiles, because of 100,000 sessions they take longer than the sums.
    """
    key = _GROUP_SQL.get(group, f'"{group}"').format(at=_shifted(shifts)) if group else "NULL"
    order = '"group"' if group in TIME_GROUPS else 'count(*) DESC, "group"'
    table = "facet JOIN log ON facet.kind = 'tag' AND log.n = facet.n" if group == "tag" else "log"
    calls = f"FROM {table} WHERE {condition} AND log.kind = 'llm'"
    sql = f"""
        SELECT {key} AS "group", count(*), sum(status = 'error'), sum(usage_input_tokens), sum(usage_output_tokens),
            sum(cost), sum({UNPRICED}) {calls} GROUP BY "group" ORDER BY {order}"""
    rows = db.execute(sql, values).fetchall()
    if ranked is not None and ranked < len(rows):
        first = [row[0] for row in rows[:ranked]]
        calls += f" AND ({key} IN ({', '.join('?' * ranked)}){f' OR {key} IS NULL' if None in first else ''})"
        values = [*values, *first]
    percentiles = _percentiles(db, key, calls, values)
    return [
        Aggregate(None if value is None else str(value), *sums, *percentiles.get(value, (None, None, None)))
        for value, *sums in rows
    ]


def _percentiles(
    db: sqlite3.Connection, key: str, calls: str, values: Sequence[Any]
) -> dict[Any, tuple[float, float, float]]:
    """Return by group the durations that half, 95 and 99 per cent of the calls do not exceed.

    SQLite sorts two columns, apart from the sums, which takes half the time of sorting all that is summed; the ranks
    are found here, which takes less than half the time of window functions.
    """
    rows = db.execute(f"SELECT {key}, duration {calls} AND duration IS NOT NULL ORDER BY 1, 2", values)
    found = {}
    for value, of_value in groupby(rows, itemgetter(0)):
        durations = array("d", map(itemgetter(1), of_value))
        p50, p95, p99 = (durations[ceil(len(durations) * share / 100) - 1] for share in (50, 95, 99))
        found[value] = p50, p95, p99
    return found


def _shifted(shifts: Sequence[tuple[int, int]]) -> str:
    """Return SQL for `created_at` in local seconds; `shifts` are pairs of start (microseconds) and UTC offset."""
    if not shifts:
        return "created_at / 1000000"
    *later, (_, first) = reversed(shifts)
    cases = "".join(f"WHEN created_at >= {at} THEN {seconds} " for at, seconds in later)
    return f"(created_at / 1000000 + {f'CASE {cases}ELSE {first} END' if later else first})"


#: The most records that are read to find the newest sessions or users.
_LATEST = 10_000

#: `order_by` of `Store.summarise` in SQL.
_SUMMARY_ORDERS = {
    "last": "newest", "turns": "turns", "calls": "calls", "errors": "errors", "tokens": "given + made",
    "cost": "spent",
}  # fmt: skip


def read_summaries(
    db: sqlite3.Connection,
    by: str | timedelta | None,
    table: str,
    condition: str,
    values: Sequence[Any],
    page: tuple[int, int],
    order_by: str = "last",
) -> list[Summary]:
    """Return sums of the records that meet a condition (see `Store.summarise`); `page` is limit and offset."""
    step = by // timedelta(microseconds=1) if isinstance(by, timedelta) else None
    # The plus keeps SQLite from reading a field's whole index, and all of its rows, instead of just the time range
    key = f"created_at / {step} * {step}" if step else f'+"{by}"' if by else "NULL"
    order = '"group"' if step else f"{_SUMMARY_ORDERS[order_by]} DESC, newest DESC"
    selected = f"{key} IS NOT NULL" if by else "1"
    last = by in ("session", "user") and order_by == "last" and table == "log"
    if last and (newest := _newest(db, f'"{by}"', condition, values, page)):
        places = ", ".join("?" * len(newest))
        selected = f'"{by}" IN ({places})'
        values = [*values, *newest]
    sql = f"""
        SELECT {key} AS "group", count(*), sum(parent_span_id IS NULL) AS turns, sum(log.kind = 'llm') AS calls,
            sum(status = 'error') AS errors, {_of_calls("coalesce(usage_input_tokens, 0)")} AS given,
            {_of_calls("coalesce(usage_output_tokens, 0)")} AS made,
            sum(CASE WHEN log.kind = 'llm' THEN cost END) AS spent,
            {_of_calls(f"({UNPRICED})")}, min(created_at), max(created_at) AS newest
        FROM {table} WHERE {condition} AND {selected} GROUP BY "group" ORDER BY {order} LIMIT ? OFFSET ?"""  # noqa: S608
    rows, named = db.execute(sql, (*values, *page)).fetchall(), isinstance(by, str)
    return [
        Summary(*(str(group) if named else None, *sums, from_micros(group if step else first), from_micros(last)))
        for group, *sums, first, last in rows
        if first is not None
    ]


def _newest(
    db: sqlite3.Connection, column: str, condition: str, values: Sequence[Any], page: tuple[int, int]
) -> list[str]:
    """Return the sessions or users of the latest records, as many as a page needs: only these have to be summed up.

    Empty if the page is not among the latest records, or is the whole list.
    """
    limit, offset = page
    sql = f"SELECT {column} FROM log WHERE {condition} ORDER BY created_at DESC LIMIT {_LATEST}"  # noqa: S608
    found: dict[str, None] = {}
    for (value,) in db.execute(sql, values) if limit >= 0 else ():
        if value is not None:
            found[value] = None
        if len(found) >= limit + offset:
            return list(found)
    return []


def _of_calls(expression: str) -> str:
    return f"sum(CASE WHEN log.kind = 'llm' THEN {expression} ELSE 0 END)"


def read_scores(db: sqlite3.Connection, group: str | None, condition: str, values: Sequence[Any]) -> list[ScoreSum]:
    """Return sums of the scores of the records that meet a condition; see `Store.scores`."""
    key = _GROUP_SQL.get(group, f'"{group}"') if group else "NULL"
    sql = f"""
        SELECT named, "group", count(*), avg(given), min(given), max(given)
        FROM (
            SELECT named, {key} AS "group", {score_value("named")} AS given
            FROM (SELECT n AS place, value AS named FROM facet WHERE facet.kind = 'score')
            CROSS JOIN log ON log.n = place WHERE {condition})
        WHERE typeof(given) IN ('integer', 'real')
        GROUP BY named, "group" ORDER BY count(*) DESC, named, 2"""  # noqa: S608 - our own words
    rows = db.execute(sql, values)
    return [
        ScoreSum(str(name), None if of is None else str(of), count, *map(float, sums))
        for name, of, count, *sums in rows
    ]


#: SQL for the names of all projects, which skips through the index.
PROJECTS = """
    WITH RECURSIVE found(known) AS (
        SELECT min(project) FROM log
        UNION ALL SELECT (SELECT min(project) FROM log WHERE project > known) FROM found WHERE known IS NOT NULL)
    SELECT known FROM found WHERE known IS NOT NULL"""


def read_projects(db: sqlite3.Connection) -> list[str]:
    """Return the names of all projects."""
    return [known for (known,) in db.execute(PROJECTS)]
