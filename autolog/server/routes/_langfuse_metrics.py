"""Langfuse's metrics: sums and percentiles over observations, grouped by their columns or by time.

The query is documented in `langfuse.api` of langfuse 5 (`metrics.metrics`). Rows have a key for each dimension, and
`AGGREGATION_MEASURE` for each metric; latencies are in milliseconds.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from autolog._record.bodies import encode_json
from autolog.dialects import langfuse as dialect
from autolog.dialects._convert import format_time, parse_time
from autolog.dialects._fault import Fault, Json, parse_json
from autolog.server._call import Call, Reply, Route
from autolog.server.routes._langfuse_filter import OBSERVATIONS, narrow, parse_conditions
from autolog.stores.query import Query

#: The most observations that one query reads, how many at a time, and the most rows of a reply.
MAX_LOOKED_AT, PAGE, MAX_ROWS = 50_000, 500, 1_000


def _percentile(part: int, values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * part // 100)]


#: Measures, each with the column of an observation, and what the column is multiplied by.
_MEASURES = {
    "count": ("", 1), "latency": ("latency", 1000), "timeToFirstToken": ("timeToFirstToken", 1000),
    "outputTokensPerSecond": ("tokensPerSecond", 1),
    **{name: (name, 1)
       for name in ("inputTokens", "outputTokens", "totalTokens", "inputCost", "outputCost", "totalCost")},
}  # fmt: skip
_DIMENSIONS = ("id", "name", "type", "level", "environment", "version", "traceId", "traceName", "userId", "sessionId",
               "promptName", "promptVersion", "model", "parentObservationId")  # fmt: skip
_ALIASES = {"providedModelName": "model"}
_AGGREGATIONS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum, "avg": statistics.fmean, "count": len, "max": max, "min": min,
    **{f"p{part}": partial(_percentile, part) for part in (50, 75, 90, 95, 99)},
}  # fmt: skip
_GRANULARITIES = ("minute", "hour", "day", "week", "month", "auto")


def metrics(call: Call) -> Reply:
    """Reply with one row for each group of observations.

    Raises:
        Fault: 400, if the query is not supported, or would read too many observations.
    """
    given = _query_of(call)
    wanted = [(_of(item, "measure", _MEASURES), _of(item, "aggregation", _AGGREGATIONS))
              for item in _objects(given, "metrics")]  # fmt: skip
    by = [_of(item, "field", (*_DIMENSIONS, *_ALIASES)) for item in _objects(given, "dimensions")]
    time = given.get("timeDimension")
    step = _of(time, "granularity", _GRANULARITIES) if isinstance(time, dict) else None
    groups: dict[tuple[Any, ...], list[Json]] = defaultdict(list)
    for row in _rows(call, given):
        key = [row[_ALIASES.get(name, name)] for name in by]
        groups[*key, *([] if step is None else [_start(row["startTime"], step)])].append(row)
    names = [*by, *([] if step is None else ["time_dimension"])]
    data = [
        {**dict(zip(names, key, strict=True)), **{f"{how}_{what}": _value(rows, what, how) for what, how in wanted}}
        for key, rows in groups.items()
    ]
    return Reply(200, {"data": _ordered(given, data)[:MAX_ROWS]})


def _query_of(call: Call) -> Json:
    given = parse_json((call.parameter("query") or "").encode(errors="replace"))
    if not isinstance(given, dict):
        raise Fault(400, "query: is not an object")
    if given.get("view", "observations") != "observations":
        raise Fault(400, f"view: {str(given['view'])[:50]!r} is not supported; choose observations")
    return given


def _objects(given: Json, name: str) -> list[Json]:
    items = given.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Fault(400, f"{name}: is not a list of objects")
    return items


def _of(item: Json, name: str, known: Iterable[str]) -> str:
    value = item.get(name)
    if not isinstance(value, str) or value not in known:
        raise Fault(400, f"{name}: {str(value)[:50]!r} is not supported; choose one of {', '.join(known)}")
    return value


def _rows(call: Call, given: Json) -> Iterator[Json]:
    """Yield the observations of a query's time range that pass its filters."""
    since, until = (parse_time(given.get(name), name) for name in ("fromTimestamp", "toTimestamp"))
    query = Query({"project": call.project}, since=since, until=until)
    filters = _objects(given, "filters")
    query, accepts = (
        narrow(query, parse_conditions(encode_json(filters).decode()), OBSERVATIONS) if filters else (query, None)
    )
    if (total := call.store.count(query)) > MAX_LOOKED_AT:
        raise Fault(400, f"query: this would read {total} observations, more than {MAX_LOOKED_AT}; narrow the time")
    for offset in range(0, total, PAGE):
        records = call.store.find(query, PAGE, offset)
        for record in records if accepts is None else call.store.with_bodies(records):
            row = dialect.observation_columns(dialect.encode_observation(record))
            if dialect.is_observation(record) and (accepts is None or accepts(row)):
                yield {name: value for name, value in row.items() if name not in {"input", "output"}}


def _start(time: str | None, step: str) -> str | None:
    """Return the beginning of the minute, hour, day, week or month of a time; `auto` means a day."""
    at: datetime | None = parse_time(time)
    if at is None:
        return None
    at = at.replace(second=0, microsecond=0)
    if step != "minute":
        at = at.replace(minute=0)
    if step not in {"minute", "hour"}:
        at = at.replace(hour=0)
    if step == "week":
        at -= timedelta(days=at.weekday())
    return format_time(at.replace(day=1) if step == "month" else at)


def _value(rows: list[Json], what: str, how: str) -> float | None:
    column, factor = _MEASURES[what]
    values = [row[column] * factor if column else 1 for row in rows if not column or row[column] is not None]
    return _AGGREGATIONS[how](values) if values else 0 if how in {"sum", "count"} else None


def _ordered(given: Json, data: list[Json]) -> list[Json]:
    for item in reversed(_objects(given, "orderBy")):
        name, descending = str(item.get("field")), item.get("direction") == "desc"
        if any(name not in row for row in data):
            raise Fault(400, f"orderBy: {name[:50]!r} is not a column of the reply")
        data.sort(key=lambda row: (row[name] is not None, row[name]) if row[name] is not None else (False, 0),
                  reverse=descending)  # fmt: skip
    return data


ROUTES = [
    Route("GET", f"/api/public{path}", metrics, dialect, "Langfuse: metrics", "read")
    for path in ("/metrics", "/v2/metrics")
]
