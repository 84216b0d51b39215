"""Hourly sums in ClickHouse: stored for past hours, and recomputed where something has changed since.

Sums that are incremented by every insert would count repeated and corrected records twice. Sums are therefore computed
from the records themselves once an hour is over, and their rows carry the stamp of that moment; `sealed` tells which
stamp is valid for an hour. A writer to an hour that may be sealed first marks the hour with a stamp in the near future,
which invalidates the seal and prevents a new one until the write is finished. Any server may do all of this, even
twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from autolog._record.times import EPOCH, to_micros
from autolog.stores._histogram import BY_DAY, middle
from autolog.stores.clickhouse._client import Database
from autolog.stores.clickhouse._where import Values
from autolog.stores.query import UNPRICED, Hour

#: How long after its end an hour is sealed.
SETTLED = timedelta(minutes=5)
#: For ranges of more hours than this, a query first determines which hours have records.
SPARSE = 24 * 100
#: The most hours sealed by one statement.
AT_ONCE = 24 * 31
_HOUR = timedelta(hours=1)
_MAX = 2**62
_MICROS = 3_600_000_000

_VALUES = {
    "all": "''",
    "model": "coalesce(request_model, response_model)",
    "provider": "provider_name",
    "function": "caller",
    "user": '"user"',
}
_DIMENSIONS = "arrayConcat({}, arrayMap(tag -> ('tag', tag), arrayDistinct(tags)))".format(
    ", ".join(
        f"if({value} IS NULL, [], [('{name}', ifNull(toString({value}), ''))])" for name, value in _VALUES.items()
    )
)
_START = f"toInt32(intDiv(toUnixTimestamp64Micro(created_at), {_MICROS}))"
_BUCKET = "toInt32(floor(log(least(greatest(duration, 1e-4), 1e9)) / log(1.1)))"
_MEASURED = "(duration IS NOT NULL AND duration >= 0 AND duration < 1e9)"


def _bounded_sum(column: str) -> str:
    """Return SQL for a sum that is limited to the range of an integer."""
    return f"toInt64(least(sum(toInt128(ifNull({column}, 0))), {_MAX}))"


_SUMS = f"""
    toInt64(count()) AS calls, toInt64(countIf(status = 'error')) AS errors,
    {_bounded_sum("usage_input_tokens")} AS input_tokens, {_bounded_sum("usage_output_tokens")} AS output_tokens,
    greatest(0., sum(ifNull(cost, 0))) AS cost_sum, toInt64(countIf(NOT ({UNPRICED}))) AS priced,
    sumMapIf([ifNull({_BUCKET}, toInt32(0))], [toInt64(1)], ifNull({_MEASURED}, 0)) AS histogram"""


def hour_of(at: datetime) -> int:
    return (at - EPOCH) // _HOUR


def stamp(at: datetime) -> int:
    return to_micros(at)


def marks(hours: Iterable[int], now: datetime, writing: timedelta) -> list[list[int]]:
    """Return rows of `sealed` that invalidate the seals of hours about to change.

    They prevent new seals for the time `writing`, which must be longer than any write.
    """
    last = hour_of(now + writing - SETTLED)  # earlier hours may be sealed, or will be soon
    return [[hour, stamp(now + writing), 0] for hour in sorted(set(hours)) if hour < last]


def seal(db: Database, rows: Sequence[Sequence[int]]) -> None:
    """Insert rows into `sealed`: hour, stamp, and whether the hour's sums are valid."""
    db.insert("sealed", {"start": "Int32", "stamp": "Int64", "whole": "UInt8"}, rows)


class Sums:
    """Reads sums for one store."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._query = db.query

    def read(
        self, project: str | None, dimension: str, since: datetime, until: datetime, value: str | None, now: datetime
    ) -> Iterator[Hour]:
        """Yield the sums of each hour from `since` to `until`, or of each day for long ranges."""
        step = 24 if until - since > BY_DAY else 1
        first, last = hour_of(since) // step * step, -((EPOCH - until) // _HOUR)
        ((least, greatest),) = self._query(
            "SELECT toUnixTimestamp64Micro(min(created_at)), toUnixTimestamp64Micro(max(created_at)) FROM log"
        )
        begin, end = max(first, least // _MICROS), min(last, greatest // _MICROS + 1)
        if begin >= end:
            return
        present = self._with_records(begin, end)
        seals = self._sealed(present, begin, end, now)
        found: dict[tuple[int, str], list[Any]] = {}
        for start, *sums in (*self._kept(seals, step, project, dimension, value),
                             *self._reckoned(present, seals, step, project, dimension, value)):  # fmt: skip
            _add(found, start, sums)
        for (start, name), sums in sorted(found.items()):
            calls, errors, input_, output, cost, priced, counts = sums
            durations = {middle(bucket): count for bucket, count in counts.items()}
            yield Hour(EPOCH + start * _HOUR, name, calls, errors, input_, output, cost, priced, durations)

    def _sealed(self, present: Sequence[int], begin: int, end: int, now: datetime) -> dict[int, int]:
        """Return the stamps of the hours with valid sums, after sealing all hours that can be sealed."""
        latest = {
            start: (at, whole)
            for start, at, whole in self._query(
                f"SELECT start, stamp, whole FROM sealed FINAL WHERE start >= {begin} AND start < {end}"
            )
        }
        moment = stamp(now)
        over = hour_of(now - SETTLED)
        open_ones = [
            hour
            for hour in present
            if hour < over and (hour not in latest or (not latest[hour][1] and latest[hour][0] < moment))
        ]
        for index in range(0, len(open_ones), AT_ONCE):
            hours = open_ones[index : index + AT_ONCE]
            self._make(hours, moment)
            latest |= dict.fromkeys(hours, (moment, 1))
        return {hour: at for hour, (at, whole) in latest.items() if whole}

    def _with_records(self, begin: int, end: int) -> Sequence[int]:
        """Return the hours of a range that may have records."""
        if end - begin <= SPARSE:
            return range(begin, end)
        inside = f"created_at >= {_time(begin)} AND created_at < {_time(end)}"
        return sorted(start for (start,) in self._query(f"SELECT DISTINCT {_START} FROM log WHERE {inside}"))

    def _make(self, hours: list[int], moment: int) -> None:
        inside = f"created_at >= {_time(hours[0])} AND created_at < {_time(hours[-1] + 1)}"
        self._db.command(
            f"""INSERT INTO hour
                SELECT project, pair.1, start, pair.2, calls, errors, input_tokens, output_tokens, cost_sum, priced,
                    histogram.1, histogram.2, {moment}
                FROM (SELECT project, pair, {_START} AS start, {_SUMS} FROM log FINAL ARRAY JOIN {_DIMENSIONS} AS pair
                    WHERE kind = 'llm' AND {inside} AND start IN ({", ".join(map(str, hours))})
                    GROUP BY project, pair, start)"""
        )
        seal(self._db, [[hour, moment, 1] for hour in hours])

    def _kept(self, seals: dict[int, int], step: int, project: str | None, dimension: str,
              value: str | None) -> Iterator[Sequence[Any]]:  # fmt: skip
        if not seals:
            return
        values = Values()
        named, dimension = ("project", "all") if dimension == "project" else ("value", dimension)
        condition = f"dimension = {values.mark(dimension)} AND start >= {min(seals)} AND start <= {max(seals)}"
        condition += "" if project is None else f" AND project = {values.mark(project)}"
        condition += "" if value is None else f" AND {named} = {values.mark(value)}"
        valid = ", ".join(f"({hour}, {at})" for hour, at in seals.items())
        yield from self._query(
            f"""SELECT intDiv(start, {step}) * {step} AS first, {named} AS name, sum(calls), sum(errors),
                {_bounded_sum("input_tokens")}, {_bounded_sum("output_tokens")}, sum(cost), sum(priced),
                (sumMap(buckets, counts) AS histogram).1, histogram.2
            FROM hour FINAL WHERE {condition} AND (start, stamp) IN ({valid}) GROUP BY first, name""",
            values,
        )

    def _reckoned(self, present: Sequence[int], seals: dict[int, int], step: int, project: str | None, dimension: str,
                  value: str | None) -> Iterator[Sequence[Any]]:  # fmt: skip
        missing = [hour for hour in present if hour not in seals]
        if not missing:
            return
        values = Values()
        name = {**_VALUES, "tag": "arrayJoin(arrayDistinct(tags))", "project": "project"}[dimension]
        condition = f"kind = 'llm' AND created_at >= {_time(missing[0])} AND created_at < {_time(missing[-1] + 1)}"
        condition += "" if project is None else f" AND project = {values.mark(project)}"
        of_value = "" if value is None else f" AND name = {values.mark(value)}"
        yield from self._query(
            f"SELECT first, ifNull(toString(name), ''), calls, errors, input_tokens, output_tokens, cost_sum, priced, "
            f"histogram.1, histogram.2 FROM (SELECT intDiv({_START}, {step}) * {step} AS first, {name} AS name, "
            f"{_SUMS} FROM log FINAL WHERE {condition} AND {_START} IN ({', '.join(map(str, missing))}) "
            "GROUP BY first, name) "
            f"WHERE name IS NOT NULL{of_value}",
            values,
        )


def _time(hour: int) -> str:
    return f"fromUnixTimestamp64Micro(toInt64({hour * _MICROS}), 'UTC')"


def _add(found: dict[tuple[int, str], list[Any]], start: int, sums: Sequence[Any]) -> None:
    value, *numbers, buckets, counts = sums
    known = found.setdefault((start, value), [0, 0, 0, 0, 0.0, 0, {}])
    for index, number in enumerate(numbers):
        known[index] += number
    for bucket, count in zip(buckets, counts, strict=True):
        known[6][bucket] = known[6].get(bucket, 0) + count


def added(hours: Iterable[Hour]) -> list[Hour]:
    """Return one sum for each value of the hours."""
    found: dict[str, Hour] = {}
    for hour in hours:
        known = found.get(hour.value)
        found[hour.value] = hour if known is None else _sum(known, hour)
    return list(found.values())


def _sum(one: Hour, other: Hour) -> Hour:
    return Hour(
        one.start, one.value, one.calls + other.calls, one.errors + other.errors,
        one.input_tokens + other.input_tokens, one.output_tokens + other.output_tokens, one.cost + other.cost,
        one.priced + other.priced, Counter(one.durations) + Counter(other.durations),
    )  # fmt: skip
