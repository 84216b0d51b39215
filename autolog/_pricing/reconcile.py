"""Compare what was logged with what a provider says that it charged, by day (UTC) and model.

Shapes as published: platform.openai.com/docs/api-reference/usage (costs, completions usage) and
platform.claude.com/docs/en/api/admin (cost_report, usage_report/messages), read 2026-11. Amounts of OpenAI are dollars,
those of Anthropic cents as a decimal string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from autolog._record.record import Record

#: Differences up to this share, or this many dollars, are rounding.
SHARE, DOLLARS = 0.005, 0.0005
_DATE = re.compile(r"[-@](\d{4}-\d\d-\d\d|\d{8})$")

#: Fetches one page: a path and its parameters, to the JSON of the answer.
Fetch = Callable[[str, list[tuple[str, str]]], Mapping[str, Any]]


class Sum(msgspec.Struct):
    """What a day and a model amount to; `tokens` are those of input and output, cached ones included."""

    cost: float = 0.0
    tokens: int = 0
    calls: int = 0
    unknown: int = 0
    """How many calls have no known cost."""


class Line(msgspec.Struct, frozen=True):
    """One day and model: `verdict` is `agreed`, `missing` (with us), `unbilled`, `dearer` or `cheaper`."""

    day: str
    model: str
    verdict: str
    logged: float
    billed: float
    reason: str = ""


Sums = dict[tuple[str, str], Sum]


def logged(records: Iterable[Record]) -> Sums:
    """Return the sums of our records."""
    sums: Sums = {}
    for record in records:
        at = record.created_at or record.start_time
        model = record.response_model or record.request_model
        if at is None or model is None:
            continue
        total = sums.setdefault((at.astimezone(UTC).date().isoformat(), undated(model)), Sum())
        total.calls += 1
        total.cost += record.cost or 0.0
        total.unknown += record.cost is None and record.status != "error"
        total.tokens += (record.usage_input_tokens or 0) + (record.usage_output_tokens or 0)
    return sums


def openai_report(fetch: Fetch, start: date, end: date) -> Sums:
    """Return the sums of OpenAI's cost and usage reports, from a day to another, without the latter."""
    sums: Sums = {}
    times = [("start_time", str(_epoch(start))), ("end_time", str(_epoch(end))), ("limit", "31")]
    for bucket in _pages(fetch, "/v1/organization/costs", [*times, ("group_by", "line_item")]):
        for result in bucket["results"]:
            model = str(result.get("line_item") or "other").partition(",")[0]
            _sum(sums, bucket["start_time"], model).cost += float(result["amount"]["value"])
    for bucket in _pages(fetch, "/v1/organization/usage/completions", [*times, ("group_by", "model")]):
        for result in bucket["results"]:
            total = _sum(sums, bucket["start_time"], result.get("model") or "other")
            total.tokens += result["input_tokens"] + result["output_tokens"]
            total.calls += result.get("num_model_requests") or 0
    return sums


#: The counts of Anthropic's usage report, besides those of cache writes.
_TOKENS = ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens")


def anthropic_report(fetch: Fetch, start: date, end: date) -> Sums:
    """Return the sums of Anthropic's cost and usage reports, from a day to another, without the latter."""
    sums: Sums = {}
    times = [("starting_at", f"{start}T00:00:00Z"), ("ending_at", f"{end}T00:00:00Z"), ("limit", "31")]
    for bucket in _pages(fetch, "/v1/organizations/cost_report", [*times, ("group_by[]", "description")]):
        for result in bucket["results"]:
            model = result.get("model") or result.get("description") or "other"
            _sum(sums, bucket["starting_at"], model).cost += float(result["amount"]) / 100
    for bucket in _pages(fetch, "/v1/organizations/usage_report/messages", [*times, ("group_by[]", "model")]):
        for result in bucket["results"]:
            written = result.get("cache_creation") or {}
            total = _sum(sums, bucket["starting_at"], result.get("model") or "other")
            total.tokens += sum(result.get(name) or 0 for name in _TOKENS) + sum(written.values())
    return sums


def csv_report(rows: Iterable[Mapping[str, str]]) -> Sums:
    """Return the sums of a downloaded report's rows, in dollars.

    Raises:
        ValueError: there is no column for the day, the model or the cost.
    """
    sums: Sums = {}
    for row in rows:
        day, model, cost = (_column(row, names) for names in (_DAYS, _MODELS, _COSTS))
        at: Any = int(day) if day.isdecimal() else day
        _sum(sums, at, model.partition(",")[0] or "other").cost += float(cost.lstrip("$").replace(",", "") or 0)
    return sums


_DAYS = ("date", "usage_date_utc", "start_time", "starting_at", "day")
_MODELS = ("model", "line_item", "description", "model_version")
_COSTS = ("cost", "cost_usd", "amount_value", "amount", "amount_in_usd")


def _column(row: Mapping[str, str], names: tuple[str, ...]) -> str:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise ValueError(f"no column is called {', '.join(names[:-1])} or {names[-1]}; there are {', '.join(row)}")


def compare(ours: Sums, theirs: Sums) -> list[Line]:
    """Return a line for each day and model of either side, in order."""
    return [_line(key, ours.get(key), theirs.get(key)) for key in sorted(ours.keys() | theirs.keys())]


def _line(key: tuple[str, str], ours: Sum | None, theirs: Sum | None) -> Line:
    we, they = ours or Sum(), theirs or Sum()
    difference = they.cost - we.cost
    if abs(difference) <= max(DOLLARS, SHARE * max(we.cost, they.cost)):
        return Line(*key, "agreed", we.cost, they.cost)
    if ours is None:
        return Line(*key, "missing", 0.0, they.cost, "none of these calls was logged: another program or key made them")
    if theirs is None or not they.cost:
        why = "the provider reports none: its report may lag, or the key is another organisation's"
        return Line(*key, "unbilled", we.cost, 0.0, why)
    return Line(*key, "dearer" if difference > 0 else "cheaper", we.cost, they.cost, _why(we, they, difference > 0))


def _why(we: Sum, they: Sum, dearer: bool) -> str:
    if dearer and we.unknown:
        return f"{we.unknown} of our {we.calls} calls have no known cost"
    if not they.tokens:
        return "the report says nothing of tokens: calls that one side lacks, or another price"
    extra = they.tokens - we.tokens
    if abs(extra) <= SHARE * max(we.tokens, they.tokens):
        other = "a dearer tier, tools, or a surcharge" if dearer else "a batch, flex or contract discount, or credits"
        return f"the tokens agree and the price does not: {other}; or a price table that is out of date"
    if extra > 0:
        return f"the provider counts {extra:,} more tokens: some calls were not logged"
    return f"the provider counts {-extra:,} fewer tokens: some calls were logged twice, or are billed on another day"


def undated(model: str) -> str:
    """Return a model's name without the date of its version, which one side may leave out."""
    return _DATE.sub("", model)


def _pages(fetch: Fetch, path: str, parameters: list[tuple[str, str]]) -> Iterator[Any]:
    page: str | None = None
    while True:
        answer = fetch(path, [*parameters, *([("page", page)] if page else [])])
        yield from answer["data"]
        page = answer.get("next_page")
        if not answer.get("has_more") or not page:
            return


def _sum(sums: Sums, at: Any, model: str) -> Sum:
    day = datetime.fromtimestamp(at, UTC).date().isoformat() if isinstance(at, int) else str(at)[:10]
    return sums.setdefault((day, undated(model)), Sum())


def _epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
