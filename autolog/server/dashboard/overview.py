"""The overview: charts and sums over a range of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import attrgetter, methodcaller

from autolog._display import figures
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard import charts
from autolog.server.dashboard._page import PageRequest
from autolog.stores.query import DIMENSIONS

#: The ranges, and the step of their charts.
RANGES = {
    "24h": (timedelta(hours=24), timedelta(hours=1)),
    "7d": (timedelta(days=7), timedelta(hours=6)),
    "30d": (timedelta(days=30), timedelta(days=1)),
    "90d": (timedelta(days=90), timedelta(days=3)),
}
#: How many rows the table of sums has.
MAX_GROUPS = 100


def overview(request: PageRequest) -> Reply:
    chosen, by = request.parameter("range") or "7d", request.parameter("by") or "model"
    dimension, _, value = request.parameter("only").partition(":")
    if chosen not in RANGES:
        raise Fault(400, f"range: {chosen[:50]!r} is not one of {', '.join(RANGES)}")
    if by not in DIMENSIONS[1:] or (dimension and dimension not in DIMENSIONS[1:]):
        raise Fault(400, f"by: there are sums by {', '.join(DIMENSIONS[1:])}")
    length, step = RANGES[chosen]
    until = datetime.now(UTC)
    since = until - length
    only = (dimension, value) if dimension else ("all", None)
    steps = charts.points(request.store.hours(request.project, only[0], since, until, only[1]), since, until, step)
    groups = charts.totals(request.store.hours(request.project, by, since, until))
    whole = charts.Total()
    for point in steps:
        whole.add(point.total)
    drawn = [charts.chart(title, steps, series, show, bars) for title, series, show, bars in _CHARTS]
    return request.render(
        "overview.html", charts=drawn, groups=groups[:MAX_GROUPS], whole=whole, by=by, range=chosen,
        ranges=list(RANGES), dimensions=DIMENSIONS[1:], only=request.parameter("only"), since=since,
        more=max(0, len(groups) - MAX_GROUPS),
        costly=sorted((group for group in groups if group.cost), key=lambda group: -group.cost)[:5],
        failing=sorted((group for group in groups if group.errors), key=lambda group: -group.errors)[:5],
        place="overview",
    )  # fmt: skip


_CHARTS: list[tuple[str, list[charts.Series], charts.Show, bool]] = [
    ("Calls", [("calls", "calls", attrgetter("calls")), ("errors", "errors", attrgetter("errors"))],
     figures.number, True),
    ("Cost", [("cost", "cost", attrgetter("cost"))], figures.dollars, True),
    ("Tokens", [("input", "input", attrgetter("input_tokens")), ("output", "output", attrgetter("output_tokens"))],
     figures.number, False),
    ("Latency", [(f"p{share}", f"p{share}", methodcaller("percentile", share / 100)) for share in (50, 95, 99)],
     figures.seconds, False),
]  # fmt: skip
