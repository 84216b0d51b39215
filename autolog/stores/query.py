"""Queries: filters, conditions, groups and sums, the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from autolog._record.record import Record

#: Fields that a query may compare for equality.
EQUAL_FIELDS = (
    "project", "id", "seq", "kind", "name", "dialect", "trace_id", "span_id", "parent_span_id", "operation_name",
    "provider_name", "request_model", "response_model", "status", "status_code", "error_type", "user", "session",
    "prompt_id", "prompt_version", "prompt_name", "feedback", "response_id",
)  # fmt: skip


#: Fields that a condition may compare and an order may be by: those above, and these. `model` is the model asked for,
#: else the one that answered; `provider` is `unknown` where nobody knows; `success` and `cached` are 0 or 1; times are
#: instants; `duration` is in seconds.
COMPARED_FIELDS = (
    *EQUAL_FIELDS, "model", "provider", "success", "cached", "cost", "tokens", "tokens_in", "tokens_out", "duration",
    "created_at", "request_content_type", "response_content_type", "score",
)  # fmt: skip


OPERATORS = ("eq", "neq", "contains", "lt", "gt", "le", "ge")


#: What `aggregate` can group by, besides nothing. `model` is the one asked for, for a call that fails has no other.
GROUPS = (
    "model", "provider", "name", "user", "session", "project", "tag", "function", "prompt_name", "prompt_version",
    "status", "kind", "error_type", "hour", "day", "week", "month",
)  # fmt: skip
#: Those that are times, in the order of which their sums come: an hour, a day, a week's Monday, a month.
TIME_GROUPS = frozenset({"hour", "day", "week", "month"})
#: Operations that have no price of their own.
_PRICELESS = ("batch", "count_tokens", "moderation")
#: The calls without a cost that should have one, in SQL: not those that failed without a bill, or have no price.
UNPRICED = (
    f"cost IS NULL AND coalesce(operation_name, '') NOT IN {_PRICELESS} "
    "AND (usage_input_tokens IS NOT NULL OR status <> 'error')"
)


def is_unpriced(record: Record) -> bool:
    """Return whether a call has no cost and should have one: `UNPRICED`."""
    return (
        record.cost is None
        and record.operation_name not in _PRICELESS
        and (record.usage_input_tokens is not None or record.status != "error")
    )


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison (OPERATORS) with any of the values; `neq` with none of them. A null matches no lt, gt, le, ge.

    `field` is one of COMPARED_FIELDS, `metadata.key` (the record has such a key), `metadata.value` (some value is
    this, as text) or `nothing`, which no record matches.
    """

    field: str
    operator: str
    values: tuple[Any, ...]


#: How a score may be compared.
SCORE_OPERATORS = ("eq", "lt", "gt", "le", "ge")


@dataclass(frozen=True, slots=True)
class Scored:
    """A record has a score of this name; with an operator (SCORE_OPERATORS), one that compares so with the value."""

    name: str
    operator: str | None = None
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoreSum:
    """The scores of one name, of all records or of a group: how many, and their mean, least and greatest."""

    name: str
    group: str | None
    count: int
    mean: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Query:
    """Which records are asked for: every condition must hold.

    Attributes:
        equal: values by field name (EQUAL_FIELDS), and `model`, which matches the model asked for or answering, and
            `caller`, the function or span that the call was made in.
        tags: all of them must be there. scores: all must hold. metadata: key and value, compared as text.
        text: found in the bodies, prompt variables, name, error message or model, whatever the case.
        metadata_text: found literally in the metadata's JSON, whatever the case.
        ids: the id contains one of these.
        since, until: on `created_at`, the first included, the second not.
        past: only what comes after this (created_at and seq) in an order by `created_at`: the next page.
        roots: only records without a parent. conditions: all must hold.
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

    def where(self, *conditions: Condition, **equal: Any) -> Query:
        """Return this query with more that must hold."""
        return replace(self, equal={**self.equal, **equal}, conditions=(*self.conditions, *conditions))

    def before(self, at: datetime) -> Query:
        """Return this query for what came before a time."""
        return replace(self, until=at if self.until is None else min(at, self.until))


def check_group(group: str | None) -> None:
    """Raise a ValueError for a group that is none of GROUPS."""
    if group is not None and group not in GROUPS:
        raise ValueError(f"cannot group by {group!r}; there are {', '.join(GROUPS)}")


#: What groups of records can be ordered by, the greatest first.
SUMMARY_ORDERS = ("last", "turns", "calls", "errors", "tokens", "cost")


def check_summarised(by: str | timedelta | None, order_by: str = "last") -> None:
    """Raise a ValueError for a field that is none of SUMMARISED, or an order that is none of SUMMARY_ORDERS."""
    if order_by not in SUMMARY_ORDERS:
        raise ValueError(f"cannot order by {order_by!r}; there are {', '.join(SUMMARY_ORDERS)}")
    if isinstance(by, str) and by not in SUMMARISED:
        raise ValueError(f"cannot summarise by {by!r}; there are {', '.join(SUMMARISED)}")


#: What sums of scores can be grouped by, besides nothing.
SCORE_GROUPS = ("model", "provider", "name", "user", "session", "project", "function", "prompt_name", "prompt_version")


def check_score_group(group: str | None) -> None:
    """Raise a ValueError for a group that is none of SCORE_GROUPS."""
    if group is not None and group not in SCORE_GROUPS:
        raise ValueError(f"cannot group scores by {group!r}; there are {', '.join(SCORE_GROUPS)}")


def check_dimension(dimension: str) -> None:
    """Raise a ValueError for a dimension that is none of DIMENSIONS."""
    if dimension not in DIMENSIONS:
        raise ValueError(f"there are no sums by {dimension!r}, only by {', '.join(DIMENSIONS)}")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Sums over a group of provider calls. Durations are seconds; cost is US dollars; None where nothing is known.

    `unpriced`: how many have no cost and should have one.
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


#: What `summarise` can group by, besides nothing and steps of time.
SUMMARISED = ("session", "user", "trace_id", "project")


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums over a group of records of any kind; `value` is None for all of them, and for steps of time.

    Calls, tokens and cost are those of provider calls; cost is US dollars, None where nothing is known. `turns` counts
    records without a parent, `errors` records of any kind. `first` and `last` are the earliest and the
    latest `created_at`; of a step, `first` is its beginning.
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


#: How many tokens went into a call and came out; None where nobody says.
Tokens = tuple[int | None, int | None]

#: By what there are sums of each hour.
DIMENSIONS = ("all", "model", "provider", "function", "user", "tag", "project")


@dataclass(frozen=True, slots=True)
class Hour:
    """The provider calls of one hour with one value of a dimension.

    `durations`: how many calls took about so long, in seconds. `priced`: how many have a cost, or have none to have.
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
