"""Sums over groups of provider calls, with percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from autolog._record.times import from_micros
from autolog.stores.clickhouse._client import Database
from autolog.stores.clickhouse._reader import FROM
from autolog.stores.clickhouse._where import Values
from autolog.stores.query import TIME_GROUPS, UNPRICED, Aggregate, ScoreSum, Summary

_GROUP_SQL = {
    "model": "coalesce(request_model, response_model)",
    "provider": "provider_name",
    "tag": "arrayJoin(tags)",
    "function": "caller",
    "hour": "concat(toString(toDate32({at})), 'T', leftPad(toString(toHour({at})), 2, '0'), ':00')",
    "day": "toString(toDate32({at}))",
    "week": "toString(toDate32({at}) - toIntervalDay(toDayOfWeek({at}) - 1))",
    "month": "substring(toString(toDate32({at})), 1, 7)",
}


def read_sums(
    db: Database, group: str | None, condition: str, values: Values, shifts: Sequence[tuple[int, int]] = ()
) -> list[Aggregate]:
    """Return sums of the calls that meet a condition, by one of GROUPS.

    Times come in order; other groups by their number of calls, the most first. For `shifts`, see `_shifted`.
    """
    key = _GROUP_SQL.get(group, group).format(at=_shifted(shifts)) if group else "NULL"
    order = "grouped" if group in TIME_GROUPS else "calls DESC, grouped"
    # Shares just below 0.5, 0.95 and 0.99, because the engine's exact quantile is the element after the share
    rows = db.query(
        f"""SELECT {key} AS grouped, count() AS calls, countIf(status = 'error'),
            {_known_sum("usage_input_tokens")}, {_known_sum("usage_output_tokens")}, {_known_sum("cost")},
            countIf({UNPRICED}),
            quantilesExact(0.4999999999, 0.9499999999, 0.9899999999)(duration), count(duration)
        {FROM} WHERE {condition} AND kind = 'llm' GROUP BY grouped ORDER BY {order}""",
        values,
    )
    return [
        Aggregate(None if name is None else str(name), *row, *(percentiles if known else (None, None, None)))
        for name, *row, percentiles, known in rows
    ]


def _shifted(shifts: Sequence[tuple[int, int]]) -> str:
    """Return SQL for `created_at` in local time; `shifts` are pairs of start (microseconds) and UTC offset."""
    if not shifts:
        return "created_at"
    *later, (_, first) = reversed(shifts)
    at = "toUnixTimestamp64Micro(created_at)"
    cases = "".join(f"{at} >= {since}, {seconds}, " for since, seconds in later)
    return f"(created_at + toIntervalSecond({f'multiIf({cases}{first})' if later else first}))"


def _known_sum(column: str) -> str:
    """Return SQL for a sum that is NULL, instead of 0, if no value is known."""
    return f"if(count({column}) = 0, NULL, sum({column}))"


#: `order_by` of `Store.summarise` in SQL.
_SUMMARY_ORDERS = {
    "last": "latest", "turns": "turns", "calls": "calls", "errors": "errors", "tokens": "given + made", "cost": "spent",
}  # fmt: skip


def read_summaries(
    db: Database,
    by: str | timedelta | None,
    condition: str,
    values: Values,
    page: tuple[int | None, int],
    order_by: str = "last",
) -> list[Summary]:
    """Return sums of the records that meet a condition (see `Store.summarise`); `page` is limit and offset."""
    step = by // timedelta(microseconds=1) if isinstance(by, timedelta) else None
    at = "toUnixTimestamp64Micro(created_at)"
    key = f"intDiv({at}, {step}) * {step}" if step else by or "NULL"
    limit, offset = page
    part = "" if limit is None else f"LIMIT {int(limit)} OFFSET {int(offset)}"
    order = "grouped" if step else f"{_SUMMARY_ORDERS[order_by]} DESC NULLS LAST, latest DESC"
    rows = db.query(
        f"""SELECT {key} AS grouped, count(), countIf(parent_span_id IS NULL) AS turns, countIf(kind = 'llm') AS calls,
            countIf(status = 'error') AS errors, {_of_calls("usage_input_tokens")} AS given,
            {_of_calls("usage_output_tokens")} AS made,
            if(countIf(kind = 'llm' AND cost IS NOT NULL) = 0, NULL, sumIf(cost, kind = 'llm')) AS spent,
            countIf(kind = 'llm' AND {UNPRICED}), min({at}) AS earliest, max({at}) AS latest
        {FROM} WHERE {condition} {f"AND {key} IS NOT NULL" if by else ""}
        GROUP BY grouped ORDER BY {order} {part}""",
        values,
    )
    return [
        Summary(
            *(
                str(group) if isinstance(by, str) else None,
                *sums,
                from_micros(group if step else first),
                from_micros(last),
            )
        )
        for group, *sums, first, last in rows
        if sums[0]
    ]


def read_scores(db: Database, group: str | None, condition: str, values: Values) -> list[ScoreSum]:
    """Return sums of the scores of the records that meet a condition; see `Store.scores`."""
    key = _GROUP_SQL.get(group, group) if group else "NULL"
    rows = db.query(
        f"""SELECT named, grouped, count() AS many, avg(given), min(given), max(given)
        FROM (SELECT {key} AS grouped, arrayJoin(scores) AS pair, pair.1 AS named, pair.2 AS given
            {FROM} WHERE {condition})
        GROUP BY named, grouped ORDER BY many DESC, named, grouped""",
        values,
    )
    return [ScoreSum(str(name), None if of is None else str(of), *sums) for name, of, *sums in rows]


def _of_calls(column: str) -> str:
    return f"sumIf(ifNull({column}, 0), kind = 'llm')"
