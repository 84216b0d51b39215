"""Queries: filters, conditions, groups and sums, shared by all engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from autolog._record.record import Record

#: The fields that a query may compare for equality.
EQUAL_FIELDS = (
    "project", "id", "seq", "kind", "name", "dialect", "trace_id", "span_id", "parent_span_id", "operation_name",
    "provider_name", "request_model", "response_model", "status", "status_code", "error_type", "user", "session",
    "prompt_id", "prompt_version", "prompt_name", "feedback", "response_id",
)  # fmt: skip


#: The fields that conditions and orders may use: those above, and more. `model` is the requested model or, if that is
#: unknown, the one that answered; `provider` is `unknown` if it is not known; `success` and `cached` are 0 or 1; times
#: are instants; `duration` is in seconds.
COMPARED_FIELDS = (
    *EQUAL_FIELDS, "model", "provider", "success", "cached", "cost", "tokens", "tokens_in", "tokens_out", "duration",
    "created_at", "request_content_type", "response_content_type", "score",
)  # fmt: skip


OPERATORS = ("eq", "neq", "contains", "lt", "gt", "le", "ge")


#: The groups of `aggregate`. `model` is the requested one, because a failed call has no other.
GROUPS = (
    "model", "provider", "name", "user", "session", "project", "tag", "function", "prompt_name", "prompt_version",
    "status", "kind", "error_type", "hour", "day", "week", "month",
)  # fmt: skip
#: The groups that are times, whose sums come in order: an hour, a day, a week (by its Monday), a month.
TIME_GROUPS = frozenset({"hour", "day", "week", "month"})
#: Operations without a price of their own.
_PRICELESS = ("batch", "count_tokens", "moderation")
#: SQL for calls without a cost that should have one: excludes operations without a price, and failed, unbilled calls.
UNPRICED = (
    f"cost IS NULL AND coalesce(operation_name, '') NOT IN {_PRICELESS} "
    "AND (usage_input_tokens IS NOT NULL OR status <> 'error')"
)


def is_unpriced(record: Record) -> bool:
    """Return whether a call has no cost but should have one; the same as `UNPRICED`."""
    return (
        record.cost is None
        and record.operation_name not in _PRICELESS
        and (record.usage_input_tokens is not None or record.status != "error")
    )


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison (OPERATORS) that holds for any of the values or, for `neq`, for all of them.

    Nulls never match lt, gt, le or ge.

    `field` is one of COMPARED_FIELDS, `metadata.key` (the name of any metadata), `metadata.value` (any metadata value,
    as text) or `nothing`, which no record matches.
    """

    field: str
    operator: str
    values: tuple[Any, ...]


#: The operators for comparing scores.
SCORE_OPERATORS = ("eq", "lt", "gt", "le", "ge")


@dataclass(frozen=True, slots=True)
class Scored:
    """A filter for records with a score of this name or, with an operator (SCORE_OPERATORS), for its value."""

    name: str
    operator: str | None = None
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoreSum:
    """Statistics of the scores of one name, over all records or a group: count, mean, minimum and maximum."""

    name: str
    group: str | None
    count: int
    mean: float
    min: float
    max: float


class FilterError(ValueError):
    """A filter is invalid. `name` is its word, and `problem` says what is wrong with it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


#: The most conditions of a query, of all kinds together; a condition may have any number of values.
MAX_CONDITIONS = 200


@dataclass(frozen=True, slots=True)
class Query:
    """A query for records, all of whose conditions must hold.

    Attributes:
        equal: values by field name: EQUAL_FIELDS; `model`, which matches the requested or the answering model; and
            `caller`, the function or span that made the call.
        tags: tags, all of which the record must have.
        metadata: metadata that the record must have; values are compared as text.
        text: a text in the bodies, prompt variables, name, error message or model, ignoring case.
        metadata_text: a literal text in the metadata's JSON, ignoring case.
        ids: texts, one of which the id must contain.
        since: the earliest `created_at`, inclusive.
        until: the latest `created_at`, exclusive.
        past: the last record (created_at and seq) of the previous page, in an order by `created_at`, newest first.
        roots: only records without a parent.
        conditions: further comparisons.
        scores: filters for scores.

    Raises:
        FilterError: if there are more than MAX_CONDITIONS, which a database might not accept in one statement.
    """

    equal: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    metadata_text: str | None = None
    ids: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    past: tuple[datetime, int] | None = None
    roots: bool = False
    conditions: tuple[Condition, ...] = ()
    scores: tuple[Scored, ...] = ()

    def __post_init__(self) -> None:
        given = (self.tags, self.metadata, self.ids, self.conditions, self.scores)
        if sum(map(len, given)) > MAX_CONDITIONS:
            raise FilterError("filters", f"a query has at most {MAX_CONDITIONS} conditions")

    def where(self, *conditions: Condition, **equal: Any) -> Query:
        """Return this query with further conditions."""
        return replace(self, equal={**self.equal, **equal}, conditions=(*self.conditions, *conditions))

    def before(self, at: datetime) -> Query:
        """Return this query restricted to records created before a time."""
        return replace(self, until=at if self.until is None else min(at, self.until))


def check_group(group: str | None) -> None:
    """Raise a ValueError if `group` is not one of GROUPS."""
    if group is not None and group not in GROUPS:
        raise ValueError(f"cannot group by {group!r}; choose one of {', '.join(GROUPS)}")


#: The orders of groups in `summarise`, the greatest first.
SUMMARY_ORDERS = ("last", "turns", "calls", "errors", "tokens", "cost")


def check_summarised(by: str | timedelta | None, order_by: str = "last") -> None:
    """Raise a ValueError if `by` is a field not in SUMMARISED, or `order_by` is not in SUMMARY_ORDERS."""
    if order_by not in SUMMARY_ORDERS:
        raise ValueError(f"cannot order by {order_by!r}; choose one of {', '.join(SUMMARY_ORDERS)}")
    if isinstance(by, str) and by not in SUMMARISED:
        raise ValueError(f"cannot summarise by {by!r}; choose one of {', '.join(SUMMARISED)}")


#: The groups of `scores`.
SCORE_GROUPS = ("model", "provider", "name", "user", "session", "project", "function", "prompt_name", "prompt_version")


def check_score_group(group: str | None) -> None:
    """Raise a ValueError if `group` is not one of SCORE_GROUPS."""
    if group is not None and group not in SCORE_GROUPS:
        raise ValueError(f"cannot group scores by {group!r}; choose one of {', '.join(SCORE_GROUPS)}")


def check_dimension(dimension: str) -> None:
    """Raise a ValueError if `dimension` is not one of DIMENSIONS."""
    if dimension not in DIMENSIONS:
        raise ValueError(f"there are no sums by {dimension!r}, only by {', '.join(DIMENSIONS)}")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Sums over a group of provider calls; durations are in seconds, cost in US dollars, and None means unknown.

    `unpriced` is the number of calls without a cost that should have one.
    """

    group: str | None
    calls: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    unpriced: int
    p50: float | None
    p95: float | None
    p99: float | None


#: The fields by which `summarise` can group.
SUMMARISED = ("session", "user", "trace_id", "project")


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums over a group of records of any kind; `value` is None for a sum of all records, and for steps of time.

    Calls, tokens and cost are those of provider calls; the cost is in US dollars, None if unknown. `turns` counts
    records without a parent, and `errors` failed records of any kind. `first` and `last` are the earliest and the
    latest `created_at`; for a step of time, `first` is its beginning.
    """

    value: str | None
    records: int
    turns: int
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    unpriced: int
    first: datetime
    last: datetime


#: The input and output tokens of a call; None if unknown.
Tokens = tuple[int | None, int | None]

#: The dimensions of hourly sums.
DIMENSIONS = ("all", "model", "provider", "function", "user", "tag", "project")


@dataclass(frozen=True, slots=True)
class Hour:
    """Sums over the provider calls of one hour with one value of a dimension.

    `durations` maps durations, in seconds, to the number of calls that took about as long. `priced` is the number of
    calls that have a cost or need none.
    """

    start: datetime
    value: str
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost: float
    priced: int
    durations: Mapping[float, int]
