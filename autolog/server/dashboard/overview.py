"""The overview: calls, cost and errors, and how they changed compared with the previous period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter, methodcaller
from typing import Any

from markupsafe import Markup

from autolog._display import figures
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard import charts
from autolog.server.dashboard._page import PageRequest
from autolog.server.dashboard.charts import Chart, Point, Series, Total
from autolog.server.dashboard.filters import read_range
from autolog.server.dashboard.frame import RECENT
from autolog.stores.query import DIMENSIONS, SCORE_GROUPS, Hour, Query

#: The dimensions of the totals: the filter, the store's group, the heading. Those of DIMENSIONS are precomputed.
GROUPS = {
    "model": ("model", "model"),
    "provider": ("provider", "provider"),
    "function": ("function", "function"),
    "user": ("user", "user"),
    "tag": ("tag", "tag"),
    "session": ("session", "session"),
    "project": ("project", "project"),
    "prompt": ("prompt_name", "prompt"),
    "prompt_version": ("prompt_version", "prompt version"),
}
#: The possible steps of the charts; the shortest that makes no more than `BARS` bars is used.
STEPS = tuple(timedelta(hours=hours) for hours in (1, 3, 6, 24, 3 * 24, 7 * 24, 28 * 24))
BARS = 45
#: In ranges of at least this length, a bar is at least a day.
DAILY = timedelta(days=6)
#: The most rows in the table of totals, models in a chart, and calls in a list.
MAX_GROUPS, MAX_MODELS, MAX_CALLS = 100, 5, 5


@dataclass(frozen=True, slots=True)
class Change:
    """The sums of a value in the time range, and in the previous period of the same length."""

    now: Total
    before: Total

    @property
    def cost(self) -> str:
        """The change of the cost, such as `+12%`; empty if there was none before."""
        return percent(self.now.cost, self.before.cost)

    @property
    def calls(self) -> str:
        return percent(self.now.calls, self.before.calls)

    @property
    def errors(self) -> str:
        """The change of the share of errors, in percentage points."""
        points = 100 * (self.now.error_share - self.before.error_share)
        return f"{points:+.1f} pt" if self.before.calls and abs(points) >= 0.05 else ""

    @property
    def more_errors(self) -> float:
        """The number of errors beyond what the previous period's share of errors would have given."""
        return self.now.errors - self.before.error_share * self.now.calls

    @property
    def tokens(self) -> str:
        return percent(
            self.now.input_tokens + self.now.output_tokens, self.before.input_tokens + self.before.output_tokens
        )


def percent(now: float, before: float) -> str:
    """Return a change, such as `+12%`; empty if there is none, or none that can be expressed."""
    return f"{100 * (now / before - 1):+,.0f}%" if before and round(100 * (now / before - 1)) else ""


def overview(request: PageRequest) -> Reply:
    by = request.parameter("by") or "model"
    only, _, value = request.parameter("only").partition(":")
    if by not in GROUPS:
        raise Fault(400, f"by: {by[:50]!r} is not one of {', '.join(GROUPS)}")
    if only and only not in DIMENSIONS[1:]:
        raise Fault(400, f"only: {only[:50]!r} is not one of {', '.join(DIMENSIONS[1:])}, with : and a value after it")
    query = _query(request)
    since, until = _ends(query)
    length = until - since
    step = _step(length)
    project = query.equal.get("project")
    hours = request.store.hours(project, only or "all", since, until, value if only else None)
    before = request.store.hours(project, only or "all", since - length, since, value if only else None)
    steps = charts.points(hours, since, until, step, request.frame.zone)
    models = request.store.hours(project, "model", since, until) if not only else []

    def link(point: Point) -> str:
        filters = {only: value} if only else {}
        ends = {"since": _iso(max(point.start, since)), "until": _iso(min(point.start + step, until))}
        return request.root + request.frame.to("/ui/", **ends, **filters)

    drawn = [_cost_by_model(models, since, until, step, request, link)] if models else []
    drawn += [chart.draw(steps, link) for chart in (_CHARTS if models else [_COST, *_CHARTS])]
    return request.render(
        "overview.html", charts=drawn, whole=Change(_sum(hours), _sum(before)), dimensions=GROUPS,
        only=request.parameter("only"), since=since, until=until, recent=RECENT, place="overview",
        **(_sums_by(request, query, by, since, until) if by in DIMENSIONS else {"by": by, "groups": None}),
    )  # fmt: skip


def sums_by(request: PageRequest) -> Reply:
    """Return the sums by a dimension that has to be summed up record by record, which the page does not wait for."""
    by = request.parameter("by")
    if by not in GROUPS:
        raise Fault(400, f"by: choose one of {', '.join(GROUPS)}")
    query = _query(request)
    since, until = _ends(query)
    return request.fragment(
        "by.html", frame=request.frame, dimensions=GROUPS, **_sums_by(request, query, by, since, until)
    )


def _sums_by(request: PageRequest, query: Query, by: str, since: datetime, until: datetime) -> dict[str, Any]:
    """Return what `by.html` shows: the sums by a dimension, and how they changed."""
    groups = _groups(request, query, by, since, until, MAX_GROUPS)
    earlier = {total.value: total for total in _groups(request, query, by, since - (until - since), since, 0)}
    changes = [Change(group, earlier.get(group.value, Total())) for group in groups]
    costly = sorted((change for change in changes if change.now.cost), key=lambda change: -change.now.cost)
    failing = sorted((change for change in changes if change.now.errors), key=lambda change: -change.more_errors)
    return {
        "by": by, "groups": changes[:MAX_GROUPS], "more": max(0, len(groups) - MAX_GROUPS), "ready": DIMENSIONS,
        "costly": costly[:MAX_CALLS], "failing": failing[:MAX_CALLS],
    }  # fmt: skip


def _step(length: timedelta) -> timedelta:
    """Return the length of a bar; at least a day if the range has about a week or more."""
    if DAILY <= length <= BARS * timedelta(days=1):
        return timedelta(days=1)
    return next((step for step in STEPS if length / step <= BARS), STEPS[-1])


def calls(request: PageRequest) -> Reply:
    """Return the most expensive and the slowest calls; the script adds them, so that the page does not wait."""
    query = _query(request).where(kind="llm")
    found = {
        words: [
            record
            for record in request.store.find(query, MAX_CALLS, order_by=field)
            if getattr(record, field) is not None
        ]
        for words, field in (("Most expensive calls", "cost"), ("Slowest calls", "duration"))
    }
    return request.fragment("calls.html", found=found)


def scores(request: PageRequest) -> Reply:
    """Return the totals of scores, by the page's dimension; the script adds them to the page."""
    by = request.parameter("by") or "model"
    group = GROUPS[by][0] if by in GROUPS and GROUPS[by][0] in SCORE_GROUPS else None
    return request.fragment(
        "scores.html", frame=request.frame, by=by, words=GROUPS.get(by, ("", by))[1], grouped=group is not None,
        sums=request.store.scores(_query(request), group)[:MAX_GROUPS],
    )  # fmt: skip


def _query(request: PageRequest) -> Query:
    """Return the query for the project and the time range, which is the last seven days by default."""
    return read_range(request.call.query, request.project, request.frame.zone_name, RECENT)


def _ends(query: Query) -> tuple[datetime, datetime]:
    until = query.until or datetime.now(UTC)
    return query.since or until - timedelta(days=7), until


def _groups(request: PageRequest, query: Query, by: str, since: datetime, until: datetime, ranked: int) -> list[Total]:
    """Return the sums by value, most calls first; precomputed if possible, else from the records.

    At least the first `ranked` have percentiles.
    """
    if by in DIMENSIONS:
        return charts.totals(request.store.totals(query.equal.get("project"), by, since, until))
    within = Query(query.equal, since=since, until=until)
    # One group more than is shown, because the calls without a value are left out
    rows = request.store.aggregate(within, GROUPS[by][0], ranked=ranked and ranked + 1)
    return [
        Total(
            row.group, row.calls, row.errors, row.input_tokens or 0, row.output_tokens or 0, row.cost or 0.0,
            row.calls - row.unpriced, percentiles={0.5: row.p50, 0.95: row.p95},
        )
        for row in rows
        if row.group is not None
    ]  # fmt: skip


def _sum(hours: Sequence[Hour]) -> Total:
    whole = Total()
    for hour in hours:
        whole.add(hour)
    return whole


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _cost_by_model(
    hours: Sequence[Hour],
    since: datetime,
    until: datetime,
    step: timedelta,
    request: PageRequest,
    link: Callable[[Point], str],
) -> Markup:
    """Draw the cost by model as stacked bars; only the most expensive models are named."""
    dearest = sorted(charts.totals(hours), key=lambda total: -total.cost)
    named = [total.value for total in dearest[:MAX_MODELS] if total.cost]
    costs: dict[int, dict[str, float]] = {}
    steps = charts.points(hours, since, until, step, request.frame.zone)
    for name in [*named, ""]:
        part = [hour for hour in hours if (hour.value == name if name else hour.value not in named)]
        for point, own in zip(steps, charts.points(part, since, until, step), strict=True):
            costs.setdefault(id(point.total), {})[name] = own.total.cost

    def series(name: str, number: int) -> Series:
        return figures.safe(name or "others"), f"s{number}", lambda total: costs[id(total)][name]

    shown = [series(name, number) for number, name in enumerate(named, 1)]
    if len(dearest) > len(named) or not named:
        shown.append(series("", 6))
    return Chart("Cost by model", shown, figures.dollars, "stack").draw(steps, link)


_COST = Chart("Cost", [("cost", "cost", attrgetter("cost"))], figures.dollars, "bars")
_CHARTS = [
    Chart("Calls", [("calls", "calls", attrgetter("calls")), ("errors", "errors", attrgetter("errors"))],
          figures.number, "bars"),
    Chart("Tokens", [("input", "input", attrgetter("input_tokens")), ("output", "output", attrgetter("output_tokens"))],
          figures.number, "lines"),
    Chart("Latency",
          [(f"p{share}", f"p{share}", methodcaller("percentile", share / 100)) for share in (50, 95, 99)],
          figures.seconds, "lines"),
]  # fmt: skip
