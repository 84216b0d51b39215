"""Prompt caching: hit rates, dollars saved and lost, and why prompts were not read from the provider's cache."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from autolog._reading.caching.report import GROUPS, line, report
from autolog.dialects._fault import Fault
from autolog.server._call import Reply
from autolog.server.dashboard._page import PageRequest
from autolog.server.dashboard.filters import read_range
from autolog.server.dashboard.frame import RECENT
from autolog.stores.lookup import calls_before
from autolog.stores.query import Query

#: The number of newest calls that are analysed with their bodies, and the number that the hit rate alone is based on.
JUDGED, RATED = 1_000, 2_000
#: The most causes and the most misses that are listed.
CAUSES, MISSES = 20, 30


def cache(request: PageRequest) -> Reply:
    """Show the page's outline at once; the script then inserts the contents from `judged`."""
    _query(request)
    return request.render("cache.html", place="cache", recent=RECENT, by=_by(request), groups=GROUPS)


def judged(request: PageRequest) -> Reply:
    """Return the totals, the causes and the misses of the newest calls."""
    by = _by(request)
    records = request.store.find(_query(request), JUDGED)
    result = report(request.store.with_bodies(reversed(records)), by)
    groups = sorted(result.groups.items(), key=lambda group: group[0] if by == "day" else -group[1].tokens)
    return request.fragment(
        "cached.html", frame=request.frame, by=by, report=result, groups=groups, causes=result.causes()[:CAUSES],
        misses=result.misses[: -MISSES - 1 : -1], cut=len(records) == JUDGED, judged=JUDGED, ends=_day,
    )  # fmt: skip


def rate(request: PageRequest) -> Reply:
    """Return the share of input tokens that were read from the cache, for the overview."""
    calls = [call for call in request.store.find(_query(request), RATED) if call.usage_input_tokens]
    given = sum(call.usage_input_tokens or 0 for call in calls)
    read = sum(call.usage_cache_read_input_tokens or 0 for call in calls)
    return request.fragment(
        "rate.html", frame=request.frame, share=read / given if given else None, read=read, given=given,
        cut=len(calls) == RATED,
    )  # fmt: skip


def line_of(request: PageRequest) -> Reply:
    """Return a line that says what the cache did for one call."""
    record = request.record(request.id)
    return request.fragment("line.html", said=line(record, calls_before(request.store, record)))


def _query(request: PageRequest) -> Query:
    range_of = read_range(request.call.query, request.project, request.frame.zone_name, RECENT)
    return range_of.where(kind="llm")


def _by(request: PageRequest) -> str:
    by = request.parameter("by") or "model"
    if by not in GROUPS:
        raise Fault(400, f"by: {by[:50]!r} is not one of {', '.join(GROUPS)}")
    return by


def _day(day: str) -> dict[str, str]:
    """Return the filters that select a day in UTC."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return {"since": start.isoformat(), "until": (start + timedelta(days=1)).isoformat()}
