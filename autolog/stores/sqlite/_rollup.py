"""Hourly and daily sums, maintained while writing, so that overviews take the same time for any number of logs.

`rollup_hour` and `rollup_day` have a row for each project, hour (for a day, its first), dimension (`all`, `model`,
`provider`, `function`, `user`, `tag`) and value; the rows of `all` are the sums by project. Only provider calls count.
Durations are stored as a histogram whose buckets grow by a tenth, so that percentiles are within five per cent.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from autolog._record.bodies import decode_object
from autolog._record.record import Record
from autolog._record.times import EPOCH
from autolog.stores._histogram import BY_DAY, bucket, middle
from autolog.stores._texts import clean
from autolog.stores.query import Hour, is_unpriced
from autolog.stores.sqlite._aggregate import PROJECTS
from autolog.stores.sqlite._insert import insert
from autolog.stores.sqlite._rows import INDEXED

_TABLES = {"rollup_hour": 1, "rollup_day": 24}
#: Limits beyond any real value, because sums must never make a write fail.
MAX_TOKENS = 2**62
MAX_SECONDS = 1e9
_histogram = msgspec.json.Decoder(dict[str, int])


def prepare(db: sqlite3.Connection) -> None:
    """Define the SQL function that adds histograms on a connection."""
    db.create_function("histograms_added", 2, _histograms_added, deterministic=True)


def create_tables(db: sqlite3.Connection) -> None:
    prepare(db)
    for table in _TABLES:
        db.execute(f"""
        CREATE TABLE {table} (
            project TEXT, dimension TEXT, hour INTEGER, value TEXT, calls INTEGER NOT NULL, errors INTEGER NOT NULL,
            input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost REAL NOT NULL, priced INTEGER NOT NULL,
            histogram TEXT NOT NULL, PRIMARY KEY (project, dimension, hour, value)) WITHOUT ROWID""")


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    priced: int = 0
    histogram: dict[int, int] = field(default_factory=dict)


class Rollups:
    """Changes to the sums, gathered during a transaction and written at its end."""

    def __init__(self) -> None:
        self._levels: list[dict[tuple[str, str, int, str], _Sum]] = []

    def begin(self) -> None:
        self._levels.append({})

    def abandon(self) -> None:
        """Forget the changes of a transaction that failed."""
        self._levels.pop()

    def note(self, record: Record, sign: int) -> None:
        """Note that a record was added (`sign` 1) or removed (-1)."""
        if record.kind != "llm" or record.created_at is None:
            return
        hour = (record.created_at - EPOCH) // timedelta(hours=1)
        values = [
            ("all", ""),
            ("model", record.request_model or record.response_model),
            ("provider", record.provider_name),
            ("function", record.caller),
            ("user", record.user),
            *(("tag", tag) for tag in dict.fromkeys(record.tags[:INDEXED])),
        ]
        sums, project = self._levels[-1], record.project
        errors = sign * (record.status == "error")
        input_tokens, output_tokens = sign * (record.usage_input_tokens or 0), sign * (record.usage_output_tokens or 0)
        cost, priced = sign * (record.cost or 0.0), sign * (not is_unpriced(record))
        slot = bucket(record.duration) if record.duration is not None and 0 <= record.duration < MAX_SECONDS else None
        for dimension, value in values:
            if value is None:
                continue
            key = (project, dimension, hour, clean(value))
            if (found := sums.get(key)) is None:
                found = sums[key] = _Sum()
            found.calls += sign
            found.errors += errors
            found.input_tokens += input_tokens
            found.output_tokens += output_tokens
            found.cost += cost
            found.priced += priced
            if slot is not None:
                found.histogram[slot] = found.histogram.get(slot, 0) + sign

    def end(self, db: sqlite3.Connection) -> None:
        """End a transaction: a nested one passes its changes to the outer one, and the outermost one writes them."""
        changes = self._levels.pop()
        if self._levels:
            _merge_all(self._levels[-1], changes.items())
            return
        for table, hours in _TABLES.items():  # hours first, as those of days are derived from them
            sums: dict[tuple[str, str, int, str], _Sum] = {}
            wider = (((project, dimension, hour // hours * hours, value), change)
                     for (project, dimension, hour, value), change in changes.items())  # fmt: skip
            _merge_all(sums, wider if hours > 1 else changes.items())
            _apply(db, table, sums)


def _apply(db: sqlite3.Connection, table: str, sums: dict[tuple[str, str, int, str], _Sum]) -> None:
    insert(db, table, [(*key, *_values(change)) for key, change in sums.items()], _ADD)
    emptied = [key for key, change in sums.items() if change.calls <= 0]
    if emptied:
        db.executemany(f"DELETE FROM {table} WHERE {_KEY} AND calls <= 0", emptied)  # noqa: S608


_KEY = "project = ? AND dimension = ? AND hour = ? AND value = ?"
_SUMS = "calls, errors, input_tokens, output_tokens, cost, priced, histogram"
_ADD = f"""
    ON CONFLICT (project, dimension, hour, value) DO UPDATE SET
        calls = calls + excluded.calls, errors = errors + excluded.errors,
        input_tokens = min(input_tokens + excluded.input_tokens, {MAX_TOKENS}),
        output_tokens = min(output_tokens + excluded.output_tokens, {MAX_TOKENS}),
        cost = max(0.0, cost + excluded.cost), priced = priced + excluded.priced,
        histogram = histograms_added(histogram, excluded.histogram)"""


def _values(change: _Sum) -> tuple[Any, ...]:
    histogram = msgspec.json.encode({number: count for number, count in change.histogram.items() if count}).decode()
    tokens = (min(change.input_tokens, MAX_TOKENS), min(change.output_tokens, MAX_TOKENS))
    return (change.calls, change.errors, *tokens, change.cost, change.priced, histogram)


def _histograms_added(one: str, other: str) -> str:
    """Add two histograms, each a JSON object of counts by bucket; missing buckets count as 0."""
    counts = _histogram.decode(one)
    for number, count in _histogram.decode(other).items():
        if (count := counts.get(number, 0) + count) > 0:
            counts[number] = count
        else:
            counts.pop(number, None)
    return msgspec.json.encode(counts).decode()


def _merge_all(into: dict[tuple[str, str, int, str], _Sum], changes: Iterable[tuple[Any, _Sum]]) -> None:
    """Add changes to sums; a change with a new key becomes the sum itself."""
    for key, change in changes:
        known = into.setdefault(key, change)
        if known is not change:
            _merge(known, change)


def _merge(into: _Sum, change: _Sum) -> None:
    into.calls += change.calls
    into.errors += change.errors
    into.input_tokens += change.input_tokens
    into.output_tokens += change.output_tokens
    into.cost += change.cost
    into.priced += change.priced
    for number, count in change.histogram.items():
        into.histogram[number] = into.histogram.get(number, 0) + count


def read_hours(
    db: sqlite3.Connection, project: str | None, dimension: str, since: datetime, until: datetime, value: str | None
) -> Iterator[Hour]:
    """Yield the sums of each hour from `since` to `until`, or of each day for long ranges."""
    table = "rollup_day" if until - since > BY_DAY else "rollup_hour"
    first, last = _ends(since, until)
    first = first // _TABLES[table] * _TABLES[table]
    named, dimension = ("project", "all") if dimension == "project" else ("value", dimension)
    condition, values = _of_project(project)
    condition, values = f"{condition} AND dimension = ? AND hour >= ? AND hour < ?", [*values, dimension, first, last]
    if value is not None:
        condition, values = f"{condition} AND {named} = ?", [*values, value]
    sql = f"SELECT hour, {named}, {_SUMS} FROM {table} WHERE {condition} ORDER BY hour"  # noqa: S608
    for hour, found, calls, errors, input_, output, cost, priced, durations in db.execute(sql, values):
        start = EPOCH + timedelta(hours=hour)
        yield Hour(start, found, calls, errors, input_, output, cost, priced, _Durations(durations))


def _of_project(project: str | None) -> tuple[str, list[Any]]:
    """Return a condition for one project, or for all, which names them so that the tables' keys can be used."""
    return ("project = ?", [project]) if project is not None else (f"project IN ({PROJECTS})", [])


def _ends(since: datetime, until: datetime) -> tuple[int, int]:
    """Return the first hour of a range, and the one after its last, counted from 1970."""
    return (since - EPOCH) // timedelta(hours=1), -((EPOCH - until) // timedelta(hours=1))


def read_totals(
    db: sqlite3.Connection, project: str | None, dimension: str, since: datetime, until: datetime
) -> Iterator[Hour]:
    """Yield a sum for each value over the whole range, from the sums of whole days and of the hours around them."""
    named, dimension = ("project", "all") if dimension == "project" else ("value", dimension)
    condition, fixed = _of_project(project)
    selects, values = [], []
    for table, first, last in _parts(since, until):
        selects.append(f"SELECT {named} AS name, {_SUMS} FROM {table} "  # noqa: S608 - our own words
                       f"WHERE {condition} AND dimension = ? AND hour >= ? AND hour < ?")  # fmt: skip
        values += [*fixed, dimension, first, last]
    sql = f"""
        SELECT name, sum(calls), sum(errors), CAST(total(input_tokens) AS INTEGER),
            CAST(total(output_tokens) AS INTEGER), sum(cost), sum(priced), group_concat(histogram, char(10))
        FROM ({" UNION ALL ".join(selects)}) GROUP BY name"""  # noqa: S608 - our own words
    for name, calls, errors, input_, output, cost, priced, durations in db.execute(sql, values):
        yield Hour(since, name, calls, errors, input_, output, cost, priced, _Durations(durations))


def _parts(since: datetime, until: datetime) -> list[tuple[str, int, int]]:
    """Return the tables to read for a range, each with its first hour and the one after its last."""
    first, last = _ends(since, until)
    if until - since > BY_DAY:
        return [("rollup_day", first // 24 * 24, last)]
    begin, end = -(-first // 24) * 24, last // 24 * 24
    if begin >= end:
        return [("rollup_hour", first, last)]
    return [("rollup_hour", first, begin), ("rollup_day", begin, end), ("rollup_hour", end, last)]


class _Durations(Mapping[float, int]):
    """The numbers of calls by duration in seconds, decoded only when used, which is rare, from lines of JSON."""

    __slots__ = ("_counts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._counts: dict[float, int] | None = None

    def _read(self) -> dict[float, int]:
        if self._counts is None:
            counts: Counter[float] = Counter()
            for line in self._text.splitlines():
                counts.update({middle(int(number)): count for number, count in decode_object(line).items()})
            self._counts = counts
        return self._counts

    def __getitem__(self, duration: float) -> int:
        return self._read()[duration]

    def __iter__(self) -> Iterator[float]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())
